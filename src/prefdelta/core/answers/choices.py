"""The options of a multiple-choice problem, in the forms in which data sets hold them, and which of them is right.

A cell can hold a list of texts (MMLU-Pro), {text: [...], label: [...]} (ARC, OpenBookQA, CommonsenseQA), a list of
{label, text} or {key, value}, or {A: ..., B: ...} (MedQA). Options are shown as A, B, ... whatever their labels are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from prefdelta.core.data.values import RejectedRowError, cell_text, is_missing, typed
from prefdelta.core.errors import StudyError

_PAIRS = (("label", "text"), ("key", "value"))  # the names of an option's label and text
_MOST = 10  # the grader reads the letters A to J, as many as MMLU-Pro has
_FORMS = (
    "a list of texts, {text: [...], label: [...]}, a list of {label: ..., text: ...}, or {A: ..., B: ...}. Give the "
    "data set that form in a copy of it (a local folder)."
)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one problem, in the order in which they are shown."""

    texts: Sequence[str]
    labels: Sequence[str] | None  # the data set's own labels, in upper case; None: it has none

    def listed(self) -> str:
        """The options as text, one per line, each with its letter."""
        return "\n".join(f"{letter}. {text}" for letter, text in zip(ascii_uppercase, self.texts, strict=False))

    def letter(self, answer: object, counted_from: int | None, column: str, where: str) -> str:
        """The letter of the right option.

        counted_from: the place of the first option, if `answer` is a place. Raises RejectedRowError if the answer is
        not one of the options, StudyError if it can be read in several ways.
        """
        named = cell_text(answer, column, where)
        if named is None:
            raise RejectedRowError("no_answer")
        if isinstance(answer, bool):
            raise StudyError(f"{where}: column {column!r} holds {typed(answer)}, where an option should be named.")
        names = list(self.labels or ascii_uppercase[: len(self.texts)])
        if counted_from is not None:
            names = [str(counted_from + place) for place in range(len(self.texts))]
        elif named.isdecimal() and not any(name.isdecimal() for name in names):
            raise StudyError(
                f"{where}: column {column!r} holds {typed(answer)}, and the options are named by letters. If it is "
                "the place of an option, say where counting begins: `answer_from: 0` or `answer_from: 1` in the source."
            )
        if named.upper() not in names:
            raise RejectedRowError("answer_is_no_option")
        return ascii_uppercase[names.index(named.upper())]


def read_options(value: object, column: str, where: str) -> Options:
    """The options in a cell of a data set.

    Raises RejectedRowError if there are none, too many, or one without a text; StudyError if the cell has another form.
    """
    if is_missing(value):
        raise RejectedRowError("no_options")
    labels, values = _parts(value, column, where)
    if any(isinstance(cell, list | tuple | Mapping) for cell in values):
        raise _unreadable(value, column, where)
    texts = [cell_text(cell, column, where) or "" for cell in values]
    while texts and texts[-1] in ("", "N/A"):  # MMLU-Pro once filled up to ten options; Arrow fills objects with nulls
        texts.pop()
    if len(texts) < 2 or not all(texts):
        raise RejectedRowError("no_options")
    if len(texts) > _MOST:
        raise RejectedRowError("too_many_options")
    if labels is None:
        return Options(texts, None)
    labels = labels[: len(texts)]
    if len(set(labels)) < len(labels):
        raise StudyError(f"{where}: column {column!r} holds two options of one label: {', '.join(labels)}.")
    pairs = list(zip(labels, texts, strict=True))
    if _is_series(labels):
        pairs.sort(key=lambda pair: _place(pair[0]))
    return Options([text for _, text in pairs], [label for label, _ in pairs])


def _parts(value: object, column: str, where: str) -> tuple[list[str] | None, list[object]]:
    """Labels, if there are any, and the options themselves."""
    if isinstance(value, list | tuple):
        if not any(isinstance(option, dict) for option in value):
            return None, list(value)
        for label, text in _PAIRS:
            if all(isinstance(option, dict) and {label, text} == set(option) for option in value):
                return [_label(option[label], column, where) for option in value], [option[text] for option in value]
    elif isinstance(value, Mapping):
        labels, texts = value.get("label"), value.get("text")
        if set(value) == {"label", "text"} and isinstance(labels, list | tuple) and isinstance(texts, list | tuple):
            if len(labels) != len(texts):
                raise StudyError(f"{where}: column {column!r} holds {len(texts)} texts and {len(labels)} labels.")
            return [_label(option, column, where) for option in labels], list(texts)
        names = [str(name).strip().upper() for name in value]
        if _is_series(names):
            pairs = sorted(zip(names, value.values(), strict=True), key=lambda pair: _place(pair[0]))
            return [name for name, _ in pairs], [text for _, text in pairs]
    raise _unreadable(value, column, where)


def _unreadable(value: object, column: str, where: str) -> StudyError:
    return StudyError(f"{where}: column {column!r} holds {typed(value)}, where options should be: {_FORMS}")


def _label(value: object, column: str, where: str) -> str:
    label = cell_text(value, column, where)
    if label is None:
        raise StudyError(f"{where}: column {column!r} holds an option without a label.")
    return label.upper()


def _is_series(labels: Sequence[str]) -> bool:
    """Whether labels are letters or numbers without a gap, in any order: A, B, ...; 1, 2, ...; or 0, 1, ..."""
    if not labels:
        return False
    ordered = sorted(labels, key=_place)
    letters = list(ascii_uppercase[: len(ordered)])
    numbers = [[str(first + place) for place in range(len(ordered))] for first in (0, 1)]
    return ordered in [letters, *numbers]


def _place(label: str) -> tuple[int, str]:
    return (int(label) if label.isdecimal() else 0, label)
