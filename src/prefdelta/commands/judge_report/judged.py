"""What the judges scored: how many traces, which scores, and how far the votes on one trace agree."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.commands.audit.report_inputs import present
from prefdelta.core.arms import undrawn
from prefdelta.core.asking.verdicts import HIGHEST, LOWEST
from prefdelta.reading.votes import read_votes
from prefdelta.records.judgement import Judgement
from prefdelta.reporting.numbers.agreement import AgreementLine, agreement_line
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.stages.judge import JudgeSettings
from prefdelta.store import calls, tables
from prefdelta.study.job import StudyJob
from prefdelta.study.study import Study

_SCORES = range(LOWEST, HIGHEST + 1)


@dataclass(frozen=True, slots=True)
class FormJob:
    """A finished job of judge: the traces of one generator, in one form."""

    form: str  # with the judge, if it is another one: logic@second
    generator: str
    settings: JudgeSettings
    table: Path
    calls: Path  # the partition of its replies

    def rows(self) -> list[Judgement]:
        return tables.read(self.table, Judgement)


@dataclass(frozen=True, slots=True)
class JudgedDimension:
    """One dimension of a form, over all generators and draws of traces."""

    form: str
    dimension: str
    traces: int
    scored: int
    not_asked: int  # unusable traces
    asked_again: int  # requests after replies that were no verdict
    failures: Mapping[str, int]  # kind -> traces without a score


@dataclass(frozen=True, slots=True)
class ScoreShares:
    """The scores of one generator, of all its draws, on one dimension of a form."""

    form: str
    dimension: str
    generator: str
    n: int
    mean: float
    shares: Mapping[str, float]  # score -> share of the traces; a mean of votes counts for the nearest score


def form_jobs(study: Study) -> list[FormJob]:
    return [found for job in study.jobs("judge") if (found := _form_job(study, job)) is not None]


def _form_job(study: Study, job: StudyJob) -> FormJob | None:
    settings = job.typed_settings
    assert isinstance(settings, JudgeSettings)
    partition = calls.judge_calls(Path(study.record), settings.form, settings.generator)
    for table in present(job.outputs):
        return FormJob(job.axes["form"], settings.generator, settings, table, partition)
    return None


def judged_dimensions(jobs: Sequence[FormJob]) -> list[JudgedDimension]:
    """One line per form and dimension, in the order of the jobs."""
    found: dict[tuple[str, str], Counter[str]] = {}
    failures: dict[tuple[str, str], Counter[str]] = {}
    for job in jobs:
        for row in job.rows():
            key = job.form, row.dimension
            counts = found.setdefault(key, Counter())
            counts["traces"] += 1
            counts["scored"] += row.failure is None
            counts["again"] += row.attempts - len(row.call_keys)
            if row.failure is not None:
                failures.setdefault(key, Counter())[row.failure] += 1
    lines = []
    for key, counts in found.items():
        reasons = failures.get(key, Counter())
        not_asked = reasons.pop("unusable_trace", 0)
        numbers = (counts["traces"], counts["scored"], not_asked, counts["again"])
        lines.append(JudgedDimension(*key, *numbers, dict(reasons.most_common())))
    return lines


def score_shares(jobs: Sequence[FormJob]) -> list[ScoreShares]:
    """One line per form, dimension and generator."""
    scores: dict[tuple[str, str, str], list[float]] = {}
    for job in jobs:
        for row in job.rows():
            if row.score is not None:
                scores.setdefault((job.form, row.dimension, undrawn(job.generator)), []).append(float(row.score))
    lines = []
    for key, values in sorted(scores.items(), key=lambda item: item[0][:2]):
        counts = Counter(int(value + 0.5) for value in values)
        shares = {str(score): counts[score] / len(values) for score in _SCORES}
        lines.append(ScoreShares(*key, len(values), sum(values) / len(values), shares))
    return lines


def vote_agreements(jobs: Sequence[FormJob], bootstrap: Bootstrap) -> list[AgreementLine]:
    """How the first two votes on each trace agree, by the report's formula: one line per form and dimension.

    Empty if traces get one vote each.
    """
    import pandas as pd

    rows = [row for job in jobs if job.settings.votes > 1 for row in _first_two(job)]
    if not rows:
        return []
    asked = {job.form: len(job.settings.dimensions) for job in jobs}
    lines = []
    frame = pd.DataFrame(rows)
    for form, dimension in frame[["form", "dimension"]].drop_duplicates().itertuples(index=False, name=None):
        both = frame[(frame["form"] == form) & (frame["dimension"] == dimension)]
        names = (f"{form}, first vote", f"{form}, second vote")
        lines.append(agreement_line(dimension, names, (asked[form], asked[form]), both, bootstrap))
    return lines


def _first_two(job: FormJob) -> Iterator[dict[str, Any]]:
    """The scores of the first two votes on each trace; a missing score is None."""
    for row, votes in read_votes(job.calls, (row for row in job.rows() if len(row.call_keys) > 1)):
        scores = [None if vote.scores is None else vote.scores[row.dimension] for vote in votes[:2]]
        yield {
            "form": job.form,
            "dimension": row.dimension,
            "prompt_id": row.prompt_id,
            "score_sum_main": scores[0],
            "score_sum_other": scores[1],
            "votes_main": int(scores[0] is not None),
            "votes_other": int(scores[1] is not None),
        }
