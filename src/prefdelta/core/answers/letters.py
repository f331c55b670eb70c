r"""Multiple choice: which option a text chooses.

`letter` is ours, `mmlu_pro_letter` the rule of the benchmark's own code. Both take the text after the reasoning
(`prefdelta.core.asking.reasoning_marks`), and take time about proportional to it.
"""

import re
from functools import cache

from prefdelta.core.answers.final_answers import boxed

_DRESS = re.compile(r"\\(?:text|textbf|textit|textrm|textsf|mathrm|mathbf|mathit|mathsf|operatorname)\s*\{([^{}]*)\}")
_OPENED = re.compile(r"^(?:\\(?:text|mathrm)[a-z]*\s*\{\s*)+")  # around an option whose text has braces itself
_MARKS = re.compile(r"\*\*|__|[$`]|\\(?=[()\[\]])|\\[,;:!](?=\W|$)")
_SPACES = re.compile(r"\\(?= )|\\q?quad\b|~|\u00a0")

# Words that follow "A" or "I" where it is an option, not an article or pronoun: "A is wrong", "A because".
_AFTER_I = "is|isn't|are|and|or|nor|has|does|doesn't|because|since|which"
_AFTER_A = f"{_AFTER_I}|was|wasn't|as|but|if|by|in|on|to|for|with|from|only|alone|also|cannot|can|can't|would|will|not"
_VERB = re.compile(r"\s+(?:is|isn't|are|was|has|does|would|can|cannot)\b")

# How an option is announced.
_BEST = r"(?:correct|right|best|final|closest|likely|appropriate|accurate|suitable|chosen)"
_NAME = r"(?:(?:the\s+)?(?:answer|option|choice|letter)\s+)?"
_SUBJECT = rf"\b(?:answer(?:\s+(?:choice|option|letter))?|{_BEST}\s+(?:choice|option|letter|one))"
_IS = r"\s+(?:is|was|(?:would|should|must|will)\s+be|has\s+to\s+be)\b"
_SURELY = r"(?:\s+(?:therefore|thus|hence|indeed|clearly|likely|most\s+likely|probably|simply|then|both|either)\b,?)*"
_HEADING = rf"^[# \t]*(?:the\s+)?(?:{_BEST}\s+)?(?:answer|choice|option)[ \t]*\n\s*"


def letter(text: str, letters: str) -> str | None:
    """The one of `letters` (capitals, e.g. "ABCDEFGHIJ") that a text chooses; None if it chooses none, or several.

    The first rule that finds something decides:
    1. the last box that holds an option: its letter in either case, or the letter before the option's text;
    2. the last letter that is announced: "answer is", "Answer:", "the correct option is", "C is the correct answer";
    3. the letter that begins a line ("C. A voltage is induced"), if it is the last line or no line has another one;
    4. the last capital that stands alone and is not an article ("A voltage"), pronoun ("I think"), unit or variable;
    5. "the answer is A voltage", which would be odd English for an article.
    """
    reads = _reader(letters)
    plain = reads.plain(text)
    announced, doubtful = reads.announced(plain)
    chosen = reads.boxed(text) or announced or reads.at_a_line(plain) or reads.alone(plain) or doubtful
    return chosen if len(chosen) == 1 else None


def mmlu_pro_letter(text: str, letters: str) -> str | None:
    """The letter by MMLU-Pro's own rule: TIGER-AI-Lab/MMLU-Pro, evaluate_from_api.py (extract_answer, extract_again,
    extract_final). It is the first "answer is (C)"; else the last "Answer: C" in the first line that has any; else the
    last capital that stands alone. Without any of them upstream guesses; this function returns None.
    """
    if stated := re.search(rf"answer is \(?([{letters}])", text):
        return stated[1]
    if labelled := re.search(rf"[aA]nswer:\s*[{letters}]", text):
        end = text.find("\n", labelled.start())  # a line break may stand between the label and the letter
        line = text[text.rfind("\n", 0, labelled.start()) + 1 : max(end, labelled.end()) if end >= 0 else len(text)]
        return str(re.findall(rf"[aA]nswer:\s*([{letters}])", line)[-1])
    alone = re.findall(rf"\b[{letters}]\b", text)
    return str(alone[-1]) if alone else None


@cache
def _reader(letters: str) -> "_Reader":
    return _Reader(letters)


class _Reader:
    """The rules, one method each. A rule gives "" if no letter is chosen, "C" for one letter, "AC" for several."""

    def __init__(self, letters: str) -> None:
        big, small, both = f"[{letters}]", f"[{letters.lower()}]", f"[{letters}{letters.lower()}]"
        bare_end = r"(?![\w'’*^(]|-\w|\s*(?:[=≈^_+<>]|\\[a-z]))"  # neither part of a word nor a variable
        small_end = r"(?=\s*(?:[),;:\]]|\.(?!\w)|\n|$))"  # "a" alone is an article
        option = rf"(?:[(\[]\s*({both})\s*[)\]]|({big})(?:\)|{bare_end})|({small}){small_end})"
        self._sole = re.compile(
            rf"(?i:{_NAME}(?:(?:answer|option|choice)?\s*(?:is|:)\s*)?)[(\[{{]*\s*({both})\s*[)\]}}]*"
        )
        one = rf"[(\[]?{both}[)\]]?"
        self._several = re.compile(
            rf"{one}(?:(?:\s*(?:,|;|/|&|\b(?:and|or)\b))+\s*{one}|(?<=\))\s*(?=\(){one}|\s+{one})+"
        )
        self._label = re.compile(
            rf"(?i:{_NAME})(?:[(\[]({both})[)\]]\s*(?=[^\s,;/&(]|\([^)]{{2,}})"  # (E) text
            rf"|({both})(?:\)|[.:](?=\s))\s*(?=\S)"  # E) text, E. text, E: text
            rf"|({big})\.(?=[^\W\d])"  # E.text
            rf"|({big})\s*(?:-{{1,3}}|[–—])\s+(?!{one}\s*$)(?=\S)"  # E - A text
            rf"|({small})\s*(?:-{{1,3}}|[–—])\s+(?=(?:an?\s+)?[^\W\d]{{2}})"  # e - a text; no difference of numbers
            rf"|({big}),\s+(?=(?:[Aa]n?\s+)?[^\W\d]{{2}})"  # E, a text
            rf"|({big})\s+(?=\([^)]{{2,}}\)))"  # E (text)
        )
        self._announced = [
            re.compile(rf"(?i:{_SUBJECT}{_IS}{_SURELY}\s+{_NAME}){option}"),
            re.compile(rf"(?i:{_SUBJECT}(?:{_IS}{_SURELY})?\s*(?P<colon>[:=]|[-–—]\s)\s*{_NAME}){option}"),
            re.compile(rf"(?im:(?P<colon>{_HEADING}){_NAME}){option}", re.MULTILINE),
            re.compile(
                rf"(?i:\b(?:choose|pick|select|go\s+with)\s+(?:the\s+)?(?:answer|option|choice|letter)\s+){option}"
            ),
            re.compile(
                rf"(?i:\b(?:is|corresponds\s+to|matches|i\.e\.,?)\s+(?:answer\s+)?(?:option|choice)\s+){option}"
            ),
            re.compile(rf"(?i:\b(?:option|choice|answer)\s+){option}(?=(?i:\s+is\s+(?:the\s+)?{_BEST}\b))"),
            re.compile(
                rf"(?<![\w-]){option}(?=(?i:\s+is\s+(?:the\s+)?(?:most\s+)?{_BEST}\s+(?:answer|option|choice)\b))"
            ),
        ]
        self._also = re.compile(rf"\s*(?:(?:,|;|/|&|\band\b|\bor\b)\s*)+{option}")
        self._line = re.compile(
            rf"^[\s>#*•-]*(?:[(\[]({big})[)\]](?=\s|$)|({big})(?:(?:[.)]|(?<!A):)(?=\s|$)|\s+[-–—]\s)|\(?({both})\W*$)"
        )
        self._alone = re.compile(
            rf"(?<![\w'’\\^_°{{-])(?<!\w\()(?<!\\circ )(?<!\d )(?<!\d)({big})(?![\w'’*^(]|-\w|\s*(?:[=≈^_]|\\[a-z]))"
        )

    @staticmethod
    def plain(text: str) -> str:
        """A text without emphasis and the marks of mathematics around a letter."""
        text = _SPACES.sub(" ", _DRESS.sub(r"\1", _DRESS.sub(r"\1", text)))
        return re.sub(r"(?<![\w*])\*(\S{1,3})\*(?![\w*])", r"\1", _MARKS.sub("", text))

    def boxed(self, text: str) -> str:
        letters = "".join(self._option(self.plain(content)) for content in boxed(text))
        return "".join(dict.fromkeys(letters))

    def _option(self, content: str) -> str:
        content = _OPENED.sub("", content.strip()).removesuffix(".").strip(" ,;:")
        if sole := self._sole.fullmatch(content):
            return sole[1].upper()
        if self._several.fullmatch(content):
            return "".join(re.findall(r"(?<![^\W_])[^\W_](?![^\W_])", content)).upper()
        return _group(label).upper() if (label := self._label.match(content)) else ""

    def announced(self, text: str) -> tuple[str, str]:
        """(letters that are announced, a doubtful one as in "the answer is A voltage")."""
        last, letters, doubtful = -1, "", ""
        for pattern in self._announced:
            for match in pattern.finditer(text):
                place, letter = match.start(match.lastindex or 0), _group(match)
                if _reads_as_word(text, match.end(), letter):
                    doubtful = doubtful or (letter if letter == "A" and "colon" not in pattern.groupindex else "")
                elif place > last:
                    last, letters = place, self._with_others(text, match)
        return letters, doubtful

    def _with_others(self, text: str, match: re.Match[str]) -> str:
        """The letter of an announcement, with the letters that follow it: "A or C"."""
        letters, end = _group(match).upper(), match.end()
        while (other := self._also.match(text, end)) and not _reads_as_word(text, other.end(), _group(other)):
            if _VERB.match(text, other.end()):  # "C, and A is wrong"
                break
            letters, end = letters + _group(other).upper(), other.end()
        return "".join(dict.fromkeys(letters))

    def at_a_line(self, text: str) -> str:
        lines = [line for line in text.splitlines() if line.strip()]
        starts = [match for match in map(self._line.match, lines) if match]
        letters = [_group(match).upper() for match in starts]
        if not starts:
            return ""
        return letters[-1] if starts[-1].string is lines[-1] or len(set(letters)) == 1 else ""

    def alone(self, text: str) -> str:
        places = (match for match in self._alone.finditer(text) if not _reads_as_word(text, match.end(), match[1]))
        letters = [match[1] for match in places]
        return letters[-1] if letters else ""


def _group(match: re.Match[str]) -> str:
    """The letter of a match: its one group that is a single letter."""
    return next(group for group in match.groups() if group and len(group) == 1 and group.isalpha())


def _reads_as_word(text: str, end: int, letter: str) -> bool:
    """Whether "A" or "I", which ends at `end`, is an article or a pronoun there."""
    if letter not in ("A", "I") or text[end - 1] != letter:  # "A)" is not a word
        return False
    follows = re.compile(r"['’]|[ \t]+[\"“]?([\w'’]+)").match(text, end)
    if not follows:
        return False
    return not (follows[1] and re.fullmatch(_AFTER_A if letter == "A" else _AFTER_I, follows[1].casefold()))
