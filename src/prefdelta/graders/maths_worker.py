r"""What runs in the process of `maths_process`: math-verify, one request and one reply per line of JSON.

    {"answer": str, "golds": [str, …]} -> {"extracted": str | null, "correct": bool}
    {"numbers": [str, …]}              -> {"values": [float | null, …]}

or {"error": str}. Golds and answers are texts with their mathematics marked (`$…$`, `\boxed{…}`), numbers are LaTeX.
"""

import json
import math
import os
import sys
from functools import lru_cache
from itertools import product
from typing import Any

from prefdelta.processes import die_with_parent

READY = "ready"


@lru_cache(maxsize=1024)  # one gold answer meets many answers
def _parsed(text: str) -> list[Any]:
    """math-verify's reading of a text: expressions, then the string they were read from; [] if it finds none."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    # Boxes first; what lies around them is reasoning. No time-out of its own: that one uses SIGALRM and takes a hang
    # for "nothing found", ours is the process's end.
    targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    found: list[Any] = parse(text, targets, parsing_timeout=None)
    return found


def compare(answer: str, golds: list[str]) -> dict[str, Any]:
    """Whether what math-verify finds in `answer` equals what it finds in one of `golds`."""
    found = _parsed(answer)
    strings = [part for part in found if isinstance(part, str)]
    return {"extracted": strings[-1] if strings else None, "correct": any(_equal(found, gold) for gold in golds)}


def _equal(found: list[Any], gold: str) -> bool:
    from math_verify import verify

    for one, other in product(_parsed(gold), found):
        try:
            if verify(one, other, timeout_seconds=None, raise_on_error=True):
                return True
        except (MemoryError, RecursionError):  # too large to say
            raise
        except Exception:  # math-verify's convention: what cannot be compared is not equal
            continue
    return False


def _read_whole(latex: str) -> list[Any]:
    """math-verify's reading of one piece of LaTeX. Without its reading of plain text, which takes any number in it."""
    from math_verify import LatexExtractionConfig, parse

    found: list[Any] = parse(f"${latex}$", [LatexExtractionConfig()], parsing_timeout=None)
    return found


def value(latex: str) -> float | None:
    """The finite real number that a piece of LaTeX stands for, None if it is none."""
    for expression in _read_whole(latex):
        if getattr(expression, "is_number", False):
            try:
                number = float(expression.doit().evalf())
            except (TypeError, ValueError, ArithmeticError):  # complex, or symbols after all
                return None
            return number if math.isfinite(number) else None
    return None


def reply(request: dict[str, Any]) -> dict[str, Any]:
    try:
        if "numbers" in request:
            return {"values": [value(latex) for latex in request["numbers"]]}
        return compare(request["answer"], request["golds"])
    except Exception as error:
        return {"error": type(error).__name__}


def main(parent: int) -> None:
    """Answer requests until there are no more, or the parent's thread is gone."""
    die_with_parent(parent)
    # Whatever a library prints must not stand between the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _parsed("$1$")  # imports sympy and compiles the patterns: no request's time
    print(json.dumps(READY), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(reply(json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
