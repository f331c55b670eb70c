"""The problems that one side solves more often than the other."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from prefdelta.commands.compare.contrasts import ChangedItem, Comparison, on_all
from prefdelta.commands.looking.answers import Side, members
from prefdelta.commands.looking.results import Results
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.outcomes import outcomes
from prefdelta.store import tables


def changed_items(results: Results, comparison: Comparison, number: int) -> list[ChangedItem]:
    """The problems that changed most, at most `number` each way; those that the first wins come first."""
    found: list[ChangedItem] = []
    for _, evaluations in comparison.places:
        first, second = (on_all(comparison.answered, side, evaluations) for side in comparison.sides)
        if first is None or second is None:
            continue
        for evaluation in evaluations:
            found += _changed(results, first, second, evaluation)
    found.sort(key=lambda item: (item.change != "won", -abs(item.first - item.second), item.item, item.group))
    kept = [item for way in ("won", "lost") for item in [one for one in found if one.change == way][:number]]
    problems = _problems(results, kept)
    return [replace(item, problem=problems.get(item.item, "")) for item in kept]


def _changed(results: Results, first: Side, second: Side, evaluation: Evaluation) -> list[ChangedItem]:
    """The problems of one benchmark that count on both sides and differ; their texts are not read."""
    ours, theirs = (_by_item(results, side, evaluation) for side in (first, second))
    found = []
    for prompt_id in ours.keys() & theirs.keys():
        (our_share, our_answers), (their_share, their_answers) = ours[prompt_id], theirs[prompt_id]
        if round(our_share - their_share, 12) != 0:
            item = f"{evaluation.benchmark}/{prompt_id}"
            change: Literal["won", "lost"] = "won" if our_share > their_share else "lost"
            found.append(
                ChangedItem(item, evaluation.group, change, our_share, their_share, "", our_answers, their_answers)
            )
    return found


def _by_item(results: Results, side: Side, evaluation: Evaluation) -> Mapping[str, tuple[float, list[str]]]:
    """Prompt -> (mean over the repeats of the share of their answers that are right, their final answers).

    Without the prompts that do not count for one of the repeats.
    """
    import numpy as np

    by_arm: list[dict[str, float]] = []
    answers: dict[str, list[str]] = {}
    for arm in members(side):
        path = Path(results.scores(arm, evaluation.group))
        table = tables.read_arrow(path, Score, ["benchmark", "prompt_id", "extracted", "correct", "failure"])
        right: dict[str, list[float]] = {}
        columns = [table.column(name).to_pylist() for name in ("benchmark", "prompt_id", "extracted")]
        for benchmark, prompt_id, extracted, outcome in zip(*columns, outcomes(table), strict=True):
            if benchmark == evaluation.benchmark:
                answers.setdefault(prompt_id, []).append(extracted or "")
                if not np.isnan(outcome):
                    right.setdefault(prompt_id, []).append(float(outcome))
        by_arm.append({prompt_id: sum(known) / len(known) for prompt_id, known in right.items()})
    in_all = set.intersection(*(set(shares) for shares in by_arm))
    return {name: (sum(shares[name] for shares in by_arm) / len(by_arm), answers[name]) for name in in_all}


def _problems(results: Results, items: list[ChangedItem]) -> dict[str, str]:
    """Item -> its text, of the benchmarks whose prompts are there."""
    texts: dict[str, str] = {}
    for benchmark in {item.item.partition("/")[0] for item in items}:
        if results.has("prompts", source=benchmark):
            rows = results.tables.rows("prompts", Prompt, None, source=benchmark)
            texts |= {f"{benchmark}/{row.prompt_id}": row.text for row in rows}
    return texts
