"""Pairing: which two traces of a prompt face each other, and which pairs may be trained on."""

from collections.abc import Iterable, Mapping

from prefdelta.core.ids import digest
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.records.trace import Trace

# Why a side offers no trace, the most telling first; the pair's reason is "<side>_<this>".
_REASONS = ("truncated", "empty", "failed", "missing")


def pair_id(chosen: str, rejected: str, prompt_id: str, samples: tuple[int | None, int | None]) -> str:
    """The id of a pair: a hash of what it joins."""
    return digest(["pair", chosen, rejected, prompt_id, *samples])[:16]


def pool_pairs(
    chosen: str,
    rejected: str,
    prompt_ids: Iterable[str],
    traces: Mapping[str, Iterable[Trace]],
    grades: Mapping[str, Iterable[Grade]],
) -> list[Pair]:
    """One pair per prompt: the lowest usable sample on each side.

    A generator paired with itself takes even samples as chosen and odd ones as rejected. A prompt that gives no pair
    keeps its row with `eligible=False` and the reason, so that prompts in = pairs out.

    traces, grades: by generator name, in any order.
    """
    parity = {"chosen": 0, "rejected": 1} if chosen == rejected else {}
    sides = {
        side: _by_prompt(trace for trace in traces[name] if trace.sample % 2 == parity.get(side, trace.sample % 2))
        for side, name in (("chosen", chosen), ("rejected", rejected))
    }
    correct = {
        (grade.generator, grade.prompt_id, grade.sample): grade.correct
        for name in {chosen, rejected}
        for grade in grades[name]
    }

    pairs = []
    for prompt_id in sorted(prompt_ids):
        left, left_reason = _first_usable(sides["chosen"].get(prompt_id, []))
        right, right_reason = _first_usable(sides["rejected"].get(prompt_id, []))
        if left is None:
            reason: str | None = f"chosen_{left_reason}"
        elif right is None:
            reason = f"rejected_{right_reason}"
        else:
            reason = "identical" if left.text == right.text else None
        left_correct = correct.get((chosen, prompt_id, left.sample)) if left else None
        right_correct = correct.get((rejected, prompt_id, right.sample)) if right else None
        samples = (left.sample if left else None, right.sample if right else None)
        pairs.append(
            Pair(
                pair_id=pair_id(chosen, rejected, prompt_id, samples),
                prompt_id=prompt_id,
                chosen_sample=samples[0],
                rejected_sample=samples[1],
                pool=True,
                cell=_cell(left_correct, right_correct),
                chosen_tokens=left.n_tokens if left else None,
                rejected_tokens=right.n_tokens if right else None,
                chosen_correct=left_correct,
                rejected_correct=right_correct,
                eligible=reason is None,
                reason=reason,
            )
        )
    return pairs


def _by_prompt(traces: Iterable[Trace]) -> dict[str, list[Trace]]:
    by_prompt: dict[str, list[Trace]] = {}
    for trace in traces:
        by_prompt.setdefault(trace.prompt_id, []).append(trace)
    return by_prompt


def _first_usable(traces: list[Trace]) -> tuple[Trace | None, str | None]:
    """The lowest usable sample, or why there is none."""
    usable = min((trace for trace in traces if trace.usable), key=lambda trace: trace.sample, default=None)
    if usable is not None:
        return usable, None
    found = {trace.unusable_because or "missing" for trace in traces} or {"missing"}
    return None, min(found, key=_REASONS.index)


def _cell(chosen: bool | None, rejected: bool | None) -> str | None:
    if chosen is None or rejected is None:
        return None
    words = {True: "right", False: "wrong"}
    return f"{words[chosen]}-{words[rejected]}"
