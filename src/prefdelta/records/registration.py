"""A registration: what a study would test, written down before it trained anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class PlannedNumber:
    """One number of a claim's tests, as it was planned."""

    title: str  # which arms, over which benchmarks
    unit: str
    n: int  # problems
    effect: float  # the size that the claim names
    detectable: float | None  # the smallest effect that 80% of such studies see, under the stated assumptions


@dataclass(frozen=True, slots=True)
class Registration:
    """One file of `record/registrations/`. The first one of a claim stands."""

    VERSION: ClassVar[int] = 1

    claims: Mapping[str, str]  # id of a claim -> the digest of what is tested
    trained: int  # policies that the record held
    planned: Mapping[str, Sequence[PlannedNumber]] = field(default_factory=dict)  # by id of a claim
    assumptions: Mapping[str, object] = field(default_factory=dict)  # of the planned numbers
