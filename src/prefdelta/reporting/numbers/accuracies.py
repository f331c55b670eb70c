"""Every arm's accuracy on the benchmarks, and differences between arms: item by item, joined by key."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Self

from prefdelta.core.arms import Arm, Base, parse_arm
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import (
    FEW,
    NOTHING,
    Estimate,
    Variance,
    mean_variance,
    paired_proportions,
    t_interval,
    wilson_interval,
    with_runs,
)
from prefdelta.reporting.arms import read_arm, seed_names
from prefdelta.reporting.numbers.answers import AnswerMatrix, read_answers
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.gains import ArmWeights, difference_weights, gain_weights
from prefdelta.reporting.numbers.runs import RunVariance, run_variance
from prefdelta.reporting.numbers.sharpening import Luck, MatchedBase, luck_of, match, resolved, run_weights_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BenchmarkGroup:
    """Benchmarks evaluated in one way."""

    title: str
    benchmarks: Sequence[str]
    primary: bool
    temperature: float = 1.0  # at which arms answer; 0: greedily


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
    paired: int  # problems that count on both sides
    unpaired: int  # problems left out of the difference

    @property
    def seeds(self) -> list[str]:
        return seed_names(self.arms)


class Scores:
    """Every arm's answers, by group and benchmark."""

    def __init__(
        self,
        answers: Mapping[Evaluation, AnswerMatrix],
        groups: Mapping[str, BenchmarkGroup],
        bootstrap: Bootstrap,
        rows: int = 0,
        not_counted: int = 0,
    ) -> None:
        """groups: to be reported, in this order. rows, not_counted: of the tables behind the answers."""
        self._answers = answers
        self._groups = groups
        self._bootstrap = bootstrap
        self._estimates: dict[tuple[tuple[Evaluation, ...], tuple[tuple[str, float], ...]], Estimate] = {}
        self._runs: dict[tuple[tuple[Evaluation, ...], Luck | None], RunVariance | None] = {}
        self._lucks: dict[tuple[Evaluation, Luck], AnswerMatrix] = {}
        self.rows = rows
        self.not_counted = not_counted

    @classmethod
    def read(
        cls,
        paths: Iterable[Path],
        study: str,
        benchmarks: Sequence[str],
        groups: Mapping[str, BenchmarkGroup],
        bootstrap: Bootstrap,
    ) -> Self:
        """The tables of Score at these paths. Raises StudyError for scores of other benchmarks or groups."""
        read = read_answers(paths, study)
        _check_known(read, benchmarks, groups)
        rows, not_counted = (sum(map(attrgetter(name), read.values())) for name in ("rows", "not_counted"))
        answers = {Evaluation(*key): read.pop(key).matrix() for key in sorted(read)}
        return cls(answers, groups, bootstrap, rows, not_counted)

    def evaluations(self, *, primary: bool) -> list[Evaluation]:
        """The evaluations of the primary groups, or of the secondary ones, in order."""
        chosen = {name: group for name, group in self._groups.items() if group.primary is primary}
        return [Evaluation(name, benchmark) for name, group in chosen.items() for benchmark in group.benchmarks]

    def arms(self) -> list[Arm]:
        """All trained arms that have scores, by name."""
        return [read_arm(name) for name in self._names() if isinstance(parse_arm(name), Arm)]

    def policies(self) -> list[str]:
        """All policies whose base has scores, by name."""
        bases = (base for base in map(parse_arm, self._names()) if isinstance(base, Base))
        return [base.policy for base in bases if base.temperature is None]

    def has(self, arm: Arm | Base, evaluation: Evaluation) -> bool:
        """Whether an arm has scores in this evaluation, or a matched base can be made of those that have."""
        if isinstance(arm, MatchedBase):
            return match(self, arm, evaluation) is not None
        return evaluation in self._answers and str(arm) in self._answers[evaluation].rows

    def answers(self, evaluation: Evaluation) -> AnswerMatrix | None:
        """The answers to a benchmark in one group; None if nothing was evaluated there."""
        return self._answers.get(evaluation)

    def mapped(self, function: Callable[[AnswerMatrix], AnswerMatrix]) -> Self:
        """The same arms with other outcomes, for example pass@k (`numbers.passes`)."""
        answers = {evaluation: function(matrix) for evaluation, matrix in self._answers.items()}
        return type(self)(answers, self._groups, self._bootstrap)

    def draws(self, evaluation: Evaluation) -> int:
        """How often the arms answered each problem: the k of avg@k."""
        answers = self._answers[evaluation]
        trained = [row for name, row in answers.rows.items() if isinstance(parse_arm(name), Arm)]
        return max(answers.draws(row) for row in trained or answers.rows.values())

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
        paired = (int((answers.counted[row] > 0).sum()), 0)
        return _accuracy_line(
            answers, evaluation, policy, (), [row], self._accuracy(evaluation, [Base(policy)]), None, paired
        )

    def against_base(self, arms: tuple[Arm, ...], evaluation: Evaluation) -> AccuracyLine:
        """An arm, or the mean over its repeats, against its base.

        Problems that do not count on one of the sides are left out of the difference.
        """
        answers = self._answers[evaluation]
        rows = answers.rows_of(arms)
        accuracy = self._accuracy(evaluation, arms)
        base = answers.rows.get(str(arms[0].base))
        if base is None:
            return _accuracy_line(answers, evaluation, arms[0].policy, arms, rows, accuracy, None, (0, 0))
        difference = self.weighted_difference(gain_weights(arms), [evaluation])
        counts = answers.counted[[base, *rows]] > 0
        paired, union = int(counts.all(axis=0).sum()), int((answers.samples[[base, *rows]] > 0).any(axis=0).sum())
        return _accuracy_line(
            answers, evaluation, arms[0].policy, arms, rows, accuracy, difference, (paired, union - paired)
        )

    def difference(self, arms: tuple[Arm, ...], others: tuple[Arm, ...], evaluation: Evaluation) -> Estimate:
        """The mean over some repeats minus the mean over others, over the problems that all of them have."""
        return self.weighted_difference(difference_weights(arms, others), [evaluation])

    def discordant(self, first: Arm | Base, second: Arm | Base, evaluation: Evaluation) -> tuple[int, int] | None:
        """How many problems only one of two sides solves; None unless each answered each problem once."""
        weights = {first: 1.0, second: -1.0}
        if not self._single_answers(weights, evaluation):
            return None
        differences = self._answers[evaluation].weighted(weights)
        return int((differences > 0).sum()), int((differences < 0).sum())

    def weighted_difference(self, weights: ArmWeights, evaluations: Sequence[Evaluation]) -> Estimate:
        """A weighted sum of accuracies of arms and bases: the mean over benchmarks, each of equal weight.

        A matched base (`numbers.sharpening`) is a sum of bases of its own in each benchmark; without one, no value. It
        covers the problems that all of them have. Its variance is that over problems, within each benchmark, and
        that between runs (`numbers.runs`). Two single arms that differ on fewer than 25 problems get Tango's interval.
        """
        key = (tuple(evaluations), tuple(_by_name(weights)))
        if key not in self._estimates:
            self._estimates[key] = self._weighted(weights, key[0])
        return self._estimates[key]

    def joint(
        self, sums: Sequence[ArmWeights], evaluations: Sequence[Evaluation]
    ) -> "tuple[NDArray[np.float64], NDArray[np.float64], float | None]":
        """(values, their covariance, its degrees of freedom) of several weighted sums, over the problems of all.

        Degrees of freedom are None if a benchmark has fewer than two problems, or nothing shows how much runs vary.
        """
        import numpy as np

        by_run = list(map(run_weights_of, sums))
        runs = any(isinstance(arm, Arm) for weights in by_run for arm in weights)
        variance = self.run_variance(evaluations, luck_of(sums))
        values, covariance, n = np.zeros(len(sums)), np.zeros((len(sums), len(sums))), []
        for evaluation in evaluations:
            rows = self._units_of(sums, evaluation)
            n.append(len(rows))
            if len(rows) > 1:
                values += rows.mean(axis=0) / len(evaluations)
                covariance += np.cov(rows.T, ddof=1).reshape(covariance.shape) / len(rows) / len(evaluations) ** 2
        if min(n, default=0) < 2 or (runs and variance is None):
            return values, covariance, None
        if not runs or variance is None:
            return values, covariance, min(n) - 1.0
        return values, covariance + variance.covariance(by_run), float(min(variance.of(one).df for one in by_run))

    def run_variance(self, evaluations: Sequence[Evaluation], luck: Luck | None = None) -> RunVariance | None:
        """How much runs vary in the mean accuracy over benchmarks, or in what `luck` says; None without repeats."""
        key = (tuple(evaluations), luck)
        if key not in self._runs:
            self._runs[key] = run_variance([self._outcomes_of_runs(each, luck) for each in evaluations])
        return self._runs[key]

    def _outcomes_of_runs(self, evaluation: Evaluation, luck: Luck | None) -> AnswerMatrix:
        if luck is None:
            return self._answers[evaluation]
        if (evaluation, luck) not in self._lucks:
            self._lucks[evaluation, luck] = luck.matrix(self, evaluation)
        return self._lucks[evaluation, luck]

    def of_accuracies(
        self,
        sides: Sequence[ArmWeights],
        evaluations: Sequence[Evaluation],
        function: "Callable[[NDArray[np.float64]], NDArray[np.float64]]",
        *what: object,
    ) -> Estimate:
        """A function of several weighted sums as in `weighted_difference`, over the problems that all their arms have.

        function: sums (... x sides) to values (...). what: names the function.
        """
        parts = [self._units_of(sides, evaluation) for evaluation in evaluations]
        where = [(evaluation.group, evaluation.benchmark) for evaluation in evaluations]
        by_run = list(map(run_weights_of, sides))
        variance, run_df = self.run_variance(evaluations, luck_of(sides)), None
        if any(isinstance(arm, Arm) for weights in by_run for arm in weights):
            run_df = variance.df if variance else 0
        drawn = partial(variance.drawn, by_run) if variance and run_df else None
        return self._bootstrap.of_function(
            parts, function, *what, list(map(_by_name, sides)), where, runs=drawn, run_df=run_df
        )

    def _units_of(self, sums: Sequence[ArmWeights], evaluation: Evaluation) -> "NDArray[np.float64]":
        """Units x sums, over the problems that all arms have."""
        import numpy as np

        answers = self._answers[evaluation]
        by_prompt = np.stack([self._by_prompt(weights, evaluation) for weights in sums])
        missing = np.isnan(by_prompt).any(axis=0)
        return np.stack([answers.units(np.where(missing, np.nan, values)) for values in by_prompt], axis=1)

    def _weighted(self, weights: ArmWeights, evaluations: Sequence[Evaluation]) -> Estimate:
        import numpy as np

        parts = [self._answers[evaluation].units(self._by_prompt(weights, evaluation)) for evaluation in evaluations]
        if not parts or not all(map(len, parts)):
            return NOTHING
        n, count = sum(map(len, parts)), len(parts)
        value = float(np.mean([part.mean() for part in parts]))
        runs, run_df = self._run_part(weights, evaluations)
        if count == 1 and self._single_answers(weights, evaluations[0]) and np.count_nonzero(parts[0]) < FEW:
            first, second = int((parts[0] > 0).sum()), int((parts[0] < 0).sum())
            exact = paired_proportions(first, second, n)
            return exact if run_df is None else with_runs(exact, runs, run_df)
        if min(map(len, parts)) < 2:
            return Estimate(value, None, None, n, run_df=run_df)
        items = [
            mean_variance(part, self._step(weights, evaluation))
            for part, evaluation in zip(parts, evaluations, strict=True)
        ]
        scaled_items = [Variance(item.value / count**2, item.df) for item in items]
        return t_interval(value, n, [*scaled_items, *([runs] if runs else [])], run_df)

    def _by_prompt(self, weights: ArmWeights, evaluation: Evaluation) -> "NDArray[np.float64]":
        """A weighted sum of outcomes by prompt; NaN if the prompt does not count, or a matched base is not known."""
        import numpy as np

        answers, known = self._answers[evaluation], resolved(self, weights, evaluation)
        return np.full(answers.means.shape[1], np.nan) if known is None else answers.weighted(known)

    def _run_part(self, weights: ArmWeights, evaluations: Sequence[Evaluation]) -> tuple[Variance | None, int | None]:
        """(the variance between runs in a sum of accuracies, its degrees of freedom): see `Estimate.run_df`."""
        by_run = run_weights_of(weights)
        if not any(isinstance(arm, Arm) and weight for arm, weight in by_run.items()):
            return None, None
        variance = self.run_variance(evaluations, luck_of([weights]))
        if variance is None:
            return None, 0
        runs = variance.of(by_run)
        return runs, max(1, round(runs.df))

    def _step(self, weights: ArmWeights, evaluation: Evaluation) -> float:
        """How far one answer can move a weighted sum of outcomes."""
        answers, known = self._answers[evaluation], resolved(self, weights, evaluation) or {}
        steps = [abs(weight) / answers.draws(answers.rows[str(arm)]) for arm, weight in known.items()]
        return max(steps, default=0.0)  # none: a base that is matched by itself

    def _single_answers(self, weights: ArmWeights, evaluation: Evaluation) -> bool:
        """Whether a sum is one arm or base minus another, each with one answer per problem."""
        answers, known = self._answers[evaluation], resolved(self, weights, evaluation) or {}
        return sorted(known.values()) == [-1.0, 1.0] and all(map(answers.independent, answers.rows_of(known)))

    def _accuracy(self, evaluation: Evaluation, arms: Sequence[Arm | Base]) -> Estimate:
        """An accuracy: Wilson's interval over items if all answers are trials of their own, else Student's."""
        answers = self._answers[evaluation]
        weights = dict.fromkeys(arms, 1 / len(arms))
        if len(arms) > 1 or not answers.independent(answers.rows_of(arms)[0]):
            return self.weighted_difference(weights, [evaluation])
        items = _wilson(answers, answers.rows_of(arms)[0])
        runs, run_df = self._run_part(weights, [evaluation])
        return items if run_df is None else with_runs(items, runs, run_df)

    def _names(self) -> list[str]:
        return sorted({name for answers in self._answers.values() for name in answers.rows})


def _by_name(weights: ArmWeights) -> list[tuple[str, float]]:
    return sorted((str(arm), weight) for arm, weight in weights.items())


def _wilson(answers: AnswerMatrix, row: int) -> Estimate:
    import numpy as np

    return wilson_interval(round(float(np.nansum(answers.means[row]))), int(answers.counted[row].sum()))


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
    """rows: the rows of the arms, or of the base. pairing: numbers of problems (paired, unpaired)."""
    items = int(answers.samples[rows].sum())
    return AccuracyLine(
        evaluation=evaluation,
        arms=arms,
        policy=policy,
        accuracy=accuracy,
        difference=difference,
        items=items,
        counted=int(answers.counted[rows].sum()),
        truncated=int(answers.truncated[rows].sum()) / items if items else None,
        paired=pairing[0],
        unpaired=pairing[1],
    )


def _check_known(
    read: Iterable[tuple[str, str]], benchmarks: Sequence[str], groups: Mapping[str, BenchmarkGroup]
) -> None:
    """read: pairs of group and benchmark."""
    if unknown := sorted({benchmark for _, benchmark in read} - set(benchmarks)):
        raise StudyError(
            f"scores: there are rows of {', '.join(unknown)}; the benchmarks are {', '.join(benchmarks)}. "
            "Give the report the scores of this study only."
        )
    if unknown := sorted({group for group, _ in read} - set(groups)):
        raise StudyError(
            f"scores: there are tables of the groups {', '.join(unknown)}; the groups are {', '.join(groups)}. "
            "Give the report the scores of this study only."
        )
