"""Details in the manifest of prompts."""

from dataclasses import dataclass, field

from prefdelta.records.details.contract import OMITTED


@dataclass(frozen=True, slots=True)
class PromptsDetails:
    # Number of prompts that repeat a problem of the source.
    repeated_and_counted: int | None = field(default=None, metadata=OMITTED)
