"""Which pairs people score: strata by delta, as many pairs from each as there are, drawn by a seeded hash."""

from collections.abc import Mapping, Sequence

from prefdelta.core.ids import fraction
from prefdelta.core.settings import Settings

# Lower ends of the strata. Deltas go from -4 to 4. 0 is a stratum of its own: there the judge sees no difference.
_LABELS = ("below -1", "-1 to below 0", "0", "above 0 to 1", "above 1")


class Stratum(Settings):
    """Pairs of similar delta, of which an equal share is drawn."""

    label: str
    """Its deltas."""

    size: int
    """Number of its pairs, drawn or not."""


def label_of(delta: float) -> str:
    """The label of the stratum of a delta."""
    if delta == 0:
        return _LABELS[2]
    if delta < 0:
        return _LABELS[0] if delta < -1 else _LABELS[1]
    return _LABELS[3] if delta <= 1 else _LABELS[4]


def strata_of(deltas: Mapping[str, float]) -> list[Stratum]:
    """The strata that have pairs, lowest delta first. deltas: pair_id -> delta."""
    labels = [label_of(delta) for delta in deltas.values()]
    return [Stratum(label=label, size=labels.count(label)) for label in _LABELS if label in labels]


def draw(deltas: Mapping[str, float], strata: Sequence[Stratum], pairs: int, seed: int) -> list[tuple[str, int]]:
    """(pair_id, index of its stratum) of the pairs that are drawn: by a hash of seed and pair within each stratum."""
    drawn = []
    for index, (stratum, size) in enumerate(zip(strata, allocation([s.size for s in strata], pairs), strict=True)):
        members = [pair_id for pair_id, delta in deltas.items() if label_of(delta) == stratum.label]
        members.sort(key=lambda pair_id: (fraction("sheet", seed, pair_id), pair_id))
        drawn += [(pair_id, index) for pair_id in members[:size]]
    return drawn


def allocation(sizes: Sequence[int], pairs: int) -> list[int]:
    """How many pairs each stratum gives: equally many, and all of a stratum that has fewer. They sum to `pairs`.

    Equal numbers show how often the judge is wrong on either side of 0 with about equal precision, though most pairs
    of a pairing lie on one side.
    """
    taken = [0] * len(sizes)
    for _ in range(min(pairs, sum(sizes))):
        taken[min((i for i in range(len(sizes)) if taken[i] < sizes[i]), key=lambda i: taken[i])] += 1
    return taken
