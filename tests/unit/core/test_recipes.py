import pytest
from pydantic import TypeAdapter, ValidationError

from prefdelta.core.recipes import NEEDS_REFERENCE, Budget, DPORecipe, KTORecipe, Recipe, SFTRecipe

COMMON = {"learning_rate": 1e-3, "batch_size": 32, "budget": {"epochs": 1.0}}


@pytest.mark.parametrize(
    ("budget", "rows", "batch_size", "updates"),
    [
        # Epochs: passes over the rows; the last batch of a pass may be short, and is an update too.
        ({"epochs": 1.0}, 64, 32, 2),
        ({"epochs": 1.0}, 65, 32, 3),
        ({"epochs": 1.0}, 500, 32, 16),
        ({"epochs": 3.0}, 65, 32, 9),
        ({"epochs": 0.5}, 128, 32, 2),
        ({"epochs": 2.5}, 64, 32, 5),
        ({"epochs": 0.01}, 64, 32, 1),  # never none
        ({"epochs": 1.0}, 1, 32, 1),
        # Examples: rows seen, whatever the number of rows.
        ({"examples": 64}, 1000, 32, 2),
        ({"examples": 65}, 1000, 32, 3),
        ({"examples": 65}, 10, 32, 3),
        ({"examples": 1}, 1000, 32, 1),
        # Updates: as given, whatever the rows.
        ({"updates": 16}, 1000, 32, 16),
        ({"updates": 16}, 10, 32, 16),
        # Tokens: a batch of 32 rows of 40 tokens has 1280.
        ({"tokens": 1280}, 1000, 32, 1),
        ({"tokens": 1281}, 1000, 32, 2),
        ({"tokens": 12800}, 1000, 32, 10),
        ({"tokens": 1}, 1000, 32, 1),
    ],
)
def test_a_budget_pays_for_so_many_updates(budget, rows, batch_size, updates):
    assert Budget(**budget).count_updates(rows, batch_size, mean_tokens=40.0) == updates


def test_longer_rows_make_a_budget_of_tokens_last_fewer_updates_and_change_no_other():
    tokens, others = Budget(tokens=12800), (Budget(epochs=1.0), Budget(examples=320), Budget(updates=10))
    assert [tokens.count_updates(320, 32, mean) for mean in (20.0, 40.0, 80.0)] == [20, 10, 5]
    assert [{budget.count_updates(320, 32, mean) for mean in (20.0, 40.0)} for budget in others] == [{10}] * 3


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
