import json
import math
from dataclasses import replace

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Budget
from prefdelta.system.files import sha256_of
from prefdelta.training.methods.dpo import DPORecipe
from unit.training import making
from unit.training.by_hand import completion_logp, dpo_loss, load, mean

BETA = 0.3
# A constant rate, so that the first update of a long training is the only update of a short one.
ONE_UPDATE = DPORecipe(
    method="dpo",
    learning_rate=3e-3,
    beta=BETA,
    batch_size=8,
    budget=Budget(epochs=1.0),
    scheduler="constant_with_warmup",
)
TWO_UPDATES = ONE_UPDATE.model_copy(update={"budget": Budget(epochs=2.0)})


def train(base, rows, recipe, seed, folder):
    return making.train(base, rows, recipe, folder, seed)


@pytest.fixture(scope="module")
def one_update(base, rows, tmp_path_factory):
    """(folder of the policy after one update, what was measured)."""
    folder = tmp_path_factory.mktemp("one") / "policy"
    return folder, train(base, rows, ONE_UPDATE, 0, folder)


@pytest.fixture(scope="module")
def two_updates(base, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "policy"
    return folder, train(base, rows, TWO_UPDATES, 0, folder)


def by_hand(folder, rows):
    """The four log-probabilities of every row under a policy."""
    model = load(folder)
    return [
        (completion_logp(model, row.prompt, row.chosen), completion_logp(model, row.prompt, row.rejected))
        for row in rows
    ]


def test_the_equation_by_hand():
    # chosen: -10 - (-12) = 2; rejected: -9 - (-8) = -1; 0.1 * (2 + 1) = 0.3; log(1 + e^-0.3) = 0.554355
    assert dpo_loss(0.1, -10.0, -9.0, -12.0, -8.0) == pytest.approx(0.554355, abs=1e-6)
    assert dpo_loss(0.1, -10.0, -9.0, -10.0, -9.0) == pytest.approx(math.log(2))


def test_the_loss_before_the_first_update_is_ln_2(one_update):
    # The policy is the reference: margin 0, sigmoid 1/2.
    assert one_update[1]["step0_loss"] == pytest.approx(0.693147, abs=1e-3)


def test_the_loss_at_the_second_update_is_that_of_the_equation(one_update, two_updates, rows):
    # The second update sees the weights that the first one left, which are those of the training of one update.
    logps = by_hand(one_update[0], rows)
    expected = mean(
        dpo_loss(BETA, chosen, rejected, row.ref_chosen_logps, row.ref_rejected_logps)
        for row, (chosen, rejected) in zip(rows, logps, strict=True)
    )
    assert abs(expected - math.log(2)) > 0.01  # else the number would say nothing
    assert two_updates[1]["curve"]["loss"][1] == pytest.approx(expected, abs=1e-4)


def test_rewards_are_beta_times_the_gain_over_the_reference(one_update, two_updates, rows):
    logps = by_hand(one_update[0], rows)
    chosen = mean(BETA * (c - row.ref_chosen_logps) for row, (c, _) in zip(rows, logps, strict=True))
    rejected = mean(BETA * (r - row.ref_rejected_logps) for row, (_, r) in zip(rows, logps, strict=True))
    curve = two_updates[1]["curve"]
    assert curve["rewards/chosen"][1] == pytest.approx(chosen, abs=1e-4)
    assert curve["rewards/rejected"][1] == pytest.approx(rejected, abs=1e-4)
    assert curve["rewards/margins"][1] == pytest.approx(chosen - rejected, abs=1e-4)


def test_logged_log_probabilities_are_sums_over_the_completion(two_updates, rows):
    # At the first update the policy is the reference. Means per token would be about ten times smaller.
    curve = two_updates[1]["curve"]
    assert curve["logps/chosen"][0] == pytest.approx(mean(row.ref_chosen_logps for row in rows), rel=1e-4)
    assert curve["logps/rejected"][0] == pytest.approx(mean(row.ref_rejected_logps for row in rows), rel=1e-4)


def test_an_update_lowers_the_loss_of_its_own_pairs(two_updates):
    first, second = two_updates[1]["curve"]["loss"]
    assert second < first


def test_trained_weights_differ_from_the_base(one_update, base):
    assert sha256_of(one_update[0] / "model.safetensors") != sha256_of(base / "model.safetensors")


def test_the_same_rows_and_seed_give_identical_weights(base, rows, one_update, tmp_path):
    train(base, rows, ONE_UPDATE, 0, tmp_path / "again")
    assert sha256_of(tmp_path / "again" / "model.safetensors") == sha256_of(one_update[0] / "model.safetensors")


def test_another_seed_takes_the_pairs_in_another_order(base, rows, tmp_path):
    small = ONE_UPDATE.model_copy(update={"batch_size": 2})
    curves = [train(base, rows, small, seed, tmp_path / str(seed))["curve"]["logps/chosen"] for seed in (0, 1)]
    assert curves[0][0] != curves[1][0]


def test_counts_of_updates_and_pairs_are_told(one_update, two_updates):
    assert [(measured["updates"], measured["rows"]) for _, measured in (one_update, two_updates)] == [(1, 8), (2, 8)]


def test_a_last_batch_that_is_not_full_is_an_update_too(base, rows, tmp_path):
    measured = train(base, rows, ONE_UPDATE.model_copy(update={"batch_size": 3}), 0, tmp_path / "policy")
    assert (measured["updates"], len(measured["curve"]["loss"])) == (3, 3)  # 3 + 3 + 2


def test_the_policy_is_safetensors_and_a_tokenizer_and_no_pickle(one_update):
    names = {path.name for path in one_update[0].iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]


def test_nothing_is_left_beside_the_policy(one_update):
    assert [path.name for path in one_update[0].parent.iterdir()] == ["policy"]


def test_what_was_measured_can_be_written_as_json(two_updates):
    assert json.loads(json.dumps(two_updates[1], allow_nan=False)) == two_updates[1]


def test_reference_sums_of_another_model_are_refused_before_training(base, rows, tmp_path):
    # 0.1 nats per token: 100 times what is allowed.
    wrong = [replace(rows[0], ref_chosen_logps=rows[0].ref_chosen_logps + 0.1 * len(rows[0].chosen)), *rows[1:]]
    with pytest.raises(StudyError, match=r"differ by 0\.1 nats per token from fresh ones \(allowed: 0\.001\)"):
        train(base, wrong, ONE_UPDATE, 0, tmp_path / "policy")


def test_reference_sums_of_chosen_and_rejected_exchanged_are_refused(base, rows, tmp_path):
    wrong = [
        replace(row, ref_chosen_logps=row.ref_rejected_logps, ref_rejected_logps=row.ref_chosen_logps) for row in rows
    ]
    with pytest.raises(StudyError, match="recorded reference log-probabilities differ"):
        train(base, wrong, ONE_UPDATE, 0, tmp_path / "policy")


def test_a_wrong_reference_sum_beyond_the_rows_checked_is_seen_in_the_first_loss(base, rows, tmp_path):
    # 32 rows are compared with fresh sums; the 33rd is wrong, and the loss of the first update is not ln 2.
    many = [*rows * 4, replace(rows[0], ref_chosen_logps=rows[0].ref_chosen_logps - 50)]
    recipe = ONE_UPDATE.model_copy(update={"batch_size": 33})
    with pytest.raises(StudyError, match=r"the loss before the first update is 0\.\d+, not 0\.693147"):
        train(base, many, recipe, 0, tmp_path / "policy")


def test_a_loss_that_is_not_finite_stops_training(base, rows, tmp_path):
    recipe = TWO_UPDATES.model_copy(update={"learning_rate": 1e30, "max_grad_norm": 1e30})
    with pytest.raises(StudyError, match="at update 2: training stops"):
        train(base, rows, recipe, 0, tmp_path / "policy")
    assert not (tmp_path / "policy").exists()
