"""Curves the size of a word."""

from collections.abc import Sequence
from statistics import fmean


def sparkline(values: Sequence[float], low: float, high: float, mark: float | None = None) -> str:
    """A curve of 100 x 30 px between two bounds, with a dotted line at `mark`; if long, means of neighbours."""
    width, height, edge, most = 100, 30, 3, 60
    span = (high - low) or 1.0

    def y(value: float) -> str:
        return f"{edge + (height - 2 * edge) * (high - value) / span:.1f}"

    n = min(len(values), most)
    means = [fmean(values[i * len(values) // n : (i + 1) * len(values) // n]) for i in range(n)]
    points = " ".join(f"{edge + (width - 2 * edge) * i / max(n - 1, 1):.1f},{y(v)}" for i, v in enumerate(means))
    dotted = f'<path class="mark" d="M0 {y(mark)}H{width}"/>' if mark is not None and low <= mark <= high else ""
    curve = f'<polyline points="{points}"/>' if n > 1 else ""
    end = f'<circle cx="{points.split()[-1].split(",")[0]}" cy="{y(means[-1])}" r="2"/>' if n else ""
    return f'<svg class="spark" viewBox="0 0 {width} {height}" aria-hidden="true">{dotted}{curve}{end}</svg>'
