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
from prefdelta.reporting.numbers.outcomes import OUTCOME_COLUMNS, outcomes
from prefdelta.store import tables

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_COLUMNS = ["benchmark", "prompt_id", "sample", "n_tokens", "entropy"]


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
    # Mean token entropy per arm, in nats: the sum over its answers / the sum of their tokens; NaN where it is unknown,
    # None if no arm's is known. It is that of the distributions sampled from, so at the temperature of the row.
    entropies: "NDArray[np.float64] | None" = None

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
        merged = mean + np.bincount(problems, left - mean) * len(weights) / len(left)
        return np.asarray(merged.round(12))  # so that equal sums are equal


def read_answers(paths: Iterable[Path], study: str) -> "dict[tuple[str, str], BenchmarkAnswers]":
    """All scores, by (group, benchmark)."""
    import pyarrow.compute as pc

    found: dict[tuple[str, str], BenchmarkAnswers] = {}
    for path in sorted(paths):
        table = tables.read_arrow(path, Score, [*_COLUMNS, *OUTCOME_COLUMNS])
        place = place_of(path, study)
        for benchmark in sorted(pc.unique(table.column("benchmark")).to_pylist()):
            rows = table.filter(pc.equal(table.column("benchmark"), benchmark))
            key = (place.axes["group"], benchmark)
            found.setdefault(key, BenchmarkAnswers(benchmark)).add(str(arm_at(place)), rows)
    return found


class BenchmarkAnswers:
    """The answers of all arms to one benchmark in one group, as they are read: one table per arm.

    What is kept of a table is numbers only: a study has ten million answers.
    """

    def __init__(self, benchmark: str) -> None:
        self.rows = 0
        self.not_counted = 0
        self._benchmark = benchmark
        self._columns: dict[str, int] = {}  # prompt -> its column
        self._arms: dict[str, list[_ArmAnswers]] = {}
        self._last: tuple[pa.Array, NDArray[np.int64]] | None = None  # prompts, and their columns

    def add(self, arm: str, table: "pa.Table") -> None:
        """table: rows of Score."""
        import numpy as np

        prompts = table.column("prompt_id").combine_chunks()
        if self._last is None or not prompts.equals(self._last[0]):  # arms answer the same prompts, as a rule
            columns = [self._columns.setdefault(prompt, len(self._columns)) for prompt in prompts.to_pylist()]
            self._last = prompts, np.array(columns, dtype=np.int64)
        outcome = outcomes(table)
        truncated = table.column("failure").to_pandas().eq("truncated").sum()
        samples = table.column("sample").to_numpy().astype(np.int32)
        entropy, tokens = _entropy(table)
        answers = _ArmAnswers(self._last[1], samples, outcome.astype(np.float32), int(truncated), entropy, tokens)
        self._arms.setdefault(arm, []).append(answers)
        self.rows += len(outcome)
        self.not_counted += int(np.isnan(outcome).sum())

    def matrix(self) -> AnswerMatrix:
        """Arms and prompts by name. Raises StudyError if an arm has answered an item twice."""
        import numpy as np
        import pandas as pd

        prompts, arms = sorted(self._columns), sorted(self._arms)
        places = np.empty(len(prompts), dtype=np.int64)
        places[[self._columns[prompt] for prompt in prompts]] = np.arange(len(prompts))
        shape = (len(arms), len(prompts))
        solved, counted, samples = np.zeros(shape), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        truncated, entropies = np.zeros(len(arms), np.int64), np.full(len(arms), np.nan)
        for row, arm in enumerate(arms):
            read = self._arms[arm]
            columns = places[np.concatenate([answers.columns for answers in read])]
            draws = np.concatenate([answers.samples for answers in read])
            outcome = np.concatenate([answers.outcomes for answers in read])
            keys = columns * (int(draws.max()) + 1) + draws
            if len(np.unique(keys)) < len(keys):
                raise StudyError(
                    f"scores: {arm} has answered an item of {self._benchmark} twice. Give each table once."
                )
            known = ~np.isnan(outcome)
            solved[row] = np.bincount(columns[known], outcome[known], minlength=len(prompts))
            counted[row] = np.bincount(columns[known], minlength=len(prompts))
            samples[row] = np.bincount(columns, minlength=len(prompts))
            truncated[row] = sum(answers.truncated for answers in read)
            if tokens := sum(answers.tokens for answers in read):
                entropies[row] = sum(answers.entropy for answers in read) / tokens
        problems, names = pd.factorize(np.array([problem_of(name) for name in prompts], dtype=object))
        return AnswerMatrix(
            rows={name: number for number, name in enumerate(arms)},
            means=np.divide(solved, counted, out=np.full(shape, np.nan), where=counted > 0),
            counted=counted,
            samples=samples,
            truncated=truncated,
            problems=problems if len(names) < len(prompts) else None,
            entropies=entropies,
        )


@dataclass(frozen=True, slots=True)
class _ArmAnswers:
    columns: "NDArray[np.int64]"  # of the prompts
    samples: "NDArray[np.int32]"
    outcomes: "NDArray[np.float32]"  # NaN: does not count
    truncated: int
    entropy: float  # nats, the sum over the answers whose entropy is known
    tokens: int  # of these answers


def _entropy(table: "pa.Table") -> tuple[float, int]:
    """(nats, tokens) of the answers whose entropy is known. table: rows of Score."""
    import pyarrow.compute as pc

    known = table.filter(pc.and_(pc.is_valid(table.column("entropy")), pc.is_valid(table.column("n_tokens"))))
    return pc.sum(known.column("entropy")).as_py() or 0.0, pc.sum(known.column("n_tokens")).as_py() or 0
