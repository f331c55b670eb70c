"""The training methods by name, and the type of a recipe of any of them.

The modules are found through `system.plugins`, not imported by name, so the digest of a job covers only the method that
its recipe names. They do not import torch, because this module is imported wherever the config is read.
"""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from prefdelta.core.recipes import Recipe
from prefdelta.system import plugins
from prefdelta.training.method import Method

KIND = "training"
METHODS: dict[str, Method[Any]] = {name: plugins.load(f"{KIND}.{name}") for name in plugins.names(KIND)}

if TYPE_CHECKING:
    AnyRecipe = Recipe
else:  # the field `method` says which of these types a recipe has
    AnyRecipe = Annotated[reduce(or_, (method.recipe for method in METHODS.values())), Field(discriminator="method")]


def plugin_of(recipe: Recipe) -> str:
    """The name of a recipe's method in `system.plugins`, for example `training.dpo`."""
    return f"{KIND}.{recipe.method}"


def method_of(recipe: Recipe) -> Method[Any]:
    """The method that a recipe names."""
    return METHODS[recipe.method]
