"""Decoding in batches, beside transformers' own `generate` and its own forward pass without a cache."""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from prefdelta.core.asking.requests import Sampling
from prefdelta.engines.decoding import _layer, decode, why_not_decoded
from prefdelta.engines.seeded_sampling import SeededSampling
from prefdelta.models.loading import load_model

VOCABULARY = 51
ENDS = [2, *range(40, 45)]  # enough tokens for replies of many lengths
GREEDY, SAMPLED = Sampling(temperature=0.0, max_tokens=24), Sampling(temperature=1.0, max_tokens=24)
TOLERANCE = 1e-5  # of the largest logit: what padding and the number of rows may change in float32

Prompts = list[list[int]]


def prompts_of(*lengths: int) -> Prompts:
    random = Random(7)
    return [[random.randrange(3, VOCABULARY) for _ in range(length)] for length in lengths]


def llama() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(num_key_value_heads=1, **SHAPE))


def gpt2() -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, vocab_size=VOCABULARY))


def with_sliding_windows() -> Any:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    return Gemma2ForCausalLM(Gemma2Config(num_key_value_heads=1, head_dim=16, sliding_window=8, **SHAPE))


SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.16,
}


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Any:
    return load_model(checkpoint, "float32", 1)


@pytest.mark.parametrize("architecture", [llama, gpt2, with_sliding_windows])
def test_greedy_tokens_are_those_of_generate(architecture: Callable[[], Any]) -> None:
    torch.manual_seed(5)
    torch.set_num_threads(1)
    model, prompts = architecture().eval(), prompts_of(3, 11, 11, 7, 19, 4, 30)
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    whole = model.generate(
        ids, attention_mask=mask, do_sample=False, max_new_tokens=24, eos_token_id=None, pad_token_id=0
    )[:, width:].tolist()
    end = whole[0][3]  # a token that ends some replies, at different places
    expected = [tokens[: tokens.index(end) + 1] if end in tokens else tokens for tokens in whole]
    assert len(set(map(len, expected))) > 1
    sampling = SeededSampling(GREEDY, [0] * len(prompts))
    assert [reply.ids for reply in decode(model, prompts, [end], 24, sampling)] == expected


class _Noted(SeededSampling):
    """Keeps the logits that each row saw, step after step."""

    def __init__(self, sampling: Sampling, seeds: list[int]) -> None:
        super().__init__(sampling, seeds)
        self.rows = torch.arange(len(seeds))
        self.seen: list[list[torch.Tensor]] = [[] for _ in seeds]

    def scores(self, logits: torch.Tensor) -> torch.Tensor:
        for row, row_logits in zip(self.rows.tolist(), logits, strict=True):
            self.seen[row].append(row_logits)
        return super().scores(logits)

    def keep(self, rows: torch.Tensor) -> None:
        self.rows = self.rows[rows]
        super().keep(rows)


def test_logits_of_a_padded_batch_are_those_of_each_sequence_alone(model: Any) -> None:
    prompts = prompts_of(*range(3, 36))
    sampling = _Noted(SAMPLED, list(range(33)))
    replies = decode(model, prompts, ENDS, 24, sampling)
    assert len({len(reply.ids) for reply in replies}) > 5
    for prompt, reply, seen in zip(prompts, replies, sampling.seen, strict=True):
        with torch.inference_mode():
            alone = model(torch.tensor([prompt + reply.ids])).logits[0, len(prompt) - 1 : -1]
        in_batch = torch.stack(seen[: len(reply.ids)])
        assert float((in_batch - alone).abs().max()) < TOLERANCE * float(alone.abs().max())


def widths_and_rows(model: Any, prompts: Prompts, sampling: SeededSampling) -> tuple[list[Any], list[tuple[int, ...]]]:
    """The replies, and the shape of the input of each forward pass."""
    shapes: list[tuple[int, ...]] = []
    handle = model.register_forward_pre_hook(
        lambda _, __, named: shapes.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    try:
        return decode(model, prompts, ENDS, 24, sampling), shapes
    finally:
        handle.remove()


def test_a_prompt_is_read_once_for_all_its_samples(model: Any) -> None:
    first, second = prompts_of(9, 9)
    prompts = [first, first, second, first]
    replies, shapes = widths_and_rows(model, prompts, SeededSampling(SAMPLED, [0, 1, 2, 3]))
    assert shapes[0] == (2, 9)
    assert shapes[1] == (4, 1)
    alone = [decode(model, [p], ENDS, 24, SeededSampling(SAMPLED, [seed])) for seed, p in enumerate(prompts)]
    assert [reply.ids for reply in replies] == [reply.ids for (reply,) in alone]


def test_replies_that_have_ended_leave_the_batch(model: Any) -> None:
    prompts = prompts_of(*[9] * 64)
    replies, shapes = widths_and_rows(model, prompts, SeededSampling(SAMPLED, list(range(64))))
    rows = [shape[0] for shape in shapes]
    going_on = [sum(len(reply.ids) > step for reply in replies) for step in range(len(rows))]
    assert going_on[-1] < 30, "too few replies end before the limit for this test"
    assert all(going <= there <= going / 0.8 + 1 for going, there in zip(going_on, rows, strict=True))


def test_noise_that_is_drawn_for_several_steps_at_once_is_that_of_each_step() -> None:
    sampling = SeededSampling(SAMPLED, [4, 9])
    logits = torch.randn(30, 2, VOCABULARY, generator=torch.Generator().manual_seed(0))
    drawn = [sampling.draw(sampling.scores(step)).tolist() for step in logits]
    generators = [torch.Generator().manual_seed(seed) for seed in (4, 9)]
    expected = [
        [
            int((row - torch.empty(VOCABULARY).exponential_(generator=generator).log()).argmax())
            for row, generator in zip(step, generators, strict=True)
        ]
        for step in logits
    ]
    assert drawn == expected


def test_models_that_would_get_other_tokens_are_named() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    def model_of(kind: str, **more: Any) -> Any:
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, pad_token_id=0, **SHAPE, **more))

    assert "mamba" in str(why_not_decoded(model_of("mamba"), 30))
    rope = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8, "rope_theta": 10000.0}
    rope |= {"original_max_position_embeddings": 16}
    phi = model_of("phi3", original_max_position_embeddings=16, rope_parameters=rope)
    assert "16 tokens" in str(why_not_decoded(phi, 17))
    assert why_not_decoded(phi, 16) is None
    assert why_not_decoded(llama(), 64) is None


def test_keys_and_values_have_no_more_room_than_the_longest_reply_needs() -> None:
    layer = _layer(20)
    for tokens in (16, 1, 1):
        layer.update(torch.zeros(2, 1, tokens, 4), torch.zeros(2, 1, tokens, 4))
    assert layer.roomy[0].shape[2] == 20
    assert layer.keys.shape[2] == 18
