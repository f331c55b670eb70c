"""Log-probabilities of completions under a causal language model."""

from collections.abc import Container, Iterator, Sequence
from typing import Any

from prefdelta.training.tokens import Tokens


def completion_logps(
    model: Any, rows: Sequence[Tokens], batch_tokens: int, pad_id: int, wanted: Container[int] | None = None
) -> Iterator[tuple[int, float]]:
    """(index of the row, nats summed over its completion's tokens), in order of length.

    Batches hold at most batch_tokens tokens, padding included; they are a function of `rows` alone.
    wanted: indices of the rows to yield, all by default; a batch that holds none of them is not computed.
    """
    import torch

    order = sorted(range(len(rows)), key=lambda index: (_length(rows[index]), index))
    for batch in _batches(order, rows, batch_tokens):
        if wanted is not None and not any(index in wanted for index in batch):
            continue
        width = _length(rows[batch[-1]])
        ids = torch.full((len(batch), width), pad_id, device=model.device)
        is_completion = torch.zeros((len(batch), width), dtype=torch.bool, device=model.device)
        is_token = torch.zeros((len(batch), width), dtype=torch.long, device=model.device)
        for at, index in enumerate(batch):
            row = rows[index]
            ids[at, : _length(row)] = torch.tensor(row.prompt + row.completion)
            is_token[at, : _length(row)] = 1
            is_completion[at, len(row.prompt) : _length(row)] = True
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=is_token, use_cache=False).logits[:, :-1].float()
        token_logps = logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
        sums = (token_logps * is_completion[:, 1:]).sum(-1)
        for index, nats in zip(batch, sums.tolist(), strict=True):
            if wanted is None or index in wanted:
                yield index, nats


def _length(row: Tokens) -> int:
    return len(row.prompt) + len(row.completion)


def _batches(order: list[int], rows: Sequence[Tokens], batch_tokens: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) + 1) * _length(rows[index]) > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
