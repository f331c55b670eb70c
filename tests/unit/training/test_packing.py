import pytest

from prefdelta.training import trainer
from prefdelta.training.packing import IGNORED, LONGEST, allow_packing, is_packed, pack
from prefdelta.training.registry import METHODS
from prefdelta.training.tokens import PreferenceRow, Tokens

from .by_hand import load
from .making import RECIPES, train


@pytest.mark.parametrize("method", ["dpo", "kto", "sft", "dpo, adapters with dropout"])
def test_training_without_padding_gives_the_losses_and_weights_of_padded_rows(
    method, base, rows, tmp_path, monkeypatch
):
    recipe = RECIPES[method]
    if recipe.lora:
        recipe = recipe.model_copy(update={"lora": recipe.lora.model_copy(update={"dropout": 0.0})})
    packed = train(base, rows, recipe, tmp_path / "packed")["curve"]
    monkeypatch.setattr(trainer, "allow_packing", lambda *_: False)
    padded = train(base, rows, recipe, tmp_path / "padded")["curve"]
    assert packed["loss"] == pytest.approx(padded["loss"], abs=1e-5)
    for name in packed.keys() - {"loss", "rewards/accuracies"}:
        assert packed[name] == pytest.approx(padded[name], rel=1e-4, abs=1e-4), name
    weights, before = load(tmp_path / "padded").state_dict(), load(base).state_dict()
    moved = max(float((weights[name] - before[name]).abs().max()) for name in weights)
    for name, found in load(tmp_path / "packed").state_dict().items():
        assert float((found - weights[name]).abs().max()) < 1e-3 * moved, name


def test_each_prompt_is_computed_once_and_attention_pads_little():
    import torch

    # Lengths 10 to 90 after two prompts of 5 and of 7 tokens.
    prompts, lengths = [[1] * 5, [2] * 7], [*range(10, 90, 4)]
    ids = torch.zeros(len(lengths), 100, dtype=torch.int64)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, length in enumerate(lengths):
        prompt = prompts[row % 2]
        ids[row, : len(prompt)], ids[row, len(prompt) : len(prompt) + length] = torch.tensor(prompt), 3
        mask[row, : len(prompt) + length] = 1
        labels[row, len(prompt) : len(prompt) + length] = 3
    rows = pack(ids, mask, labels)
    assert rows.ids.shape[1] == 5 + 7 + sum(length - 1 for length in lengths)  # the last token of a row is not needed
    real = sum(len(prompts[row % 2]) + length - 1 for row, length in enumerate(lengths))
    assert real < sum(part.numel() for part in rows.places.parts) <= LONGEST * real
    assert rows.labels.shape[1] == sum(lengths)


def model_of(kind, **more):
    """A tiny model of another family, with random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape = AutoConfig.for_model(kind, vocab_size=50, **sizes, initializer_range=0.3, **more)
    return AutoModelForCausalLM.from_config(shape, dtype=torch.float32).eval()


TRACES = [Tokens([1, 2, 3], list(range(5, 30))), Tokens([1, 2, 3], [7, 8]), Tokens([4], [9, 10, 11])]


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2", "olmo2"])
def test_models_with_attention_to_all_earlier_tokens_are_packed(kind):
    groups = {} if kind == "gpt2" else {"num_key_value_heads": 2}  # two queries share a key
    model = model_of(kind, **groups)
    assert allow_packing(model, TRACES, max(map(len, TRACES)))
    assert is_packed(model)


@pytest.mark.parametrize(
    ("kind", "more"), [("mistral", {"sliding_window": 8, "num_key_value_heads": 2}), ("mixtral", {})]
)
def test_a_model_that_looks_at_other_tokens_keeps_its_padding_and_its_attention(kind, more):
    model = model_of(kind, **more)
    before = model.config._attn_implementation
    assert not allow_packing(model, TRACES, max(map(len, TRACES)))
    assert model.config._attn_implementation == before
    assert not model.base_model._forward_hooks


@pytest.mark.parametrize(
    ("kind", "more", "longest"),
    [
        ("mistral", {"sliding_window": 60, "num_key_value_heads": 2}, 61),
        ("lfm2", {"num_key_value_heads": 2, "full_attn_idxs": [1]}, 28),
    ],
)
def test_a_model_that_may_look_at_other_tokens_is_not_packed_whatever_a_trial_says(kind, more, longest):
    model = model_of(kind, **more)
    assert not allow_packing(model, TRACES, longest)
    assert not is_packed(model)


def test_a_row_is_as_long_as_the_traces_that_the_method_reads():
    pairs = [PreferenceRow([1, 2], [3] * 5, [4] * 60, None, None), PreferenceRow([1], [3] * 50, [4], None, None)]
    assert METHODS["sft"].longest_row(pairs) == 2 + 50
    assert METHODS["dpo"].longest_row(pairs) == 2 + 60
