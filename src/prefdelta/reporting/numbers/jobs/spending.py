"""Time, memory and budgets of the stages."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prefdelta.reporting.manifests import FinishedJob, jobs_frame, stage_order, stages_frame


@dataclass(frozen=True, slots=True)
class StageLine:
    """Sums over a stage's jobs; the peak is the largest of any job."""

    stage: str
    jobs: int | None  # None: this page's own job, which has no manifest yet
    rows: int | None
    failed: int | None
    computed: Mapping[str, int]  # work that was not in the record: calls, tokens, updates, ...
    seconds: float | None
    cpu_seconds: float
    peak_mib: int | None
    reference_seconds: float  # CPU seconds at the speed of the reference machine
    budget: float | None  # CPU seconds at the speed of the reference machine

    @property
    def over(self) -> bool:
        return self.budget is not None and self.reference_seconds > self.budget


def stage_lines(
    jobs: Sequence[FinishedJob], budget: Mapping[str, float], factor: float, report_seconds: float
) -> list[StageLine]:
    """One line per stage that ran or has a budget, in order. report_seconds: CPU seconds of this page so far."""
    computed: dict[str, Counter[str]] = defaultdict(Counter)
    for job in jobs:
        computed[job.stage].update(job.manifest.run.computed)
    lines = [
        StageLine(
            stage=str(row["stage"]),
            jobs=int(row["jobs"]),
            rows=int(row["rows"]),
            failed=int(row["failed"]),
            computed=computed[str(row["stage"])],
            seconds=float(row["seconds"]),
            cpu_seconds=float(row["cpu_seconds"]),
            peak_mib=int(row["peak_mib"]),
            reference_seconds=float(row["cpu_seconds"]) / factor,
            budget=budget.get(str(row["stage"])),
        )
        for row in stages_frame(jobs_frame(jobs)).to_dict("records")
        if row["stage"] != "report"
    ]
    missing = [name for name in budget if name not in {"report", *(line.stage for line in lines)}]
    lines += [_without_manifests(name, 0, 0.0, factor, budget) for name in missing]
    lines.append(_without_manifests("report", None, report_seconds, factor, budget))
    return sorted(lines, key=lambda line: stage_order(line.stage))


def _without_manifests(
    stage: str, jobs: int | None, seconds: float, factor: float, budget: Mapping[str, float]
) -> StageLine:
    return StageLine(stage, jobs, None, None, {}, None, seconds, None, seconds / factor, budget.get(stage))
