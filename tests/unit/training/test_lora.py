import pytest
from pydantic import ValidationError

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Lora
from prefdelta.training.registry import METHODS

from .by_hand import load
from .making import RECIPES, train

LORA = Lora(rank=2, alpha=4)


def trained(method, base, rows, folder, lora=LORA, seed=0, **changes):
    measured = train(base, rows, RECIPES[method].model_copy(update={"lora": lora, **changes}), folder, seed)
    return load(folder).state_dict(), measured


@pytest.mark.parametrize("method", METHODS)
def test_the_policy_is_a_full_checkpoint_with_the_adapters_merged(method, base, rows, tmp_path):
    policy, measured = trained(method, base, rows, tmp_path / "policy")
    before = load(base).state_dict()
    assert policy.keys() == before.keys()
    assert not list((tmp_path / "policy").glob("*adapter*"))
    # All linear layers but the head, and nothing else.
    moved = {name for name in before if not before[name].equal(policy[name])}
    linear = {name for name in before if name.endswith("_proj.weight")}
    assert moved == linear
    share = sum(before[name].numel() for name in linear) / sum(weight.numel() for weight in before.values())
    assert measured["changed_share"] == pytest.approx(share, abs=0.02)
    assert measured["update_cosine_float16"] > 0.999  # of the merged weights, at a learning rate of 3e-3


def test_what_a_matrix_gained_has_at_most_the_rank(base, rows, tmp_path):
    import torch

    policy, _ = trained("sft", base, rows, tmp_path / "policy")
    name = "model.layers.0.mlp.up_proj.weight"
    values = torch.linalg.svdvals(policy[name] - load(base).state_dict()[name])
    assert (values > values[0] * 1e-4).sum() == LORA.rank


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.needs_reference])
def test_the_policy_is_its_reference_before_the_first_update(method, base, rows, tmp_path):
    # Also with dropout: the adapters start at 0. No reference model is there to be asked.
    measured = trained(method, base, rows, tmp_path / "policy", Lora(rank=2, alpha=4, dropout=0.5))[1]
    assert measured["step0_loss"] == pytest.approx(METHODS[method].first_loss(RECIPES[method]), abs=1e-5)


def test_only_the_targets_are_trained(base, rows, tmp_path):
    policy, _ = trained("dpo", base, rows, tmp_path / "policy", Lora(rank=2, alpha=4, targets=["q_proj", "v_proj"]))
    before = load(base).state_dict()
    assert {name.split(".")[-2] for name in before if not before[name].equal(policy[name])} == {"q_proj", "v_proj"}


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(base, rows, tmp_path):
    first, again, other = (
        trained("dpo", base, rows, tmp_path / name, seed=seed, batch_size=8)[0]["model.layers.0.mlp.up_proj.weight"]
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert first.equal(again)
    assert not first.equal(other)


@pytest.mark.parametrize("method", METHODS)
def test_dropout_of_the_adapters_is_applied_by_every_method(method, base, rows, tmp_path):
    curves = [
        trained(method, base, rows, tmp_path / str(dropout), Lora(rank=2, alpha=4, dropout=dropout))[1]["curve"]
        for dropout in (0.0, 0.5)
    ]
    assert curves[0]["loss"] != curves[1]["loss"]


def test_a_target_that_the_policy_does_not_have_is_refused_with_those_it_has(base, rows, tmp_path):
    lora = Lora(rank=2, alpha=4, targets=["q_proj", "c_attn"])
    with pytest.raises(StudyError, match=r"no module c_attn. It has .*down_proj.*q_proj"):
        trained("dpo", base, rows, tmp_path / "policy", lora)


@pytest.mark.parametrize("targets", [["lm_head"], [], "all"])
def test_targets_that_cannot_be_trained_are_refused(targets):
    with pytest.raises(ValidationError, match=r"targets|lm_head"):
        Lora(rank=2, alpha=4, targets=targets)
