"""The hashes of `core.ids`, of many rows at once."""

from collections.abc import Sequence
from hashlib import sha256
from json.encoder import encode_basestring
from typing import TYPE_CHECKING

from prefdelta.core.ids import canonical

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_AT_ONCE = 65_536  # rows
_TO_ESCAPE = r'["\\\x00-\x1f]'


def digests(parts: Sequence[object], *columns: "pa.Array") -> "NDArray[np.uint64]":
    """`digest([*parts, *row])` of every row of some columns of texts or whole numbers: the first 16 hex digits."""
    import numpy as np
    import pyarrow.compute as pc

    # Between the brackets stand the parts and the row, as `canonical` writes them.
    begin = canonical(list(parts))[:-1] + (b"," if parts else b"")
    found = [np.zeros(0, np.uint64)]
    for first in range(0, len(columns[0]), _AT_ONCE):
        values = [_in_json(column.slice(first, _AT_ONCE)) for column in columns]
        row = pc.binary_join_element_wise(*values, _large(b","))
        texts = pc.binary_join_element_wise(_large(begin), row, _large(b"]"), _large(b"")).to_pylist()
        whole = b"".join([sha256(text).digest() for text in texts])
        found.append(np.frombuffer(whole, ">u8")[::4].astype(np.uint64))
    return np.concatenate(found)


def fractions(parts: Sequence[object], names: "pa.Array") -> "NDArray[np.float64]":
    """`fraction(*parts, name)` of many names."""
    drawn: NDArray[np.float64] = (digests(parts, names) >> 12) / 16**13
    return drawn


def in_hex(digests: "NDArray[np.uint64]") -> "pa.Array":
    """The 16 hex digits of each."""
    import numpy as np
    import pyarrow as pa

    offsets = np.arange(0, 16 * len(digests) + 1, 16, dtype=np.int32)
    text = digests.astype(">u8").tobytes().hex().encode()
    return pa.StringArray.from_buffers(len(digests), pa.py_buffer(offsets), pa.py_buffer(text))


def _in_json(values: "pa.Array") -> "pa.Array":
    """Values as `canonical` writes them, in UTF-8. Large, as the texts of many rows may be more than 2 GiB."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return values.cast(pa.string()).fill_null("null").cast(pa.large_binary())
    if pc.any(pc.match_substring_regex(values, _TO_ESCAPE)).as_py():
        return pa.array([encode_basestring(value).encode() for value in values.to_pylist()], pa.large_binary())
    return pc.binary_join_element_wise(_large(b'"'), values.cast(pa.large_binary()), _large(b'"'), _large(b""))


def _large(content: bytes) -> "pa.Scalar":
    import pyarrow as pa

    return pa.scalar(content, pa.large_binary())
