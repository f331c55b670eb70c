r"""How grader `maths`, and math-verify as a user would call it, judge a file of verdicts. A script, not a test.

    python tests/replay/maths.py FOLDER

FOLDER/maths_verdicts.jsonl has a line per verdict: {"gold": …, "answer": …, "expected": true or false}; the answer is
what a model wrote, with its box. math-verify gets the right answer in dollars, and the model's text:
verify(parse("$gold$"), parse(answer)). Prints both graders' counts from this one run, then each verdict that one of
them has otherwise.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prefdelta.core.answers.grading import GradingError
from prefdelta.graders.maths import grade


def ours(gold: str, answer: str) -> bool | str:
    try:
        found = grade(answer, [gold])
    except GradingError as error:
        return error.kind
    return found is not None and found[1]


def plain_math_verify(gold: str, answer: str) -> bool:
    from math_verify import parse, verify

    return bool(verify(parse(f"${gold}$"), parse(answer)))


def replay(folder: Path) -> dict[str, bool]:
    """Line, counted from 1 -> whether our verdict is the expected one."""
    return {
        str(number): ours(case["gold"], case["answer"]) == case["expected"]
        for number, case in enumerate(_cases(folder), start=1)
    }


def _cases(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "maths_verdicts.jsonl").read_text(encoding="utf-8").splitlines()]


def main(folder: Path) -> None:
    cases = _cases(folder)
    graders = {"prefdelta": ours, f"math-verify {version('math-verify')}": plain_math_verify}
    verdicts = {name: [judge(case["gold"], case["answer"]) for case in cases] for name, judge in graders.items()}
    print(f"{len(cases)} verdicts, {sum(case['expected'] for case in cases)} right\n")
    print(f"{'':20} {'false negatives':>16} {'false positives':>16} {'no verdict':>12}")
    for name, found in verdicts.items():
        pairs = list(zip(cases, found, strict=True))
        missed = sum(case["expected"] and one is False for case, one in pairs)
        taken = sum(not case["expected"] and one is True for case, one in pairs)
        print(f"{name:20} {missed:16} {taken:16} {sum(isinstance(one, str) for one in found):12}")
    for name, found in verdicts.items():
        print(f"\n{name}:")
        for number, (case, one) in enumerate(zip(cases, found, strict=True), start=1):
            if one != case["expected"]:
                said = one if isinstance(one, str) else ("accepted" if one else "refused")
                print(f"  line {number}: {said}: gold {case['gold']} | answer {case['answer']}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
