r"""Answers in words."""

import re

from prefdelta.core.maths.forms import Words

NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight",
    "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
)  # fmt: skip
_NOTHING = {
    ("none",), ("emptyset",), ("empty", "set"), ("no", "solution"), ("no", "solutions"), ("no", "such", "solution"),
    ("no", "real", "solution"), ("no", "real", "solutions"), ("no", "solution", "exists"),
    ("there", "is", "no", "solution"), ("there", "are", "no", "solutions"),
}  # fmt: skip
EVERYTHING = re.compile(
    r"\\(?:mathbb|mathbf)\{R\}|\\R|\\text\{\s*all real(?: numbers?|s)?(?: [a-z])?\s*\}|all real numbers"
)
_ABSENT = {("dne",), ("does", "not", "exist"), ("doesn't", "exist"), ("do", "not", "exist")}


def words_of(text: str) -> Words | None:
    r"""The words of \text{…} alone, or of plain words. Articles and punctuation are dropped; all ways to say "nothing"
    become the same words.
    """
    if text == r"\emptyset":
        return Words(text, ("no", "solution"))
    inner = re.sub(r"\\text\{([^{}]*)\}", r" \1 ", text)
    inner = re.sub(r"^\s*\(\s*([A-Za-z])\s*\)\s*$", r"\1", inner)
    if re.search(r"[\\\d=<>^_+*/{}|$&]", inner) or not re.search(r"[A-Za-z]", inner):
        return None
    if r"\text" not in text and not re.fullmatch(r"(?=.*[A-Za-z]{2,})[A-Za-z ,.;!']+", inner):
        return None
    inner = re.sub(r"\b(?:a|an|the|A|An|The)\s+(?!and\b|or\b)(?=[A-Za-z][a-z]+\b)", "", inner)
    words = tuple(re.findall(r"[A-Za-z'\-]+|,", inner.lower()))
    words = words[: len(words) - (words[-1:] == (",",))]
    bare = tuple(word for word in words if word != ",")
    if not bare:
        return None
    if bare in _NOTHING:
        return Words(text, ("no", "solution"))
    return Words(text, ("does", "not", "exist")) if bare in _ABSENT else Words(text, words)


def number_of(words: tuple[str, ...]) -> int | None:
    return NUMBER_WORDS.index(words[0]) if len(words) == 1 and words[0] in NUMBER_WORDS else None
