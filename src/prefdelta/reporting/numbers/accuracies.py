"""Every arm's accuracy on the benchmarks, and differences between arms: item by item, joined by key."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm, Base, parse_arm
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import NOTHING, Estimate, wilson_interval
from prefdelta.reporting.arms import read_arm
from prefdelta.reporting.numbers.answers import AnswerMatrix, answer_matrix, read_scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.gains import ArmWeights, difference_per_item, gain_per_item

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BenchmarkGroup:
    """Benchmarks evaluated in one way."""

    title: str
    benchmarks: Sequence[str]
    primary: bool


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A benchmark in one of the groups that evaluate it."""

    group: str
    benchmark: str


@dataclass(frozen=True, slots=True)
class AccuracyLine:
    """An arm, or the mean over its repeats, on one benchmark."""

    evaluation: Evaluation
    arms: tuple[Arm, ...]  # empty: the base
    policy: str
    accuracy: Estimate  # share of the items counted
    difference: Estimate | None  # accuracy minus the base's, over items that both have; None without a base
    items: int
    counted: int
    truncated: float | None  # share of the items that are truncated
    paired: int  # items that count on both sides
    unpaired: int  # items left out of the difference

    @property
    def seeds(self) -> list[int]:
        return [arm.seed for arm in self.arms]


class Scores:
    """Every arm's answers, by group and benchmark."""

    def __init__(
        self,
        paths: Iterable[Path],
        study: str,
        benchmarks: Sequence[str],
        groups: Mapping[str, BenchmarkGroup],
        bootstrap: Bootstrap,
    ) -> None:
        """benchmarks, groups: to be reported, in this order. Raises StudyError for scores of others."""
        self._groups = groups
        self._bootstrap = bootstrap
        frame = read_scores(paths, study)
        _check_known(frame, benchmarks, groups)
        self._answers = {
            Evaluation(str(group), str(benchmark)): answer_matrix(rows, str(benchmark))
            for (group, benchmark), rows in frame.groupby(["group", "benchmark"], observed=True, sort=True)
        }
        self._lines: dict[tuple[Evaluation, tuple[Arm, ...]], AccuracyLine] = {}
        self._weighted: dict[tuple[tuple[Evaluation, ...], tuple[tuple[str, float], ...]], Estimate] = {}
        self.rows = len(frame)
        self.not_counted = int(frame["outcome"].isna().sum())

    def evaluations(self, *, primary: bool) -> list[Evaluation]:
        """The evaluations of the primary groups, or of the secondary ones, in order."""
        chosen = {name: group for name, group in self._groups.items() if group.primary is primary}
        return [Evaluation(name, benchmark) for name, group in chosen.items() for benchmark in group.benchmarks]

    def arms(self) -> list[Arm]:
        """All trained arms that have scores, by name."""
        return [read_arm(name) for name in self._names() if isinstance(parse_arm(name), Arm)]

    def policies(self) -> list[str]:
        """All policies whose base has scores, by name."""
        return [base.policy for base in map(parse_arm, self._names()) if isinstance(base, Base)]

    def has(self, arm: Arm | Base, evaluation: Evaluation) -> bool:
        """Whether an arm has scores in this evaluation."""
        return evaluation in self._answers and str(arm) in self._answers[evaluation].rows

    def draws(self, evaluation: Evaluation) -> int:
        """How often each problem was answered: the k of avg@k."""
        return self._answers[evaluation].draws

    def check(self, arms: Iterable[Arm]) -> None:
        """Raise StudyError unless these arms and their bases have scores in all primary groups."""
        needed = sorted({name for arm in arms for name in (arm, arm.base)}, key=str)
        missing = [
            f"{arm} on {evaluation.benchmark} ({evaluation.group})"
            for arm in needed
            for evaluation in self.evaluations(primary=True)
            if not self.has(arm, evaluation)
        ]
        if missing:
            raise StudyError(
                f"scores: {len(missing)} combinations of arm and benchmark have none: {'; '.join(missing[:5])}"
                f"{' …' if len(missing) > 5 else ''}. Run the evaluate jobs that make them, or take the arms out of "
                "the experiments."
            )

    def base(self, policy: str, evaluation: Evaluation) -> AccuracyLine:
        """The line of an untrained policy."""
        answers = self._answers[evaluation]
        (row,) = answers.rows_of([Base(policy)])
        accuracy = self._accuracy(answers, [row], evaluation.group, evaluation.benchmark, str(Base(policy)))
        paired = (int(answers.present[row].sum()), 0)
        return _accuracy_line(answers, evaluation, policy, (), [row], accuracy, None, paired)

    def against_base(self, arms: tuple[Arm, ...], evaluation: Evaluation) -> AccuracyLine:
        """An arm, or the mean over its repeats, against its base.

        Items that do not count on one of the sides are left out of the difference. Draws of one prompt are not
        independent of each other, so their mean is resampled.
        """
        key = (evaluation, arms)
        if key not in self._lines:
            self._lines[key] = self._against_base(arms, evaluation)
        return self._lines[key]

    def difference(self, arms: tuple[Arm, ...], others: tuple[Arm, ...], evaluation: Evaluation) -> Estimate:
        """The mean over some repeats minus the mean over others, over the items that all of them have."""
        answers = self._answers[evaluation]
        left, right = (answers.outcomes[answers.rows_of(side)] for side in (arms, others))
        items = difference_per_item(left, right)
        what = (evaluation.group, evaluation.benchmark, list(map(str, arms)), list(map(str, others)))
        # The word seeds the draws, here and below: another one would move every interval a little.
        return self._bootstrap.estimate(answers.per_prompt(items).tolist(), "against", *what)

    def weighted_difference(self, weights: ArmWeights, evaluations: Sequence[Evaluation]) -> Estimate:
        """A weighted sum of accuracies of arms and bases: the mean over benchmarks, each of equal weight.

        It covers the items that all of them have. Prompts are resampled within each benchmark, the same for all arms.
        """
        key = (tuple(evaluations), tuple(_by_name(weights)))
        if key not in self._weighted:
            matrices = [self._answers[evaluation] for evaluation in evaluations]
            parts = [answers.per_prompt(answers.weighted(weights)).tolist() for answers in matrices]
            where = [(evaluation.group, evaluation.benchmark) for evaluation in evaluations]
            self._weighted[key] = self._bootstrap.of_means(parts, "contrast", _by_name(weights), where)
        return self._weighted[key]

    def of_accuracies(
        self,
        sides: Sequence[ArmWeights],
        evaluations: Sequence[Evaluation],
        function: "Callable[[NDArray[np.float64]], NDArray[np.float64]]",
        *what: object,
    ) -> Estimate:
        """A function of several weighted sums as in `weighted_difference`, over the items that all their arms have.

        function: sums (... x sides) to values (...). what: names the function.
        """
        import numpy as np

        parts = []
        for evaluation in evaluations:
            answers = self._answers[evaluation]
            sums = [answers.weighted(weights) for weights in sides]
            missing = np.isnan(sums).any(axis=0)
            parts.append(np.stack([answers.per_prompt(np.where(missing, np.nan, items)) for items in sums], axis=1))
        where = [(evaluation.group, evaluation.benchmark) for evaluation in evaluations]
        return self._bootstrap.of_function(parts, function, *what, list(map(_by_name, sides)), where)

    def _accuracy(self, answers: AnswerMatrix, rows: Sequence[int], *what: object) -> Estimate:
        """Wilson's interval if all trials are independent: one arm, one draw per prompt.

        Otherwise prompts are resampled: seeds answer the same items, and draws of one prompt are not independent.
        """
        if len(rows) == 1 and answers.independent:
            return _wilson(answers, rows[0])
        mean = answers.outcomes[list(rows)].mean(axis=0)
        return self._bootstrap.estimate(answers.per_prompt(mean).tolist(), "accuracy", *what)

    def _against_base(self, arms: tuple[Arm, ...], evaluation: Evaluation) -> AccuracyLine:
        answers = self._answers[evaluation]
        policy = arms[0].policy
        what = (evaluation.group, evaluation.benchmark, list(map(str, arms)))
        rows = answers.rows_of(arms)
        accuracy = self._accuracy(answers, rows, *what)
        base = answers.rows.get(str(arms[0].base))
        if base is None:
            return _accuracy_line(answers, evaluation, policy, arms, rows, accuracy, None, (0, 0))
        gains = gain_per_item(answers.outcomes[rows], answers.outcomes[base])
        difference = self._bootstrap.estimate(answers.per_prompt(gains).tolist(), "difference", *what)
        paired = int((gains == gains).sum())
        union = int(answers.present[[base, *rows]].any(axis=0).sum())
        return _accuracy_line(answers, evaluation, policy, arms, rows, accuracy, difference, (paired, union - paired))

    def _names(self) -> list[str]:
        return sorted({name for answers in self._answers.values() for name in answers.rows})


def _by_name(weights: ArmWeights) -> list[tuple[str, float]]:
    return sorted((str(arm), weight) for arm, weight in weights.items())


def _wilson(answers: AnswerMatrix, row: int) -> Estimate:
    import numpy as np

    counted = answers.outcomes[row][~np.isnan(answers.outcomes[row])]
    return wilson_interval(int(counted.sum()), len(counted)) if len(counted) else NOTHING


def _accuracy_line(
    answers: AnswerMatrix,
    evaluation: Evaluation,
    policy: str,
    arms: tuple[Arm, ...],
    rows: list[int],
    accuracy: Estimate,
    difference: Estimate | None,
    pairing: tuple[int, int],
) -> AccuracyLine:
    """rows: the rows of the arms, or of the base. pairing: numbers of items (paired, unpaired)."""
    items = int(answers.present[rows].sum())
    outcomes = answers.outcomes[rows]
    return AccuracyLine(
        evaluation=evaluation,
        arms=arms,
        policy=policy,
        accuracy=accuracy,
        difference=difference,
        items=items,
        counted=int((outcomes == outcomes).sum()),
        truncated=int(answers.truncated[rows].sum()) / items if items else None,
        paired=pairing[0],
        unpaired=pairing[1],
    )


def _check_known(frame: "pd.DataFrame", benchmarks: Sequence[str], groups: Mapping[str, BenchmarkGroup]) -> None:
    if unknown := sorted(set(frame["benchmark"].unique()) - set(benchmarks)):
        raise StudyError(
            f"scores: there are rows of {', '.join(unknown)}; the benchmarks are {', '.join(benchmarks)}. "
            "Give the report the scores of this study only."
        )
    if unknown := sorted(set(frame["group"].unique()) - set(groups)):
        raise StudyError(
            f"scores: there are tables of the groups {', '.join(unknown)}; the groups are {', '.join(groups)}. "
            "Give the report the scores of this study only."
        )
