"""The commands that README and documentation name: in blocks, and in the running text."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "findings/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PROGRAMS = ("prefdelta", "snakemake", "make", "python", "bash")
_WORD = rf"(?:\.venv/bin/)?(?:{'|'.join(PROGRAMS)})"
_IN_BLOCK = re.compile(rf"^(?: {{4}}|\$ )({_WORD} .*)$")
_IN_TEXT = re.compile(rf"(?<!`)`({_WORD} [^`]+)`(?!`)")
_REMARK = re.compile(r"\s{2,}.*$|\s#.*$")


@dataclass(frozen=True)
class Command:
    page: str
    text: str
    whole: bool  # meant to be typed as it stands: in a block, or with the folder of its program

    @property
    def words(self) -> list[str]:
        """Its words, the program first, without the folder of the program."""
        words = shlex.split(self.text)
        return [Path(words[0]).name, *words[1:]]


def commands() -> Iterator[Command]:
    """Every command of every page, once per page. A remark behind it is cut off: two spaces, or a `#`."""
    for path in PAGES:
        found: dict[str, bool] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            if match := _IN_BLOCK.match(line):
                found[_REMARK.sub("", match[1]).strip()] = True
            elif not line.startswith("    "):
                for text in map(str.strip, _IN_TEXT.findall(line)):
                    found.setdefault(text, text.startswith(".venv/"))
        for text, whole in found.items():
            yield Command(str(path.relative_to(ROOT)), text, whole)
