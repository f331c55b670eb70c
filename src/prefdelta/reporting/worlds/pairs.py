"""Planted pairs: who is right, how long, how good in truth and how good as judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from prefdelta.core.arms import Pairing
from prefdelta.core.ids import seed_of
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.shape import StudyShape

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
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
    chosen_quality: "NDArray[np.float64]"  # of the chosen trace alone; its mean over the pool is 0, deviation about 1
    pass_rate: "NDArray[np.float64]"  # share of the rejected generator's traces of the prompt that are right
    likelihood: "NDArray[np.float64]"  # log-probability per token of the rejected trace under the policies
    deltas: "Mapping[str, NDArray[np.float64]]"  # as judged, by dimension and composite; empty for cells
    chosen_scores: "Mapping[str, NDArray[np.float64]]"  # from 1 to 5, likewise; empty for cells


@dataclass(frozen=True)
class PlantedPairs:
    """The pairs of every pairing, the same for all draws of its traces: these differ in their luck (`answers`)."""

    shape: StudyShape
    pool: Mapping[Pairing, PairColumns]
    cells: Mapping[Pairing, PairColumns]  # four per prompt that has them all, in the order of right and wrong
    _by_prompt: dict[tuple[Pairing, str], Mapping[str, float]] = field(default_factory=dict)

    def eligible(self, pairing: Pairing) -> int:
        """How many pairs of a pairing may be trained on: the pairs of the selection `all`."""
        columns = self.pool.get(pairing.undrawn)
        return len(columns.prompts) if columns else 0

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
    def tables(self) -> "Mapping[Pairing, pa.Table]":
        """The pairs as `core.pairs` reads them, with those of the cells. A pair_id is unique within its pairing."""
        import pyarrow as pa

        return {
            pairing: pa.concat_tables(
                _table(columns, pool=pool)
                for columns, pool in ((own, True), (self.cells.get(pairing), False))
                if columns is not None
            )
            for pairing, own in self.pool.items()
        }

    def delta_table(self, pairing: Pairing, dimension: str) -> "pa.Table":
        """The deltas of the pool as `core.pairs` reads them."""
        import pyarrow as pa

        columns = self.pool[pairing]
        delta, score = columns.deltas[dimension], columns.chosen_scores[dimension]
        ids = _ids(columns, pool=True)
        return pa.table({"pair_id": ids, "delta": delta, "chosen_score": score, "rejected_score": score - delta})

    def pass_rates(self, pairing: Pairing) -> Mapping[str, float]:
        """Share of the rejected generator's traces that are right, by prompt."""
        return self._named(pairing, "pass rates", self.pool[pairing], self.pool[pairing].pass_rate)

    def logps(self, pairing: Pairing) -> Mapping[str, float]:
        """Nats per token of the rejected trace of the pool's pairs, by pair_id, under any policy."""
        columns = self.pool[pairing]
        return dict(zip(_ids(columns, pool=True), columns.likelihood.tolist(), strict=True))


def plant_pairs(shape: StudyShape, assumptions: Assumptions, *what: object) -> PlantedPairs:
    """Pairs of all pairings. what: names the draw.

    In each pairing, let g be its generator delta, 1 for the study's largest. The length difference l is normal, with
    mean `length_rise` g and standard deviation 1. The true quality delta q has mean 1, standard deviation 1, and the
    stated correlation with chosen right minus rejected right, for which both sides share the prompt's difficulty. A
    judged delta is f (q - 1) + r l + `judged_rise` g + noise: f is its dimension's faithfulness, r the correlation with
    length, and the noise gives it the standard deviation 1. It is rounded to a whole number from -4 to 4, so that the
    stated share is 0 over all pairings. q is the difference of the sides' own qualities; where between 1 and 5 the two
    scores of a delta lie follows the sum of these, as faithfully, so that a score tells of its own side alone. The
    likelihood of rejected traces is noise.
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
        rates = right[pairing.rejected].mean(axis=0)
        prompts = np.flatnonzero(usable[pairing.chosen] & usable[pairing.rejected])
        own = [side[0, prompts] for side in sides]
        latent[pairing] = _latent(shape, assumptions, gap, prompts, own[0], own[1], rates, generator)
        if pairing in shape.pairings_of_cells:
            all_four = np.logical_and.reduce([side.any(axis=0) & ~side.all(axis=0) for side in sides])
            four = np.repeat(np.flatnonzero(all_four & usable[pairing.chosen] & usable[pairing.rejected]), 4)
            each = np.array(_CELLS * (len(four) // 4), dtype=bool).reshape(-1, 2)
            cells[pairing] = _latent(shape, assumptions, gap, four, each[:, 0], each[:, 1], rates, generator)
    return PlantedPairs(shape, _rounded(shape, assumptions, latent), cells)


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
    rates: "NDArray[np.float64]",
    generator: "np.random.Generator",
) -> PairColumns:
    """The columns of some pairs, with judged deltas that are not yet rounded. rates: pass rates of all prompts."""
    import numpy as np

    n, rho = len(prompts), assumptions.correctness_correlation
    right = np.stack([chosen.astype(float) - rejected, chosen.astype(float) + rejected])
    own = generator.standard_normal((2, n))  # of the difference and of the sum of both sides
    quality, total = rho * np.stack([_standard(row) for row in right]) + np.sqrt(1 - rho**2) * own
    length = generator.standard_normal(n) + assumptions.length_rise * gap
    deltas, levels = {}, {}
    for dimension in shape.dimensions:
        faith, by_length = assumptions.faithfulness[dimension], assumptions.length_correlation
        rest = np.sqrt(max(0.0, 1 - faith**2 - by_length**2))
        noise = generator.standard_normal((2, n))
        deltas[dimension] = faith * quality + by_length * length + rest * noise[0]
        deltas[dimension] += assumptions.judged_rise * gap
        levels[dimension] = faith * total + rest * noise[1]
    return PairColumns(
        prompts=prompts,
        chosen_right=chosen,
        rejected_right=rejected,
        length=length,
        quality=1 + quality,
        chosen_quality=(quality + total) / np.sqrt(2),
        pass_rate=rates[prompts],
        likelihood=generator.standard_normal(n),
        deltas=deltas,
        chosen_scores=levels,
    )


def _standard(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Values with mean 0 and standard deviation 1; 0 if all are equal."""
    centred: NDArray[np.float64] = values - values.sum() / max(1, len(values))
    spread = (centred.std() if len(values) else 0.0) or 1.0
    centred /= spread
    return centred


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
        deltas, scores = {}, {}
        for dimension, bound in bounds.items():
            values = columns.deltas[dimension]
            size = np.clip(1 + np.floor((np.abs(values) - bound) / _STEP), 0, _LARGEST)
            deltas[dimension] = np.where(np.abs(values) < bound, 0.0, np.sign(values) * size)
            scores[dimension] = _chosen_scores(deltas[dimension], columns.chosen_scores[dimension])
        for name, parts in shape.composites.items():
            deltas[name] = np.mean([deltas[part] for part in parts], axis=0)
            scores[name] = np.mean([scores[part] for part in parts], axis=0)
        rounded[pairing] = replace(columns, deltas=deltas, chosen_scores=scores)
    return rounded


def _chosen_scores(deltas: "NDArray[np.float64]", levels: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Scores of the chosen side. levels: the sum of both sides' qualities as judged, in standard deviations."""
    import numpy as np

    low, high = np.maximum(1, 1 + deltas), np.minimum(_LARGEST + 1, _LARGEST + 1 + deltas)
    middle = (_LARGEST + 2) / 2
    scores: NDArray[np.float64] = np.clip(np.round(middle + (levels / _STEP + deltas) / 2), low, high)
    return scores


def _centre(accuracy: float, spread: float) -> float:
    """The mean of normal logits of this spread whose mean probability is the accuracy (MacKay 1992's approximation)."""
    import math

    return math.log(accuracy / (1 - accuracy)) * math.sqrt(1 + math.pi / 8 * spread**2)


def _ids(columns: PairColumns, *, pool: bool) -> list[str]:
    """pool: whether these are the pairs of the pool; those of the cells follow each other by fours."""
    numbers = columns.prompts.tolist()
    return [f"p{number}" if pool else f"p{number}-{place % 4}" for place, number in enumerate(numbers)]


def _table(columns: PairColumns, *, pool: bool) -> "pa.Table":
    import numpy as np
    import pyarrow as pa

    n = len(columns.prompts)
    cells = np.array(["wrong-wrong", "wrong-right", "right-wrong", "right-right"])
    return pa.table(
        {
            "pair_id": pa.array(_ids(columns, pool=pool), pa.string()),
            "prompt_id": pa.array([f"p{number}" for number in columns.prompts.tolist()], pa.string()),
            "pool": np.full(n, pool),
            "eligible": np.full(n, True),
            "cell": pa.nulls(n, pa.string()) if pool else cells[2 * columns.chosen_right + columns.rejected_right],
            "chosen_tokens": (columns.length * _TOKENS).round().astype(int),
            "rejected_tokens": np.zeros(n, int),
            "chosen_characters": pa.nulls(n, pa.int64()),
            "rejected_characters": pa.nulls(n, pa.int64()),
            "chosen_correct": columns.chosen_right,
            "rejected_correct": columns.rejected_right,
        }
    )
