"""Scripts that hand data to a page: a page that is opened from disk may load scripts, but no other files."""

import json
from pathlib import Path

from prefdelta.system.files import explain_full_disk

# What could end a script or a string early in some parser. In JSON these characters stand inside strings only.
_ESCAPED = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


class Scripts:
    """A folder of scripts, each `prefdelta.load("<name>", <JSON>);` in a file `<name>.js`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files, self.bytes = 0, 0  # written so far

    def write(self, name: str, value: object) -> None:
        """Write a value of JSON. name: a path without ending, of letters, digits and slashes.

        Raises ValueError for NaN and infinities, StudyError if the disk is full.
        """
        data = script(name, value).encode("utf-8")
        path = self._folder / f"{name}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        with explain_full_disk(path, lambda: len(data)):
            path.write_bytes(data)
        self.files, self.bytes = self.files + 1, self.bytes + len(data)


def script(name: str, value: object) -> str:
    """The text of a script."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return f'prefdelta.load("{name}",{text});\n'
