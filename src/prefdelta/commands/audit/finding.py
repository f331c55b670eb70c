"""What an audit found: tables of values, what to conclude of them and what not, and whether a limit is passed."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from prefdelta.commands.text_table import table, wrapped
from prefdelta.core.statistics import Estimate
from prefdelta.reporting import formats


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its key for programs, its head for people, and how a value is shown to them."""

    key: str
    head: str
    show: Callable[[Any], str] | None = None  # None: a text, as it is

    @property
    def is_text(self) -> bool:
        return self.show is None


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table; a value is a text, a number, None, or an Estimate."""

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]

    def lines(self) -> list[str]:
        """The table for a person; only its title if it has no rows."""
        if not self.rows:
            return [self.title]
        cells = [
            [str(value) if column.show is None else column.show(value) for column, value in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]
        right = {place for place, column in enumerate(self.columns) if not column.is_text}
        return [self.title, *(f"  {line}" for line in table([[column.head for column in self.columns], *cells], right))]

    def records(self) -> list[dict[str, Any]]:
        """The rows for a program. An Estimate is an object: value, low, high, n."""
        return [
            {column.key: _plain(value) for column, value in zip(self.columns, row, strict=True)} for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit found."""

    audit: str
    study: str
    tables: Sequence[FoundTable]
    conclusion: str  # what to conclude, and what not
    over_limit: bool
    limit: Mapping[str, Any]  # name of the limit -> its value

    def text(self) -> str:
        parts = [lines for one in self.tables if (lines := one.lines())]
        return "\n\n".join("\n".join(part) for part in [*parts, [wrapped(self.conclusion)]])

    def as_json(self) -> str:
        content = {
            "audit": self.audit,
            "study": self.study,
            **{one.key: one.records() for one in self.tables},
            "limit": self.limit,
            "over_limit": self.over_limit,
            "conclusion": self.conclusion,
        }
        return json.dumps(content, indent=2, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Estimate):
        return {name: getattr(value, name) for name in ("value", "low", "high", "n")}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


# --- how values are shown -----------------------------------------------------------------------------------------


def percent(value: "float | Estimate | None") -> str:
    """A share as per cent, with its interval if it has one."""
    return _shown(value, formats.percent)


def points(value: "float | Estimate | None") -> str:
    """A difference of shares in percentage points."""
    return _shown(value, formats.points)


def signed(value: "float | Estimate | None") -> str:
    return _shown(value, formats.signed)


def count(value: "int | None") -> str:
    return formats.count(value)


def decimal(digits: int) -> Callable[[float | None], str]:
    return lambda value: formats.decimal(value, digits)


def _shown(value: "float | Estimate | None", show: Callable[[float | None], str]) -> str:
    if not isinstance(value, Estimate):
        return show(value)
    if value.low is None or value.value is None:
        return show(value.value)
    return f"{show(value.value)} [{show(value.low)}, {show(value.high)}]"
