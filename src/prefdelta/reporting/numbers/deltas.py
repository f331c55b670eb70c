"""How far apart the sides of pairs are judged, how far length explains that, and overlaps of the top pairs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.arms import Pairing
from prefdelta.core.asking.judges import PEOPLE, judge_in, without_judge
from prefdelta.core.errors import StudyError
from prefdelta.core.layout import place_of
from prefdelta.core.pairs.lengths import length_differences
from prefdelta.core.pairs.overlap import DimensionOverlap, overlaps
from prefdelta.core.statistics import Estimate, mean_interval, rank_correlation, wilson_interval
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.reporting.arms import pairing_at
from prefdelta.store import tables


@dataclass(frozen=True, slots=True)
class DeltaLine:
    pairing: Pairing
    dimension: str
    mean: Estimate  # of the sample deltas
    ties: Estimate  # share of deltas that are 0
    failures: Mapping[str, int]
    with_length: Estimate  # rank correlation of a pair's delta with its length difference


@dataclass(frozen=True, slots=True)
class LengthLine:
    """Length of chosen minus rejected traces."""

    pairing: Pairing
    unit: str  # tokens, or characters where a trace has no token count
    difference: Estimate  # mean over the pool's eligible pairs
    longer: Estimate  # share of pairs whose chosen trace is the longer one


class Pairings:
    """Pairs and deltas of all pairings. Tables of them are of draw 0 of the traces, whose deltas are all judged."""

    def __init__(
        self,
        pairs: Iterable[Path],
        deltas: Iterable[Path],
        study: str,
        dimensions: Sequence[str],
    ) -> None:
        """dimensions: in the order in which they are shown. Lines and overlaps are of the study's own judge."""
        self._pairs = {pairing_at(place_of(path, study)): tables.read(path, Pair) for path in pairs}
        self._deltas: dict[tuple[Pairing, str], dict[str, Delta]] = {}
        for path in deltas:
            place = place_of(path, study)
            rows = {row.pair_id: row for row in tables.read(path, Delta)}
            self._deltas[pairing_at(place), place.axes["dimension"]] = rows
        order = {name: index for index, name in enumerate(dimensions)}
        keys = (key for key in self._deltas if key[0].draw == 0 and judge_in(key[1]) is None)
        self._keys = sorted(keys, key=lambda key: (str(key[0]), order.get(key[1], len(order)), key[1]))
        self._lengths = {
            pairing: length_differences(pair for pair in rows if pair.pool and pair.eligible)
            for pairing, rows in self._pairs.items()
        }

    def rows(self, pairing: Pairing, dimension: str) -> Mapping[str, Delta]:
        """The deltas of the pool's pairs, by pair_id; empty without a table."""
        return self._deltas.get((pairing, dimension), {})

    def lines(self) -> list[DeltaLine]:
        """One line per pairing and dimension: pairings by name, dimensions in order."""
        return [self._delta_line(*key) for key in self._keys]

    def lengths(self) -> list[LengthLine]:
        """One line per pairing, by name."""
        lines = []
        for pairing, (differences, unit) in sorted(self._lengths.items(), key=lambda item: str(item[0])):
            if pairing.draw:
                continue
            values = list(differences.values())
            mean = mean_interval(values)
            longer = wilson_interval(sum(value > 0 for value in values), len(values))
            lines.append(LengthLine(pairing, unit, mean, longer))
        return lines

    def prompts(self) -> int:
        """The number of training prompts: of each pairing, every prompt has a pair, eligible or not."""
        return len({pair.prompt_id for rows in self._pairs.values() for pair in rows})

    def eligible(self, pairing: Pairing) -> int:
        """How many pairs of a pairing may be trained on: the pairs of the selection `all`."""
        return sum(pair.pool and pair.eligible for pair in self._pairs.get(pairing, []))

    def by_prompt(self, pairing: Pairing, dimension: str) -> dict[str, float]:
        """Sample deltas of the pool's pairs, by prompt; empty without tables."""
        rows = self._deltas.get((pairing, dimension), {})
        known = {pair_id: row.delta for pair_id, row in rows.items() if row.delta is not None}
        return {
            pair.prompt_id: known[pair.pair_id]
            for pair in self._pairs.get(pairing, [])
            if pair.pool and pair.pair_id in known
        }

    def judges(self, pairing: Pairing, dimension: str) -> list[str | None]:
        """Who scored a pairing on a dimension: None, the study's own judge, then the others by name; not people."""
        names = (judge_in(name) for key, name in self._deltas if key == pairing and without_judge(name) == dimension)
        return sorted((name for name in names if name != PEOPLE), key=lambda name: name or "")

    def correctness_by_prompt(self, pairing: Pairing) -> dict[str, int]:
        """1 where only the chosen trace of an eligible pair is right, -1 where only the rejected one is, else 0."""
        return {
            pair.prompt_id: int(pair.chosen_correct) - int(pair.rejected_correct)
            for pair in self._pairs.get(pairing, [])
            if pair.pool and pair.eligible and pair.chosen_correct is not None and pair.rejected_correct is not None
        }

    def lengths_by_prompt(self, pairing: Pairing) -> dict[str, int]:
        """Length of chosen minus rejected traces of the pool's pairs, by prompt, in the pairing's unit."""
        differences, _ = self._lengths.get(pairing, ({}, ""))
        return {
            pair.prompt_id: differences[pair.pair_id]
            for pair in self._pairs.get(pairing, [])
            if pair.pool and pair.pair_id in differences
        }

    def overlaps(self, pairing: Pairing, ks: Sequence[int]) -> list[DimensionOverlap]:
        """The overlaps of the dimensions' top sets in one pairing. Raises StudyError if its tables are missing."""
        deltas = {dimension: self._deltas[key, dimension] for key, dimension in self._keys if key == pairing}
        if pairing not in self._pairs or not deltas:
            raise StudyError(
                f"report.overlap.pairing: there are no tables of pairs and deltas of {str(pairing)!r}; the pairings "
                f"are {', '.join(sorted(map(str, self._pairs)))}. Name one of them."
            )
        return overlaps(self._pairs[pairing], deltas, ks)

    def _delta_line(self, pairing: Pairing, dimension: str) -> DeltaLine:
        rows = self._deltas[pairing, dimension]
        known = {pair_id: row.delta for pair_id, row in rows.items() if row.delta is not None}
        values = list(known.values())
        lengths, _ = self._lengths.get(pairing, ({}, ""))
        both = [pair_id for pair_id in known if pair_id in lengths]
        return DeltaLine(
            pairing=pairing,
            dimension=dimension,
            mean=mean_interval(values),
            ties=wilson_interval(values.count(0), len(values)),
            failures=Counter(row.failure for row in rows.values() if row.failure is not None),
            with_length=rank_correlation([known[key] for key in both], [lengths[key] for key in both]),
        )
