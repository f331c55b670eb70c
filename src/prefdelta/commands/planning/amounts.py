"""Amounts that say how they are known."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Basis(IntEnum):
    """How an amount is known. A sum has the basis of its least certain term."""

    COUNTED = 0  # in tables and the record, as they are
    STANDING = 1  # counted, if tables to be recomputed come out the same, as after a change of source alone
    MEASURED = 2  # a mean of finished jobs
    ESTIMATED = 3  # from the config: prompts, samples, selections
    ASSUMED = 4  # a figure in the config or of a benchmark, not yet measured
    AT_MOST = 5  # an upper bound
    AT_LEAST = 6  # a part of it is not known


BASES = {
    Basis.COUNTED: "counted",
    Basis.STANDING: "as it stands",
    Basis.MEASURED: "measured",
    Basis.ESTIMATED: "estimated",
    Basis.ASSUMED: "assumed",
    Basis.AT_MOST: "at most",
    Basis.AT_LEAST: "at least",
}


@dataclass(frozen=True, slots=True)
class Amount:
    """A number, and how it is known."""

    value: float
    basis: Basis = Basis.COUNTED

    def __add__(self, other: "Amount") -> "Amount":
        if 0 in (self.value, other.value) and Basis.AT_LEAST not in (self.basis, other.basis):
            # A zero does not make the other amount less certain.
            return max(self, other, key=lambda amount: (amount.value, amount.basis))
        return Amount(self.value + other.value, max(self.basis, other.basis))

    def __mul__(self, other: "Amount | float") -> "Amount":
        if isinstance(other, Amount):
            return Amount(self.value * other.value, max(self.basis, other.basis) if self.value else self.basis)
        return Amount(self.value * other, self.basis)

    def at_most(self) -> "Amount":
        return Amount(self.value, max(self.basis, Basis.AT_MOST))


NOTHING = Amount(0)
UNKNOWN = Amount(0, Basis.AT_LEAST)


def total(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, NOTHING)
