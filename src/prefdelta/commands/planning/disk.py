"""Disk space that the missing policies and replies take, and the free space."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands import policy_sizes
from prefdelta.commands.planning.amounts import UNKNOWN, Amount, Basis, total
from prefdelta.commands.planning.dry_run import PlannedJob
from prefdelta.commands.planning.work import JobWork
from prefdelta.core.recipes import Recipe
from prefdelta.stages.train import TrainSettings
from prefdelta.study.study import Study

TEXT_BYTES = 2 * 4  # per token, in the record and in the table, before compression


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes."""

    policies: Amount
    snapshots: Amount  # of the training whose snapshots are largest, while it runs
    replies: Amount
    free: int

    @property
    def needed(self) -> Amount:
        return self.policies + self.snapshots + self.replies

    @property
    def fits(self) -> bool:
        return self.needed.value <= self.free


def disk_needed(study: Study, works: Iterable[tuple[PlannedJob, JobWork]]) -> Disk:
    policies, snapshots, tokens = [], [Amount(0)], []
    for job, work in works:
        if job.stage == "train" and work.missing.value:
            recipe: Recipe = TrainSettings.model_validate_json(job.settings).recipe
            policy = job.name.split("/")[1]
            policies.append(work.missing * _assumed(policy_sizes.policy_bytes(study, policy, recipe)))
            snapshots.append(_assumed(policy_sizes.snapshot_bytes(study, policy, recipe)))
        elif job.stage not in ("train", "reference"):
            tokens.append(work.tokens)
    return Disk(
        total(policies),
        max(snapshots, key=lambda amount: amount.value),
        total(tokens) * Amount(TEXT_BYTES, Basis.ASSUMED),
        shutil.disk_usage(policy_sizes.existing(Path(study.results))).free,
    )


def _assumed(count: float | None) -> Amount:
    return UNKNOWN if count is None else Amount(count, Basis.ASSUMED)
