r"""The program of the processes of `maths_process`: one request and one reply per line of JSON.

    {"answers": [str, …], "golds": [str, …]} -> {"extracted": str, "correct": bool}
    {"text": str, "stated": str | null, "golds": [str, …]} -> {"extracted": str | null, "correct": bool}
    {"alone": str, "golds": [str, …]}        -> {"extracted": str | null, "correct": bool}
    {"numbers": [str, …]}                    -> {"values": [float | null, …]}

or {"error": str}.
answers: the final answer; perhaps a second one, for gold answers that are a single value.
text: a reply in which no answer is boxed. stated: the text after "answer is". It is taken if it is mathematics and
nothing else; if not, math-verify finds the answer.
alone: a text that math-verify reads and compares with its own options.
numbers: LaTeX.
"""

import gc
import json
import math
import os
import re
import sys
from functools import lru_cache
from itertools import product
from typing import Any

from prefdelta.core.answers.final_answers import braced_powers
from prefdelta.graders.maths_compare import has_parts, same, understood
from prefdelta.graders.maths_parser import parse_in_two_passes
from prefdelta.system.processes import die_with_parent

READY = "ready"
_MARKED = re.compile(r"(?<!\\)\$|\\\[|\\\(|\\boxed")  # mathematics that math-verify finds by itself

_ONE_LETTER = re.compile(r"\\mathrm\{([A-Za-z])\}")  # math-verify stops reading there


@lru_cache(maxsize=1024)  # one gold answer meets many answers
def _parsed(text: str) -> list[Any]:
    """math-verify's reading of a text: expressions, then the string they were read from; [] if it finds none."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    # Boxes first; the text around them is reasoning. Math-verify's own time-out is off: it uses SIGALRM and takes
    # a hang for "nothing found"; `maths_process` ends a process that hangs.
    targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    parts: list[Any] = parse(text, targets, parsing_timeout=None)
    return parts


def compare(answers: list[str], golds: list[str]) -> dict[str, Any]:
    """Whether one of `answers` is one of `golds`. The second answer counts only for golds that are a single value."""
    for gold in golds:
        if same(gold, answers[0]):
            return {"extracted": answers[0], "correct": True}
    single = [gold for gold in golds if not has_parts(gold)]
    last = answers[-1] if single else answers[0]
    return {"extracted": last, "correct": len(answers) > 1 and any(same(gold, last) for gold in single)}


def search(text: str, stated: str | None, golds: list[str]) -> dict[str, Any]:
    """Whether the stated answer, or the final answer that math-verify finds in a text, is one of `golds`."""
    if stated and understood(stated):
        return {"extracted": stated, "correct": any(same(gold, stated) for gold in golds)}
    parts = _parsed(_ONE_LETTER.sub(r"\1", text))
    strings = [part for part in parts if isinstance(part, str)]
    if not strings:
        return {"extracted": None, "correct": False}
    extracted = strings[-1]
    if _parsed(f"${extracted}$")[:1] == parts[:1] or len(parts) == 1:  # math-verify read this string and nothing else
        return {"extracted": extracted, "correct": any(same(gold, extracted) for gold in golds)}
    return {"extracted": extracted, "correct": any(_equal(parts, _marked(gold)) for gold in golds)}


def _marked(gold: str) -> str:
    """A right answer with the marks of LaTeX, which data sets write or leave out."""
    return gold if _MARKED.search(gold) else f"${' '.join(braced_powers(gold).split())}$"


def _equal(parts: list[Any], gold: str) -> bool:
    from math_verify import verify

    for right, part in product(_parsed(gold), parts):
        try:
            if verify(right, part, timeout_seconds=None, raise_on_error=True):
                return True
        except (MemoryError, RecursionError):  # too large to compare
            raise
        except Exception:  # as in math-verify: answers that cannot be compared are not equal
            continue
    return False


def by_math_verify(text: str, golds: list[str]) -> dict[str, Any]:
    """Whether the answer that math-verify finds in a text is one of `golds`, all of it by its own rules."""
    from math_verify import parse, verify

    parts: list[Any] = parse(text, parsing_timeout=None)
    strings = [part for part in parts if isinstance(part, str)]
    extracted = strings[-1] if strings else str(parts[0]) if parts else None
    correct = any(verify(_gold_alone(gold), parts, timeout_seconds=None) for gold in golds)
    return {"extracted": extracted, "correct": correct}


@lru_cache(maxsize=1024)
def _gold_alone(gold: str) -> list[Any]:
    from math_verify import parse

    parts: list[Any] = parse(gold if _MARKED.search(gold) else f"${gold}$", parsing_timeout=None)
    return parts


def _expressions(latex: str) -> list[Any]:
    """math-verify's reading of one piece of LaTeX, but not of plain text, where it takes any number."""
    from math_verify import LatexExtractionConfig, parse

    expressions: list[Any] = parse(f"${latex}$", [LatexExtractionConfig()], parsing_timeout=None)
    return expressions


def value(latex: str) -> float | None:
    """The finite real number that a piece of LaTeX stands for; None for anything else."""
    for expression in _expressions(latex):
        if getattr(expression, "is_number", False):
            try:
                number = float(expression.doit().evalf())
            except (TypeError, ValueError, ArithmeticError):  # complex, or with symbols
                return None
            return number if math.isfinite(number) else None
    return None


def reply(request: dict[str, Any]) -> dict[str, Any]:
    try:
        if "numbers" in request:
            return {"values": [value(latex) for latex in request["numbers"]]}
        if "alone" in request:
            return by_math_verify(request["alone"], request["golds"])
        if "text" in request:
            return search(request["text"], request["stated"], request["golds"])
        return compare(request["answers"], request["golds"])
    except Exception as error:
        return {"error": type(error).__name__}


def main(parent: int) -> None:
    """Answer requests until there are no more, or until the parent's thread has ended."""
    die_with_parent(parent)
    # Output of libraries must not get between the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    gc.set_threshold(100_000)  # the parser makes many objects and no cycles
    parse_in_two_passes()
    _parsed("$1$")  # imports sympy and compiles patterns before the time of a request begins
    print(json.dumps(READY), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(reply(json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
