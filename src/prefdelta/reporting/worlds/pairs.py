"""Planted pairs: who is right, how long, how good in truth and how good as judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from prefdelta.core.arms import Pairing
from prefdelta.core.ids import fraction, seed_of
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.shape import StudyShape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_STEP = 0.6  # standard deviations of a judged delta between one whole number and the next
_LARGEST = 4  # scores are whole numbers from 1 to 5
_TOKENS = 1000  # of the length difference, in a standard deviation
_CELLS = [(chosen, rejected) for chosen in (True, False) for rejected in (True, False)]


@dataclass(frozen=True, slots=True)
class PairColumns:
    """Pairs of one pairing: each array has one value per pair."""

    prompts: "NDArray[np.int64]"  # number of the prompt
    chosen_right: "NDArray[np.bool_]"
    rejected_right: "NDArray[np.bool_]"
    length: "NDArray[np.float64]"  # chosen minus rejected, in standard deviations
    quality: "NDArray[np.float64]"  # true delta; its mean over the pool is 1 and its standard deviation 1
    deltas: "Mapping[str, NDArray[np.float64]]"  # as judged, by dimension and composite; empty for cells


@dataclass(frozen=True)
class PlantedPairs:
    """The pairs of every pairing."""

    shape: StudyShape
    pool: Mapping[Pairing, PairColumns]
    cells: Mapping[Pairing, PairColumns]  # four per prompt that has them all, in the order of right and wrong
    pass_rates: Mapping[str, Mapping[str, float]]  # generator -> prompt -> share of its traces that are right
    _by_prompt: dict[tuple[Pairing, str], Mapping[str, float]] = field(default_factory=dict)
    _delta_rows: dict[tuple[Pairing, str], Mapping[str, Delta]] = field(default_factory=dict)

    def eligible(self, pairing: Pairing) -> int:
        """How many pairs of a pairing may be trained on: the pairs of the selection `all`."""
        return len(self.pool[pairing].prompts) if pairing in self.pool else 0

    def by_prompt(self, pairing: Pairing, dimension: str) -> Mapping[str, float]:
        """Sample deltas of the pool's pairs, by prompt; empty for an unknown dimension."""
        columns = self.pool.get(pairing)
        values = columns.deltas.get(dimension) if columns else None
        return {} if values is None or columns is None else self._named(pairing, dimension, columns, values)

    def lengths_by_prompt(self, pairing: Pairing) -> Mapping[str, float]:
        """Length of chosen minus rejected traces of the pool's pairs, by prompt, in tokens."""
        columns = self.pool.get(pairing)
        return {} if columns is None else self._named(pairing, "", columns, (columns.length * _TOKENS).round())

    def _named(
        self, pairing: Pairing, name: str, columns: PairColumns, values: "NDArray[np.float64]"
    ) -> Mapping[str, float]:
        if (pairing, name) not in self._by_prompt:
            prompts = [f"p{number}" for number in columns.prompts.tolist()]
            self._by_prompt[pairing, name] = dict(zip(prompts, values.tolist(), strict=True))
        return self._by_prompt[pairing, name]

    @cached_property
    def rows(self) -> Mapping[Pairing, list[Pair]]:
        """The pairs as `core.pairs` reads them, with those of the cells. A pair_id is unique within its pairing."""
        return {pairing: [*_rows(self.pool[pairing], pool=True), *self._cell_rows(pairing)] for pairing in self.pool}

    def delta_rows(self, pairing: Pairing, dimension: str) -> Mapping[str, Delta]:
        """The deltas of the pool as `core.pairs` reads them, by pair_id."""
        if (pairing, dimension) not in self._delta_rows:
            columns = self.pool[pairing]
            values = zip(_ids(columns, pool=True), columns.deltas[dimension].tolist(), strict=True)
            rows = {pair_id: _scored(pair_id, value) for pair_id, value in values}
            self._delta_rows[pairing, dimension] = rows
        return self._delta_rows[pairing, dimension]

    def logps(self, pairing: Pairing, policy: str) -> Mapping[str, float]:
        """What `core.pairs` reads as log-probabilities of rejected traces, by pair_id: unrelated to all that gains."""
        ids = _ids(self.pool[pairing], pool=True)
        return {pair_id: -fraction("logps", self.shape.seed, policy, pairing.rejected, pair_id) for pair_id in ids}

    def _cell_rows(self, pairing: Pairing) -> list[Pair]:
        return _rows(self.cells[pairing], pool=False) if pairing in self.cells else []


def plant_pairs(shape: StudyShape, assumptions: Assumptions, *what: object) -> PlantedPairs:
    """Pairs of all pairings. what: names the draw.

    In each pairing, let g be its generator delta, 1 for the study's largest. The length difference l is normal, with
    mean `length_rise` g and standard deviation 1. The true quality delta q has mean 1, standard deviation 1, and the
    stated correlation with chosen right minus rejected right, for which both sides share the prompt's difficulty. A
    judged delta is f (q - 1) + r l + `judged_rise` g + noise: f is its dimension's faithfulness, r the correlation with
    length, and the noise gives it the standard deviation 1. It is rounded to a whole number from -4 to 4, so that the
    stated share is 0 over all pairings.
    """
    import numpy as np

    generator = np.random.default_rng(seed_of("pairs", shape.seed, *what))
    difficulty = generator.standard_normal(shape.prompts) * assumptions.difficulty_spread
    right, usable = {}, {}
    for name, planned in shape.generators.items():
        odds = _centre(assumptions.generator_accuracy[name], assumptions.difficulty_spread) + difficulty
        draws = generator.random((planned.samples, shape.prompts))
        right[name] = draws < 1 / (1 + np.exp(-odds))
        usable[name] = generator.random(shape.prompts) < assumptions.usable_share
    largest = assumptions.largest_gap(shape)
    latent: dict[Pairing, PairColumns] = {}
    cells: dict[Pairing, PairColumns] = {}
    for pairing in shape.pairings:
        gap = assumptions.gap(pairing) / largest
        sides = _sides(right, pairing)
        prompts = np.flatnonzero(usable[pairing.chosen] & usable[pairing.rejected])
        own = [side[0, prompts] for side in sides]
        latent[pairing] = _latent(shape, assumptions, gap, prompts, own[0], own[1], generator)
        if pairing in shape.pairings_of_cells:
            all_four = np.logical_and.reduce([side.any(axis=0) & ~side.all(axis=0) for side in sides])
            four = np.flatnonzero(all_four & usable[pairing.chosen] & usable[pairing.rejected])
            each = np.array(_CELLS * len(four), dtype=bool).reshape(-1, 2)
            cells[pairing] = _latent(shape, assumptions, gap, np.repeat(four, 4), each[:, 0], each[:, 1], generator)
    rates = {
        name: {f"p{number}": rate for number, rate in enumerate(samples.mean(axis=0).tolist())}
        for name, samples in right.items()
    }
    return PlantedPairs(shape, _rounded(shape, assumptions, latent), cells, rates)


def _sides(right: "Mapping[str, NDArray[np.bool_]]", pairing: Pairing) -> "list[NDArray[np.bool_]]":
    """Whether each sample is right, samples x prompts, of both sides. A generator with itself: even and odd samples."""
    if pairing.chosen == pairing.rejected:
        return [right[pairing.chosen][0::2], right[pairing.chosen][1::2]]
    return [right[pairing.chosen], right[pairing.rejected]]


def _latent(
    shape: StudyShape,
    assumptions: Assumptions,
    gap: float,
    prompts: "NDArray[np.int64]",
    chosen: "NDArray[np.bool_]",
    rejected: "NDArray[np.bool_]",
    generator: "np.random.Generator",
) -> PairColumns:
    """The columns of some pairs, with judged deltas that are not yet rounded."""
    import numpy as np

    n = len(prompts)
    contrast = chosen.astype(float) - rejected.astype(float)
    spread = (contrast.std() if n else 0.0) or 1.0
    rho = assumptions.correctness_correlation
    quality = rho * (contrast - contrast.sum() / max(1, n)) / spread + np.sqrt(1 - rho**2) * generator.standard_normal(
        n
    )
    length = generator.standard_normal(n) + assumptions.length_rise * gap
    deltas = {}
    for dimension in shape.dimensions:
        faith, by_length = assumptions.faithfulness[dimension], assumptions.length_correlation
        rest = np.sqrt(max(0.0, 1 - faith**2 - by_length**2))
        deltas[dimension] = faith * quality + by_length * length + rest * generator.standard_normal(n)
        deltas[dimension] += assumptions.judged_rise * gap
    return PairColumns(prompts, chosen, rejected, length, 1 + quality, deltas)


def _rounded(
    shape: StudyShape, assumptions: Assumptions, latent: Mapping[Pairing, PairColumns]
) -> dict[Pairing, PairColumns]:
    """The same pairs with whole deltas, and with composites."""
    import numpy as np

    bounds = {}
    for dimension in shape.dimensions:
        sizes = np.concatenate([np.abs(columns.deltas[dimension]) for columns in latent.values()])
        bounds[dimension] = float(np.quantile(sizes, assumptions.zero_share[dimension])) if len(sizes) else 0.0
    rounded = {}
    for pairing, columns in latent.items():
        deltas = {}
        for dimension, bound in bounds.items():
            values = columns.deltas[dimension]
            size = np.clip(1 + np.floor((np.abs(values) - bound) / _STEP), 0, _LARGEST)
            deltas[dimension] = np.where(np.abs(values) < bound, 0.0, np.sign(values) * size)
        for name, parts in shape.composites.items():
            deltas[name] = np.mean([deltas[part] for part in parts], axis=0)
        rounded[pairing] = PairColumns(
            columns.prompts, columns.chosen_right, columns.rejected_right, columns.length, columns.quality, deltas
        )
    return rounded


def _centre(accuracy: float, spread: float) -> float:
    """The mean of normal logits of this spread whose mean probability is the accuracy (MacKay 1992's approximation)."""
    import math

    return math.log(accuracy / (1 - accuracy)) * math.sqrt(1 + math.pi / 8 * spread**2)


def _ids(columns: PairColumns, *, pool: bool) -> list[str]:
    """pool: whether these are the pairs of the pool; those of the cells follow each other by fours."""
    numbers = columns.prompts.tolist()
    return [f"p{number}" if pool else f"p{number}-{place % 4}" for place, number in enumerate(numbers)]


def _scored(pair_id: str, delta: float) -> Delta:
    """A delta whose better side has the highest score."""
    chosen, rejected = (5.0, 5.0 - delta) if delta > 0 else (5.0 + delta, 5.0)
    return Delta(pair_id, chosen, rejected, delta, None)


def _rows(columns: PairColumns, *, pool: bool) -> list[Pair]:
    words = {True: "right", False: "wrong"}
    return [
        Pair(
            pair_id=pair_id,
            prompt_id=f"p{number}",
            chosen_sample=0,
            rejected_sample=0,
            pool=pool,
            cell=None if pool else f"{words[chosen]}-{words[rejected]}",
            chosen_tokens=length,
            rejected_tokens=0,
            chosen_correct=chosen,
            rejected_correct=rejected,
            eligible=True,
            reason=None,
        )
        for pair_id, number, chosen, rejected, length in zip(
            _ids(columns, pool=pool),
            columns.prompts.tolist(),
            columns.chosen_right.tolist(),
            columns.rejected_right.tolist(),
            (columns.length * _TOKENS).round().astype(int).tolist(),
            strict=True,
        )
    ]
