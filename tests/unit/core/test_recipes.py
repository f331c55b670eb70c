import pytest
from pydantic import ValidationError

from prefdelta.core.recipes import Budget


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
