"""Answers to one benchmark as matrices: arms x prompts, joined by prompt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base
from prefdelta.core.errors import StudyError
from prefdelta.core.layout import place_of
from prefdelta.records.prompt import problem_of
from prefdelta.records.score import Score
from prefdelta.reporting.arms import arm_at
from prefdelta.reporting.numbers.outcomes import read_outcomes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_COLUMNS = ["benchmark", "prompt_id", "sample"]


@dataclass(frozen=True, slots=True)
class AnswerMatrix:
    """The answers of some arms to one benchmark, in one group: arms x prompts.

    A prompt's outcome is the mean over its samples that count, so arms may have answered a prompt a different number of
    times.
    """

    rows: Mapping[str, int]  # name of an arm or base -> its row
    means: "NDArray[np.float64]"  # share of a prompt's samples that are solved; NaN: none counts
    counted: "NDArray[np.int64]"  # samples that count
    samples: "NDArray[np.int64]"  # samples that the arm has
    truncated: "NDArray[np.int64]"  # truncated samples, per arm
    problems: "NDArray[np.int64] | None"  # number of the problem, per prompt; None: no prompt repeats another

    @property
    def n_problems(self) -> int:
        """The number of problems, each counted once however many prompts repeat it."""
        import numpy as np

        return self.means.shape[1] if self.problems is None else len(np.unique(self.problems))

    def rows_of(self, arms: Iterable[Arm | Base]) -> list[int]:
        return [self.rows[str(arm)] for arm in arms]

    def draws(self, row: int) -> int:
        """The largest number of an arm's samples of a prompt."""
        return int(self.samples[row].max())

    def independent(self, row: int) -> bool:
        """Whether each answer of an arm is a trial of its own: no prompt has several, and none repeats a problem."""
        return self.problems is None and self.draws(row) == 1

    def weighted(self, weights: Mapping[Arm | Base, float]) -> "NDArray[np.float64]":
        """A weighted sum of outcomes by prompt; NaN if the prompt does not count for one of the arms.

        Rounded, so that equal sums are equal.
        """
        import numpy as np

        total = np.asarray(list(weights.values())) @ self.means[self.rows_of(weights)]
        return total.round(12)

    def units(self, values: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Values by prompt as one value per independent unit; prompts without a value are left out.

        Prompts that repeat a problem are merged into one unit. Its value is mean + (sum of their deviations) x
        units/prompts, so the mean over units equals the mean over prompts (linearised ratio estimator, Cochran 1977,
        chapter 6).
        """
        import numpy as np

        known = ~np.isnan(values)
        left = values[known]
        if self.problems is None or not len(left):
            return left
        mean = left.mean()
        _, problems, weights = np.unique(self.problems[known], return_inverse=True, return_counts=True)
        return np.asarray(mean + np.bincount(problems, left - mean) * len(weights) / len(left))


def read_scores(paths: Iterable[Path], study: str) -> "pd.DataFrame":
    """All scores: benchmark, prompt_id, sample, outcome (missing: does not count), truncated, arm, group."""
    import pandas as pd

    frames = []
    for path in sorted(paths):
        frame = read_outcomes(path, Score, _COLUMNS)
        place = place_of(path, study)
        truncated = frame.pop("failure").eq("truncated")
        frames.append(frame.assign(truncated=truncated, arm=str(arm_at(place)), group=place.axes["group"]))
    if not frames:
        return pd.DataFrame(columns=[*_COLUMNS, "outcome", "truncated", "arm", "group"])
    return pd.concat(frames, ignore_index=True)


def answer_matrix(scores: "pd.DataFrame", benchmark: str) -> AnswerMatrix:
    """The scores of one benchmark in one group, as `read_scores` gives them.

    Raises StudyError if an arm has answered an item twice.
    """
    import numpy as np
    import pandas as pd

    arm_codes, arms = pd.factorize(scores["arm"], sort=True)
    prompt_codes, prompt_ids = pd.factorize(scores["prompt_id"], sort=True)
    problems, names = pd.factorize(np.array([problem_of(name) for name in prompt_ids], dtype=object))
    samples = scores["sample"].to_numpy().astype(np.int64)
    shape = (len(arms), len(prompt_ids))
    cells = arm_codes.astype(np.int64) * len(prompt_ids) + prompt_codes
    keys = cells * (int(samples.max()) + 1) + samples
    distinct, firsts, times = np.unique(keys, return_index=True, return_counts=True)
    if len(distinct) < len(keys):
        twice = arms[int(arm_codes[firsts[times > 1][0]])]
        raise StudyError(f"scores: {twice} has answered an item of {benchmark} twice. Give each table once.")
    outcomes = scores["outcome"].to_numpy(dtype=float)
    known = ~np.isnan(outcomes)
    solved = np.bincount(cells[known], outcomes[known], minlength=shape[0] * shape[1]).reshape(shape)
    counted = np.bincount(cells[known], minlength=shape[0] * shape[1]).reshape(shape)
    return AnswerMatrix(
        rows={name: number for number, name in enumerate(arms)},
        means=np.divide(solved, counted, out=np.full(shape, np.nan), where=counted > 0),
        counted=counted,
        samples=np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape),
        truncated=np.bincount(arm_codes, scores["truncated"].to_numpy(), minlength=len(arms)).astype(np.int64),
        problems=problems if len(names) < len(prompt_ids) else None,
    )
