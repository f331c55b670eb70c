"""What the manifest of reference says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReferenceDetails:
    mean_tokens: float | None = None  # of a completion
