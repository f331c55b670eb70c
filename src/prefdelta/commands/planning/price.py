"""The price of each claim: what the jobs cost that its arms stand on, and what is saved without it."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prefdelta.commands.planning.amounts import Amount, total
from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.power import Power
from prefdelta.commands.planning.work import JobWork
from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base, Pairing, parse_arm

Part = tuple[str, str]  # name of a job, and of the arm of its batch; no arm: the whole job
_BATCHES = ("train", "evaluate")


@dataclass(frozen=True, slots=True)
class Price:
    """What a claim, or the arms of no claim, cost of what is planned."""

    arms: int  # trained arms
    hours: Amount  # all jobs that they stand on, from their traces to their scores
    alone: Amount  # the part of it that nothing else needs


@dataclass(frozen=True, slots=True)
class Prices:
    """Hours are of GPUs, or of cores if no job asks for a GPU."""

    unit: str  # GPU-hours or core-hours
    claims: Mapping[str, Price]
    rest: Price  # arms of no claim
    together: Amount  # of all claims, each part once
    shared: Amount  # how much more the claims' prices add up to


def price_of(works: Sequence[tuple[PlannedJob, JobWork]], power: Power) -> Prices:
    """The prices of claims in planned jobs. A job that is not planned costs nothing."""
    of_gpus = any(work.gpu_hours.value for _, work in works)
    hours = {job.name: work.gpu_hours if of_gpus else work.core_hours for job, work in works}
    graph = _Graph([job for job, _ in works])
    arms = {claim: {arm for line in lines for arm in line.arms} for claim, lines in power.effects.items()}
    parts = {
        claim: graph.below([*names, *(f"delta/{delta}" for line in power.effects[claim] for delta in line.deltas)])
        for claim, names in arms.items()
    }
    others = graph.trained - set().union(*arms.values())
    rest = graph.below(others)
    counts = Counter(part for own in (*parts.values(), rest) for part in own)

    def cost(chosen: Iterable[Part]) -> Amount:
        return total(hours[job] * (1 / graph.size(job) if arm else 1.0) for job, arm in sorted(chosen))

    def price(names: Iterable[str], own: set[Part]) -> Price:
        trained = sum(isinstance(parse_arm(name), Arm) for name in names)
        return Price(trained, cost(own), cost(part for part in own if counts[part] == 1))

    prices = {claim: price(names, parts[claim]) for claim, names in arms.items()}
    together, each = cost(set().union(*parts.values())), total(one.hours for one in prices.values())
    shared = Amount(each.value - together.value, each.basis)
    return Prices("GPU-hours" if of_gpus else "core-hours", prices, price(others, rest), together, shared)


class _Graph:
    """Which planned jobs an arm or a delta stands on."""

    def __init__(self, jobs: Sequence[PlannedJob]) -> None:
        self._made_by = {path: job for job in jobs for path in (*job.writes, job.manifest)}
        self._arms = {job.name: _arms(job) for job in jobs}
        self._jobs: dict[str, list[PlannedJob]] = {}  # by arm, or by the name of a job of deltas
        for job in jobs:
            for name in self._arms[job.name] or [job.name]:
                self._jobs.setdefault(name, []).append(job)
        self._above: dict[Part, set[Part]] = {}

    @property
    def trained(self) -> set[str]:
        """The names of all planned arms."""
        names = {arm for arms in self._arms.values() for arm in arms}
        return {name for name in names if isinstance(parse_arm(name), Arm)}

    def size(self, job: str) -> int:
        """How many arms a job has."""
        return len(self._arms[job])

    def below(self, names: Iterable[str]) -> set[Part]:
        """The parts of jobs that arms (by name) and deltas (`delta/<pairing>/<dimension>`) stand on."""
        found: set[Part] = set()
        for name in names:
            for job in self._jobs.get(name, ()):
                of_arm = bool(self._arms[job.name])
                found |= {(job.name, name if of_arm else "")} | self._inputs(job, name if of_arm else "")
        return found

    def _inputs(self, job: PlannedJob, arm: str = "") -> set[Part]:
        """All that a job stands on, but for trainings: an arm brings its own. arm: what this arm of its batch needs."""
        if (job.name, arm) not in self._above:
            makers = {maker.name: maker for path in job.reads if (maker := self._made_by.get(path))}
            wholes = [
                maker
                for maker in makers.values()
                if not self._arms[maker.name] and (not arm or _needs(job, arm, maker.name))
            ]
            self._above[job.name, arm] = {(maker.name, "") for maker in wholes}.union(*map(self._inputs, wholes))
        return self._above[job.name, arm]


def _needs(job: PlannedJob, name: str, maker: str) -> bool:
    """Whether an arm of a batch needs what a job makes that the batch reads."""
    arm, axes = parse_arm(name), layout.place_of_job(maker).axes
    if isinstance(arm, Base):
        return True
    if maker.startswith("filter/"):
        return maker == f"filter/{json.loads(job.settings)['arms'][name]}"
    if "generator" in axes:
        return axes["generator"] in arm.pairing.generators
    return "chosen" not in axes or Pairing(axes["chosen"], axes["rejected"]) == arm.pairing


def _arms(job: PlannedJob) -> list[str]:
    """The arms and untrained policies of a job of train or evaluate; none for other stages."""
    if job.stage not in _BATCHES:
        return []
    root = job.record.parent / job.stage
    return list(dict.fromkeys(path.parent.relative_to(root).as_posix() for path in job.writes))
