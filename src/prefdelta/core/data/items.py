"""Prompts from the rows of a data set. Every row makes a prompt or has a reason why it makes none."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prefdelta.core.answers.choices import read_options
from prefdelta.core.answers.code_tests import livecodebench_tests
from prefdelta.core.answers.final_answers import theoremqa_answer
from prefdelta.core.data.item_ids import IdColumn
from prefdelta.core.data.sources import Between, DataSource
from prefdelta.core.data.values import RejectedRowError, cell_text, clean, is_missing, typed
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.core.maths.text import with_unit
from prefdelta.records.prompt import Prompt, repeated

DataRow = Mapping[str, object]
_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
_LEADING_ZEROS = re.compile(r"^0+(?=\d+$)")


def read_items(rows: Iterable[DataRow], source: DataSource, name: str) -> Iterator[tuple[DataRow, Prompt | str]]:
    """Each row with its prompt, or with the reason why it makes none. name: of the training set or benchmark.

    If several rows have the same problem, the first is taken; if the source says `counted`, each is an item of its own.
    Raises StudyError if a column is missing or holds values of a wrong type; and, after the last row, if the column
    `id` is not an id.
    """
    times = Counter[str]()  # how many rows so far make a prompt
    ids = IdColumn(source, name)
    for number, (row, prompt) in enumerate(read_rows(rows, source, name), start=1):
        if isinstance(prompt, Prompt):
            ids.see(number, row, prompt.prompt_id)
            times[prompt.prompt_id] += 1
            if (time := times[prompt.prompt_id]) > 1:
                yield row, "repeated" if source.repeated == "dropped" else repeated(prompt, time)
                continue
        yield row, prompt
    ids.check()


def read_rows(rows: Iterable[DataRow], source: DataSource, name: str) -> Iterator[tuple[DataRow, Prompt | str]]:
    """The same as `read_items`, but every row of a problem comes with its prompt, and ids are not checked."""
    for number, row in enumerate(rows, start=1):
        if number == 1:
            _check_columns(row, source)
        try:
            if not all(_holds(row.get(column), allowed) for column, allowed in source.where.items()):
                raise RejectedRowError("filtered")  # as the source asks; the row has no fault
            prompt = _prompt(row, source, name, f"{source.dataset}, row {number:,}")
        except RejectedRowError as rejected:
            yield row, str(rejected)
        else:
            yield row, prompt


def _check_columns(row: DataRow, source: DataSource) -> None:
    missing = [column for column in [*source.fields.columns(), *source.where] if column not in row]
    if missing:
        raise StudyError(
            f"{source.dataset}: there is no column {', '.join(map(repr, missing))}. It has: {', '.join(row)}. Name its "
            "columns in the source's `fields` and `where`."
        )


def _holds(value: object, allowed: Sequence[object] | Between) -> bool:
    if isinstance(allowed, Between):
        return allowed.holds(value)
    return any(type(value) is type(item) and value == item for item in allowed)  # for Python True == 1 and 1 == 1.0


# --- a prompt ---------------------------------------------------------------------------------------------------------


def _prompt(row: DataRow, source: DataSource, name: str, where: str) -> Prompt:
    fields = source.fields
    problem = _text(row, fields.problem, where)
    if problem is None:
        raise RejectedRowError("no_problem")
    parts = [problem]
    if source.grader == "choice":
        assert fields.options is not None
        assert fields.answer is not None
        options = read_options(row.get(fields.options), fields.options, where)
        parts.append(options.listed())
        answer = options.letter(row.get(fields.answer), source.answer_from, fields.answer, where)
    elif source.grader == "code":
        if starter := _text(row, fields.starter_code, where):
            parts.append(f"Starter code:\n```python\n{starter}\n```")
        answer = _tests(row, source, where)
    else:
        answer = _answer(row, source, where)
    text = "\n\n".join(parts)
    return Prompt(digest([source.kind, text])[:16], name, text, [answer])


def _text(row: DataRow, column: str | None, where: str) -> str | None:
    """The text in a column; None if it is null, blank, or a word that means nothing ("NaN")."""
    value = None if column is None else row.get(column)
    if is_missing(value):
        return None
    if not isinstance(value, str):
        raise StudyError(f"{where}: column {column!r} holds {typed(value)}, where a text should be.")
    return clean(value.replace("\r\n", "\n").removeprefix("\ufeff")).strip() or None


# --- its answer -------------------------------------------------------------------------------------------------------


def _answer(row: DataRow, source: DataSource, where: str) -> str:
    fields = source.fields
    answer = cell_text(row.get(fields.answer or ""), fields.answer, where)
    if answer is not None and source.answer_after is not None:
        _, mark, answer = answer.rpartition(source.answer_after)
        answer = answer.strip() if mark else None
        if answer and _THOUSANDS.fullmatch(answer):  # GSM8K writes 1,000
            answer = answer.replace(",", "")
    if not answer or answer.lower() in ("nan", "null"):  # "None" may be a right answer
        raise RejectedRowError("no_answer")
    if source.grader == "theoremqa":
        answer_type = cell_text(row.get(fields.answer_type or ""), fields.answer_type, where)
        if answer_type is None:
            raise RejectedRowError("no_answer_type")
        try:
            return theoremqa_answer(answer, answer_type)
        except StudyError:
            raise RejectedRowError("unreadable_answer") from None
    if source.grader == "maths":
        unit = row.get(fields.unit or "")
        unit = None if is_missing(unit) else cell_text(unit, fields.unit, where)
        return with_unit(_LEADING_ZEROS.sub("", answer), unit)  # AIME's 033 is 33
    return answer


def _tests(row: DataRow, source: DataSource, where: str) -> str:
    fields = source.fields
    public, private, metadata = (
        _text(row, column, where) for column in (fields.public_tests, fields.private_tests, fields.metadata)
    )
    if public is None or private is None:
        raise RejectedRowError("no_tests")
    try:
        return livecodebench_tests(public, private, metadata or "{}", _text(row, fields.starter_code, where) or "")
    except StudyError:
        raise RejectedRowError("unreadable_tests") from None
