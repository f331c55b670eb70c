"""Slopes as weights: a weighted sum of values measured at several places is their slope along the places."""

from collections.abc import Sequence


def slope(x: Sequence[float]) -> list[float] | None:
    """Weights w with sum(w y) = the least-squares slope of y on x; None for fewer than three places or equal x."""
    return _slope(x) if len(x) > 2 else None


def half_slopes(x: Sequence[float]) -> tuple[list[float], list[float]] | None:
    """The weights of the slopes over the lower and over the upper half of rising x.

    The halves share their middle place, or their two middle places if their number is even.

    None for fewer than three places, or equal x in a half.
    """
    half = len(x) // 2 + 1
    lower, upper = _slope(x[:half]), _slope(x[-half:])
    if len(x) < 3 or lower is None or upper is None:
        return None
    rest = [0.0] * (len(x) - half)
    return [*lower, *rest], [*rest, *upper]


def deviations(x: Sequence[float]) -> list[list[float]]:
    """Rows of weights: the deviations of y from its least-squares line along x (at least three places)."""
    mean, weights = sum(x) / len(x), _slope(x)
    assert weights is not None
    return [
        [(1.0 if i == j else 0.0) - 1 / len(x) - (place - mean) * weight for j, weight in enumerate(weights)]
        for i, place in enumerate(x)
    ]


def plane(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]] | None:
    """The weights of both slopes of the least-squares plane z = a x + b y + c: sum(weights z) = a, and = b.

    None for fewer than four places, or if x and y do not vary by themselves.
    """
    import numpy as np

    places = np.column_stack([x, y, np.ones(len(x))])
    if len(x) < 4 or np.linalg.matrix_rank(places) < 3:
        return None
    slopes = np.linalg.pinv(places)
    return slopes[0].tolist(), slopes[1].tolist()


def _slope(x: Sequence[float]) -> list[float] | None:
    """As `slope`, but also for two places."""
    mean = sum(x) / len(x) if x else 0.0
    spread = sum((place - mean) ** 2 for place in x)
    return [(place - mean) / spread for place in x] if len(x) > 1 and spread > 0 else None
