"""A forward pass without padding: tokens of all rows in one sequence, and each prompt only once.

TRL pads the rows of a batch to the longest: for lengths spread like those of traces (log-normal, sigma 0.7), 2.7 tokens
go through the model for each real one. Here the tokens stand behind each other, so that all layers but attention see
real tokens only. Rows with the same prompt share its tokens, whose hidden states are the same in all of them. Attention
takes each row by itself: rows of about one length together, the shorter ones padded on the right, where a causal model
does not look. The head computes only the log-probabilities that the loss reads.

The arithmetic is that of the padded pass in another order: losses agree to 1e-5 nats, trained weights to a thousandth
of the largest change (float32). Other models than those whose tokens see all earlier ones through attention cannot be
packed: `allow_packing` tries it, and for such a model TRL's padded pass stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefdelta.system.log import say
from prefdelta.training.tokens import Tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel
    from trl.trainer.utils import FusedCausalLMOutput

IGNORED = -100  # label of tokens that are not learnt
ATTENTION = "prefdelta_packed"  # name of the attention function in transformers
LONGEST = 1.2  # a row's tokens in attention at most, padding included, per real one
TOLERANCE = 1e-4  # how far float32 hidden states may be from those of single rows, per largest one, to pack a model
_ATTENTION = {"full_attention", "sliding_attention"}  # kinds of layers that see other tokens by attention alone


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where the tokens of rows lie in one sequence of T tokens. A plain object, so that no library walks through it."""

    parts: "Sequence[torch.Tensor]"  # of rows of about one length, (rows, tokens) each: places in the sequence
    origin: "torch.Tensor"  # (T,): where a token's result stands in the parts, flattened and behind each other
    predicting: "torch.Tensor"  # (labels,): the place before each label


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows as one sequence."""

    ids: "torch.Tensor"  # (1, T)
    positions: "torch.Tensor"  # (1, T): of each token in its row
    labels: "torch.Tensor"  # (1, labels)
    rows: "torch.Tensor"  # (labels,): the row of each label
    columns: "torch.Tensor"  # (labels,): its column among the labels of the row, without the first token
    places: Places


def pack(input_ids: "torch.Tensor", attention_mask: "torch.Tensor", labels: "torch.Tensor") -> Packed:
    """Rows that are padded on the right, all of shape (rows, tokens), as one sequence.

    A row's prompt is what stands before its first label. A row's last token is left out: nothing reads what follows it.
    """
    import numpy as np
    import torch

    ids, learnt = input_ids.cpu().numpy(), labels.cpu().numpy() != IGNORED
    lengths = attention_mask.cpu().numpy().sum(1) - 1
    prompts = np.minimum(learnt.argmax(1), lengths)
    n_rows, width = ids.shape
    first_with: dict[bytes, int] = {}  # prompt -> the first row with it, which has its tokens
    first = np.array([first_with.setdefault(ids[row, : prompts[row]].tobytes(), row) for row in range(n_rows)])
    own_from = np.where(first == np.arange(n_rows), 0, prompts)
    starts = np.concatenate([[0], np.cumsum(lengths - own_from)])[:-1]
    columns = np.arange(width)
    inside = columns < lengths[:, None]
    # Padding shows the row's last token: any token would do.
    columns_inside = np.minimum(columns, lengths[:, None] - 1)
    shared = columns_inside < own_from[:, None]
    places = columns_inside + np.where(shared, starts[first][:, None], (starts - own_from)[:, None])
    own = inside & ~shared
    origin, parts, begin = np.empty(own.sum(), np.int64), [], 0
    for rows in _alike(lengths):
        longest = int(lengths[rows].max())
        parts.append(places[rows, :longest])
        flat = begin + np.arange(parts[-1].size).reshape(parts[-1].shape)
        origin[parts[-1][own[rows, :longest]]] = flat[own[rows, :longest]]
        begin += parts[-1].size
    label_rows, label_columns = np.nonzero(learnt[:, 1:])

    def tensor(values: Any) -> torch.Tensor:
        return torch.tensor(values, device=input_ids.device)

    return Packed(
        ids=tensor(ids[own][None]),
        positions=tensor(np.broadcast_to(columns, own.shape)[own][None]),
        labels=tensor(ids[:, 1:][label_rows, label_columns][None]),
        rows=tensor(label_rows),
        columns=tensor(label_columns),
        places=Places(
            [tensor(part) for part in parts],
            tensor(origin),
            tensor(places[label_rows, label_columns]),
        ),
    )


def _alike(lengths: Any) -> list[Any]:
    """The rows in groups, by length: within a group the longest is at most LONGEST times as long as the shortest."""
    import numpy as np

    order = np.argsort(lengths, kind="stable")
    groups, begin = [], 0
    while begin < len(order):
        end = int(np.searchsorted(lengths[order], lengths[order[begin]] * LONGEST, "right"))
        groups.append(order[begin:end])
        begin = end
    return groups


class Unpadded:
    """A model for TRL's losses: it takes TRL's padded rows, and leaves their padding out of the computation."""

    def __init__(self, model: Any) -> None:
        """model: with TRL's fused head and packed attention, as it is or as accelerate wraps it."""
        self._model = model

    def __call__(
        self,
        input_ids: "torch.Tensor",
        attention_mask: "torch.Tensor",
        labels: "torch.Tensor",
        fused_lm_head: bool,
        use_cache: bool,
    ) -> "FusedCausalLMOutput":
        """The log-probabilities in TRL's places, (rows, tokens - 1); what only TRL's own metrics read is 0."""
        from trl.trainer.utils import FusedCausalLMOutput

        rows = pack(input_ids, attention_mask, labels)
        found = self._model(
            input_ids=rows.ids,
            position_ids=rows.positions,
            shift_labels=rows.labels,
            fused_lm_head=fused_lm_head,
            use_cache=use_cache,
            packed=rows.places,
        )
        mask = labels[:, 1:] != IGNORED
        nothing = found.log_probs.detach().new_zeros(mask.shape)
        return FusedCausalLMOutput(
            log_probs=nothing.index_put((rows.rows, rows.columns), found.log_probs[0]),
            entropy=nothing,
            mean_logits=nothing,
            is_top1=nothing.bool(),
            label_mask=mask,
        )


def is_packed(model: "PreTrainedModel") -> bool:
    """Whether `allow_packing` has prepared the model."""
    return bool(model.config._attn_implementation == ATTENTION)


def allow_packing(model: "PreTrainedModel", traces: Sequence[Tokens], longest: int) -> bool:
    """Prepare a model for `Unpadded`, if its hidden states of these traces are the same packed as one by one.

    traces: some to try it with; the model's weights are float32. longest: tokens of the longest row of the training, at
    most. Returns whether the model is prepared; otherwise it is as before.
    """
    import torch

    if reason := _unlike(model, longest):
        return _refused(reason)
    backbone: Any = model.base_model
    before, hook = model.config._attn_implementation, None
    try:
        with torch.inference_mode():
            alone = torch.cat([_alone(model, trace)[len(trace.prompt) - 1 :] for trace in traces])
            model.set_attn_implementation(_attention())
            hook = backbone.register_forward_hook(_only_predicting, with_kwargs=True)
            rows = pack(*_padded(model, traces))
            packed = backbone(
                input_ids=rows.ids, position_ids=rows.positions, use_cache=False, packed=rows.places
            ).last_hidden_state[0]
        if float((packed - alone).abs().max()) <= TOLERANCE * float(alone.abs().max()):
            return True
        reason = "its hidden states are others"
    # It takes no packed rows, or no attention but its own.
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        reason = str(error)
    if hook is not None:
        hook.remove()
    model.set_attn_implementation(before)
    return _refused(reason)


def _unlike(model: "PreTrainedModel", longest: int) -> str | None:
    """Why a model's rows may not be packed, whatever its hidden states of some traces say."""
    config: Any = model.config.get_text_config()
    if hasattr(config, "output_router_logits"):
        return "it is a mixture of experts, whose loss for balance counts the tokens of padded rows"
    if others := set(getattr(config, "layer_types", None) or ()) - _ATTENTION:
        return f"it has layers of the kind {', '.join(sorted(others))}"
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if window and window < longest:
        return f"it looks {window} tokens back, and a row may have {longest}"
    return None


def _refused(reason: str) -> bool:
    say(f"training pads its rows, because the policy cannot be packed: {reason}")
    return False


def _alone(model: "PreTrainedModel", trace: Tokens) -> "torch.Tensor":
    import torch

    backbone: Any = model.base_model
    ids = torch.tensor([trace.prompt + trace.completion], device=model.device)[:, :-1]
    states: torch.Tensor = backbone(input_ids=ids, use_cache=False).last_hidden_state[0]
    return states


def _padded(model: "PreTrainedModel", traces: Sequence[Tokens]) -> "tuple[torch.Tensor, torch.Tensor, torch.Tensor]":
    """input_ids, attention_mask and labels of traces, (traces, tokens) each."""
    import torch

    width = max(len(trace.prompt) + len(trace.completion) for trace in traces)
    ids = torch.zeros(len(traces), width, dtype=torch.int64, device=model.device)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, trace in enumerate(traces):
        tokens = torch.tensor(trace.prompt + trace.completion)
        ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        labels[row, len(trace.prompt) : len(tokens)] = tokens[len(trace.prompt) :]
    return ids, mask, labels


def _attention() -> str:
    """The name of the attention function, known to transformers from here on."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, _attend)
    return ATTENTION


def _attend(
    module: "torch.nn.Module",
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    attention_mask: "torch.Tensor | None",
    packed: Places,
    **more: Any,
) -> "tuple[torch.Tensor, None]":
    """Attention of packed rows by torch's fused kernel. query, key, value: (1, heads, T, width)."""
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    states = [each.transpose(1, 2)[0] for each in (query, key, value)]  # (T, heads, width) each
    attended = []
    for part in packed.parts:
        queries, keys, values = (each[part].transpose(1, 2) for each in states)
        result, _ = sdpa_attention_forward(module, queries, keys, values, None, **more)
        attended.append(result.flatten(0, 1))
    return torch.cat(attended)[packed.origin][None], None


def _only_predicting(module: "torch.nn.Module", inputs: Any, named: dict[str, Any], output: Any) -> Any:
    """A hook: the head gets only the hidden states from which a label is predicted."""
    output.last_hidden_state = output.last_hidden_state[:, named["packed"].predicting]
    return output
