"""What holds of every training method. A new one is tested here as soon as `system/plugins.py` names it.

That it resumes to the same bytes is tested in `test_resume.py`, and its adapters in `test_lora.py`.
"""

from typing import Literal, get_args, get_origin

import pytest

from prefdelta.core.recipes import Budget
from prefdelta.models.loading import load_model
from prefdelta.training.registry import METHODS
from unit.training.by_hand import completion_logp, load
from unit.training.making import RECIPES, train

pytestmark = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(scope="module")
def trained(base, rows, tmp_path_factory):
    """Called with a method's name: (folder of a policy, what was measured, recipe)."""
    made = {}

    def of(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name) / "policy"
            made[name] = folder, train(base, rows, RECIPES[name], folder), RECIPES[name]
        return made[name]

    return of


def margins(folder, rows):
    """log pi(chosen) - log pi(rejected) of each pair, in nats."""
    model = load(folder)
    return [
        completion_logp(model, row.prompt, row.chosen) - completion_logp(model, row.prompt, row.rejected)
        for row in rows
    ]


def test_it_has_one_name(name):
    kind = METHODS[name].recipe.model_fields["method"].annotation
    assert METHODS[name].name == name
    assert (get_origin(kind), get_args(kind)) == (Literal, (name,))


def test_rows_in_are_rows_out(name, base, rows, trained):
    method, (_, measured, recipe) = METHODS[name], trained(name)
    made = method.make_rows(load_model(base, "float32", 1), rows, recipe, 0)
    assert len(list(made)) == method.rows_per_pair * len(rows) == measured["rows"]


def test_the_first_loss_is_the_one_that_it_names(name, trained):
    _, measured, recipe = trained(name)
    first_loss = METHODS[name].first_loss(recipe)
    assert first_loss is None or measured["step0_loss"] == pytest.approx(first_loss, abs=1e-4)


def test_training_makes_chosen_traces_more_likely_than_rejected_ones(name, base, rows, trained):
    before, after = margins(base, rows), margins(trained(name)[0], rows)
    assert sum(after) > sum(before) + 0.1 * len(rows)


def test_only_a_method_of_contrast_leaves_the_margin_of_pairs_and_the_same_pairs_swapped(name, base, rows, tmp_path):
    # Each pair once in both directions in one update: what the sides have in common is all that can be learnt.
    from dataclasses import replace

    swapped = [
        replace(
            row,
            chosen=row.rejected,
            rejected=row.chosen,
            ref_chosen_logps=row.ref_rejected_logps,
            ref_rejected_logps=row.ref_chosen_logps,
        )
        for row in rows
    ]
    both = [*rows, *swapped]
    recipe = RECIPES[name].model_copy(
        update={"batch_size": METHODS[name].rows_per_pair * len(both), "budget": Budget(updates=1)}
    )
    measured = train(base, both, recipe, tmp_path / "policy")
    assert (measured["curve"]["grad_norm"][0] < 1e-4) == METHODS[name].only_contrast


def test_a_budget_of_examples_counts_its_rows_and_one_of_tokens_those_that_it_reads(name, base, rows, tmp_path):
    method, recipe = METHODS[name], RECIPES[name]
    read = sum(len(row.prompt) + len(getattr(row, side)) for row in rows for side in method.sides)
    per_update = recipe.batch_size * read / (method.rows_per_pair * len(rows))
    for budget in (Budget(examples=2 * recipe.batch_size), Budget(tokens=int(1.9 * per_update))):
        measured = train(base, rows, recipe.model_copy(update={"budget": budget}), tmp_path / str(budget))
        assert measured["updates"] == 2
