"""The subject of the checks: a study, with the profile of Snakemake that it is to be run with."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from prefdelta.commands.checks import slurm_state
from prefdelta.commands.checks.slurm_state import Slurm
from prefdelta.commands.snakemake_command import PROFILES, profile_options
from prefdelta.core.compute import Resources
from prefdelta.core.errors import StudyError
from prefdelta.study.study import Study


@dataclass(frozen=True, slots=True)
class JobKind:
    """The jobs that one part of `compute:` is about."""

    where: str  # in the config, e.g. compute.generate.sizes.32b
    asked: Resources
    threads: int
    partition: str | None  # None: SLURM's default

    @property
    def nodes(self) -> int:
        return self.asked.submitit.nodes if self.asked.submitit else 1


class Subject:
    """A study on this machine."""

    def __init__(self, study: Study, configfile: Path | None, profile: str | None) -> None:
        """profile: None for the one that goes with the config file."""
        self.study = study
        self.config = study.config
        self.profile = profile or profile_options(configfile)[1]
        self.options = _options(self.profile)
        self._slurm: Slurm | None = None

    @property
    def on_slurm(self) -> bool:
        return self.options.get("executor") == "slurm"

    @property
    def slurm(self) -> Slurm | None:
        """The cluster, once SLURM was asked."""
        return self._slurm

    def ask_slurm(self) -> Slurm:
        """Ask SLURM. Raises StudyError if it does not answer."""
        self._slurm = slurm_state.ask_slurm()
        return self._slurm

    @property
    def jobs(self) -> list[JobKind]:
        return list(self._jobs())

    @property
    def most_gpus(self) -> JobKind | None:
        """The kind of job with the most GPUs; None if none asks for any."""
        with_gpus = [job for job in self.jobs if job.asked.gpus]
        return max(with_gpus, key=lambda job: job.asked.gpus, default=None)

    def _jobs(self) -> Iterator[JobKind]:
        cluster = self.config.cluster
        for stage, compute in self.config.compute.items():
            parts: dict[str, Resources] = {f"compute.{stage}": compute}
            parts |= {f"compute.{stage}.sizes.{size}": asked for size, asked in compute.sizes.items()}
            for where, asked in parts.items():
                partition = (asked.gpus and cluster.gpu_partition) or cluster.partition
                if asked.submitit and asked.submitit.partition:
                    partition = asked.submitit.partition
                yield JobKind(where, asked, compute.threads, partition)


def _options(profile: str) -> dict[str, Any]:
    """The options of a profile. Raises StudyError if it cannot be read."""
    path = PROFILES / profile / "config.yaml"
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        known = ", ".join(sorted(other.parent.name for other in PROFILES.glob("*/config.yaml"))) or "none"
        raise StudyError(f"{path}: the profile cannot be read ({error}). There are: {known}.") from None
    return options if isinstance(options, dict) else {}
