from dataclasses import replace
from random import Random

import pytest
from pydantic import ValidationError

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Budget
from prefdelta.system.files import sha256_of
from prefdelta.training import trainer
from prefdelta.training.columns import dataset_of
from prefdelta.training.methods import kto
from prefdelta.training.methods.kto import KTORecipe
from prefdelta.training.tokens import Tokens
from unit.training.by_hand import completion_logp, kto_loss, load, mean
from unit.training.making import train

BETA = 0.3
SEED = 0
# All sixteen traces in one batch, at a constant rate, so that the first update of two is that of one.
ONE_UPDATE = KTORecipe(
    method="kto",
    learning_rate=3e-3,
    beta=BETA,
    batch_size=16,
    budget=Budget(updates=1),
    scheduler="constant_with_warmup",
)
TWO_UPDATES = ONE_UPDATE.model_copy(update={"budget": Budget(updates=2)})


def trained(base, rows, recipe, folder, seed=SEED):
    return train(base, rows, recipe, folder, seed)


@pytest.fixture(scope="module")
def one_update(base, rows, tmp_path_factory):
    """(folder of the policy after one update, what was measured)."""
    folder = tmp_path_factory.mktemp("one") / "policy"
    return folder, trained(base, rows, ONE_UPDATE, folder)


@pytest.fixture(scope="module")
def two_updates(base, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "policy"
    return folder, trained(base, rows, TWO_UPDATES, folder)


def ratios(policy, base, pairs):
    """log pi(y|x) - log ref(y|x) for each (prompt, completion)."""
    models = load(policy), load(base)
    return [completion_logp(models[0], *pair) - completion_logp(models[1], *pair) for pair in pairs]


def batches_of(base, rows, recipe, monkeypatch, tmp_path):
    """The dataset that TRL is given, in its batches."""
    seen = []

    def noted(made):
        seen.extend(made)
        return dataset_of(seen)

    monkeypatch.setattr(trainer, "dataset_of", noted)
    trained(base, rows, recipe, tmp_path / "policy")
    return [seen[start : start + recipe.batch_size] for start in range(0, len(seen), recipe.batch_size)]


def test_the_equation_by_hand():
    # z = max(0, mean(0.5, 1.5)) = 1: 1 - sigmoid(0.1 * (3 - 1)) = 0.450166; 1 - sigmoid(0.1 * (1 + 2)) = 0.425557.
    assert kto_loss(0.1, [3.0], [-2.0], [0.5, 1.5]) == pytest.approx((0.450166 + 0.425557) / 2, abs=1e-6)
    # Below 0 the reference point is 0: 1 - sigmoid(0.3) = 0.425557, 1 - sigmoid(0.2) = 0.450166.
    assert kto_loss(0.1, [3.0], [-2.0], [-5.0, 1.0]) == pytest.approx((0.425557 + 0.450166) / 2, abs=1e-6)
    assert kto_loss(0.1, [0.0], [0.0], [0.0]) == 0.5


def test_the_loss_before_the_first_update_is_a_half(one_update):
    assert one_update[1]["step0_loss"] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("shift", "clamped"), [pytest.param(4.0, False, id="above 0"), pytest.param(-4.0, True, id="below 0, so 0")]
)
def test_the_loss_at_the_second_update_is_that_of_the_equation(base, rows, shift, clamped, monkeypatch, tmp_path):
    # Only the reference sums of the mismatched rows are computed in this module: moving them moves the reference point.
    sums = kto.completion_logps
    monkeypatch.setattr(
        kto, "completion_logps", lambda *args, **more: ((at, value - shift) for at, value in sums(*args, **more))
    )
    trained(base, rows, ONE_UPDATE, tmp_path / "one")
    measured = trained(base, rows, TWO_UPDATES, tmp_path / "two")
    # The batch holds all rows, in an order drawn from the seed; a prompt's mismatched completions are those of the pair
    # before it.
    order = list(rows)
    Random(SEED).shuffle(order)
    pairs = [(row, order[place - 1]) for place, row in enumerate(order)]
    wanted = ratios(tmp_path / "one", base, [(row.prompt, row.chosen) for row in order])
    unwanted = ratios(tmp_path / "one", base, [(row.prompt, row.rejected) for row in order])
    mismatched = ratios(
        tmp_path / "one",
        base,
        [(row.prompt, side) for row, other in pairs for side in (other.chosen, other.rejected)],
    )
    shifted = [ratio + shift for ratio in mismatched]
    assert (mean(shifted) < 0) == clamped
    expected = kto_loss(BETA, wanted, unwanted, shifted)
    assert abs(expected - 0.5) > 0.005  # else the number would say nothing
    assert abs(expected - kto_loss(BETA, wanted, unwanted, [0.0])) > 0.005 or clamped
    assert measured["curve"]["loss"][1] == pytest.approx(expected, abs=1e-4)


def test_an_update_lowers_the_loss_of_its_own_traces(two_updates):
    first, second = two_updates[1]["curve"]["loss"]
    assert second < first


def test_rewards_are_beta_times_the_gain_over_the_reference(one_update, two_updates, base, rows):
    curve = two_updates[1]["curve"]
    for name, side in (("chosen", "chosen"), ("rejected", "rejected")):
        gains = ratios(one_update[0], base, [(row.prompt, getattr(row, side)) for row in rows])
        assert curve[f"rewards/{name}"][1] == pytest.approx(BETA * mean(gains), abs=1e-4)


@pytest.mark.parametrize("batch_size", [4, 6, 16])
def test_every_batch_holds_both_sides_of_its_pairs(base, rows, batch_size, monkeypatch, tmp_path):
    recipe = ONE_UPDATE.model_copy(update={"batch_size": batch_size})
    batches = batches_of(base, rows, recipe, monkeypatch, tmp_path)
    assert sum(map(len, batches)) == 2 * len(rows)
    for batch in batches:
        assert sum(row["label"] for row in batch) == len(batch) / 2
    # Each trace once, with its own label and reference sum.
    columns = sorted(
        (row["prompt_ids"], row["completion_ids"], row["label"], row["ref_logps"]) for batch in batches for row in batch
    )
    sides = [
        *((row.prompt, row.chosen, True, row.ref_chosen_logps) for row in rows),
        *((row.prompt, row.rejected, False, row.ref_rejected_logps) for row in rows),
    ]
    assert columns == sorted(sides)


@pytest.mark.parametrize("batch_size", [4, 8, 16])
def test_the_reference_point_is_estimated_from_completions_of_other_prompts(
    base, rows, batch_size, monkeypatch, tmp_path
):
    recipe = ONE_UPDATE.model_copy(update={"batch_size": batch_size})
    own = {tuple(row.prompt): (row.chosen, row.rejected) for row in rows}
    for batch in batches_of(base, rows, recipe, monkeypatch, tmp_path):
        assert all(row["KL_completion_ids"] not in own[tuple(row["prompt_ids"])] for row in batch)
        # The same completions as the batch's own, each once (paper: "the same set as the matched outputs").
        own_ids, other_ids = (sorted(row[f"{name}completion_ids"] for row in batch) for name in ("", "KL_"))
        assert own_ids == other_ids


def test_reference_sums_of_mismatched_rows_are_those_of_the_base(base, rows, monkeypatch, tmp_path):
    model = load(base)
    for row in batches_of(base, rows, ONE_UPDATE, monkeypatch, tmp_path)[0]:
        by_hand = completion_logp(model, row["prompt_ids"], row["KL_completion_ids"])
        assert row["ref_KL_logps"] == pytest.approx(by_hand, abs=1e-3)


def test_another_seed_takes_the_traces_in_another_order(base, rows, tmp_path):
    small = ONE_UPDATE.model_copy(update={"batch_size": 4})
    curves = [trained(base, rows, small, tmp_path / str(seed), seed)["curve"]["logps/chosen"] for seed in (0, 1)]
    assert curves[0][0] != curves[1][0]


def test_the_same_rows_and_seed_give_identical_weights(base, rows, one_update, tmp_path):
    trained(base, rows, ONE_UPDATE, tmp_path / "again")
    assert sha256_of(tmp_path / "again/model.safetensors") == sha256_of(one_update[0] / "model.safetensors")
    assert sha256_of(one_update[0] / "model.safetensors") != sha256_of(base / "model.safetensors")


def test_updates_and_traces_are_told(base, rows, tmp_path):
    # 16 traces in batches of 6: 6 + 6 + 4.
    recipe = ONE_UPDATE.model_copy(update={"batch_size": 6, "budget": Budget(epochs=1.0)})
    measured = trained(base, rows, recipe, tmp_path / "policy")
    assert (measured["updates"], measured["rows"], len(measured["curve"]["loss"])) == (3, 16, 3)


def test_reference_sums_of_another_model_are_refused_before_training(base, rows, tmp_path):
    row = rows[0]
    wrong = [replace(row, ref_rejected_logps=row.ref_rejected_logps - 0.1 * len(row.rejected)), *rows[1:]]
    with pytest.raises(StudyError, match=r"differ by 0\.1 nats per token from fresh ones \(allowed: 0\.001\)"):
        trained(base, wrong, ONE_UPDATE, tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_a_wrong_reference_sum_beyond_the_rows_checked_is_seen_in_the_first_loss(base, rows, tmp_path):
    # 32 traces are compared with fresh sums: a pair in the 17th place or later is not.
    wrong = [replace(row, ref_chosen_logps=row.ref_chosen_logps - 50) for row in rows]
    many = [*rows * 2, *wrong]
    recipe = ONE_UPDATE.model_copy(update={"batch_size": 48})
    with pytest.raises(StudyError, match=r"the loss before the first update is 0\.\d+, not 0\.500000"):
        trained(base, many, recipe, tmp_path / "policy")


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_batch_that_cannot_hold_both_sides_of_two_pairs_is_refused(batch_size):
    with pytest.raises(ValidationError, match="batch_size"):
        KTORecipe(**ONE_UPDATE.model_dump() | {"batch_size": batch_size, "budget": Budget(updates=1)})


def test_mismatched_rows_go_round_within_their_own_batch():
    tokens = [Tokens([place // 2], [place]) for place in range(10)]
    rows = kto._mismatched(tokens, 6)
    # Prompts 0 0 1 1 2 2 | 3 3 4 4 with completions 0 to 9.
    assert [row.prompt[0] for row in rows] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [row.completion[0] for row in rows] == [4, 5, 0, 1, 2, 3, 8, 9, 6, 7]
