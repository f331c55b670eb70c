import pytest
from pydantic import TypeAdapter, ValidationError

from prefdelta.core.recipes import NEEDS_REFERENCE, Budget, DPORecipe, KTORecipe, Recipe, SFTRecipe

COMMON = {"learning_rate": 1e-3, "batch_size": 32, "budget": {"epochs": 1.0}}


@pytest.mark.parametrize(
    "budget",
    [
        {},
        {"epochs": 1.0, "updates": 5},
        {"epochs": 0.0},
        {"epochs": -1.0},
        {"updates": 0},
        {"examples": 0},
        {"tokens": 0},
        {"updates": 1.5},
        {"steps": 5},
    ],
)
def test_a_budget_is_one_positive_amount(budget):
    with pytest.raises(ValidationError):
        Budget.model_validate(budget)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"method": "dpo", "beta": 0.1}, DPORecipe),
        ({"method": "kto", "beta": 0.1}, KTORecipe),
        ({"method": "sft"}, SFTRecipe),
    ],
)
def test_the_method_says_what_a_recipe_is(content, kind):
    recipe = TypeAdapter(Recipe).validate_python(COMMON | content)
    assert type(recipe) is kind
    assert (recipe.method in NEEDS_REFERENCE) == (kind is not SFTRecipe)


@pytest.mark.parametrize("content", [{"method": "sft", "beta": 0.1}, {"method": "dpo"}, {"method": "ppo"}, {}])
def test_a_recipe_of_another_method_or_with_another_methods_values_is_refused(content):
    with pytest.raises(ValidationError):
        TypeAdapter(Recipe).validate_python(COMMON | content)
