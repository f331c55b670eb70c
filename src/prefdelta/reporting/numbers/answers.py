"""Answers to one benchmark as matrices: arms x items, joined by prompt and sample."""

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
    """The answers of some arms to one benchmark, in one group."""

    rows: Mapping[str, int]  # name of an arm or base -> its row
    outcomes: "NDArray[np.float64]"  # 1 solved, 0 not solved, NaN: does not count, or the arm lacks the item
    present: "NDArray[np.bool_]"  # whether the arm has the item
    truncated: "NDArray[np.int64]"  # items per arm
    prompts: "NDArray[np.int64]"  # number of the prompt, per item
    problems: "NDArray[np.int64] | None"  # number of the problem, per prompt; None: no prompt repeats another

    def rows_of(self, arms: Iterable[Arm | Base]) -> list[int]:
        return [self.rows[str(arm)] for arm in arms]

    @property
    def draws(self) -> int:
        """The largest number of draws of a prompt."""
        import numpy as np

        return int(np.bincount(self.prompts).max())

    @property
    def independent(self) -> bool:
        """Whether each item is a trial of its own: no prompt has several draws, and none repeats a problem."""
        return self.problems is None and len(set(self.prompts.tolist())) == len(self.prompts)

    def weighted(self, weights: Mapping[Arm | Base, float]) -> "NDArray[np.float64]":
        """A weighted sum of outcomes by item; NaN if the item does not count for one of the arms.

        Rounded, so that equal sums are equal.
        """
        total = (self.outcomes[self.rows_of(weights)] * [[weight] for weight in weights.values()]).sum(axis=0)
        return total.round(12)  # type: ignore[no-any-return]

    def per_prompt(self, items: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Values by item as one mean per prompt, in the prompts' order; items without a value are left out.

        Prompts that repeat a problem are merged into one resampling unit. Its value is mean + (sum of their deviations)
        x units/prompts, so the mean over units equals the mean over prompts (linearised ratio estimator, Cochran 1977,
        chapter 6).
        """
        import numpy as np

        known = ~np.isnan(items)
        numbers = self.prompts[known]
        sums, counts = np.bincount(numbers, items[known]), np.bincount(numbers)
        answered = np.flatnonzero(counts)
        means = np.asarray(sums[answered] / counts[answered])
        if self.problems is None or not len(means):
            return means
        mean = means.mean()
        _, problems, weights = np.unique(self.problems[answered], return_inverse=True, return_counts=True)
        return np.asarray(mean + np.bincount(problems, means - mean) * len(weights) / len(means))


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
    keys = prompt_codes.astype(np.int64) * (int(samples.max()) + 1) + samples
    items, item_codes = np.unique(keys, return_inverse=True)
    times = np.zeros((len(arms), len(items)), dtype=np.int64)
    np.add.at(times, (arm_codes, item_codes), 1)
    if (times > 1).any():
        twice = arms[int(np.argwhere(times > 1)[0][0])]
        raise StudyError(f"scores: {twice} has answered an item of {benchmark} twice. Give each table once.")
    outcomes = np.full(times.shape, np.nan)
    outcomes[arm_codes, item_codes] = scores["outcome"].to_numpy()
    return AnswerMatrix(
        rows={name: number for number, name in enumerate(arms)},
        outcomes=outcomes,
        present=times > 0,
        truncated=np.bincount(arm_codes, scores["truncated"].to_numpy(), minlength=len(arms)).astype(np.int64),
        prompts=items // (int(samples.max()) + 1),
        problems=problems if len(names) < len(prompt_ids) else None,
    )
