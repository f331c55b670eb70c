"""Decoding a batch of prompts with a model of transformers, at about half the cost of the model's own `generate`.

- Keys and values are written into room that is there already; transformers copies all of them for each token.
- Replies that have ended leave the batch.
- A prompt that is in the batch several times, for several samples, is read once.

A batch whose prompts differ in length is padded on the left, as `generate` does it. The padding is masked, but it
changes the order of sums, and so does the number of rows: float32 logits move by less than 1e-5 of the largest.
"""

import inspect
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from prefdelta.engines.seeded_sampling import SeededSampling, entropies

if TYPE_CHECKING:
    import torch

_OWN_STATE = {"recurrent_gemma"}  # kinds of models whose state is in their modules
_CHANGING_ROPE = {"longrope", "dynamic"}  # positions whose encoding depends on the length of the longest row
_LEAVE_AT = 0.8  # ended replies leave once the others are at most this share of the batch: leaving copies the others


class Decoded(NamedTuple):
    """A reply: its token ids, with the one that ended it, and the summed entropy of what they were drawn from, nats."""

    ids: list[int]
    entropy: float


def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[int],
    max_tokens: int,
    sampling: SeededSampling,
    with_entropy: bool = False,
) -> list[Decoded]:
    """Replies to prompts of token ids, in their order. Each ends with a token of `stops`, or has max_tokens tokens.

    with_entropy: else entropies are 0.
    """
    import torch

    with torch.inference_mode():
        number_of = {prompt: number for number, prompt in enumerate(dict.fromkeys(map(tuple, prompts)))}
        batch = _Batch(model, list(number_of), max_tokens)
        logits = batch.read_prompts()
        if len(number_of) < len(prompts):
            copies = torch.tensor([number_of[tuple(prompt)] for prompt in prompts], device=model.device)
            batch.keep(copies)
            logits = logits[copies]
        ends = torch.tensor(stops, device=model.device)
        rows = torch.arange(len(prompts), device=model.device)  # those that are still in the batch
        ended = torch.zeros_like(rows, dtype=torch.bool)
        counts = torch.zeros_like(rows)
        tokens = torch.zeros(len(prompts), max_tokens, dtype=torch.long, device=model.device)
        entropy = torch.zeros(len(prompts), dtype=torch.float64, device=model.device)
        for step in range(max_tokens):
            scores = sampling.scores(logits)
            token = sampling.draw(scores)
            tokens[rows, step] = token
            counts[rows] += ~ended
            if with_entropy:
                entropy[rows] += entropies(scores).masked_fill(ended, 0.0)
            ended |= torch.isin(token, ends)
            going_on = int((~ended).sum())
            if going_on == 0 or step == max_tokens - 1:
                break
            if going_on <= _LEAVE_AT * len(rows):
                staying = (~ended).nonzero().squeeze(1)
                batch.keep(staying)
                sampling.keep(staying)
                rows, token, ended = rows[staying], token[staying], ended[staying]
            logits = batch.read(token)
        replies = zip(tokens.tolist(), counts.tolist(), entropy.tolist(), strict=True)
        return [Decoded(ids[:count], nats) for ids, count, nats in replies]


def why_not_decoded(model: Any, longest: int) -> str | None:
    """Why `decode` would get other tokens of a model than its own `generate`; None if it would not.

    longest: tokens of the longest prompt with its reply, at most.
    """
    config = model.config
    if "past_key_values" not in inspect.signature(model.forward).parameters or config.model_type in _OWN_STATE:
        return f"a model of the kind {config.model_type} keeps its state in a way of its own"
    text = config.get_text_config()
    rope: dict[str, Any] = getattr(text, "rope_parameters", None) or {}
    kinds = {str(part.get("rope_type")) for part in (rope, *rope.values()) if isinstance(part, dict)}
    if changing := sorted(kinds & _CHANGING_ROPE):
        original = rope.get("original_max_position_embeddings") or getattr(
            text, "original_max_position_embeddings", text.max_position_embeddings
        )
        if longest > original:
            return (
                f"its positions ({changing[0]}) change beyond {original} tokens, and a prompt with its reply may have "
                f"{longest}: choose a smaller max_tokens, or engine vllm"
            )
    return None


class _Batch:
    """Sequences of one length, those of shorter prompts padded on the left, and the model's keys and values of them."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], max_tokens: int) -> None:
        import torch
        from transformers import DynamicCache
        from transformers.cache_utils import DynamicLayer

        self._model = model
        self._accepted = inspect.signature(model.forward).parameters.keys()
        self._cache: Any = DynamicCache(config=model.config)
        # Layers of other kinds, such as those of a sliding window, stay as they are.
        self._length = max(map(len, prompts))
        room = self._length + max_tokens
        self._cache.layers = [_layer(room) if type(layer) is DynamicLayer else layer for layer in self._cache.layers]
        padded = [[0] * (self._length - len(prompt)) + list(prompt) for prompt in prompts]
        self._prompts = torch.tensor(padded, device=model.device)
        self._padding = torch.tensor([self._length - len(prompt) for prompt in prompts], device=model.device)
        self._is_padded = len(set(map(len, prompts))) > 1

    def read_prompts(self) -> "torch.Tensor":
        """Logits of the first token of each reply: rows x vocabulary."""
        return self._forward(self._prompts)

    def read(self, token: "torch.Tensor") -> "torch.Tensor":
        """Logits of the next token of each reply, after one more token each."""
        self._length += 1
        return self._forward(token[:, None])

    def keep(self, rows: "torch.Tensor") -> None:
        """Go on with some rows, or with copies of rows. rows: their places in the batch."""
        self._cache.reorder_cache(rows)
        self._padding = self._padding[rows]

    def _forward(self, ids: "torch.Tensor") -> "torch.Tensor":
        import torch

        columns = torch.arange(self._length, device=ids.device)[None]
        positions, mask = columns, None
        if self._is_padded:
            positions, mask = columns - self._padding[:, None], columns >= self._padding[:, None]
        named = {
            "position_ids": positions[:, -ids.shape[1] :].clamp(min=0),
            "attention_mask": mask,
            "logits_to_keep": 1,
        }
        arguments = {name: value for name, value in named.items() if name in self._accepted}
        output = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, **arguments)
        logits: torch.Tensor = output.logits[:, -1]
        return logits


def _layer(room: int) -> Any:
    """The keys and values of one layer, with room for more, up to that of `room` tokens."""
    layer = _layer_class()()
    layer.most = room
    return layer


@cache
def _layer_class() -> type:
    from transformers.cache_utils import DynamicLayer

    parent: Any = DynamicLayer

    class RoomyLayer(parent):  # type: ignore[misc]
        """transformers' cache of a layer. `keys` and `values` are the used columns of tensors that have more."""

        keys: "torch.Tensor"
        values: "torch.Tensor"
        roomy: list["torch.Tensor"]
        most: int  # columns

        def update(
            self, key_states: "torch.Tensor", value_states: "torch.Tensor", *_: Any, **__: Any
        ) -> tuple["torch.Tensor", "torch.Tensor"]:
            used = self.get_seq_length()
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                self.roomy = [key_states[:, :, :0], value_states[:, :, :0]]
            end = used + key_states.shape[2]
            if end > self.roomy[0].shape[2]:  # the room grows by half, so that all copying takes linear time
                room_for = max(end, min(end + end // 2, self.most))
                self.roomy = [_copied(old[:, :, :used], room_for) for old in self.roomy]
            for room, states in zip(self.roomy, (key_states, value_states), strict=True):
                room[:, :, used:end] = states
            self.keys, self.values = (room[:, :, :end] for room in self.roomy)
            return self.keys, self.values

        def reorder_cache(self, beam_idx: "torch.Tensor") -> None:
            if not self.is_initialized:
                return
            used = self.get_seq_length()
            self.roomy = [old.index_select(0, beam_idx) for old in self.roomy]
            self.keys, self.values = (new[:, :, :used] for new in self.roomy)

    return RoomyLayer


def _copied(states: "torch.Tensor", room: int) -> "torch.Tensor":
    """States (rows x heads x columns x size) at the beginning of a tensor with `room` columns."""
    rows, heads, columns, size = states.shape
    copied = states.new_empty(rows, heads, room, size)
    copied[:, :, :columns] = states
    return copied
