"""What the manifest of generate says."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GenerateDetails:
    mean_tokens: float | None = None  # of a trace, where its tokens are counted
