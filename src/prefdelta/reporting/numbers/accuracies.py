"""Every arm's answers to the benchmarks, and what they say: item by item, joined by key."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.answers.accuracy import COUNTS_AS_WRONG
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import NOTHING, Estimate, wilson_interval
from prefdelta.records.prompt import problem_of
from prefdelta.records.score import Score
from prefdelta.reporting.arms import Arm, base_of, is_base, read_arm
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.paths import part_after
from prefdelta.store import tables

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_COLUMNS = ["benchmark", "prompt_id", "sample", "correct", "failure"]


@dataclass(frozen=True, slots=True)
class Group:
    """Benchmarks evaluated in one way."""

    title: str
    benchmarks: Sequence[str]
    primary: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """A benchmark in one of the groups that evaluate it."""

    group: str
    benchmark: str


@dataclass(frozen=True, slots=True)
class AccuracyLine:
    """One arm, or the mean over repeats of one, on one benchmark."""

    cell: Cell
    arms: tuple[Arm, ...]  # none: the base
    policy: str
    accuracy: Estimate  # share of the items counted
    difference: Estimate | None  # accuracy minus the base's over the items both have; None: there is no base
    items: int
    counted: int
    truncated: float | None  # share of the items
    paired: int  # items that count on both sides
    unpaired: int  # items left out of the difference

    @property
    def seeds(self) -> list[int]:
        return [arm.seed for arm in self.arms]


@dataclass(frozen=True, slots=True)
class _Answers:
    """One cell: arms x items, joined by prompt and sample."""

    place: Mapping[str, int]  # arm -> row
    outcomes: "np.ndarray[Any, Any]"  # 1 solved, 0 not solved, NaN not counted or not there
    there: "np.ndarray[Any, Any]"  # whether the arm has the item
    truncated: "np.ndarray[Any, Any]"  # items per arm
    prompts: "np.ndarray[Any, Any]"  # the prompt's number, per item
    problems: "np.ndarray[Any, Any] | None"  # the problem's number, per prompt; None: no prompt repeats another


class Scores:
    """Every arm's answers, by group and benchmark."""

    def __init__(
        self,
        paths: Iterable[Path],
        study: str,
        benchmarks: Sequence[str],
        groups: Mapping[str, Group],
        bootstrap: Bootstrap,
    ) -> None:
        """benchmarks, groups: those to report, in order. Raises StudyError for scores of others."""
        self._groups = groups
        self._bootstrap = bootstrap
        frame = _read(paths, study)
        _check_known(frame, benchmarks, groups)
        self._answers = {
            Cell(str(group), str(benchmark)): _answers(rows, Cell(str(group), str(benchmark)))
            for (group, benchmark), rows in frame.groupby(["group", "benchmark"], observed=True, sort=True)
        }
        self._lines: dict[tuple[Cell, tuple[str, ...]], AccuracyLine] = {}
        self._contrasts: dict[tuple[tuple[Cell, ...], tuple[tuple[str, float], ...]], Estimate] = {}
        self.rows = len(frame)
        self.not_counted = int(frame["outcome"].isna().sum())

    def cells(self, *, primary: bool) -> list[Cell]:
        """The cells of the primary groups, or of the secondary ones, in order."""
        chosen = {name: group for name, group in self._groups.items() if group.primary is primary}
        return [Cell(name, benchmark) for name, group in chosen.items() for benchmark in group.benchmarks]

    def arms(self) -> list[Arm]:
        """All trained arms that have scores, by name."""
        return [read_arm(name) for name in self._names() if not is_base(name)]

    def policies(self) -> list[str]:
        """All policies whose base has scores, by name."""
        return [name.removesuffix("/base") for name in self._names() if is_base(name)]

    def has(self, name: str, cell: Cell) -> bool:
        """Whether an arm (or base) was evaluated there."""
        return cell in self._answers and name in self._answers[cell].place

    def draws(self, cell: Cell) -> int:
        """How often each problem was answered: the k of avg@k."""
        import numpy as np

        return int(np.bincount(self._answers[cell].prompts).max())

    def check(self, arms: Iterable[Arm]) -> None:
        """Raise StudyError unless these arms and their bases have scores in all primary groups."""
        wanted = sorted({name for arm in arms for name in (arm.name, arm.base)})
        missing = [(name, cell) for name in wanted for cell in self.cells(primary=True) if not self.has(name, cell)]
        if missing:
            told = "; ".join(f"{arm} on {cell.benchmark} ({cell.group})" for arm, cell in missing[:5])
            raise StudyError(
                f"scores: {len(missing)} combinations of arm and benchmark have none: {told}"
                f"{' …' if len(missing) > 5 else ''}. Run the evaluate jobs that make them, or take the arms out of "
                "the experiments."
            )

    def base(self, policy: str, cell: Cell) -> AccuracyLine:
        """The line of an untrained policy."""
        answers = self._answers[cell]
        row = answers.place[base_of(policy)]
        accuracy = self._accuracy(answers, [row], cell.group, cell.benchmark, base_of(policy))
        return _line(answers, cell, policy, (), [row], accuracy, None, (int(answers.there[row].sum()), 0))

    def compare(self, arms: tuple[Arm, ...], cell: Cell) -> AccuracyLine:
        """One arm against its base, or the mean over several repeats of one.

        Items that do not count on one of the sides leave the difference. Draws of one prompt are not independent of
        each other, so their mean is what is resampled.
        """
        key = (cell, tuple(arm.name for arm in arms))
        if key not in self._lines:
            self._lines[key] = self._compare(arms, cell)
        return self._lines[key]

    def against(self, arms: tuple[Arm, ...], others: tuple[Arm, ...], cell: Cell) -> Estimate:
        """The mean over some repeats minus the mean over others, over the items that all of them have."""
        answers = self._answers[cell]
        left, right = ([answers.place[arm.name] for arm in side] for side in (arms, others))
        outcomes = answers.outcomes
        gains = outcomes[left].mean(axis=0) - outcomes[right].mean(axis=0)  # NaN where one does not count
        what = (cell.group, cell.benchmark, [arm.name for arm in arms], [arm.name for arm in others])
        return self._bootstrap.estimate(_per_prompt(gains, answers).tolist(), "against", *what)

    def contrast(self, weights: Mapping[str, float], cells: Sequence[Cell]) -> Estimate:
        """A weighted sum of accuracies, of arms and bases by name: the mean over benchmarks, each of equal weight.

        Over the items that all of them have; prompts are drawn anew within each benchmark, the same for all names.
        """
        key = (tuple(cells), tuple(sorted(weights.items())))
        if key not in self._contrasts:
            found = [self._answers[cell] for cell in cells]
            parts = [_per_prompt(self._weighted(answers, weights), answers).tolist() for answers in found]
            where = [(cell.group, cell.benchmark) for cell in cells]
            self._contrasts[key] = self._bootstrap.of_means(parts, "contrast", sorted(weights.items()), where)
        return self._contrasts[key]

    def of_accuracies(
        self,
        sides: Sequence[Mapping[str, float]],
        cells: Sequence[Cell],
        function: "Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]",
        *what: Any,
    ) -> Estimate:
        """A function of several weighted sums as in `contrast`, over the items that all their names have.

        function: sums (... x sides) to values (...). what: names the function.
        """
        import numpy as np

        parts = []
        for cell in cells:
            answers = self._answers[cell]
            sums = [self._weighted(answers, weights) for weights in sides]
            missing = np.isnan(sums).any(axis=0)
            parts.append(np.stack([_per_prompt(np.where(missing, np.nan, one), answers) for one in sums], axis=1))
        where = [(cell.group, cell.benchmark) for cell in cells]
        return self._bootstrap.of_function(parts, function, *what, [sorted(side.items()) for side in sides], where)

    def _weighted(self, answers: _Answers, weights: Mapping[str, float]) -> "np.ndarray[Any, Any]":
        """By item; NaN where one of the names does not count. Rounded, so that equal sums are equal."""
        rows = [answers.place[name] for name in weights]
        total = (answers.outcomes[rows] * [[weight] for weight in weights.values()]).sum(axis=0)
        return total.round(12)  # type: ignore[no-any-return]

    def _accuracy(self, answers: _Answers, rows: Sequence[int], *what: Any) -> Estimate:
        """Wilson's interval where every trial is of its own: one arm, one draw per prompt.

        Seeds answer the same items, and draws of one prompt are no independent trials: there, prompts are resampled.
        """
        single = answers.problems is None and len(set(answers.prompts.tolist())) == len(answers.prompts)
        if len(rows) == 1 and single:
            return _wilson(answers, rows[0])
        mean = answers.outcomes[list(rows)].mean(axis=0)
        return self._bootstrap.estimate(_per_prompt(mean, answers).tolist(), "accuracy", *what)

    def _compare(self, arms: tuple[Arm, ...], cell: Cell) -> AccuracyLine:
        answers = self._answers[cell]
        policy = arms[0].policy
        what = (cell.group, cell.benchmark, [arm.name for arm in arms])
        rows = [answers.place[arm.name] for arm in arms]
        mean = answers.outcomes[rows].mean(axis=0)  # NaN where one does not count
        accuracy = self._accuracy(answers, rows, *what)
        base = answers.place.get(base_of(policy))
        if base is None:
            return _line(answers, cell, policy, arms, rows, accuracy, None, (0, 0))
        gains = mean - answers.outcomes[base]
        difference = self._bootstrap.estimate(_per_prompt(gains, answers).tolist(), "difference", *what)
        paired = int((gains == gains).sum())
        union = int(answers.there[[base, *rows]].any(axis=0).sum())
        return _line(answers, cell, policy, arms, rows, accuracy, difference, (paired, union - paired))

    def _names(self) -> list[str]:
        return sorted({name for answers in self._answers.values() for name in answers.place})


def _wilson(answers: _Answers, row: int) -> Estimate:
    import numpy as np

    counted = answers.outcomes[row][~np.isnan(answers.outcomes[row])]
    return wilson_interval(int(counted.sum()), len(counted)) if len(counted) else NOTHING


def _line(
    answers: _Answers,
    cell: Cell,
    policy: str,
    arms: tuple[Arm, ...],
    rows: Sequence[int],
    accuracy: Estimate,
    difference: Estimate | None,
    pairing: tuple[int, int],
) -> AccuracyLine:
    chosen = list(rows)
    items = int(answers.there[chosen].sum())
    outcomes = answers.outcomes[chosen]
    return AccuracyLine(
        cell=cell,
        arms=arms,
        policy=policy,
        accuracy=accuracy,
        difference=difference,
        items=items,
        counted=int((outcomes == outcomes).sum()),
        truncated=int(answers.truncated[chosen].sum()) / items if items else None,
        paired=pairing[0],
        unpaired=pairing[1],
    )


def _per_prompt(items: "np.ndarray[Any, Any]", answers: _Answers) -> "np.ndarray[Any, Any]":
    """Values by item as one mean per prompt, in the prompts' order; items without a value left out.

    Prompts that repeat a problem are one value, as they are not independent of each other: so far from the mean that
    each of them counts in the mean of the values (the linearised ratio estimator, Cochran 1977, chapter 6).
    """
    import numpy as np

    known = ~np.isnan(items)
    numbers = answers.prompts[known]
    sums, counts = np.bincount(numbers, items[known]), np.bincount(numbers)
    there = np.flatnonzero(counts)
    means = np.asarray(sums[there] / counts[there])
    if answers.problems is None or not len(means):
        return means
    mean = means.mean()
    _, problems, weights = np.unique(answers.problems[there], return_inverse=True, return_counts=True)
    return np.asarray(mean + np.bincount(problems, means - mean) * len(weights) / len(means))


def _read(paths: Iterable[Path], study: str) -> "pd.DataFrame":
    """All scores: arm, group, benchmark, prompt_id, sample, truncated, and outcome (missing: does not count)."""
    import numpy as np
    import pandas as pd

    frames = []
    for path in sorted(paths):
        arm, _, group = part_after(path, study, "evaluate").rpartition("/")
        table = tables.read_arrow(path, Score, _COLUMNS)
        columns = {name: table.column(name).to_numpy(zero_copy_only=False) for name in _COLUMNS}
        failure = pd.Series(columns["failure"], dtype=object)
        correct = pd.Series(columns["correct"], dtype=object)
        wrong = failure.isin(list(COUNTS_AS_WRONG)).to_numpy()
        frames.append(
            pd.DataFrame(
                {
                    "arm": arm,
                    "group": group,
                    **{name: columns[name] for name in ("benchmark", "prompt_id", "sample")},
                    "outcome": np.where(
                        correct.isna(), np.where(wrong, 0.0, np.nan), correct.eq(True).to_numpy().astype(float)
                    ),
                    "truncated": failure.eq("truncated").to_numpy(),
                }
            )
        )
    columns_read = ["arm", "group", "benchmark", "prompt_id", "sample", "outcome", "truncated"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns_read)


def _check_known(frame: "pd.DataFrame", benchmarks: Sequence[str], groups: Mapping[str, Group]) -> None:
    unknown = sorted(set(frame["benchmark"].unique()) - set(benchmarks))
    if unknown:
        raise StudyError(
            f"scores: there are rows of {', '.join(unknown)}; the benchmarks are {', '.join(benchmarks)}. "
            "Give the report the scores of this study only."
        )
    strays = sorted(set(frame["group"].unique()) - set(groups))
    if strays:
        raise StudyError(
            f"scores: there are tables of the groups {', '.join(strays)}; the groups are {', '.join(groups)}. "
            "Give the report the scores of this study only."
        )


def _answers(rows: "pd.DataFrame", cell: Cell) -> _Answers:
    """The rows of one cell as a matrix."""
    import numpy as np
    import pandas as pd

    arm_codes, arms = pd.factorize(rows["arm"], sort=True)
    prompt_codes, prompt_ids = pd.factorize(rows["prompt_id"], sort=True)
    problems, names = pd.factorize(np.array([problem_of(name) for name in prompt_ids], dtype=object))
    samples = rows["sample"].to_numpy().astype(np.int64)
    keys = prompt_codes.astype(np.int64) * (int(samples.max()) + 1) + samples
    items, item_codes = np.unique(keys, return_inverse=True)
    times = np.zeros((len(arms), len(items)), dtype=np.int64)
    np.add.at(times, (arm_codes, item_codes), 1)
    if (times > 1).any():
        twice = arms[int(np.argwhere(times > 1)[0][0])]
        raise StudyError(f"scores: {twice} has answered an item of {cell.benchmark} twice. Give each table once.")
    outcomes = np.full(times.shape, np.nan)
    outcomes[arm_codes, item_codes] = rows["outcome"].to_numpy()
    return _Answers(
        place={name: number for number, name in enumerate(arms)},
        outcomes=outcomes,
        there=times > 0,
        truncated=np.bincount(arm_codes, rows["truncated"].to_numpy(), minlength=len(arms)),
        prompts=items // (int(samples.max()) + 1),
        problems=problems if len(names) < len(prompt_ids) else None,
    )
