"""pass@k: how likely one of k answers to a problem is right, from the answers that are there.

With n answers of which c are right, 1 - C(n - c, k) / C(n, k) is the unbiased estimate for one problem (Chen et al.
2021, arXiv 2107.03374, section 2.1). If training only moves probability to what the untrained policy could do already,
the gain at k = 1 shrinks as k grows (Yue et al. 2025, arXiv 2504.13837).
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from prefdelta.reporting.numbers.answers import AnswerMatrix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def pass_at(matrix: AnswerMatrix, k: int) -> AnswerMatrix:
    """The same answers with pass@k as the outcome of a problem; those with fewer than k answers do not count."""
    import numpy as np

    if k == 1:
        return matrix
    solved = np.nan_to_num(matrix.means * matrix.counted).round().astype(np.int64)
    means = np.full(matrix.means.shape, np.nan)
    for n in np.unique(matrix.counted[matrix.counted >= k]):
        own = matrix.counted == n
        means[own] = _chances(int(n), k)[solved[own]]
    counted = np.where(matrix.counted >= k, matrix.counted, 0)
    # An outcome is no trial of its own, and one answer moves it by at most about k of n.
    return replace(matrix, means=means, counted=counted, samples=np.maximum(2, matrix.samples // k))


def sizes(most: int) -> list[int]:
    """The k that are shown, given the most answers to a problem: powers of two, and all of them."""
    powers = [2**power for power in range(most.bit_length()) if 2**power <= most]
    return [*powers, *([most] if most not in powers else [])]


def _chances(n: int, k: int) -> "NDArray[np.float64]":
    """pass@k by the number of right answers, from 0 to n."""
    import numpy as np

    return np.array([1 - math.comb(n - right, k) / math.comb(n, k) for right in range(n + 1)])
