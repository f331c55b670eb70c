"""Accuracies by a benchmark's own rule, beside ours, if the two rules differ."""

from collections.abc import Iterable
from dataclasses import dataclass

from prefdelta.core.statistics import Estimate, wilson_interval
from prefdelta.records.details.evaluate import EvaluateDetails
from prefdelta.reporting.manifests import FinishedJob, details_of


@dataclass(frozen=True, slots=True)
class UpstreamLine:
    """One arm's answers to one benchmark, by both rules."""

    arm: str
    benchmark: str
    ours: Estimate
    theirs: Estimate
    differ: int  # answers with another verdict


def upstream_lines(jobs: Iterable[FinishedJob]) -> list[UpstreamLine]:
    """One line per arm and benchmark whose evaluation counted upstream's verdicts, by benchmark, then by arm."""
    lines = []
    for _, details in details_of(jobs, EvaluateDetails):
        for arm, benchmarks in (details.by_upstreams_rule or {}).items():
            for benchmark, theirs in benchmarks.items():
                ours = wilson_interval(*details.solved_of_counted[arm][benchmark])
                upstream = wilson_interval(theirs.solved, theirs.counted)
                lines.append(UpstreamLine(arm, benchmark, ours, upstream, theirs.differ))
    return sorted(lines, key=lambda line: (line.benchmark, line.arm))
