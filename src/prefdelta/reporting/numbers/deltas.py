"""How far apart the sides of pairs are judged, whether that is just length, and which pairs come out on top."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.lengths import length_differences
from prefdelta.core.pairs.overlap import DimensionOverlap, overlaps
from prefdelta.core.statistics import Estimate, rank_correlation
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.paths import part_after
from prefdelta.store import tables


@dataclass(frozen=True, slots=True)
class DeltaLine:
    pairing: str
    dimension: str
    mean: Estimate  # of the sample deltas
    ties: float | None  # share of deltas that are 0
    failures: Mapping[str, int]
    with_length: Estimate  # rank correlation of a pair's delta with its length difference


@dataclass(frozen=True, slots=True)
class LengthLine:
    """Chosen minus rejected."""

    pairing: str
    unit: str  # tokens, or characters where a trace has no token count
    difference: Estimate  # mean over the pool's eligible pairs
    longer: float | None  # share of pairs whose chosen trace is the longer one


class Pairings:
    """Pairs and deltas of all pairings."""

    def __init__(
        self,
        pairs: Iterable[Path],
        deltas: Iterable[Path],
        study: str,
        dimensions: Sequence[str],
        bootstrap: Bootstrap,
    ) -> None:
        """dimensions: in the order to show."""
        self._bootstrap = bootstrap
        self._pairs = {part_after(path, study, "pair"): tables.read(path, Pair) for path in pairs}
        self._deltas: dict[tuple[str, str], dict[str, Delta]] = {}
        for path in deltas:
            pairing, _, dimension = part_after(path, study, "delta").partition("/")
            self._deltas[pairing, dimension] = {row.pair_id: row for row in tables.read(path, Delta)}
        place = {name: index for index, name in enumerate(dimensions)}
        self._keys = sorted(self._deltas, key=lambda key: (key[0], place.get(key[1], len(place)), key[1]))
        self._lengths = {
            pairing: length_differences(pair for pair in rows if pair.pool and pair.eligible)
            for pairing, rows in self._pairs.items()
        }

    def lines(self) -> list[DeltaLine]:
        """One line per pairing and dimension: pairings by name, dimensions in order."""
        return [self._line(*key) for key in self._keys]

    def lengths(self) -> list[LengthLine]:
        """One line per pairing, by name."""
        lines = []
        for pairing, (found, unit) in sorted(self._lengths.items()):
            values = list(found.values())
            mean = self._bootstrap.estimate(values, "length", pairing)
            longer = sum(v > 0 for v in values) / len(values) if values else None
            lines.append(LengthLine(pairing, unit, mean, longer))
        return lines

    def eligible(self, pairing: str) -> int:
        """How many pairs of a pairing may be trained on: those of the selection `all`."""
        return sum(pair.pool and pair.eligible for pair in self._pairs.get(pairing, []))

    def by_prompt(self, pairing: str, dimension: str) -> dict[str, float]:
        """Sample deltas of the pool's pairs, by prompt; empty where there are no tables."""
        rows = self._deltas.get((pairing, dimension), {})
        known = {pair_id: row.delta for pair_id, row in rows.items() if row.delta is not None}
        return {
            pair.prompt_id: known[pair.pair_id]
            for pair in self._pairs.get(pairing, [])
            if pair.pool and pair.pair_id in known
        }

    def estimate(self, values: Sequence[float], *what: object) -> Estimate:
        """The mean of one value per prompt."""
        return self._bootstrap.estimate(values, *what)

    def overlaps(self, pairing: str, ks: Sequence[int], tie_seed: int) -> list[DimensionOverlap]:
        """What the dimensions' top sets of one pairing share. Raises StudyError if its tables are not there."""
        deltas = {dimension: self._deltas[found, dimension] for found, dimension in self._keys if found == pairing}
        if pairing not in self._pairs or not deltas:
            raise StudyError(
                f"report.overlap.pairing: there are no tables of pairs and deltas of {pairing!r}; the pairings are "
                f"{', '.join(sorted(self._pairs))}. Name one of them."
            )
        return overlaps(self._pairs[pairing], deltas, ks, tie_seed)

    def _line(self, pairing: str, dimension: str) -> DeltaLine:
        rows = self._deltas[pairing, dimension]
        known = {pair_id: row.delta for pair_id, row in rows.items() if row.delta is not None}
        values = list(known.values())
        lengths, _ = self._lengths.get(pairing, ({}, ""))
        both = [pair_id for pair_id in known if pair_id in lengths]
        return DeltaLine(
            pairing=pairing,
            dimension=dimension,
            mean=self._bootstrap.estimate(values, "delta", pairing, dimension),
            ties=values.count(0) / len(values) if values else None,
            failures=Counter(row.failure for row in rows.values() if row.failure is not None),
            with_length=rank_correlation([known[key] for key in both], [lengths[key] for key in both]),
        )
