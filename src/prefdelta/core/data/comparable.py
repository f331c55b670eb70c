"""Problems as texts to compare: by their words and signs, not by their typesetting."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

_TOKEN = re.compile(r"[^\W\d_]+|\d+|[-+*/^=<>]|(?<=\d)\.(?=\d)")
_WORD = re.compile(r"[^\W_]+")
_MARKS = frozenset("-+*/^=<>.")

# Commands for which LaTeX has several names, or that change only the looks. Texts are in lower case already.
_COMMANDS: dict[str, str] = {
    **dict.fromkeys(("left", "right", "middle", "big", "bigl", "bigr", "bigg", "biggl", "biggr"), " "),
    **dict.fromkeys(("displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "quad", "qquad", "par"), " "),
    **dict.fromkeys(("text", "textrm", "textbf", "textit", "texttt", "mbox", "emph", "operatorname"), " "),
    **dict.fromkeys(
        ("mathrm", "mathbf", "mathit", "mathsf", "mathbb", "mathcal", "boldsymbol", "rm", "bf", "hfill", "hline"), " "
    ),
    **dict.fromkeys(("dfrac", "tfrac", "cfrac"), " frac "),
    **dict.fromkeys(("dbinom", "tbinom"), " binom "),
    **dict.fromkeys(("cdot", "times", "ast"), " * "),
    **dict.fromkeys(("ldots", "cdots", "dotsc", "dotsb", "dotsm", "dotso"), " dots "),
    **dict.fromkeys(("le", "leq", "leqslant"), " <= "),
    **dict.fromkeys(("ge", "geq", "geqslant"), " >= "),
    **dict.fromkeys(("degree", "circ"), " circ "),
    "div": " / ",
    "lt": " < ",
    "gt": " > ",
    "neq": " ne ",
    "lvert": " ",
    "rvert": " ",
    "varphi": " phi ",
    "varepsilon": " epsilon ",
    "bmod": " mod ",
    "pmod": " mod ",
}
_LATEX = re.compile(r"\\(?:([a-z]+)|.)", re.DOTALL)  # \, \; \! and the like, \( and \[, \\ and \$: nothing
_DISPLAY = re.compile(
    r"\\(?:begin|end)\s*\{(?:align|aligned|equation|gather|multline|split|displaymath|math|center)\*?\}"
)
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–‐‑", "-"),
        **dict.fromkeys("×·⋅∗", "*"),
        "÷": "/",
        "≤": "<=",
        "≥": ">=",
        "≠": " ne ",
        "√": " sqrt ",
        "π": " pi ",
        "∞": " infty ",
        "°": " circ ",
        "²": "^2",
        "³": "^3",
        "…": " dots ",
    }
)
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_]{2})")  # whole-number
# `5. (10 points)`, `Example 3`, `Problem 4:`, `Q7)`: labels that a collection writes before a problem.
_LABEL = re.compile(
    r"\s*(?:(?:example|problem|question|exercise|task|ex|q|no|nr)\b[\s.#]*\d+[a-z]?\b[\s.:)\]-]*"
    r"|[(\[]?\d+[.:)\]]+(?![\d])"
    r"|[(\[]\s*\d+\s*(?:points?|pts?|marks?|%)?\s*[)\]])"
)


@dataclass(frozen=True)
class Comparable:
    """A problem's text, in lower case and without typesetting."""

    text: str

    @classmethod
    def of(cls, text: str) -> "Comparable":
        text = text.lower()
        if not text.isascii():
            text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).lower()
        if "\\" in text:
            text = _LATEX.sub(_plain_command, _DISPLAY.sub(" ", text))
        return cls(_HYPHEN.sub(" ", text).rstrip(" \n\t\r=?.:;!$)}]"))  # `= ?`

    @cached_property
    def words(self) -> list[str]:
        """Runs of letters and digits."""
        return _WORD.findall(self.text)

    @cached_property
    def tokens(self) -> list[str]:
        """Runs of letters, runs of digits, and signs of arithmetic; brackets and other marks do not count."""
        return _TOKEN.findall(self.text)

    def letters(self) -> tuple[str, list[int]]:
        """(all letters and digits as one text, the places where runs of either begin, with the length at the end)."""
        return _joined([token for token in self.tokens if token not in _MARKS])

    def characters(self) -> tuple[str, list[int]]:
        """The same as `letters`, but with the signs of arithmetic."""
        return _joined(self.tokens)

    def unlabelled(self) -> str:
        """The characters without the label that a collection writes before a problem."""
        text, place = self.text, 0
        while match := _LABEL.match(text, place):
            place = match.end()
        return "".join(_TOKEN.findall(text[place:])) or "".join(self.tokens)

    def stands_alone(self, first: int, last: int) -> bool:
        """Whether the characters from `first` to before `last` are not part of a longer formula or word."""
        matches = list(_TOKEN.finditer(self.text))
        ends = list(accumulate(len(match.group()) for match in matches))
        start = 0 if first == 0 else ends.index(first) + 1
        end = ends.index(last)
        if start > 0:
            before, begins = matches[start - 1], matches[start].group()
            in_words = begins.isalpha() and len(begins) > 3  # `Problem 4 - Find ...`
            if before.end() == matches[start].start() or (before.group() in _MARKS and not in_words):
                return False
        if end + 1 == len(matches):
            return True
        return matches[end + 1].group() not in _MARKS and matches[end].end() != matches[end + 1].start()


def _plain_command(match: re.Match[str]) -> str:
    name = match.group(1)
    return _COMMANDS.get(name, f" {name} ") if name else " "


def _joined(tokens: list[str]) -> tuple[str, list[int]]:
    return "".join(tokens), list(accumulate(map(len, tokens), initial=0))
