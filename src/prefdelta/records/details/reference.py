"""Details in the manifest of reference."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReferenceDetails:
    mean_tokens: float | None = None  # per completion
