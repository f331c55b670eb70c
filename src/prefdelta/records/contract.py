"""The common interface of all table rows."""

from dataclasses import Field
from typing import Any, ClassVar, Protocol


class Row(Protocol):
    """A frozen dataclass with a schema version and the columns that identify a row (also its sort order)."""

    VERSION: ClassVar[int]
    KEY: ClassVar[tuple[str, ...]]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
