"""Details in the manifest of generate."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GenerateDetails:
    mean_tokens: float | None = None  # per trace whose tokens are counted
