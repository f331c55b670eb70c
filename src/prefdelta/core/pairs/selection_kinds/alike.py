"""Pairs of one kind of correctness whose traces are equally long: what neither correctness nor length can teach."""

from abc import abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from statistics import pstdev

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.lengths import length_differences
from prefdelta.core.pairs.matching import CALIPER
from prefdelta.core.pairs.selection_kinds.selection import Pool, Selection
from prefdelta.records.pair import Pair


class _EquallyLong(Selection):
    """A kind that takes k of the pairs that it wants: chosen and rejected traces are equally long on the whole."""

    CONTROL = True

    @abstractmethod
    def wants(self, pair: Pair) -> bool:
        """Whether the pair has the correctness of the kind. Both sides are graded."""

    def candidates(self, pool: Pool) -> list[str]:
        """The wanted pairs, those that differ less in length first."""
        values = self._values(pool)
        return sorted(values, key=lambda pair_id: (values[pair_id], pool.tie(pair_id)))

    def _values(self, pool: Pool) -> Mapping[str, float]:
        """How far apart the lengths of each wanted pair are. Raises StudyError if no pair has lengths and grades."""
        differences, _ = length_differences(pool.eligible.values())
        known = {
            pair_id: abs(float(difference))
            for pair_id, difference in differences.items()
            if None not in (pool.eligible[pair_id].chosen_correct, pool.eligible[pair_id].rejected_correct)
        }
        if pool.eligible and not known:
            raise StudyError(
                f"selection {self.name!r} needs the lengths and the correctness of both sides of a pair, and none of "
                f"the {len(pool.eligible)} eligible pairs has them. Make the tables of pairs and grades anew."
            )
        return {pair_id: value for pair_id, value in known.items() if self.wants(pool.eligible[pair_id])}

    def take(self, candidates: list[str], pool: Pool) -> list[str]:
        """Pairs that differ less in length come first, in turns that keep the sum of the differences near 0."""
        differences, _ = length_differences(pool.eligible.values())
        ranked = list(enumerate(candidates))
        longer = deque(item for item in ranked if differences[item[1]] > 0)
        shorter = deque(item for item in ranked if differences[item[1]] <= 0)
        taken, total = list[str](), 0
        while len(taken) < (self.k or 0):
            sides = [side for side in (longer, shorter) if side]
            if total and len(sides) == 2:
                sides = [shorter if total > 0 else longer]
            _, pair_id = min(sides, key=lambda side: side[0]).popleft()
            taken.append(pair_id)
            total += differences[pair_id]
        return taken

    def check(self, taken: Sequence[str], pool: Pool) -> None:
        """Raises StudyError if the mean difference of length is more than 0.25 standard deviations from 0."""
        differences, unit = length_differences(pool.eligible.values())
        mean = sum(differences[pair_id] for pair_id in taken) / len(taken)
        deviation = pstdev(differences.values())
        if abs(mean) > CALIPER * deviation:
            than = "longer" if mean > 0 else "shorter"
            raise StudyError(
                f"selection {self.name!r}: the chosen traces of its pairs are {abs(mean):.1f} {unit} {than} than the "
                f"rejected ones, on the mean. All {len(differences)} eligible pairs differ by a standard deviation of "
                f"{deviation:.1f} {unit}, and {CALIPER} of it are allowed. Select fewer pairs, or leave it out."
            )


class Alike(_EquallyLong):
    FORM = "alike-<k>"
    ABOUT = (
        "k pairs whose sides are both right or both wrong, and on the whole equally long: is it more than length and "
        "correctness?"
    )

    def wants(self, pair: Pair) -> bool:
        return pair.chosen_correct == pair.rejected_correct


class RightOverWrong(_EquallyLong):
    FORM = "right-over-wrong-<k>"
    ABOUT = (
        "k pairs whose chosen side is right and rejected side wrong, on the whole equally long: beside `alike`, it is "
        "correctness without length"
    )

    def wants(self, pair: Pair) -> bool:
        return bool(pair.chosen_correct) and not pair.rejected_correct
