"""How much longer the chosen trace of a pair is than the rejected one."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from prefdelta.records.pair import Pair

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

TOKENS, CHARACTERS = "tokens", "characters"
LENGTH_COLUMNS = tuple(f"{side}_{unit}" for unit in (TOKENS, CHARACTERS) for side in ("chosen", "rejected"))


def length_differences(pairs: Iterable[Pair]) -> tuple[dict[str, int], str]:
    """(pair_id -> length of the chosen trace minus that of the rejected one, the unit), for pairs of one pairing.

    The unit is tokens, as the generators count them, or characters if any trace has no token count (from a data set).
    Units are never mixed, because the pairs of a pairing are compared with each other.
    """
    import numpy as np

    pairs = list(pairs)
    lengths = {name: np.array([getattr(pair, name) for pair in pairs], float) for name in LENGTH_COLUMNS}
    differences, unit = _differences(lengths)
    known = zip(pairs, differences.tolist(), ~np.isnan(differences), strict=True)
    return {pair.pair_id: int(difference) for pair, difference, is_known in known if is_known}, unit


def length_column(pairs: "pa.Table") -> "tuple[NDArray[np.float64], str]":
    """`length_differences` of a table with LENGTH_COLUMNS: (one value per pair or NaN, the unit)."""
    return _differences({name: pairs.column(name).cast("float64").to_numpy() for name in LENGTH_COLUMNS})


def _differences(lengths: "Mapping[str, NDArray[np.float64]]") -> "tuple[NDArray[np.float64], str]":
    import numpy as np

    for unit in (TOKENS, CHARACTERS):
        differences = lengths[f"chosen_{unit}"] - lengths[f"rejected_{unit}"]
        if unit == CHARACTERS or not np.isnan(differences).any():
            break
    return differences, unit
