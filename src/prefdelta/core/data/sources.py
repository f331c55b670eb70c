"""Where prompts come from: training sets and benchmarks, as data."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from prefdelta.core.hub import Revision
from prefdelta.core.settings import Settings
from prefdelta.core.tasks.families import FamilyName, Split

Domain = Literal["maths", "stem", "code"]


class MadeSource(Settings):
    """Prompts made by a procedure."""

    kind: Literal["made"] = "made"
    family: FamilyName
    # Lengths of the problems, in turn; Stem has names for 15.
    operations: Annotated[list[Annotated[int, Field(ge=1, le=15)]], Field(min_length=1)]
    items: Annotated[int, Field(ge=1)]  # how many different problems
    split: Split  # disjoint by a hash of the problem's text
    grader: Literal["marker"]  # how a final answer is compared with the right ones


# --- data sets --------------------------------------------------------------------------------------------------------

DataGrader = Literal["maths", "theoremqa", "choice", "code", "marker"]
Scalar = str | int | float | bool | None


class Between(Settings):
    """A range of texts, both ends included. ISO dates are in order as texts; an end may leave the time of day out."""

    since: str
    until: str

    def holds(self, value: object) -> bool:
        return isinstance(value, str) and self.since <= value and value[: len(self.until)] <= self.until


class Fields(Settings):
    """The columns of a data set that say what a problem is."""

    problem: str
    options: str | None = None  # choice: the texts of A, B, ..., with or without labels (core/answers/choices.py)
    answer: str | None = None  # all but code
    answer_type: str | None = None  # theoremqa
    unit: str | None = None  # maths: what the answer is measured in; another unit is another answer, none is not
    starter_code: str | None = None  # code
    public_tests: str | None = None  # code
    private_tests: str | None = None  # code
    metadata: str | None = None  # code
    id: str | None = None  # a check, no identity: two different problems of one id, or a row without one, are an error

    def columns(self) -> list[str]:
        return [column for column in self.model_dump().values() if column is not None]


# What a grader needs to know of a problem, if it is not just the answer.
_NEEDS: dict[DataGrader, tuple[str, ...]] = {
    "theoremqa": ("answer", "answer_type"),
    "choice": ("answer", "options"),
    "code": ("public_tests", "private_tests", "metadata"),
}


class DataSource(Settings):
    """A data set of the hub, or a local folder in its place."""

    kind: Literal["data"] = "data"
    dataset: Annotated[str, Field(min_length=1)]  # owner/name, or a folder
    revision: Revision | None = None  # from resources/pins.lock.json; None: not pinned, or a local folder
    config: str | None = None
    split: str
    # Read these files of it instead of a config and a split: for data sets that have a loading script, never run.
    files: Annotated[list[str], Field(min_length=1)] | None = None
    fields: Fields
    answer_after: str | None = None  # the answer is what follows the last of these marks: `####` in GSM8K
    answer_from: Literal[0, 1] | None = None  # choice: the answer is an option's place, counted from this
    # Column -> the values that are taken; rows with any other are left out.
    where: dict[str, list[Scalar] | Between] = Field(default_factory=dict)
    # What becomes of a problem's further rows. Counted, each is an item that is asked and graded, for benchmarks whose
    # makers count them so.
    repeated: Literal["dropped", "counted"] = "dropped"
    grader: DataGrader  # how a final answer is compared with the right ones

    @model_validator(mode="after")
    def _grader_can_work(self) -> Self:
        missing = [name for name in _NEEDS.get(self.grader, ("answer",)) if getattr(self.fields, name) is None]
        if missing:
            raise ValueError(f"grader {self.grader!r} needs a column for {', '.join(missing)} in `fields`")
        if self.fields.unit is not None and self.grader != "maths":
            raise ValueError(f"grader {self.grader!r} knows no units: leave `unit` out of `fields`, or grade by maths")
        return self


class TraceFields(Settings):
    """The columns of a data set that ships traces: each holds a text or value for one trace, or a list for several.

    Several rows of one problem ship its traces one after the other. core/data/shipped.py says which values are read.
    """

    generations: str
    complete: str | None = None  # whether the reasoning is whole; None: all are
    finish: str | None = None  # as the server said it: "length" if it was cut
    correct: str | None = None  # what the data set says of its own trace

    def columns(self) -> list[str]:
        return [column for column in self.model_dump().values() if column is not None]


# --- sources and benchmarks -------------------------------------------------------------------------------------------


def _with_kind(value: object) -> object:
    """A file needs not say the kind: only a data set has a name."""
    if isinstance(value, dict) and "kind" not in value:
        return {"kind": "data" if "dataset" in value else "made", **value}
    return value


Source = Annotated[
    Annotated[MadeSource | DataSource, Field(discriminator="kind")],
    BeforeValidator(_with_kind),
]


class Benchmark(Settings):
    """An entry of resources/benchmarks/<name>.yaml."""

    title: str
    domain: Domain
    difficulty: Literal["easy", "hard"] | None = None
    samples: Annotated[int, Field(ge=1)] = 1  # draws per item: avg@samples; 1 is pass@1
    items: Annotated[int, Field(ge=1)] | None = None  # about how many there are: `plan` reckons with it beforehand
    limit: Annotated[int, Field(ge=1)] | None = None  # keep only so many items, drawn by seed
    template: str | None = None  # file with the slot {problem}, instead of evaluate.template
    source: Source
