"""Where prompts come from: training sets and benchmarks, as data."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings
from prefdelta.core.tasks.families import FamilyName, Split


class Source(Settings):
    """Prompts made by a procedure."""

    family: FamilyName
    # Lengths of the problems, in turn; Stem has names for 15.
    operations: Annotated[list[Annotated[int, Field(ge=1, le=15)]], Field(min_length=1)]
    items: Annotated[int, Field(ge=1)]  # how many different problems
    split: Split  # disjoint by a hash of the problem's text
    grader: Literal["marker"]  # how a final answer is compared with the right ones


class Benchmark(Settings):
    """An entry of resources/benchmarks/<name>.yaml."""

    title: str
    domain: Literal["maths", "stem", "code"]
    difficulty: Literal["easy", "hard"] | None = None
    source: Source
