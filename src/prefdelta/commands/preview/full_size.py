"""What the stages cost at full size, by the plan's own functions and by what a preview measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.planning.amounts import Amount, Basis, total
from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.models import model_of
from prefdelta.commands.planning.observed_speed import ObservedSpeed
from prefdelta.commands.planning.work import UNITS, Reckoning
from prefdelta.commands.preview.previewed import PreviewedJob
from prefdelta.study.job import StudyJob
from prefdelta.study.study import Study


@dataclass(frozen=True, slots=True)
class StageCost:
    """All jobs of one stage, from an empty record."""

    stage: str
    jobs: int
    unit: str  # of `amount`: calls, traces or policies
    amount: Amount
    tokens: Amount  # of replies, or read by training
    gpu_hours: Amount
    core_hours: Amount
    usd: Amount  # by the prices of the config
    usd_by_preview: float | None  # the mean cost of a previewed request, times the requests; None: not known


class PreviewedSpeed(ObservedSpeed):
    """What a preview measured, where it did; then what finished jobs did, and the figures of the config."""

    def __init__(self, study: Study, previewed: Sequence[PreviewedJob]) -> None:
        super().__init__(study)
        self._tokens: dict[tuple[str, str], list[int]] = {}
        self._rates: dict[tuple[str, str], Amount] = {}  # tokens per second
        for job in previewed:
            counts = [row.tokens for row in job.rows if row.tokens is not None]
            if counts:
                self._tokens.setdefault(_key(job.stage, job.model, job.name), []).extend(counts)
            if counts and (rate := _rate(job, sum(counts))):
                self._rates.setdefault((job.stage, job.model or ""), rate)

    def tokens_per_call(self, stage: str, model: str | None, *names: str) -> Amount:
        for name in names or ("",):
            if counts := self._tokens.get(_key(stage, model, name)):
                return Amount(sum(counts) / len(counts), Basis.MEASURED)
        return super().tokens_per_call(stage, model, *names)

    def tokens_per_s(self, stage: str, model: str | None) -> Amount:
        known = super().tokens_per_s(stage, model)
        return known if known.value else self._rates.get((stage, model or ""), known)


def _rate(job: PreviewedJob, tokens: int) -> Amount | None:
    """Tokens per second of a job, as far as a preview shows them; None if it shows nothing.

    By the seconds of single requests, as many at once as in a run, if the server bears that. Or else by the seconds of
    the whole preview, an upper bound of the time: a few rows fill no batch, and a start is most of it.
    """
    seconds = [row.seconds for row in job.rows if row.tokens is not None]
    if known := [one for one in seconds if one]:
        return Amount(tokens / len(seconds) * len(known) / sum(known) * job.at_once, Basis.ASSUMED)
    return Amount(tokens / job.seconds, Basis.AT_MOST) if job.asked and job.seconds else None


def _key(stage: str, model: str | None, name: str) -> tuple[str, str]:
    """What replies have a length of their own by: the form of a judge, and else the model."""
    return stage, name.rpartition("/")[2] if stage == "judge" else model or ""


def full_size(study: Study, previewed: Sequence[PreviewedJob], stages: Sequence[str]) -> list[StageCost]:
    reckoning = Reckoning(study, [], {}, PreviewedSpeed(study, previewed))
    return [_stage_cost(study, reckoning, stage, previewed) for stage in stages if stage in UNITS]


def _stage_cost(study: Study, reckoning: Reckoning, stage: str, previewed: Sequence[PreviewedJob]) -> StageCost:
    works = [reckoning.whole(planned(study, job)) for job in study.jobs(stage)]
    amount = total(work.missing for work in works)
    prices = [row.usd for job in previewed if job.stage == stage for row in job.rows if row.usd is not None]
    return StageCost(
        stage=stage,
        jobs=len(works),
        unit=UNITS[stage],
        amount=amount,
        tokens=total(work.tokens for work in works),
        gpu_hours=total(work.gpu_hours for work in works),
        core_hours=total(work.core_hours for work in works),
        usd=total(work.usd for work in works),
        usd_by_preview=sum(prices) / len(prices) * amount.value if prices else None,
    )


def planned(study: Study, job: StudyJob) -> PlannedJob:
    """A job of the study as the plan knows it."""
    asked = study.asked_for(job.stage, model_of(study, job.stage, job.name))
    nodes = asked.submitit.nodes if asked.submitit else 1
    inputs: Mapping[str, list[Path]] = {name: list(map(Path, paths)) for name, paths in job.inputs.items()}
    return PlannedJob(
        stage=job.stage,
        name=job.name,
        inputs=inputs,
        outputs={"outputs": list(map(Path, job.outputs))},
        manifest=Path(job.manifest),
        settings=job.settings,
        code="",
        record=Path(study.record),
        reason="",
        gpus=asked.gpus * nodes,
        minutes=asked.runtime,
    )
