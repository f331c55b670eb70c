"""What stands below figures and tables: n, seeds, what the intervals hold and how sides are paired, made from data."""

from collections.abc import Iterable, Sequence

from prefdelta.core.arms import Arm
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.arms import seed_names
from prefdelta.reporting.formats import count, listed, span

ITEMS_ONLY = "‡"  # stands behind an interval that holds items only, though runs are involved
PAIRED = "arm and untrained policy are paired by problem"
PAIRED_ARMS = "the arms are paired by problem"


def caption(
    estimates: Iterable[Estimate | None],
    *,
    arms: Iterable[Arm] | None = None,
    paired: str | None = None,
    unit: str = "problems",
) -> str:
    """A sentence or two on some estimates.

    arms: the trainings behind them; None: no arm is trained. paired: how sides are paired. unit: what n counts.
    """
    known = [estimate for estimate in estimates if estimate is not None and estimate.value is not None]
    if not known:
        return "No values."
    parts = [f"n = {span([estimate.n for estimate in known])} {unit}"]
    if arms is not None:
        seeds = seed_names(arms)
        on_draws = " (seed@draw of the traces)" if any("@" in seed for seed in seeds) else ""
        parts.append(f"training {'seed' if len(seeds) == 1 else 'seeds'} {listed(seeds)}{on_draws}")
    if paired:
        parts.append(paired)
    return f"{'; '.join(parts)}. {holds(known, unit)}"


def holds(estimates: Sequence[Estimate], unit: str = "problems") -> str:
    """What the 95% intervals of some estimates, which all have a value, hold."""
    drawn = [estimate for estimate in estimates if estimate.low is not None]
    sentences = []
    by_runs = [estimate.run_df for estimate in drawn if estimate.run_df]
    if by_runs:
        sentences.append(f"Intervals (95%) hold {unit} and runs ({_degrees(by_runs)} between runs).")
    if any(estimate.run_df == 0 for estimate in drawn):
        which = "Those" if by_runs else "Intervals"
        where = "there" if by_runs else "here"
        sentences.append(f"{which} marked {ITEMS_ONLY} hold {unit} only: no arm was repeated {where}.")
    plain = [estimate for estimate in drawn if estimate.run_df is None]
    if plain and len(plain) == len(drawn):
        sentences.append(f"Intervals (95%) hold {unit}.")
    elif plain:
        sentences.append(f"Where no training is involved, they hold {unit}.")
    if without := len(estimates) - len(drawn):
        lacking = "has no interval" if without == 1 else "have no interval"
        sentences.append(f"{count(without)} of {count(len(estimates))} values {lacking}: too few {unit} differ.")
    return " ".join(sentences)


def _degrees(dfs: Sequence[int]) -> str:
    return f"{span(dfs)} {'degree' if set(dfs) == {1} else 'degrees'} of freedom"
