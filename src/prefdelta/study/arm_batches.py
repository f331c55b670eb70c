"""The jobs of train and evaluate: batches of arms, each with a rule of its own."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from operator import attrgetter

from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base
from prefdelta.core.ids import digest
from prefdelta.study.axes import Axes
from prefdelta.study.compute import JobCompute
from prefdelta.study.config.sections import Config
from prefdelta.study.files import Files
from prefdelta.study.job import ArmBatch, JobLookups

_BY_PAIRING = attrgetter("policy", "pairing", "recipe", "seed")
# (stage, compute.<stage>.batch_by) -> what arms of one job share.
ALIKE: Mapping[tuple[str, str], Callable[[Arm], object]] = {
    ("train", "pairing"): _BY_PAIRING,
    ("evaluate", "pairing"): _BY_PAIRING,
    ("train", "policy"): attrgetter("policy", "recipe"),
    ("evaluate", "policy"): attrgetter("policy"),
}


class ArmBatches:
    """Arms that share what compute.<stage>.batch_by says, at most compute.<stage>.batch in each job."""

    def __init__(self, config: Config, axes: Axes, files: Files, compute: JobCompute, lookups: JobLookups) -> None:
        self._config = config
        self._axes = axes
        self._files = files
        self._compute = compute
        self._lookups = lookups

    @cached_property
    def train(self) -> list[ArmBatch]:
        return [self._make("train", batch_axes(arms), arms) for arms in self._batches("train", self._axes.arms)]

    @cached_property
    def evaluate(self) -> list[ArmBatch]:
        """The jobs of evaluate: per group, the untrained policies at each temperature, then the batches of arms."""
        jobs = []
        for group, section in self._config.evaluate.groups.items():
            for policy in self._config.policies:
                jobs.append(self._make("evaluate_base", {"policy": policy, "group": group}, [Base(policy)]))
                for base in (Base(policy, temperature) for temperature in section.base_temperatures):
                    jobs.append(self._make("evaluate_sharpened", {**base.axes, "group": group}, [base]))
            for arms in self._batches("evaluate", self._axes.arms_evaluated(group)):
                axes = batch_axes(arms)
                axes = {**axes, "batch": f"{axes['batch']}-{group}", "group": group}
                jobs.append(self._make("evaluate", axes, arms))
        return jobs

    @cached_property
    def passing_arms(self) -> dict[Arm, list[str]]:
        """Arms whose policies are not needed after evaluation (train.keep) -> the scores that need them."""
        kept = set(self._axes.kept_arms)
        scores: dict[Arm, list[str]] = {arm: [] for arm in self._axes.arms if arm not in kept}
        for job in self.evaluate:
            for arm, path in zip(job.arms, job.outputs, strict=True):
                if isinstance(arm, Arm) and arm in scores:
                    scores[arm].append(path)
        return scores

    def _batches(self, stage: str, arms: Sequence[Arm]) -> Iterator[list[Arm]]:
        compute = self._compute.section(stage)
        return batches_of(arms, compute.batch, ALIKE[stage, compute.batch_by])

    def _make(self, kind: str, axes: Mapping[str, str], arms: Sequence[Arm | Base]) -> ArmBatch:
        stage, name, policy = layout.stage_of(kind), layout.job_name(kind, **axes), axes["policy"]
        waits = self._compute.asked_for(stage, policy).submitit is not None
        return ArmBatch(
            kind=kind,
            axes=axes,
            name=name,
            outputs=[self._files.output(kind, **{**axes, **arm.axes}) for arm in arms],
            manifest=self._files.manifest(name),
            log=self._files.log(name),
            lookups=self._lookups,
            arms=tuple(arms),
            rule=_rule_name(stage, name),
            is_local=waits,
            threads=1 if waits else self._compute.threads(stage),
            resources=self._compute.batch_resources(stage, policy),
        )


def batches_of(arms: Sequence[Arm], size: int, alike: Callable[[Arm], object]) -> Iterator[list[Arm]]:
    """Arms that are alike, in portions of `size`."""
    groups: dict[object, list[Arm]] = {}
    for arm in arms:
        groups.setdefault(alike(arm), []).append(arm)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def batch_axes(arms: Sequence[Arm]) -> dict[str, str]:
    """The axes of a batch's job: those of its first arm, which no other batch has."""
    first = arms[0]
    batch = f"{first.recipe}-s{first.seed}-{first.selection}"
    return {"policy": first.policy, **first.pairing.axes, "batch": batch}


def _rule_name(stage: str, job: str) -> str:
    """A rule's name from a job's. Other characters become `_`; the hash keeps names distinct that this makes equal."""
    name = job.removeprefix(f"{stage}/")
    return f"{stage}_{re.sub(r'[^A-Za-z0-9]+', '_', name)}_{digest(name)[:4]}"
