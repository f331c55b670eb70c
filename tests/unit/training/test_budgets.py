import pytest

from prefdelta.core.recipes import Budget
from prefdelta.training.budgets import count_updates


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
    assert count_updates(Budget(**budget), rows, batch_size, mean_tokens=40.0) == updates


def test_longer_rows_make_a_budget_of_tokens_last_fewer_updates_and_change_no_other():
    tokens, others = Budget(tokens=12800), (Budget(epochs=1.0), Budget(examples=320), Budget(updates=10))
    assert [count_updates(tokens, 320, 32, mean) for mean in (20.0, 40.0, 80.0)] == [20, 10, 5]
    assert [{count_updates(budget, 320, 32, mean) for mean in (20.0, 40.0)} for budget in others] == [{10}] * 3
