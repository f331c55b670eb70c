"""A manifest: a job's account of its run, in JSON beside its output."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from prefdelta.records.details.browse import BrowseDetails
from prefdelta.records.details.contract import OMITTED, Details, NoDetails
from prefdelta.records.details.delta import DeltaDetails
from prefdelta.records.details.evaluate import EvaluateDetails
from prefdelta.records.details.filter import FilterDetails
from prefdelta.records.details.generate import GenerateDetails
from prefdelta.records.details.grade import GradeDetails
from prefdelta.records.details.judge import JudgeDetails
from prefdelta.records.details.ladder import LadderDetails
from prefdelta.records.details.prompts import PromptsDetails
from prefdelta.records.details.reference import ReferenceDetails
from prefdelta.records.details.report import ReportDetails
from prefdelta.records.details.train import TrainDetails

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# Stages that are not listed have no details.
DETAILS: Mapping[str, type[Details]] = {
    "prompts": PromptsDetails,
    "ladder": LadderDetails,
    "generate": GenerateDetails,
    "grade": GradeDetails,
    "judge": JudgeDetails,
    "delta": DeltaDetails,
    "filter": FilterDetails,
    "reference": ReferenceDetails,
    "train": TrainDetails,
    "evaluate": EvaluateDetails,
    "browse": BrowseDetails,
    "report": ReportDetails,
}


@dataclass(frozen=True, slots=True)
class JobRun:
    """When, where and with which software a job ran, and what it used. Nothing that a job computes depends on it."""

    started: str  # UTC, as 2026-04-23T08:00:00Z
    seconds: float
    cpu_seconds: float
    peak_mib: int
    computed: Mapping[str, int] = field(default_factory=dict)  # work that was not in the record: calls, updates, ...
    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)  # by package
    commit: str | None = None  # commit of the source; None: the source was not in a checkout
    slurm_job: str | None = None  # ids, separated by commas
    gpus_visible: str | None = None  # CUDA_VISIBLE_DEVICES
    gpus: Sequence[str] = ()  # the driver's names of the GPUs
    # Time of the SLURM jobs that trained, without time in a queue.
    training_seconds: float | None = field(default=None, metadata=OMITTED)


@dataclass(frozen=True, slots=True)
class TypedSettings:
    """The settings of a stage that readers of manifests use. `Manifest.settings` has all settings."""

    generator: str | None = None  # of generate, judge and reference
    shipped: Mapping[str, object] | None = None  # of generate: the data set that ships the generator's traces
    tie_seed: int | None = None  # of filter
    recipe: Mapping[str, Any] | None = None  # of train: method and settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of `<stage>/<job>.manifest.json`, its keys in this order.

    rows = rows that came through + failures + rows that were not selected.
    """

    stage: str
    rows: int
    failures: Mapping[str, int]  # reason -> rows
    not_selected: int = 0
    details: Details  # of the type that DETAILS names for the stage
    settings: Mapping[str, Any]  # as JSON
    code: str = ""  # digest of the source that ran
    sources: Mapping[str, str] = field(default_factory=dict)  # module -> its own digest
    texts: Mapping[str, str] = field(default_factory=dict)  # path of an input that people edit -> sha256
    inputs: Mapping[str, str] = field(default_factory=dict)  # path of any other input -> sha256
    outputs: Mapping[str, str] = field(default_factory=dict)  # path -> sha256
    run: JobRun

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote, in this version or an older one. Unknown keys are ignored.

        Raises ValueError, TypeError or KeyError for anything else.
        """
        content = json.loads(text)
        details = _adapter(DETAILS.get(content["stage"], NoDetails)).validate_python(content["details"])
        run = _adapter(JobRun).validate_python(content["run"])
        return cls(**_known(cls, content) | {"details": details, "run": run})

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps(_plain(self), indent=2) + "\n"

    @property
    def typed_settings(self) -> TypedSettings:
        return TypedSettings(**_known(TypedSettings, self.settings))


@cache
def _adapter(kind: type[Any]) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _known(kind: type[Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `content` whose keys are fields of a dataclass."""
    return {known.name: content[known.name] for known in fields(kind) if known.name in content}


def _plain(value: Any) -> Any:
    """A value of dataclasses, mappings and sequences as a value of JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        parts = [(known, getattr(value, known.name)) for known in fields(value)]
        return {known.name: _plain(part) for known, part in parts if part is not None or known.metadata != OMITTED}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(part) for part in value]
    return value
