"""The text of an answer taken apart at separators and brackets."""

import re

from prefdelta.core.maths.text import closing


def trimmed(text: str) -> str:
    """A text without spaces and stops at its ends, and without braces around the whole."""
    text = re.sub(r"\s+", " ", text).strip(" ")
    text = re.sub(r"(?:(?<=[^\\])|^)[.,;:]+$", "", text).strip()
    while len(text) > 2 and text[0] == "{" and closing(text, 0) == len(text) - 1:  # {x} is x to LaTeX
        text = text[1:-1].strip()
    return text


def split(text: str, separator: re.Pattern[str]) -> tuple[list[str], list[str]]:
    """(parts, separators between them) outside of brackets. Brackets need not match in kind: [2,5) is an interval."""
    if not separator.search(text):
        return [text], []
    parts, marks, depth, place, start = [], [], 0, 0, 0
    while place < len(text):
        if text.startswith((r"\{", r"\langle", r"\begin", r"\lfloor", r"\lceil"), place):
            depth += 1
            place += 2
            continue
        if text.startswith((r"\}", r"\rangle", r"\end", r"\rfloor", r"\rceil"), place):
            depth -= 1
            place += 2
            continue
        if depth <= 0 and (match := separator.match(text, place)) and match.end() > place:
            parts.append(text[start:place])
            marks.append(match[0].strip())
            place = start = match.end()
            continue
        if text[place] in "([{":
            depth += 1
        elif text[place] in ")]}":
            depth -= 1
        place += 2 if text[place] == "\\" and place + 1 < len(text) and not text[place + 1].isalpha() else 1
    return [*parts, text[start:]], marks


_OPENING = {"(": 1, "[": 1, r"\{": 2, r"\langle": 7}
_CLOSING = {")": 1, "]": 1, r"\}": 2, r"\rangle": 7}


def inside(text: str) -> tuple[str, str, str] | None:
    """(opening bracket, closing bracket, text between them), if they are around the whole text."""
    opening = next((mark for mark in _OPENING if text.startswith(mark)), None)
    closing = next((mark for mark in _CLOSING if text.endswith(mark)), None)
    if opening is None or closing is None or len(text) < len(opening) + len(closing):
        return None
    inner = text[len(opening) : len(text) - len(closing)]
    return (opening, closing, inner) if balanced(inner) else None


def balanced(text: str) -> bool:
    """Whether each bracket has its partner in the text, the opening one first: `1) + (2` is not balanced."""
    depth = 0
    for match in re.finditer(r"\\[a-zA-Z]+|\\.|[()\[\]{}]", text):
        if match[0] in ("(", "[", "{", r"\{", r"\langle"):
            depth += 1
        elif match[0] in (")", "]", "}", r"\}", r"\rangle"):
            depth -= 1
            if depth < 0:
                return False
    return depth == 0
