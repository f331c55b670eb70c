r"""Replays the cases of data_and_grading.jsonl that say which answer counts for which gold, as the file writes them:

`gold 10^{-5}, \boxed{10^-5}; x^{-1}, \boxed{x^-1}`, or a whole reply with its gold behind it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from prefdelta.graders import maths

_GOLD_FIRST = re.compile(r"(?:gold )?(?P<gold>.+?)(?: \([^)]*\))?, (?:reply )?(?P<answers>\\boxed\{.*\})(?: \(.*\))?")
_GOLD_LAST = re.compile(r"(?P<answers>.+?)\.? gold (?P<gold>.+)")


def replay(folder: Path) -> dict[str, bool]:
    """Case -> whether every triple of it has the expected verdict."""
    lines = (folder / "data_and_grading.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if case["area"] == "maths"]
    return {
        str(case["case"]): all(
            _accepted(gold, answer) == (case["expected"].split()[0] == "right")
            for gold, answer in triples(case["input"])
        )
        for case in cases
    }


def triples(text: str) -> Iterator[tuple[str, str]]:
    """(gold, answer) of a case's input. Raises ValueError for what is not written in one of the two ways."""
    for part in text.split("; "):
        match = _GOLD_FIRST.fullmatch(part) or _GOLD_LAST.fullmatch(part)
        if match is None:
            raise ValueError(f"this is not a gold with its answers: {part!r}")
        first, *others = match["answers"].split(r" or \boxed")
        for answer in [first, *(rf"\boxed{other}" for other in others)]:
            yield match["gold"], answer


def _accepted(gold: str, answer: str) -> bool:
    found = maths.grade(answer, [gold])
    return found is not None and found[1]
