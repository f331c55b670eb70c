import pytest
from pydantic import TypeAdapter, ValidationError

from prefdelta.system import plugins
from prefdelta.training.methods.dpo import DPORecipe
from prefdelta.training.methods.kto import KTORecipe
from prefdelta.training.methods.sft import SFTRecipe
from prefdelta.training.registry import METHODS, AnyRecipe, method_of, plugin_of

COMMON = {"learning_rate": 1e-3, "batch_size": 32, "budget": {"epochs": 1.0}}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"method": "dpo", "beta": 0.1}, DPORecipe),
        ({"method": "kto", "beta": 0.1}, KTORecipe),
        ({"method": "sft"}, SFTRecipe),
    ],
)
def test_the_method_says_what_a_recipe_is(content, kind):
    recipe = TypeAdapter(AnyRecipe).validate_python(COMMON | content)
    assert type(recipe) is kind
    assert plugins.load(plugin_of(recipe)) is method_of(recipe) is METHODS[content["method"]]


@pytest.mark.parametrize("content", [{"method": "sft", "beta": 0.1}, {"method": "dpo"}, {"method": "ppo"}, {}])
def test_a_recipe_of_another_method_or_with_another_methods_values_is_refused(content):
    with pytest.raises(ValidationError):
        TypeAdapter(AnyRecipe).validate_python(COMMON | content)
