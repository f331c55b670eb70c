"""What an arm trained on, as a few numbers: a world's truth is a function of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selection_kinds.common import common_prompts
from prefdelta.core.pairs.selections import parse_selection, select
from prefdelta.reporting.arms import selection_of
from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.pairs import PairColumns, PlantedPairs
from prefdelta.reporting.worlds.shape import StudyShape

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Features:
    """Arrays with one value per arm. Means are over the pairs that the project's own selection takes for the arm."""

    arms: Sequence[Arm]
    gap: "NDArray[np.float64]"  # generator delta; 1 for the study's largest (without shipped traces)
    chosen: "NDArray[np.float64]"  # accuracy of the chosen generator: 0 the study's weakest, 1 its strongest
    chosen_quality: "NDArray[np.float64]"  # mean over the pairs of the chosen trace's own; 0 for all pairs
    quality: "NDArray[np.float64]"  # mean true delta; 1 for all pairs, negative with the sides exchanged
    length: "NDArray[np.float64]"  # mean length difference; 1 for all pairs of the largest generator delta
    right_over_wrong: "NDArray[np.float64]"  # share of the pairs; 1 for the share at the largest generator delta
    seen: "NDArray[np.float64]"  # pairs seen in training, as a share of all pairs of the pairing
    distinct: "NDArray[np.float64]"  # different pairs among them, as a share of the same
    contrasts: "NDArray[np.bool_]"  # whether the method trains on both sides
    dimension: Sequence[str | None]  # by whose largest judged deltas the pairs are selected


@dataclass(frozen=True, slots=True)
class _Means:
    quality: float
    chosen_quality: float
    length: float
    right_over_wrong: float
    selected: int


def features(shape: StudyShape, assumptions: Assumptions, pairs: PlantedPairs) -> Features:
    """The features of every trained arm. Raises StudyError for a selection of more pairs than there are, or of none."""
    import numpy as np

    common = {name: _common(pairs, pairings) for name, (pairings, _) in shape.sets.items()}
    means: dict[tuple[Pairing, str], _Means] = {}
    for arm in shape.arms:
        key = (arm.pairing.undrawn, arm.selection)
        if key not in means:
            means[key] = _selected(shape, pairs, *key, common)
    gap = assumptions.largest_gap(shape)
    whole = pairs.pool[min(shape.pairings, key=lambda pairing: abs(abs(assumptions.gap(pairing)) - gap))]
    accuracies = assumptions.generator_accuracy.values()
    low, high = min(accuracies), max(accuracies)
    length_unit = abs(assumptions.length_rise) or 1.0
    right_unit = float((whole.chosen_right & ~whole.rejected_right).mean()) or 1.0
    pairings = [arm.pairing.undrawn for arm in shape.arms]
    own = [means[arm.pairing.undrawn, arm.selection] for arm in shape.arms]
    recipes = [shape.recipes[arm.recipe] for arm in shape.arms]
    return Features(
        arms=shape.arms,
        gap=np.array([assumptions.gap(pairing) / gap for pairing in pairings]),
        chosen=np.array(
            [(assumptions.generator_accuracy[pairing.chosen] - low) / ((high - low) or 1.0) for pairing in pairings]
        ),
        chosen_quality=np.array([mean.chosen_quality for mean in own]),
        quality=np.array([mean.quality for mean in own]),
        length=np.array([mean.length / length_unit for mean in own]),
        right_over_wrong=np.array([mean.right_over_wrong / right_unit for mean in own]),
        seen=np.array(
            [
                recipe.seen(mean.selected) / pairs.eligible(pairing)
                for pairing, mean, recipe in zip(pairings, own, recipes, strict=True)
            ]
        ),
        distinct=np.array(
            [mean.selected / pairs.eligible(pairing) for pairing, mean in zip(pairings, own, strict=True)]
        ),
        contrasts=np.array([recipe.contrasts for recipe in recipes]),
        dimension=[own.dimension if own.kind == "top" else None for own in map(selection_of, shape.arms)],
    )


def _selected(
    shape: StudyShape, pairs: PlantedPairs, pairing: Pairing, name: str, common: "Mapping[str, pa.Array]"
) -> _Means:
    import numpy as np

    selection = parse_selection(name)
    limit = shape.sets[selection.set][1] if selection.set else shape.cell_pairs if selection.cell else None
    taken = select(
        selection,
        pairs.tables[pairing],
        pairs.delta_table(pairing, selection.dimension) if selection.dimension else None,
        tie_seed=shape.tie_seed,
        common=common[selection.set] if selection.set else (),
        limit=limit,
        pass_rates=pairs.pass_rates(pairing) if selection.MATCHES else {},
        logps=pairs.logps(pairing) if selection.policy else {},
        checked=False,
    ).pairs
    if not len(taken):
        raise StudyError(
            f"{pairing}: {name} selects none of the pairs planted from {shape.prompts:,} prompts. Give more prompts."
        )
    columns = pairs.cells[pairing] if selection.cell else pairs.pool[pairing]
    places = _places(columns, taken.column("pair_id").to_pylist())
    right, wrong = columns.chosen_right[places], columns.rejected_right[places]
    sign = 1.0
    if selection.SWAPS:
        right, wrong, sign = wrong, right, -1.0
    return _Means(
        sign * float(columns.quality[places].mean()),
        sign * float(columns.chosen_quality[places].mean()),
        sign * float(columns.length[places].mean()),
        float(np.mean(right & ~wrong)),
        len(taken),
    )


def _places(columns: PairColumns, pair_ids: Sequence[str]) -> list[int]:
    """Where pairs lie in the columns. The id of a cell's pair ends in its place among the four of its prompt."""
    firsts = {number: place for place, number in reversed(list(enumerate(columns.prompts.tolist())))}
    parts = (pair_id[1:].partition("-") for pair_id in pair_ids)
    return [firsts[int(number)] + int(place or 0) for number, _, place in parts]


def _common(pairs: PlantedPairs, pairings: Sequence[Pairing]) -> "pa.Array":
    return common_prompts(pairs.tables[pairing] for pairing in pairings)
