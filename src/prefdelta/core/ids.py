"""Content hashes: names, seeds and orders that depend on content, never on position."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def canonical(value: object) -> bytes:
    """The JSON text of a value, the same for equal values (keys sorted, no spaces, UTF-8).

    Raises ValueError for NaN and infinities, which JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def digest(value: object) -> str:
    """Sha256 of a JSON-like value, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def fractions(parts: Sequence[object], texts: Iterable[str]) -> "NDArray[np.float64]":
    """`fraction(*parts, text)` of many texts, which are given in JSON, as `canonical` writes them."""
    import numpy as np

    drawn: NDArray[np.float64] = (np.frombuffer(digests_in_bulk(parts, texts), ">u8") >> 12) / 16**13
    return drawn


def digests_in_bulk(parts: Sequence[object], *columns: Iterable[str]) -> bytearray:
    """The first 8 bytes of `digest([*parts, *row])` for every row of some columns, one after the other.

    columns: values in JSON, as `canonical` writes them.
    """
    begin = canonical(list(parts)).decode()[:-1] + ("," if parts else "")
    digests = bytearray()
    for row in zip(*columns, strict=True):
        digests += hashlib.sha256(f"{begin}{','.join(row)}]".encode()).digest()[:8]
    return digests


def seed_of(*parts: object) -> int:
    """A seed for one draw, from the values that identify the draw (63 bits, so that it fits int64)."""
    return int(digest(list(parts))[:16], 16) >> 1


def fraction(*parts: object) -> float:
    """A number in [0, 1) drawn by hashing `parts`; used for splits and seeded orders."""
    return int(digest(list(parts))[:13], 16) / 16**13
