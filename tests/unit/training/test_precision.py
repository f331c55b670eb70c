import json
from dataclasses import replace

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.models.loading import load_model
from prefdelta.training.logps import completion_logps
from prefdelta.training.tokens import Tokens

from .making import RECIPES, train


@pytest.fixture(scope="module")
def rounded(base, tokenizer, tmp_path_factory):
    """The base as most checkpoints are: in bfloat16."""
    import torch

    folder = tmp_path_factory.mktemp("rounded")
    load_model(base, "bfloat16", 1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert {weight.dtype for weight in stored(folder).values()} == {torch.bfloat16}
    return folder


@pytest.fixture(scope="module")
def in_bfloat16(rounded, rows):
    """The rows with reference sums computed as training computes."""
    model = load_model(rounded, "float32", 1)
    sums = [
        dict(completion_logps(model, [Tokens(row.prompt, getattr(row, side)) for row in rows], 1000, "bfloat16"))
        for side in ("chosen", "rejected")
    ]
    return [replace(row, ref_chosen_logps=sums[0][at], ref_rejected_logps=sums[1][at]) for at, row in enumerate(rows)]


def stored(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def trained(base, rows, folder, **changes):
    return train(base, rows, RECIPES["dpo"].model_copy(update={"dtype": "bfloat16", **changes}), folder)


def test_products_in_bfloat16_are_not_those_in_float32(rounded, rows):
    model = load_model(rounded, "float32", 1)
    tokens = [Tokens(rows[0].prompt, rows[0].chosen)]
    (_, exact), (_, coarse) = (next(completion_logps(model, tokens, 1000, dtype)) for dtype in ("float32", "bfloat16"))
    assert exact != coarse
    assert exact == pytest.approx(coarse, rel=0.02)


def test_an_update_below_half_a_unit_in_the_last_place_is_made_and_saved(rounded, in_bfloat16, tmp_path):
    measured = trained(rounded, in_bfloat16, tmp_path / "policy", learning_rate=5e-8)
    before, after = stored(rounded), stored(tmp_path / "policy")
    # Of the matrices: a norm's weight of 1 is so large that 5e-8 is below half a unit of float32 too.
    changed = [(before[name].float() != after[name]).float().mean() for name in before if name.endswith("_proj.weight")]
    assert min(changed) > 0.8
    assert measured["changed_share"] > 0.8
    assert measured["changed_share_bfloat16"] < 0.1  # what one who loads the policy in bfloat16 gets of it
    assert measured["update_cosine_bfloat16"] < 0.3
    assert measured["update_cosine_bfloat16"] < measured["update_cosine_float16"] < 0.9


def test_the_policy_is_saved_in_the_precision_that_is_asked_for(rounded, in_bfloat16, tmp_path):
    import torch

    measured = trained(rounded, in_bfloat16, tmp_path / "policy", learning_rate=5e-8, save_dtype="bfloat16")
    assert {weight.dtype for weight in stored(tmp_path / "policy").values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "policy/config.json").read_text())["dtype"] == "bfloat16"
    assert measured["changed_share"] == measured["changed_share_bfloat16"]
    before, after = stored(rounded), stored(tmp_path / "policy")
    total = sum(weight.numel() for weight in before.values())
    assert measured["changed_share"] == sum(int((before[name] != after[name]).sum()) for name in before) / total


def test_the_first_loss_is_ln_2_if_the_sums_were_computed_as_training_computes(rounded, in_bfloat16, tmp_path):
    # Padding to a batch moves products in bfloat16, so not to the last digit.
    assert trained(rounded, in_bfloat16, tmp_path / "policy")["step0_loss"] == pytest.approx(0.693147, abs=1e-2)


def test_reference_sums_of_another_model_are_refused_in_bfloat16_too(rounded, in_bfloat16, tmp_path):
    row = in_bfloat16[0]
    wrong = [replace(row, ref_chosen_logps=row.ref_chosen_logps + 0.05 * len(row.chosen)), *in_bfloat16[1:]]
    with pytest.raises(StudyError, match=r"differ by 0\.05 nats per token from fresh ones \(allowed: 0\.02\)"):
        trained(rounded, wrong, tmp_path / "policy")
