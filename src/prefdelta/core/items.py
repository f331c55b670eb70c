"""Rows of a data set -> prompts. Every row makes a prompt or says why it makes none."""

import re
from collections.abc import Iterable, Iterator, Mapping
from string import ascii_uppercase
from typing import Any

from prefdelta.core.code_tests import livecodebench_tests
from prefdelta.core.errors import StudyError
from prefdelta.core.final_answers import theoremqa_answer
from prefdelta.core.ids import digest
from prefdelta.core.maths_text import with_unit
from prefdelta.core.sources import Between, DataSource
from prefdelta.records.prompt import Prompt

Row = Mapping[str, Any]
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
_LEADING_ZEROS = re.compile(r"^0+(?=\d+$)")


class _RejectedError(Exception):
    """Why a row makes no prompt."""


def read_items(rows: Iterable[Row], source: DataSource, name: str) -> Iterator[tuple[Row, Prompt | str]]:
    """Each row with its prompt, or with the reason why it makes none. name: of the training set or benchmark.

    Of several rows of one problem the first is taken. Raises StudyError if a column is missing or holds what no
    problem is made of, or if two different problems have one id.
    """
    taken: set[str] = set()
    seen: dict[str, tuple[int, str]] = {}  # id -> its row and prompt
    for number, row in enumerate(rows, start=1):
        if number == 1:
            _check_columns(row, source)
        where = f"{source.dataset}, row {number:,}"
        try:
            if not all(_holds(row.get(column), allowed) for column, allowed in source.where.items()):
                raise _RejectedError("filtered")  # as asked for; no fault of the row
            prompt = _prompt(row, source, name, where)
            _check_id(row, source, prompt.prompt_id, number, seen, where)
            if prompt.prompt_id in taken:
                raise _RejectedError("repeated")
        except _RejectedError as rejected:
            yield row, str(rejected)
            continue
        taken.add(prompt.prompt_id)
        yield row, prompt


def _check_columns(row: Row, source: DataSource) -> None:
    missing = [column for column in [*source.fields.columns(), *source.where] if column not in row]
    if missing:
        raise StudyError(
            f"{source.dataset}: there is no column {', '.join(map(repr, missing))}. It has: {', '.join(row)}. Name its "
            "columns in the source's `fields` and `where`."
        )


def _holds(value: Any, allowed: list[Any] | Between) -> bool:
    if isinstance(allowed, Between):
        return allowed.holds(value)
    return any(type(value) is type(one) and value == one for one in allowed)  # to Python True is 1, and 1 is 1.0


def _check_id(
    row: Row, source: DataSource, prompt_id: str, number: int, seen: dict[str, tuple[int, str]], where: str
) -> None:
    item_id = None if source.fields.id is None else _plain(row.get(source.fields.id))
    if item_id is None:
        return
    first, before = seen.setdefault(item_id, (number, prompt_id))
    if before != prompt_id:
        raise StudyError(
            f"{where}: the id {item_id!r} is that of row {first:,} already, which holds another problem. If the column "
            f"{source.fields.id!r} is no id, leave `id` out of the source's fields."
        )


# --- a prompt ---------------------------------------------------------------------------------------------------------


def _prompt(row: Row, source: DataSource, name: str, where: str) -> Prompt:
    fields = source.fields
    problem = _text(row, fields.problem, where)
    if problem is None:
        raise _RejectedError("no_problem")
    parts = [problem]
    if source.grader == "choice":
        options = _options(row[fields.options or ""])
        parts.append("\n".join(f"{letter}. {option}" for letter, option in options.items()))
        answer = _letter(row, fields.answer, options)
    elif source.grader == "code":
        if starter := _text(row, fields.starter_code, where):
            parts.append(f"Starter code:\n```python\n{starter}\n```")
        answer = _tests(row, source, where)
    else:
        answer = _answer(row, source)
    text = "\n\n".join(parts)
    return Prompt(digest([source.kind, text])[:16], name, text, [answer])


def _text(row: Row, column: str | None, where: str) -> str | None:
    """The text in a column; None if it is null or blank."""
    value = None if column is None else row.get(column)
    if value is None:
        return None
    if not isinstance(value, str):
        raise StudyError(
            f"{where}: column {column!r} holds {type(value).__name__} {str(value)[:80]!r}, where a text should be."
        )
    return _clean(value.replace("\r\n", "\n").removeprefix("\ufeff")).strip() or None


def _clean(text: str) -> str:
    """The text, if Arrow, JSON and a tokenizer can hold it."""
    if "\0" in text:
        raise _RejectedError("nul_character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _RejectedError("lone_surrogate") from None
    return text


# --- its answer -------------------------------------------------------------------------------------------------------


def _answer(row: Row, source: DataSource) -> str:
    fields = source.fields
    answer = _plain(row.get(fields.answer or ""))
    if answer is not None and source.answer_after is not None:
        _, mark, answer = answer.rpartition(source.answer_after)
        answer = answer.strip() if mark else None
        if answer and _THOUSANDS.fullmatch(answer):  # GSM8K writes 1,000
            answer = answer.replace(",", "")
    if not answer:
        raise _RejectedError("no_answer")
    if source.grader == "theoremqa":
        answer_type = _plain(row.get(fields.answer_type or ""))
        if answer_type is None:
            raise _RejectedError("no_answer_type")
        try:
            return theoremqa_answer(answer, answer_type)
        except StudyError:
            raise _RejectedError("unreadable_answer") from None
    if source.grader == "maths":
        return with_unit(_LEADING_ZEROS.sub("", answer), _plain(row.get(fields.unit or "")))  # AIME's 033 is 33
    return answer


def _plain(value: Any) -> str | None:
    """A value of JSON or Arrow as a person writes it: 27.0 as 27, a list with commas. None if there is nothing."""
    if isinstance(value, str):
        return _clean(value).strip() or None
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, list | tuple):
        parts = [part for part in map(_plain, value) if part is not None]
        return ", ".join(parts) or None
    return None if value is None else str(value)


def _options(value: Any) -> dict[str, str]:
    """Letter -> text."""
    texts = [option.strip() if isinstance(option, str) else "" for option in value or []]
    while texts and texts[-1] == "N/A":  # MMLU-Pro once filled up to ten
        texts.pop()
    if not 2 <= len(texts) <= len(ascii_uppercase) or not all(texts):
        raise _RejectedError("no_options")
    return dict(zip(ascii_uppercase, map(_clean, texts), strict=False))


def _letter(row: Row, column: str | None, options: Mapping[str, str]) -> str:
    answer = _plain(row.get(column or ""))
    if answer is None:
        raise _RejectedError("no_answer")
    if answer not in options:
        raise _RejectedError("answer_is_no_option")
    return answer


def _tests(row: Row, source: DataSource, where: str) -> str:
    fields = source.fields
    public, private, metadata = (
        _text(row, column, where) for column in (fields.public_tests, fields.private_tests, fields.metadata)
    )
    if public is None or private is None:
        raise _RejectedError("no_tests")
    try:
        return livecodebench_tests(public, private, metadata or "{}", _text(row, fields.starter_code, where) or "")
    except StudyError:
        raise _RejectedError("unreadable_tests") from None
