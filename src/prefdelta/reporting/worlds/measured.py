"""What a study has measured, in place of what was assumed before it ran."""

import math
from collections.abc import Sequence
from typing import Any

from prefdelta.core.arms import Base
from prefdelta.reporting.numbers.accuracies import Scores
from prefdelta.reporting.numbers.components import seeds_with_traces
from prefdelta.reporting.numbers.deltas import DeltaLine, Pairings
from prefdelta.reporting.numbers.gains import POINTS
from prefdelta.reporting.numbers.generators import Grades
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.shape import StudyShape


def measured(usual: Assumptions, shape: StudyShape, scores: Scores, grades: Grades, pairings: Pairings) -> Assumptions:
    """The assumptions with all values that these results show; what they do not show stays assumed."""
    found: dict[str, Any] = {}
    if accuracies := _base_accuracies(scores):
        found["base_accuracy"] = {**usual.base_accuracy, **accuracies}
    found |= _between_runs(scores)
    known = {name: accuracy.value for name in shape.generators if (accuracy := grades.accuracy(name))}
    if accuracies := {name: value for name, value in known.items() if value is not None and 0 < value < 1}:
        found["generator_accuracy"] = {**usual.generator_accuracy, **accuracies}
    if eligible := [count for pairing in shape.pairings if (count := pairings.eligible(pairing))]:
        found["usable_share"] = min(1.0, math.sqrt(sum(eligible) / len(eligible) / shape.prompts))
    lines = [line for line in pairings.lines() if line.dimension in shape.dimensions]
    if zeros := _zero_shares(lines):
        found["zero_share"] = {**usual.zero_share, **zeros}
    with_length = [line.with_length.value for line in lines if line.with_length.value is not None]
    if with_length:
        found["length_correlation"] = sum(with_length) / len(with_length)
    return usual.with_measured(**found)


def _between_runs(scores: Scores) -> dict[str, float]:
    """The luck of a run, and the shares of its sources in it, as far as the study can tell them apart."""
    primary = scores.evaluations(primary=True)
    runs = scores.run_variance(primary)
    if runs is None:
        return {}
    seeds, draws, traces, chosen = map(runs.adds, (runs.seeds, runs.draws, runs.traces, runs.chosen))
    found: dict[str, float] = {}
    if traces and chosen is not None:
        found["shared_share"] = min(1.0, chosen / traces)
    if together := seeds_with_traces(scores, primary):
        return {**found, "run_sd": POINTS * math.sqrt(together.value)}
    if seeds is None:
        return found
    total = seeds + (traces or 0.0)
    found["run_sd"] = POINTS * math.sqrt(total)
    if total and traces is not None:
        found["trace_share"] = traces / total
    if total and draws is not None:
        found["draw_share"] = draws / total
    return found


def _base_accuracies(scores: Scores) -> dict[str, float]:
    """Benchmark -> the mean over the untrained policies, where none is always or never right."""
    accuracies = {}
    for evaluation in scores.evaluations(primary=True):
        bases = [policy for policy in scores.policies() if scores.has(Base(policy), evaluation)]
        values = [value for policy in bases if (value := scores.base(policy, evaluation).accuracy.value) is not None]
        if values and 0 < (mean := sum(values) / len(values)) < 1:
            accuracies[evaluation.benchmark] = mean
    return accuracies


def _zero_shares(lines: Sequence[DeltaLine]) -> dict[str, float]:
    """Dimension -> the share of deltas that are 0, mean over pairings."""
    shares: dict[str, list[float]] = {}
    for line in lines:
        if line.ties.value is not None:
            shares.setdefault(line.dimension, []).append(line.ties.value)
    return {dimension: sum(values) / len(values) for dimension, values in shares.items()}
