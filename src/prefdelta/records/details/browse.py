"""Details in the manifest of browse."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BrowseDetails:
    files: int | None = None  # of data
    bytes: int | None = None
    replies_not_recorded: int | None = None  # replies of the judge that the record does not hold
    answers_not_recorded: int | None = None  # answers to benchmark items, of those that are shown as text
