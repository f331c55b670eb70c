"""Details in the manifest of delta."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeltaDetails:
    mean_delta: float | None = None  # score points; None: no pair is judged
