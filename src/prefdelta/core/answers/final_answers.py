r"""Final answers in what a model wrote: where they stand, and how two of them are compared as text, letters or numbers.

Every function takes the text after the reasoning (`prefdelta.core.asking.reasoning_marks`). A model may write anything,
a thousand open brackets for example, so every function takes time about proportional to the text.
"""

import ast
import json
import math
import re

from prefdelta.core.errors import StudyError

_BOX = re.compile(r"\\f?box(?:ed)?\s*\{")
# Text allowed between the boxes of one answer: `\boxed{1}, \boxed{2} \quad \text{and} \quad z = \boxed{3}`.
_BETWEEN_BOXES = re.compile(
    r"(?=.*(?:,|;|\bor\b|\band\b|quad))(?:[\s$,;]|\\[()\[\]]|\\q?quad|\\text\{[^{}]*\}|\b(?:and|or)\b|[A-Za-z]\w*\s*=)*",
    re.DOTALL,
)
_ANSWER_IS = re.compile(r"\banswer(?:\s+is\b\s*:?|\s*:)", re.IGNORECASE)
_WRAPPED = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|operatorname)\s*\{([^{}]*)\}")
_MATRIX = re.compile(r"\\(?:begin|end)\{[a-z]*matrix\}|\\(?:left|right)\b")

# TheoremQA's Answer_type has these values.
THEOREMQA_TYPES = ("bool", "integer", "float", "list of integer", "list of float", "option")
_TRUTHS = {"true": True, "yes": True, "false": False, "no": False}


def boxed(text: str) -> list[str]:
    r"""Contents of the last `\boxed{…}`, after those of the boxes that form one list with it. [] if there is none.

    Braces are balanced; a box that is never closed does not count.
    """
    return list(dict.fromkeys(content for content, _ in boxes(text)))


def boxes(text: str) -> list[tuple[str, str]]:
    r"""The contents that `boxed` gives, each with the text before its box, from the end of the previous box or of the
    previous line.
    """
    marks = list(_BOX.finditer(text))
    if not marks:
        return []
    closed = _pairs(text, "{}", marks[0].start())
    list_boxes: list[tuple[str, int, int]] = []
    begins = len(text)
    for mark in reversed(marks):
        end = closed.get(mark.end() - 1)
        if end is None or (list_boxes and end >= begins):  # never closed, or around the box before it
            continue
        if list_boxes and not _BETWEEN_BOXES.fullmatch(text, end + 1, begins):
            break
        list_boxes.insert(0, (text[mark.end() : end].strip(), mark.start(), end))
        begins = mark.start()
    starts = [text.rfind("\n", 0, begins) + 1, *(end + 1 for _, _, end in list_boxes)]
    return [
        (content, text[before:start])
        for (content, start, _), before in zip(list_boxes, starts, strict=False)
        if content
    ]


def _pairs(text: str, brackets: str, start: int = 0) -> dict[int, int]:
    """Place of each opening bracket from `start` that is closed -> where. One behind a backslash does not count."""
    opening, closing = brackets[0], brackets[1]
    open_ones: list[int] = []
    pairs = {}
    for match in re.compile(rf"\\.|[{re.escape(brackets)}]", re.DOTALL).finditer(text, start):
        if match[0] == opening:
            open_ones.append(match.start())
        elif match[0] == closing and open_ones:
            pairs[open_ones.pop()] = match.start()
    return pairs


def stated(text: str) -> str | None:
    """The text after the last "answer is" or "answer:", to the end of its line (or of the next, if that is empty)."""
    places = [match.end() for match in _ANSWER_IS.finditer(text)]
    lines = text[places[-1] :].strip(" \t\n*:").splitlines() if places else []
    return (bare(lines[0]) or None) if lines else None


def last_line(text: str) -> str | None:
    """The last line that is not empty."""
    lines = [line for line in (bare(line) for line in text.splitlines()) if line]
    return lines[-1] if lines else None


def bare(text: str) -> str:
    """A text without the marks of mathematics and emphasis around it, and without a full stop."""
    text = text.strip(" \t\n*").removesuffix(".").strip(" \t\n*")
    for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")):
        inner = text.removeprefix(opening).removesuffix(closing)
        if len(inner) == len(text) - len(opening) - len(closing) and opening not in inner:
            return inner.strip().removesuffix(".").strip()
    return text


def plain(text: str) -> str:
    r"""A text for comparison: no spaces, `$`, `\text{}` or full stop; words in lower case, symbols as written."""
    text = _WRAPPED.sub(r"\1", bare(text))
    text = re.sub(r"\\(?:left|right|[,;!: ])|[\s$]", "", text).removesuffix(".")
    return text.casefold() if re.fullmatch(r"[^\W\d_]{2,}", text) else text


def braced_powers(latex: str) -> str:
    """`x^(a)` as `x^{a}`, at any depth: LaTeX would take the opening parenthesis alone for the exponent."""
    characters = list(latex)
    for opening, closing in _pairs(latex, "()").items():
        if latex[opening - 1 : opening] == "^":
            characters[opening], characters[closing] = "{", "}"
    return "".join(characters)


def theoremqa_answer(answer: str, answer_type: str) -> str:
    """TheoremQA's fields Answer and Answer_type as the one text that the grader `theoremqa` takes as an answer.

    The spelling (20 or 20.0) says whether a number is whole, as in the data set's own comparison; the type does not.
    Raises StudyError for a type or an answer that TheoremQA does not have.
    """
    if answer_type not in THEOREMQA_TYPES:
        raise StudyError(f"Answer_type {answer_type!r} is not one of TheoremQA's: {', '.join(THEOREMQA_TYPES)}.")
    value: object
    if answer_type == "bool":
        value = truth(answer)
    elif answer_type == "option":
        value = option(answer)
    else:
        value = _numbers(answer, as_list=answer_type.startswith("list"))
    if value is None:
        raise StudyError(f"Answer {answer!r} of TheoremQA is not of the type {answer_type}.")
    return json.dumps({"type": answer_type, "answer": value})


def _numbers(answer: str, as_list: bool) -> float | list[float] | None:
    """A number, or a flat list of numbers, from a text in Python's syntax."""
    try:
        value = ast.literal_eval(answer.strip())
    except (ValueError, SyntaxError):
        return None
    items = _flat(value)
    if not items or any(isinstance(item, bool) or not isinstance(item, int | float) for item in items):
        return None
    if not all(isinstance(item, int) or math.isfinite(item) for item in items):
        return None
    return items if as_list else items[0] if items == [value] else None


def _flat(value: object) -> list[float]:
    if isinstance(value, list | tuple):
        return [item for part in value for item in _flat(part)]
    return [value]  # type: ignore[list-item]  # the caller checks the types


def truth(text: str) -> bool | None:
    """The truth value of the first of the words true, yes, false, no in a text; None if it has none of them."""
    match = re.search(r"\b(true|yes|false|no)\b", _WRAPPED.sub(r" \1 ", text), re.IGNORECASE)
    return _TRUTHS[match[1].lower()] if match else None


def option(text: str) -> str | None:
    """The first option "(a)" to "(f)" of a text, or the letter if the text begins with one: "(b)", "b) 3 m", "B"."""
    text = _WRAPPED.sub(r"\1", text).strip(" $*").lower()
    match = re.search(r"\(([a-f])\)", text) or re.match(r"(?:option\s+)?([a-f])(?:[).:]|$)", text)
    return f"({match[1]})" if match else None


def right_hand_side(text: str) -> str:
    """The text after the last sign of equality, exact or not."""
    return bare(re.split(r"=|≈|\\approx|\\simeq", text)[-1])


def list_items(text: str) -> list[str]:
    r"""The items of a list: `[1, 2]`, `(1, 2)`, `\{1, 2\}`, a matrix, or "1, 2 and 3". Items of inner lists are items
    too.
    """
    text = re.sub(r"\\\{", "[", re.sub(r"\\\}", "]", _MATRIX.sub(" ", text)))
    for brackets in ("[]", "()"):
        pairs = {
            opening: closing for opening, closing in _pairs(text, brackets).items() if "," in text[opening:closing]
        }
        if pairs:  # the last of the outermost brackets
            opening = min(place for place, end in pairs.items() if end == max(pairs.values()))
            text = text[opening + 1 : pairs[opening]]
            break
    items = [bare(item) for item in re.split(r",|;|&|\\\\|\band\b|\\text\{\s*and\s*\}", re.sub(r"[\[\]]", "", text))]
    return [item if item.count("(") == item.count(")") else item.strip("()") for item in items if item]
