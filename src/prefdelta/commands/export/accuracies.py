"""The accuracies of a study's policies, with the intervals that the report shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.export.lineage import read_manifest
from prefdelta.commands.export.unchanged import Unchanged
from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import Estimate
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.manifest import Manifest
from prefdelta.reporting.arms import arm_at
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.study.study import Study


@dataclass(frozen=True, slots=True)
class MeasuredAccuracy:
    """A policy's accuracy on one benchmark, asked as one group asks it."""

    group: str
    benchmark: str
    accuracy: Estimate  # share of the items counted, from 0 to 1
    difference: Estimate | None  # from the untrained policy, paired by item; None for that policy itself
    items: int  # answers
    counted: int  # of them, without those that we failed to ask or grade
    truncated: float | None  # share of the answers
    problems: int
    table: Path  # of Score
    prompts: Path  # of Prompt
    manifest: Manifest  # of the job that evaluated


def measured(study: Study) -> Mapping[Arm | Base, list[MeasuredAccuracy]]:
    """Every evaluated policy, untrained ones first, with its results in the order of the config.

    An untrained policy at a temperature of its own is a control of the report, and not among them.
    Empty if nothing is evaluated yet. Raises StudyError if the items of a benchmark are not there.
    """
    jobs = [job for job in study.jobs("evaluate") if job.kind != "evaluate_sharpened" and Path(job.manifest).is_file()]
    tables = {path: job for job in jobs for path in job.outputs if Path(path).is_file()}
    section = study.config.evaluate
    groups = {
        name: BenchmarkGroup(group.title, group.benchmarks, group.primary, group.sampling.temperature)
        for name, group in section.groups.items()
    }
    bootstrap = Bootstrap(study.config.report.resamples, study.config.seed)
    found_tables = StudyTables(study.outputs, study.config.study)
    scores = Scores.read(map(Path, tables), study.config.study, study.config.benchmarks, groups, bootstrap)
    manifests = {job.manifest: read_manifest(Path(job.manifest)) for job in jobs}
    found: dict[Arm | Base, list[MeasuredAccuracy]] = {}
    for path, job in tables.items():
        place = layout.place_of(path, study.config.study)
        policy, group = arm_at(place), place.axes["group"]
        for benchmark in section.groups[group].benchmarks:
            evaluation = Evaluation(group, benchmark)
            if not scores.has(policy, evaluation):
                continue
            if isinstance(policy, Arm):
                line = scores.against_base((policy,), evaluation)
            else:
                line = scores.base(policy.policy, evaluation)
            answers = scores.answers(evaluation)
            assert answers is not None
            result = MeasuredAccuracy(
                group=group,
                benchmark=benchmark,
                accuracy=line.accuracy,
                difference=line.difference,
                items=line.items,
                counted=line.counted,
                truncated=line.truncated,
                problems=answers.n_problems,
                table=Path(path),
                prompts=found_tables.path("prompts", source=benchmark),
                manifest=manifests[job.manifest],
            )
            if line.accuracy.value is not None:
                found.setdefault(policy, []).append(result)
    return dict(sorted(found.items(), key=lambda entry: (isinstance(entry[0], Arm), str(entry[0]))))


def check_unchanged(results: Iterable[MeasuredAccuracy]) -> None:
    """Raise StudyError if answers, problems or templates are not those of the jobs that evaluated."""
    unchanged = Unchanged()
    for result in results:
        template = Path(result.manifest.settings["benchmarks"][result.benchmark]["template"])
        unchanged.check(result.manifest, f"{result.table} was made", [template, result.prompts, result.table])


def interval_method(estimate: Estimate) -> str:
    """How the interval was made, and of which variance."""
    form = "Wilson's score interval" if estimate.df is None else "Student's t with Satterthwaite's degrees of freedom"
    if estimate.run_df is None:
        return f"{form}, over items"
    if estimate.run_df == 0:
        return f"{form}, over items only: without repeated trainings nothing shows how much they vary"
    return f"{form}, over items and repeated trainings"
