"""The families by name, and the split that keeps problems for different uses apart."""

from collections.abc import Iterator
from random import Random
from typing import Literal, get_args

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import fraction
from prefdelta.core.tasks.code import Code
from prefdelta.core.tasks.maths import Maths
from prefdelta.core.tasks.stem import Stem
from prefdelta.core.tasks.steps import Family, Problem

FamilyName = Literal["maths", "stem", "code"]
FAMILIES: dict[FamilyName, Family] = {"maths": Maths(), "code": Code(), "stem": Stem()}
assert set(FAMILIES) == set(get_args(FamilyName))

Split = Literal["benchmark", "validation", "pairs", "ladder"]
# Upper end of each split's range of hashes (`split_of`).
_ENDS: dict[Split, float] = {"benchmark": 0.2, "validation": 0.3, "pairs": 0.6, "ladder": 1.0}


def split_of(question: str) -> Split:
    """The only split that a question belongs to: a function of its text alone, so splits cannot overlap."""
    place = fraction("split", question)
    return next(split for split, end in _ENDS.items() if place < end)


def family_of(question: str) -> tuple[Family, Problem] | None:
    """The family and problem of a question, or None if no family knows it."""
    for family in FAMILIES.values():
        if (problem := family.parse(question)) is not None:
            return family, problem
    return None


def draw_problems(family: FamilyName, operations: list[int], split: Split, seed: int) -> Iterator[Problem]:
    """An endless stream of distinct problems of one split. Their lengths are those of `operations`, in turn.

    Raises StudyError when the family seems to have no more problems.
    """
    random = Random(seed)
    seen: set[str] = set()
    misses = 0
    while misses < 100_000:
        problem = FAMILIES[family].draw(random, operations[len(seen) % len(operations)])
        if problem.question in seen or split_of(problem.question) != split:
            misses += 1
            continue
        misses = 0
        seen.add(problem.question)
        yield problem
    raise StudyError(
        f"prompts: only {len(seen)} different {family} problems with {operations} operations exist in the split "
        f"{split!r}. Ask for fewer items, or for more operations."
    )
