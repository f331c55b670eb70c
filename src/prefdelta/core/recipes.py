"""Recipes: named ways to train an arm. Values only; `prefdelta.training` has one module per method."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings


class Recipe(Settings):
    """A method and its settings."""

    method: Literal["dpo"]
    learning_rate: Annotated[float, Field(gt=0)]
    beta: Annotated[float, Field(gt=0)]  # strength of the pull towards the reference, per nat
    batch_size: Annotated[int, Field(ge=1)]  # pairs per update
    epochs: Annotated[float, Field(gt=0)] = 1.0
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # of all updates
    scheduler: Literal["linear", "cosine", "constant_with_warmup"] = "cosine"
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: Annotated[int, Field(ge=1)] = 1  # torch threads: part of what determines the bits on a CPU
