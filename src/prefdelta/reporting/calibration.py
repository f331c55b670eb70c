"""How fast this machine is: a small fixed workload, timed. Shared machines drift by more than twice."""

import time
from dataclasses import dataclass

# CPU seconds of the workload on the machine that the budgets were set on: a virtual machine with two cores of an AMD
# EPYC (family 25, model 17), Python 3.11, measured in November 2026.
REFERENCE_SECONDS = 0.29
_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Calibration:
    seconds: float  # of the workload on this machine now: the best of three

    @property
    def factor(self) -> float:
        """How many times slower than the reference this machine is."""
        return self.seconds / REFERENCE_SECONDS


def measure() -> Calibration:
    """Time the workload, which takes about a second of one core."""
    return Calibration(min(_time_once() for _ in range(_REPEATS)))


def cpu_seconds() -> float:
    """CPU seconds that this process has taken so far."""
    return time.process_time()


def _time_once() -> float:
    start = time.process_time()
    _workload()
    return time.process_time() - start


def _workload() -> None:
    """Half arithmetic on float32 arrays, half plain Python. `einsum` uses no BLAS, so no threads."""
    import numpy as np

    matrix = np.linspace(-1, 1, 192 * 192, dtype=np.float32).reshape(192, 192)
    for _ in range(40):
        np.einsum("ij,jk->ik", matrix, matrix)
    number = 0
    for step in range(1_900_000):
        number = (number * 1103515245 + 12345 + step) % 2147483648
