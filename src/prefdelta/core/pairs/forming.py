"""Forming pairs: which two traces of a prompt face each other, and which pairs may be trained on."""

from collections.abc import Iterable, Mapping
from itertools import product

from prefdelta.core.ids import digest
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.records.trace import Trace

# Why a side has no usable trace; of several reasons the first in this list. A pair's reason is "<side>_<reason>".
_REASONS = ("truncated", "empty", "failed", "missing")


def pair_id(chosen: str, rejected: str, prompt_id: str, samples: tuple[int | None, int | None]) -> str:
    """The id of a pair: a hash of generators, prompt and samples."""
    return digest(["pair", chosen, rejected, prompt_id, *samples])[:16]


def pool_pairs(
    chosen: str,
    rejected: str,
    prompt_ids: Iterable[str],
    traces: Mapping[str, Iterable[Trace]],
    grades: Mapping[str, Iterable[Grade]],
    judged: Mapping[str, int],
) -> list[Pair]:
    """One pair per prompt: the lowest usable sample on each side, among the judged samples.

    A sample that is not judged has no delta. If such samples were taken where the judged ones are truncated, random
    draws would have these prompts, which are often the hard ones, and selections by delta would not.
    A generator paired with itself takes even samples as chosen and odd ones as rejected. A prompt without a usable
    trace on both sides keeps its row, with `eligible=False` and the reason, so that prompts in = pairs out.

    traces, grades: by generator name, in any order.
    judged: by generator name, how many first samples of a prompt are judged.
    """
    table = _Traces(chosen, rejected, traces, grades, judged)
    pairs = []
    for prompt_id in sorted(prompt_ids):
        left, left_reason = _first_usable(table.judged("chosen", prompt_id))
        right, right_reason = _first_usable(table.judged("rejected", prompt_id))
        if left is None:
            reason: str | None = f"chosen_{left_reason}"
        elif right is None:
            reason = f"rejected_{right_reason}"
        else:
            reason = "identical" if left.text == right.text else None
        pairs.append(table.pair(prompt_id, left, right, pool=True, reason=reason))
    return pairs


def cell_pairs(
    chosen: str,
    rejected: str,
    prompt_ids: Iterable[str],
    traces: Mapping[str, Iterable[Trace]],
    grades: Mapping[str, Iterable[Grade]],
    judged: Mapping[str, int],
) -> list[Pair]:
    """The correctness cells (paper, experiment 3) of the prompts for which all four exist, without their pool pairs.

    On each side, a cell pair takes the lowest usable sample of the wanted correctness, judged or not, because no cell
    uses deltas. A cell pair that equals the prompt's pool pair is skipped, because `pool_pairs` already has it.
    The arguments are those of `pool_pairs`.
    """
    table = _Traces(chosen, rejected, traces, grades, judged)
    pairs = []
    for prompt_id in sorted(prompt_ids):
        firsts = {
            (side, correct): _first_usable([t for t in table.side(side, prompt_id) if table.correct(t) is correct])[0]
            for side in ("chosen", "rejected")
            for correct in (True, False)
        }
        if any(trace is None for trace in firsts.values()):
            continue
        pool = {side: _first_usable(table.judged(side, prompt_id))[0] for side in ("chosen", "rejected")}
        for left, right in product((True, False), repeat=2):
            sides = firsts["chosen", left], firsts["rejected", right]
            if sides != (pool["chosen"], pool["rejected"]):
                reason = "identical" if sides[0] and sides[1] and sides[0].text == sides[1].text else None
                pairs.append(table.pair(prompt_id, *sides, pool=False, reason=reason))
    return pairs


class _Traces:
    """Traces and grades of both sides of a pairing, by prompt."""

    def __init__(
        self,
        chosen: str,
        rejected: str,
        traces: Mapping[str, Iterable[Trace]],
        grades: Mapping[str, Iterable[Grade]],
        judged: Mapping[str, int],
    ) -> None:
        self._chosen, self._rejected = chosen, rejected
        self._judged = {"chosen": judged[chosen], "rejected": judged[rejected]}
        parity = {"chosen": 0, "rejected": 1} if chosen == rejected else {}
        self._sides = {
            side: _by_prompt(trace for trace in traces[name] if trace.sample % 2 == parity.get(side, trace.sample % 2))
            for side, name in (("chosen", chosen), ("rejected", rejected))
        }
        self._correct = {
            (grade.generator, grade.prompt_id, grade.sample): grade.correct
            for name in {chosen, rejected}
            for grade in grades[name]
        }

    def side(self, side: str, prompt_id: str) -> list[Trace]:
        """The traces that one side offers for a prompt."""
        return self._sides[side].get(prompt_id, [])

    def judged(self, side: str, prompt_id: str) -> list[Trace]:
        """The traces of one side for a prompt that the judge rates if they are usable."""
        return [trace for trace in self.side(side, prompt_id) if trace.sample < self._judged[side]]

    def correct(self, trace: Trace | None) -> bool | None:
        return None if trace is None else self._correct.get((trace.generator, trace.prompt_id, trace.sample))

    def pair(self, prompt_id: str, left: Trace | None, right: Trace | None, *, pool: bool, reason: str | None) -> Pair:
        samples = (left.sample if left else None, right.sample if right else None)
        correct = self.correct(left), self.correct(right)
        return Pair(
            pair_id=pair_id(self._chosen, self._rejected, prompt_id, samples),
            prompt_id=prompt_id,
            chosen_sample=samples[0],
            rejected_sample=samples[1],
            pool=pool,
            cell=_cell(*correct),
            chosen_tokens=left.n_tokens if left else None,
            rejected_tokens=right.n_tokens if right else None,
            chosen_correct=correct[0],
            rejected_correct=correct[1],
            eligible=reason is None,
            reason=reason,
            chosen_characters=len(left.text) if left and left.text else None,
            rejected_characters=len(right.text) if right and right.text else None,
            texts=digest([left.text, right.text])[:16] if left and right else None,
        )


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
    reasons = {trace.unusable_because or "missing" for trace in traces} or {"missing"}
    return None, min(reasons, key=_REASONS.index)


def _cell(chosen: bool | None, rejected: bool | None) -> str | None:
    if chosen is None or rejected is None:
        return None
    words = {True: "right", False: "wrong"}
    return f"{words[chosen]}-{words[rejected]}"
