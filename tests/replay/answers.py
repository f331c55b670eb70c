"""Replays recorded cases of answers: letters, TheoremQA's numbers, code, reasoning.

    python tests/replay/answers.py FOLDER

FOLDER holds data_and_grading.jsonl, one case a line: `case`, `input` (a text, with what is asked of it in words) and
`expected`.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from prefdelta.core.answers.code_tests import livecodebench_tests, same_output
from prefdelta.core.answers.final_answers import theoremqa_answer
from prefdelta.core.errors import StudyError
from prefdelta.graders import choice, code, maths, theoremqa

FILE = "data_and_grading.jsonl"


def replay(folder: Path) -> dict[str, bool]:
    """Whether each of the cases that `CASES` knows holds, by its id. A case that the file lacks is left out."""
    rows = [json.loads(line) for line in (folder / FILE).read_text(encoding="utf-8").splitlines() if line.strip()]
    return {str(row["case"]): CASES[str(row["case"])](row) for row in rows if str(row["case"]) in CASES}


def _letter(text: str) -> str:
    found = choice.grade(text.replace("\\n", "\n"), [])
    return found[0] if found else "no answer"


def _letter_holds(row: dict[str, str]) -> bool:
    """One letter or "no answer" for each input; " / " stands between several."""
    return [_letter(text) for text in row["input"].split(" / ")] == row["expected"].split(" / ")


def _no_letter_holds(row: dict[str, str]) -> bool:
    text, gold = row["input"].split(" with gold ")
    found = choice.grade(text, [gold])
    return not (found and found[1])


def _number_holds(row: dict[str, str]) -> bool:
    """`input`: a text, then golds as "gold 7e-24"; `expected`: right or wrong for each."""
    text, *golds = re.split(r";? gold ", row["input"])
    graded = [theoremqa.grade(text, [theoremqa_answer(gold, "float")]) for gold in golds]
    return ["right" if found and found[1] else "wrong" for found in graded] == row["expected"].split("; ")


def _long_number_holds(row: dict[str, str]) -> bool:
    """Two programs of `input`, one that prints and one that reads a whole number of 5,000 digits."""
    printing, reading = re.findall(r"print\(.+?\)(?= on )", row["input"])
    digits = "7" * 5000
    return _passes(printing, "5000", "1" + "0" * 5000) and _passes(reading, digits, digits)


def _passes(program: str, given: str, wanted: str) -> bool:
    public = json.dumps([{"input": given, "output": wanted, "testtype": "stdin"}])
    found = code.grade(f"```python\n{program}\n```", [livecodebench_tests(public, "[]", "{}", "")])
    return bool(found and found[1])


def _tolerance_holds(row: dict[str, str]) -> bool:
    """It does not, as docs/graders.md says: outputs are compared as LiveCodeBench compares them."""
    numbers = re.findall(r"\d\.\d+", row["input"])
    return same_output(numbers[0], numbers[1])


def _reasoning_holds(row: dict[str, str]) -> bool:
    return maths.grade(row["input"], [row["expected"]]) == (row["expected"], True)


CASES: dict[str, Callable[[dict[str, str]], bool]] = {
    **dict.fromkeys(("4", "4a", "4b", "4c", "4d", "5", "5b"), _letter_holds),
    "5a": _no_letter_holds,
    **dict.fromkeys(("6", "6a", "6b"), _number_holds),
    "9": _long_number_holds,
    "10": _tolerance_holds,
    **dict.fromkeys(("12", "12a"), _reasoning_holds),
}


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    try:
        found = replay(Path(sys.argv[1]))
    except (OSError, StudyError) as error:  # no file; no sandbox
        raise SystemExit(f"error: {error}") from None
    for case, holds in found.items():
        sys.stdout.write(f"{case:>4} {'holds' if holds else 'does not hold'}\n")
    sys.stdout.write(f"{sum(found.values())} of {len(found)} hold\n")


if __name__ == "__main__":
    main()
