"""Replays inputs that failed once, and prints how many of each file hold now:

    PYTHONPATH=tests python -m replay FOLDER

FOLDER holds maths_verdicts.jsonl (gold, answer, expected verdict), data_and_grading.jsonl and compute.jsonl (a case a
line, with what is expected). Exit code 1 if a case does not hold, or if nothing here replays it.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from replay import answers, data, graded, maths, tested


def main(folder: Path) -> int:
    tests = tested.passed()
    rows = {**data.replay(folder), **answers.replay(folder), **graded.replay(folder), **tests}
    all_hold = [
        _told(folder / "maths_verdicts.jsonl", maths.replay(folder), None),
        _told(folder / "data_and_grading.jsonl", rows, "case"),
        _told(folder / "compute.jsonl", tests, "id"),
    ]
    return 0 if all(all_hold) else 1


def _told(path: Path, holds: Mapping[str, bool], field: str | None) -> bool:
    """Print how many cases of a file hold, and which do not. field: that names a case; None: its line does."""
    lines = path.read_text(encoding="utf-8").splitlines()
    cases = [str(json.loads(line)[field]) if field else str(number) for number, line in enumerate(lines, start=1)]
    print(f"{path.name}: {sum(holds.get(case, False) for case in cases)} of {len(cases)} hold")
    for case, line in zip(cases, lines, strict=True):
        if not holds.get(case):
            print(f"  {'does not hold' if case in holds else 'not replayed'}: {case} {line[:160]}")
    return all(holds.get(case) for case in cases)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
