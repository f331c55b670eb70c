"""A plan as a whole: its sums by stage, its causes, its disk; and the same as JSON."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from prefdelta.commands.planning.amounts import BASES, NOTHING, Amount, total
from prefdelta.commands.planning.causes import Causes
from prefdelta.commands.planning.disk import Disk
from prefdelta.commands.planning.dollars import Account
from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.power import Power
from prefdelta.commands.planning.price import Price, Prices, price_of
from prefdelta.commands.planning.ties import Ties
from prefdelta.commands.planning.work import UNITS, JobWork
from prefdelta.core.durations import duration
from prefdelta.core.stage_names import STAGES


@dataclass(frozen=True, slots=True)
class Stage:
    """The planned jobs of one stage."""

    name: str
    jobs: int
    unit: str | None  # unit of `missing`; None: the stage asks no model and trains none
    missing: Amount
    tokens: Amount
    gpu_hours: Amount
    core_hours: Amount
    usd: Amount
    why: dict[str, int]  # cause -> jobs


@dataclass(slots=True)
class Cause:
    """The jobs that one changed file or key, or one new value, makes stale."""

    cause: str
    own: Counter[str] = field(default_factory=Counter)  # stage -> jobs that read it themselves
    below: Counter[str] = field(default_factory=Counter)  # stage -> jobs that only depend on those


@dataclass(frozen=True, slots=True)
class Plan:
    """Which jobs would run, why, and their cost."""

    study: str
    stages: list[Stage]
    why: list[Cause]
    disk: Disk
    account: Account | None
    power: Power
    prices: Prices
    gpu_jobs: int
    notes: list[str]
    ties: Ties

    @property
    def jobs(self) -> int:
        return sum(stage.jobs for stage in self.stages)

    def missing(self, unit: str) -> Amount:
        return total(stage.missing for stage in self.stages if stage.unit == unit)

    def sum_of(self, name: str) -> Amount:
        return total(getattr(stage, name) for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """See the docstring of `prefdelta.commands.plan`."""
        return {
            "study": self.study,
            "jobs": self.jobs,
            "slurm": {"jobs": self.jobs, "with_gpus": self.gpu_jobs},
            "stages": {
                stage.name: {
                    "jobs": stage.jobs,
                    "unit": stage.unit,
                    **{name: _amount(getattr(stage, name)) for name in ("missing", *_SUMS)},
                    "why": stage.why,
                }
                for stage in self.stages
            },
            "totals": {
                **{unit: _amount(self.missing(unit)) for unit in dict.fromkeys(UNITS.values())},
                **{name: _amount(self.sum_of(name)) for name in _SUMS},
            },
            "why": [{"cause": why.cause, "own": dict(why.own), "below": dict(why.below)} for why in self.why],
            "disk": {
                **{name: _amount(getattr(self.disk, name)) for name in ("policies", "snapshots", "replies", "needed")},
                "free": self.disk.free,
                "fits": self.disk.fits,
            },
            "power": {
                claim: [{name: getattr(line, name) for name in _NUMBER} for line in lines]
                for claim, lines in self.power.effects.items()
            },
            "prices": {
                "unit": self.prices.unit,
                "claims": {claim: _price(price) for claim, price in self.prices.claims.items()},
                "rest": _price(self.prices.rest),
                "together": _amount(self.prices.together),
                "shared": _amount(self.prices.shared),
            },
            "spending": None if self.account is None else asdict(self.account),
            "notes": self.notes,
            "ties": {
                "limit": self.ties.limit,
                "selections": [one.as_json() for one in self.ties.selections],
                "over": [f"{one.pairing}/{one.selection}" for one in self.ties.over],
            },
        }


_NUMBER = ("title", "unit", "n", "effect", "named")
_SUMS = ("tokens", "gpu_hours", "core_hours", "usd")


def summed(
    study: str,
    works: Sequence[tuple[PlannedJob, JobWork]],
    causes: Mapping[str, Causes],
    disk: Disk,
    account: Account | None,
    power: Power,
    notes: Iterable[str],
    ties: Ties,
) -> Plan:
    stages = []
    for name in STAGES:
        its = [(job, work) for job, work in works if job.stage == name]
        if its:
            sums = {part: total(getattr(work, part) for _, work in its) for part in ("missing", *_SUMS)}
            why = Counter(cause for job, _ in its for cause in causes[job.name].all)
            stages.append(Stage(name, len(its), UNITS.get(name), **sums, why=dict(why.most_common())))
    jobs = [job for job, _ in works]
    gpu_jobs = sum(job.gpus > 0 for job in jobs)
    prices = price_of(works, power)
    notes = [*notes, *_too_long(works)]
    return Plan(study, stages, _why(jobs, causes), disk, account, power, prices, gpu_jobs, notes, ties)


def _why(jobs: Sequence[PlannedJob], causes: Mapping[str, Causes]) -> list[Cause]:
    """The causes, in the order of the first stage that each concerns."""
    by_cause: dict[str, Cause] = {}
    for job in sorted(jobs, key=lambda job: STAGES.index(job.stage)):
        its = causes[job.name]
        for cause in its.all:
            why = by_cause.setdefault(cause, Cause(cause))
            (why.own if cause in its.own else why.below)[job.stage] += 1
    return list(by_cause.values())


def _too_long(works: Sequence[tuple[PlannedJob, JobWork]]) -> list[str]:
    """A note for each stage with jobs that may take longer than their time limit."""
    notes = []
    for stage in STAGES:
        longest = max(
            ((job, work) for job, work in works if job.stage == stage and work.hours.value * 60 > job.minutes > 0),
            key=lambda pair: pair[1].hours.value / pair[0].minutes,
            default=None,
        )
        if longest:
            job, work = longest
            takes, limit = duration(work.hours.value * 3600), duration(job.minutes * 60)
            notes.append(
                f"{job.name} takes about {takes} ({BASES[work.hours.basis]}), and its time limit is {limit}: it would "
                "be cut off, and go on at its next attempt. Raise the runtime in "
                f"compute.{stage}{', or give its generator more shards' if stage == 'generate' else ''}."
            )
    return notes


def _price(price: Price) -> dict[str, Any]:
    return {"arms": price.arms, "hours": _amount(price.hours), "alone": _amount(price.alone)}


def _amount(amount: Amount) -> dict[str, Any]:
    known = amount == NOTHING or amount.value != 0 or BASES[amount.basis] != "at least"
    return {"value": round(amount.value, 3) if known else None, "basis": BASES[amount.basis] if known else "not known"}
