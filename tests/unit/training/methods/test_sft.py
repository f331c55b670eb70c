from dataclasses import replace

import pytest

from prefdelta.core.recipes import Budget
from prefdelta.system.files import sha256_of
from prefdelta.training.methods.sft import SFTRecipe
from unit.training import making
from unit.training.by_hand import completion_logp, load

ONE_UPDATE = SFTRecipe(
    method="sft", learning_rate=3e-3, batch_size=8, budget=Budget(updates=1), scheduler="constant_with_warmup"
)
TWO_UPDATES = ONE_UPDATE.model_copy(update={"budget": Budget(updates=2)})


def train(base, rows, recipe, seed, folder):
    return making.train(base, rows, recipe, folder, seed)


@pytest.fixture(scope="module")
def bare(rows):
    """The rows without reference sums."""
    return [replace(row, ref_chosen_logps=None, ref_rejected_logps=None) for row in rows]


@pytest.fixture(scope="module")
def one_update(base, bare, tmp_path_factory):
    """(folder of the policy after one update, what was measured)."""
    folder = tmp_path_factory.mktemp("one") / "policy"
    return folder, train(base, bare, ONE_UPDATE, 0, folder)


@pytest.fixture(scope="module")
def two_updates(base, bare, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "policy"
    return folder, train(base, bare, TWO_UPDATES, 0, folder)


def cross_entropy(folder, rows):
    """Nats per token of the chosen completions, over all tokens of the batch."""
    model = load(folder)
    total = sum(completion_logp(model, row.prompt, row.chosen) for row in rows)
    return -total / sum(len(row.chosen) for row in rows)


def test_the_first_loss_is_the_mean_cross_entropy_of_the_completions_tokens(one_update, base, bare):
    assert one_update[1]["step0_loss"] == pytest.approx(cross_entropy(base, bare), abs=1e-4)


def test_the_second_loss_is_that_of_the_policy_after_one_update(one_update, two_updates, bare):
    first, second = two_updates[1]["curve"]["loss"]
    assert second == pytest.approx(cross_entropy(one_update[0], bare), abs=1e-4)
    assert second < first - 0.01


def test_the_prompt_is_not_learnt(base, bare, one_update):
    # With the prompts' tokens the mean would be another: they are as unlikely under random weights, but not equally.
    model = load(base)
    whole = -sum(completion_logp(model, row.prompt[:1], row.prompt[1:] + row.chosen) for row in bare)
    n_tokens = sum(len(row.prompt) - 1 + len(row.chosen) for row in bare)
    assert abs(one_update[1]["step0_loss"] - whole / n_tokens) > 0.01


def test_the_rejected_side_and_reference_sums_change_nothing(base, rows, one_update, tmp_path):
    other = [replace(row, rejected=row.chosen) for row in rows]
    train(base, other, ONE_UPDATE, 0, tmp_path / "policy")
    assert sha256_of(tmp_path / "policy/model.safetensors") == sha256_of(one_update[0] / "model.safetensors")
    assert sha256_of(tmp_path / "policy/model.safetensors") != sha256_of(base / "model.safetensors")


def test_another_seed_takes_the_traces_in_another_order(base, bare, tmp_path):
    small = ONE_UPDATE.model_copy(update={"batch_size": 2})
    losses = [train(base, bare, small, seed, tmp_path / str(seed))["step0_loss"] for seed in (0, 1)]
    assert losses[0] != losses[1]


def test_updates_and_traces_are_told(base, bare, tmp_path):
    recipe = ONE_UPDATE.model_copy(update={"batch_size": 3, "budget": Budget(epochs=1.0)})
    measured = train(base, bare, recipe, 0, tmp_path / "policy")
    assert (measured["updates"], measured["rows"], len(measured["curve"]["loss"])) == (3, 8, 3)


def test_the_policy_is_safetensors_and_a_tokenizer_and_no_pickle(one_update):
    names = {path.name for path in one_update[0].iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert [path.name for path in one_update[0].parent.iterdir()] == ["policy"]
