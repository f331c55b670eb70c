import math

import pytest
import torch
from safetensors.torch import save_file

from prefdelta.training.saving import update_survival


def measured(folder, base, trained, saved_in=torch.float32):
    save_file(base, folder / "model.safetensors")
    return update_survival(folder, trained, saved_in)


def test_what_rounding_leaves_of_an_update_by_hand(tmp_path):
    # bfloat16 has 8 bits of precision and float16 11, so above 1 their steps are 2^-7 and 2^-10.
    base = {"norm": torch.ones(4)}
    update = torch.tensor([2**-7, 2**-10, 2**-13, 0.0])
    found = measured(tmp_path, base, {"norm": base["norm"] + update})
    # bfloat16 keeps the first, float16 the first two; three of four elements changed.
    whole = math.sqrt(2**-14 + 2**-20 + 2**-26)
    assert found == {
        "update_cosine_bfloat16": pytest.approx(2**-7 / whole, abs=1e-12),
        "update_share_bfloat16": pytest.approx(1 / 3),
        "update_cosine_float16": pytest.approx(math.sqrt(2**-14 + 2**-20) / whole, abs=1e-12),
        "update_share_float16": pytest.approx(2 / 3),
    }


def test_sums_run_over_all_tensors_that_both_have(tmp_path):
    base = {"a": torch.ones(1), "b": torch.ones(1), "old": torch.ones(1)}
    trained = {"a": torch.tensor([1 + 2**-7]), "b": torch.tensor([1 + 2**-9]), "tied": torch.tensor([7.0])}
    found = measured(tmp_path, base, trained)
    assert found["update_cosine_bfloat16"] == pytest.approx(2**-7 / math.sqrt(2**-14 + 2**-18), abs=1e-12)
    assert found["update_share_bfloat16"] == 1 / 2
    assert found["update_cosine_float16"] == 1.0


def test_an_update_that_is_lost_in_saving_is_lost(tmp_path):
    base = {"norm": torch.ones(2)}
    found = measured(tmp_path, base, {"norm": torch.tensor([1 + 2**-7, 1 + 2**-10])}, torch.bfloat16)
    assert found["update_share_float16"] == 1 / 2


def test_nothing_lost_where_nothing_changed(tmp_path):
    base = {"norm": torch.ones(2)}
    assert set(measured(tmp_path, base, dict(base)).values()) == {None}


def test_a_weight_beyond_the_range_of_float16_is_not_kept(tmp_path):
    found = measured(tmp_path, {"norm": torch.tensor([60_000.0])}, {"norm": torch.tensor([70_000.0])})
    assert (found["update_cosine_float16"], found["update_cosine_bfloat16"]) == (0.0, 1.0)


@pytest.mark.parametrize(("rate", "float16", "bfloat16"), [(5e-7, 0.989, 0.713), (5e-8, 0.655, 0.244)])
def test_a_small_learning_rate_survives_float32_alone(tmp_path, rate, float16, bfloat16):
    # Weights as small as those of an 8B model, stored in bfloat16; updates of some hundred steps of Adam.
    torch.manual_seed(0)
    base = {"weights": (0.02 * torch.randn(1000, 2000)).bfloat16()}
    trained = {"weights": base["weights"].float() + 110 * rate / 2 * torch.randn(1000, 2000)}
    found = measured(tmp_path, base, trained)
    assert found["update_cosine_float16"] == pytest.approx(float16, abs=0.002)
    assert found["update_cosine_bfloat16"] == pytest.approx(bfloat16, abs=0.002)
