"""The ladder: what its models cost to train, how capable they are, and which attempts were rejected."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefdelta.core.statistics import Estimate, wilson_interval
from prefdelta.reporting.manifests import Manifest


@dataclass(frozen=True, slots=True)
class Measured:
    """Accuracy at temperature 1 on validation problems, against the window it has to lie in."""

    what: str  # family and lengths
    accuracy: Estimate
    low: float | None
    high: float | None

    @property
    def inside(self) -> bool | None:
        if self.low is None or self.high is None or self.accuracy.value is None:
            return None
        return self.low <= self.accuracy.value <= self.high


@dataclass(frozen=True, slots=True)
class Attempt:
    seed: int | None
    measured: Sequence[Measured]


@dataclass(frozen=True, slots=True)
class LadderLine:
    name: str
    parameters: int | None
    steps: int | None
    kept: Attempt
    rejected: Sequence[Attempt]
    losses: list[float]  # along the steps, nats per token


def ladder(found: Iterable[Manifest]) -> list[LadderLine]:
    """One line per model, by name."""
    lines = []
    for manifest in found:
        if manifest.stage != "ladder":
            continue
        details = manifest.content["details"]
        lines.append(
            LadderLine(
                name=manifest.job.partition("/")[0],
                parameters=details.get("parameters"),
                steps=details.get("steps"),
                kept=Attempt(details.get("seed"), _measured(details.get("accuracies"))),
                rejected=_rejected(details.get("rejected")),
                losses=[loss for _, loss in details.get("curve") or () if loss is not None],
            )
        )
    return sorted(lines, key=lambda line: line.name)


def _rejected(entries: Iterable[Mapping[str, Any]] | None) -> list[Attempt]:
    """Attempts, given as {seed, accuracies: [...]}, or as one flat entry per window, with its seed."""
    by_seed: dict[int | None, list[Measured]] = {}
    for entry in entries or ():
        by_seed.setdefault(entry.get("seed"), []).extend(_measured(entry.get("accuracies", [entry])))
    return [Attempt(seed, measured) for seed, measured in by_seed.items()]


def _measured(entries: Iterable[Mapping[str, Any]] | None) -> list[Measured]:
    return [
        Measured(
            f"{entry['family']}, {_lengths(entry.get('operations'))}",
            wilson_interval(round(entry["accuracy"] * entry["n"]), entry["n"]),
            entry.get("low"),
            entry.get("high"),
        )
        for entry in entries or ()
    ]


def _lengths(operations: Sequence[int] | int | None) -> str:
    if operations is None:
        return "all lengths"
    listed = [operations] if isinstance(operations, int) else list(operations)
    return f"{', '.join(map(str, listed))} operation{'' if listed == [1] else 's'}"
