"""Slopes as weights: a weighted sum of values measured at several places is their slope along the places."""

from collections.abc import Sequence


def slope(x: Sequence[float]) -> list[float] | None:
    """Weights w with sum(w y) = the least-squares slope of y on x; None for fewer than three places or equal x."""
    return _slope(x) if len(x) > 2 else None


def bend(x: Sequence[float]) -> list[float] | None:
    """The slope over the upper half of rising x minus the slope over the lower half. The halves share their middle."""
    half = len(x) // 2 + 1
    lower, upper = _slope(x[:half]), _slope(x[-half:])
    if len(x) < 3 or lower is None or upper is None:
        return None
    weights = [0.0] * len(x)
    for at, weight in enumerate(lower):
        weights[at] -= weight
    for at, weight in enumerate(upper, len(x) - half):
        weights[at] += weight
    return weights


def _slope(x: Sequence[float]) -> list[float] | None:
    """As `slope`, but also for two places."""
    if len(x) == 2 and x[0] != x[1]:
        return [1 / (x[0] - x[1]), 1 / (x[1] - x[0])]
    mean = sum(x) / len(x) if x else 0.0
    spread = sum((place - mean) ** 2 for place in x)
    return [(place - mean) / spread for place in x] if len(x) > 2 and spread > 0 else None
