"""JSON Lines that every reader cuts at the same places."""

import json
from typing import Any

# Signs that Python's `splitlines`, and so some readers, take for the end of a line; JSON leaves them as they are.
_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}


def json_line(row: dict[str, Any]) -> str:
    """A row as one line, its end included. Texts are kept to the letter."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False).translate(_ESCAPED) + "\n"
