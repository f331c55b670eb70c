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
    """Kind of source: a procedure. It need not be written."""

    family: FamilyName
    """Kind of problem: maths, code or stem."""

    operations: Annotated[list[Annotated[int, Field(ge=1, le=15)]], Field(min_length=1)]
    """Numbers of operations of the problems, in turn, from 1 to 15 (Stem has names for 15)."""

    items: Annotated[int, Field(ge=1)]
    """Number of different problems."""

    split: Split
    """Part of all problems from which these are drawn. The parts are disjoint: a hash of a problem's text decides."""

    grader: Literal["marker"]
    """How a final answer is compared with the right one: the text behind the mark A: must be it."""


# --- data sets --------------------------------------------------------------------------------------------------------

DataGrader = Literal["maths", "theoremqa", "choice", "code", "marker"]
Scalar = str | int | float | bool | None


class Between(Settings):
    """A range of texts in alphabetical order, both ends included. For ISO dates this is the order in time."""

    since: str
    """First text of the range, for example 2024-10-01."""

    until: str
    """Last text of the range; 2025-01-31 includes all times of that day."""

    def holds(self, value: object) -> bool:
        return isinstance(value, str) and self.since <= value and value[: len(self.until)] <= self.until


class Fields(Settings):
    """The columns of a data set that hold the parts of a problem."""

    problem: str
    """Column with the text of the problem."""

    options: str | None = None
    """Column with the list of options A, B, ..., with or without labels; for the grader `choice`."""

    answer: str | None = None
    """Column with the right answer; for all graders but `code`."""

    answer_type: str | None = None
    """Column with the type of the answer; for the grader `theoremqa`."""

    unit: str | None = None
    """Column with the unit of the answer; for the grader `maths`. An answer in another unit is wrong, one without a
    unit is not."""

    starter_code: str | None = None
    """Column with the code that a solution starts from; for the grader `code`."""

    public_tests: str | None = None
    """Column with the tests that the problem shows (JSON); for the grader `code`."""

    private_tests: str | None = None
    """Column with the hidden tests (JSON, encoded or not); for the grader `code`."""

    metadata: str | None = None
    """Column with JSON that names the function to call (func_name); for the grader `code`."""

    id: str | None = None
    """Column with an id, which is checked: two problems with one id, or a row without one, are an error."""

    def columns(self) -> list[str]:
        return [column for column in self.model_dump().values() if column is not None]


# Grader -> the fields that it needs, where it needs more or other ones than the answer.
_NEEDS: dict[DataGrader, tuple[str, ...]] = {
    "theoremqa": ("answer", "answer_type"),
    "choice": ("answer", "options"),
    "code": ("public_tests", "private_tests", "metadata"),
}


class DataSource(Settings):
    """A data set of the hub, or a local folder in its place."""

    kind: Literal["data"] = "data"
    """Kind of source: a data set. It need not be written."""

    dataset: Annotated[str, Field(min_length=1)]
    """Repository on the Hugging Face hub (owner/name), or a local folder (./...) in its place."""

    revision: Revision | None = None
    """Commit of the repository. It comes from resources/pins.lock.json and is not written here."""

    config: str | None = None
    """Configuration (subset) of the data set, if it has several."""

    split: str
    """Split of the data set, for example train or test."""

    files: Annotated[list[str], Field(min_length=1)] | None = None
    """Files to read in place of `config` and `split`: for data sets with a loading script, which is never run."""

    fields: Fields
    """Which column holds what."""

    answer_after: str | None = None
    """Mark in the answer column; the answer is what follows the last one, for example #### in GSM8K."""

    answer_from: Literal[0, 1] | None = None
    """For the grader `choice`, if the answer is an option's place: the number of the first option."""

    where: dict[str, list[Scalar] | Between] = Field(default_factory=dict)
    """Column -> the values, or the range, that rows must have there. Other rows are left out."""

    repeated: Literal["dropped", "counted"] = "dropped"
    """What happens to further rows of one problem. `counted`: each is an item that is asked and graded, for benchmarks
    whose makers count them."""

    grader: DataGrader
    """How a final answer is compared with the right one."""

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
    """Column with the traces: one text, or a list of texts."""

    complete: str | None = None
    """Column that says whether the reasoning is whole. Default: all are."""

    finish: str | None = None
    """Column with the server's reason for the end of a trace, for example stop or length (truncated)."""

    correct: str | None = None
    """Column that says whether the data set considers its trace right. Shown beside our own grades."""

    def columns(self) -> list[str]:
        return [column for column in self.model_dump().values() if column is not None]


# --- sources and benchmarks -------------------------------------------------------------------------------------------


def _with_kind(value: object) -> object:
    """A source with its kind. A file need not say the kind: only a data set has the key `dataset`."""
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
    """Name of the benchmark in the report."""

    domain: Domain
    """Subject: maths, stem or code. A benchmark with the domain of the training prompts counts as in-domain."""

    difficulty: Literal["easy", "hard"] | None = None
    """Level. The figures average the benchmarks of one domain and level."""

    samples: Annotated[int, Field(ge=1)] = 1
    """Answers drawn per item: the score is avg@samples, with 1 it is pass@1. A group of `evaluate` may set
    another number."""

    items: Annotated[int, Field(ge=1)] | None = None
    """Expected number of items. `prefdelta plan` uses it until the benchmark has been read."""

    limit: Annotated[int, Field(ge=1)] | None = None
    """Keep only so many items, drawn by the study's seed. Default: all."""

    template: str | None = None
    """File of the prompt, with the slot {problem}. Default: `evaluate.template`."""

    source: Source
    """Where its items come from: a data set, or a procedure."""
