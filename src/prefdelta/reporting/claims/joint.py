"""Numbers beside a claim's: how well a line fits, and which share of a gain is kept."""

from collections.abc import Sequence

from prefdelta.reporting.arms import Repeats
from prefdelta.reporting.claims.arms import Weights, combined
from prefdelta.reporting.claims.slopes import deviations
from prefdelta.reporting.evidence import Evidence
from prefdelta.reporting.formats import percent
from prefdelta.reporting.numbers.accuracies import Evaluation


def lack_of_fit(
    evidence: Evidence, deltas: Sequence[float], members: Sequence[Repeats], evaluations: Sequence[Evaluation]
) -> str:
    """How far gains lie from their straight line: the p of an F test that they lie on it (at least three places)."""
    import numpy as np
    from scipy.special import fdtrc  # the tail of scipy.stats.f, bit by bit, after an import of a tenth of its time

    rows = [combined(list(zip(members, weights, strict=True))) for weights in deviations(deltas)]
    values, covariance, df = evidence.scores.joint(rows, evaluations)
    if df is None:
        return ""
    rank = len(deltas) - 2
    statistic = float(values @ np.linalg.pinv(covariance, rcond=1e-8) @ values) / rank
    return f"off the line: p = {float(fdtrc(rank, df, statistic if not statistic < 0 else 0.0)):.2f}"


def retained_share(evidence: Evidence, kept: Weights, whole: Weights, evaluations: Sequence[Evaluation]) -> str:
    """Which share of a gain another gain is, with its interval (Fieller 1954)."""
    from prefdelta.core.statistics import ratio_interval

    values, covariance, df = evidence.scores.joint([kept, whole], evaluations)
    if df is None or values[1] <= 0:
        return ""
    low, high = ratio_interval(float(values[0]), float(values[1]), covariance.tolist(), df)
    interval = f" [{percent(low)}, {percent(high)}]" if low is not None and high is not None else ""
    return f"keeps {percent(float(values[0] / values[1]))}%{interval} of it"
