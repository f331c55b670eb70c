"""A job of a study: its axes, the files that it reads and writes, and its settings."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base
from prefdelta.core.settings import Settings
from prefdelta.study.texts import TEXT_INPUTS, text_digest


class Wildcards(Protocol):
    """The wildcards of a rule's job, by name: Snakemake's own, or a dict."""

    def items(self) -> Iterable[tuple[str, str]]: ...


@dataclass(frozen=True, slots=True)
class JobLookups:
    """Computes a job's inputs and settings only when needed: a command that only lists files needs neither."""

    inputs: Callable[["StudyJob"], Mapping[str, list[str]]]
    settings: Callable[["StudyJob"], Settings]
    code: Callable[[str, Settings], str]  # the digest of source, by stage and settings


@dataclass(frozen=True, eq=False)
class StudyJob:
    """One job: a value on each of the axes of its kind, and for train and evaluate the arms of its batch."""

    kind: str  # a key of core.layout.JOBS
    axes: Mapping[str, str]
    name: str
    outputs: list[str]  # without manifest and log; a path without an ending is a folder
    manifest: str
    log: str
    lookups: JobLookups = field(repr=False)
    arms: tuple[Arm | Base, ...] = ()  # one per output, in the same order

    @property
    def stage(self) -> str:
        return layout.stage_of(self.kind)

    @cached_property
    def inputs(self) -> Mapping[str, list[str]]:
        """Its inputs, by the names that its rule gives them."""
        return self.lookups.inputs(self)

    @property
    def reads(self) -> list[str]:
        """Its inputs without manifests of other jobs: tables, files that name weights (.json), and edited texts."""
        return [path for paths in self.inputs.values() for path in paths if not path.endswith(layout.MANIFEST)]

    @cached_property
    def typed_settings(self) -> Settings:
        """A slice of the config: all that decides its outputs besides inputs and source."""
        return self.lookups.settings(self)

    @cached_property
    def settings(self) -> str:
        """Its settings as JSON."""
        return self.typed_settings.model_dump_json()

    @cached_property
    def code(self) -> str:
        """The digest of the source that it runs."""
        return self.lookups.code(self.stage, self.typed_settings)

    @property
    def texts(self) -> str:
        """The digest of the texts among its inputs.

        They are inputs too, but Snakemake looks into an input only if its time stamp is new, and clocks differ.
        """
        return text_digest(path for name in TEXT_INPUTS for path in self.inputs.get(name, []))


@dataclass(frozen=True, eq=False, kw_only=True)
class ArmBatch(StudyJob):
    """A job of train or evaluate, with the further fields of its own rule."""

    rule: str
    is_local: bool  # it runs where Snakemake runs, and waits there for a SLURM job that it submits itself
    threads: int
    resources: Mapping[str, Any]
