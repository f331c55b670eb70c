"""Content hashes: names, seeds and orders that depend on content, never on position."""

import hashlib
import json


def canonical(value: object) -> bytes:
    """The JSON text of a value, the same for equal values (keys sorted, no spaces, UTF-8).

    Raises ValueError for NaN and infinities, which JSON does not have.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def digest(value: object) -> str:
    """Sha256 of a JSON-like value, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def seed_of(*parts: object) -> int:
    """A seed for one draw, from the values that identify the draw (63 bits, so that it fits int64)."""
    return int(digest(list(parts))[:16], 16) >> 1


def fraction(*parts: object) -> float:
    """A number in [0, 1) drawn by hashing `parts`; used for splits and seeded orders."""
    return int(digest(list(parts))[:13], 16) / 16**13
