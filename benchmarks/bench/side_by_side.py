"""Times two ways of the same work in turn, checks first that they give the same, and prints one line.

    BENCH <name> <ratio> <ours> <theirs> <unit>

Rounds alternate (ours, theirs, ours, theirs, ...), so that a machine that slows down does so for both. Ours and theirs
are medians over the rounds, the ratio is the median of the rounds' ratios; above 1, ours is better.
"""

import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import Literal, TypeVar

A = TypeVar("A")
B = TypeVar("B")
Measure = Literal["cpu", "wall"]

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))


def cpu_seconds() -> float:
    """CPU seconds, user and system, of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def seconds(work: Callable[[], A], measure: Measure) -> tuple[float, A]:
    """The seconds that `work` takes, and what it returns."""
    clock = cpu_seconds if measure == "cpu" else time.perf_counter
    started = clock()
    result = work()
    return clock() - started, result


def side_by_side(
    name: str,
    ours: Callable[[], A],
    theirs: Callable[[], B],
    *,
    same: Callable[[A, B], None],
    measure: Measure,
    rounds: int = ROUNDS,
    warm_up: bool = True,
) -> float:
    """Print the line of `name`; returns its ratio.

    same: raises if the two results differ; called on the results of the first pass, before any time is printed.
    measure: `wall` where either side uses several cores or waits; `cpu` where both work on one core.
    warm_up: the first pass is not counted, as it pays for imports and caches.
    """
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + warm_up):
        our_seconds, our_result = seconds(ours, measure)
        their_seconds, their_result = seconds(theirs, measure)
        if number == 0:
            same(our_result, their_result)
        if number or not warm_up:
            took[0].append(our_seconds)
            took[1].append(their_seconds)
    ratio = statistics.median(b / a for a, b in zip(*took, strict=True))
    unit = "s" if measure == "wall" else "CPU-s"
    return line(name, ratio, statistics.median(took[0]), statistics.median(took[1]), unit)


def at_most(name: str, ours: float, bound: float, unit: str) -> float:
    """Print the line of a cost that has no peer: `theirs` is the bound that it shall keep."""
    return line(name, bound / ours, ours, bound, unit)


def line(name: str, ratio: float, ours: float, theirs: float, unit: str) -> float:
    """Print one line; returns the ratio."""
    print(f"BENCH {name} {ratio:.2f} {ours:.4g} {theirs:.4g} {unit}", flush=True)
    return ratio
