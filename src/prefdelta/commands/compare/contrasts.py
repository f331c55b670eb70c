"""One arm minus another, by panel or benchmark: the report's own differences and intervals, with a verdict."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, get_args

from prefdelta.commands.looking.answers import (
    Answered,
    Side,
    accuracy,
    members,
    read_answers,
    report_settings,
    truncated,
    weights_of,
)
from prefdelta.commands.looking.names import find_arms, find_group
from prefdelta.commands.looking.results import Results
from prefdelta.core.arms import Arm, Base
from prefdelta.core.errors import StudyError
from prefdelta.core.paper_claims import Over
from prefdelta.core.statistics import NOTHING, Estimate, minimum_detectable
from prefdelta.reporting.claims.arms import places_to_measure
from prefdelta.reporting.evidence import title_of
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.gains import ArmWeights
from prefdelta.stages.report import ReportSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["better", "worse", "not told apart", "not known"]
Places = Sequence[tuple[str, Sequence[Evaluation]]]  # title -> what is averaged
OVER = ("panels", "benchmarks", "in_domain", "out_of_domain", "all")
EXPECTATIONS = ("better", "not_worse")
RULE = "better or worse: the 95% interval of the difference excludes 0; else not told apart."


@dataclass(frozen=True, slots=True)
class ComparedSide:
    name: str
    arms: list[str]  # those that count in a contrast; or the untrained policy
    not_evaluated: list[str]  # repeats that count in none, for want of answers


@dataclass(frozen=True, slots=True)
class Contrast:
    """First minus second, on one panel or benchmark. Shares, not points."""

    over: str  # title of the panel or benchmark
    groups: list[str]
    benchmarks: list[str]
    first_arms: list[str]  # those that answered all of the benchmarks, so count here
    second_arms: list[str]
    first: Estimate  # accuracy
    second: Estimate
    difference: Estimate  # over the problems that both answered: n of them
    verdict: Verdict
    smallest_effect: float | None  # smallest true difference that 80% of such studies tell apart
    won: int  # problems that the first solves, or solves more often
    lost: int  # problems that the second solves, or solves more often
    first_truncated: float | None  # share of the answers
    second_truncated: float | None


@dataclass(frozen=True, slots=True)
class ComparisonDocument:
    study: str
    first: ComparedSide
    second: ComparedSide
    rule: str
    contrasts: list[Contrast]
    items: "list[ChangedItem]"  # only with --items


@dataclass(frozen=True, slots=True)
class ChangedItem:
    """A problem that one side solves more often than the other."""

    item: str  # <benchmark>/<prompt_id>
    group: str
    change: Literal["won", "lost"]  # for the first
    first: float  # share of its answers that are right
    second: float
    problem: str
    first_answers: list[str]  # the final answers as found; an empty one: none was found
    second_answers: list[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared."""

    study: str
    names: tuple[str, str]
    sides: tuple[Side, Side]
    answered: Answered
    places: Places
    contrasts: list[Contrast]

    def document(self, items: list[ChangedItem]) -> ComparisonDocument:
        first, second = (
            _compared_side(name, side, {arm for contrast in self.contrasts for arm in counted(contrast)})
            for name, side, counted in zip(
                self.names, self.sides, (attrgetter("first_arms"), attrgetter("second_arms")), strict=True
            )
        )
        return ComparisonDocument(self.study, first, second, rule_of(self.contrasts), self.contrasts, items)


def compare(results: Results, first: str, second: str, *, on: str, level: str | None, group: str | None) -> Comparison:
    """First minus second. on: a domain, a benchmark, or one of OVER. level, group: see `prefdelta compare --help`.

    Raises StudyError if the study has no such arms or benchmarks, or if one side has no answers yet.
    """
    sides = (find_arms(results, first), find_arms(results, second))
    if set(members(sides[0])) & set(members(sides[1])):
        raise StudyError(f"{first} and {second}: have an arm in common. Name two arms, or two families of arms.")
    settings = report_settings(results)
    primary = [name for name, one in settings.groups.items() if one.primary]
    groups = primary if group is None else [find_group(results, group)]
    benchmarks = _benchmarks(settings, groups, on, level)
    answered = read_answers(results, groups, benchmarks)
    places = _places(answered, on)
    if not places:
        raise _no_benchmark(on, level, groups)
    contrasts = [_contrast(answered, sides, title, evaluations) for title, evaluations in places]
    if not any(contrast.difference.n for contrast in contrasts):
        raise StudyError(_why_none(answered, (first, second), sides, places))
    return Comparison(results.name, (first, second), sides, answered, places, contrasts)


def rule_of(contrasts: Iterable[Contrast]) -> str:
    """How the verdicts are found, and which luck their intervals hold."""
    known = [contrast for contrast in contrasts if contrast.difference.value is not None]
    alone = [contrast.over for contrast in known if contrast.difference.run_df == 0]
    if all(contrast.difference.run_df is None for contrast in known):
        luck = "problems; no trained arm takes part."
    elif len(alone) == len(known):
        luck = "problems, not of runs: no arm of this study is repeated yet."
    elif alone:
        luck = f"problems and of runs, on {', '.join(alone)} of problems only: no arm is repeated there yet."
    else:
        luck = "problems and of runs."
    return f"{RULE} The interval holds the luck of {luck}"


def as_expected(contrasts: Iterable[Contrast], expectation: str) -> bool:
    """Whether every contrast is as expected."""
    allowed = {"better": {"better"}, "not_worse": {"better", "not told apart"}}[expectation]
    return all(contrast.verdict in allowed for contrast in contrasts)


def weights(sides: tuple[Side, Side]) -> ArmWeights:
    """The weights of first minus second. The sides have no arm in common."""
    return {**weights_of(sides[0]), **{arm: -weight for arm, weight in weights_of(sides[1]).items()}}


def on_all(answered: Answered, side: Side, evaluations: Sequence[Evaluation]) -> Side | None:
    """The side's arms that answered all of some benchmarks; None without any."""
    there = tuple(arm for arm in members(side) if all(answered.scores.has(arm, one) for one in evaluations))
    if isinstance(side, Base):
        return side if there else None
    return tuple(arm for arm in there if isinstance(arm, Arm)) or None


def _compared_side(name: str, side: Side, counted: Collection[str]) -> ComparedSide:
    arms = list(map(str, members(side)))
    return ComparedSide(name, [arm for arm in arms if arm in counted], [arm for arm in arms if arm not in counted])


def _why_none(answered: Answered, names: tuple[str, str], sides: tuple[Side, Side], places: Places) -> str:
    """Why no place has a difference: what each side lacks, in the arm that lacks least."""
    lacking = []
    for name, side in zip(names, sides, strict=True):
        missing = [
            evaluation
            for _, evaluations in places
            for evaluation in min(
                ([one for one in evaluations if not answered.scores.has(arm, one)] for arm in members(side)), key=len
            )
        ]
        if missing:
            listed = ", ".join(f"{one.benchmark} ({one.group})" for one in missing)
            lacking.append(f"{name}: has no answers yet to {listed}")
    if not lacking:
        return (
            f"{' and '.join(names)}: no problem counts on both sides; their answers failed, or are to other problems."
        )
    return (
        f"{'; '.join(lacking)}. `prefdelta status` says how far the study is; a group may ask only the arms of some "
        "experiments (evaluate.groups)."
    )


def _benchmarks(settings: ReportSettings, groups: Collection[str], on: str, level: str | None) -> set[str]:
    """The benchmarks that count. Raises StudyError if there are none."""
    domains = sorted({benchmark.domain for benchmark in settings.benchmarks.values()})
    if on not in (*OVER, *domains, *settings.benchmarks):
        raise StudyError(
            f"--on: {on!r} is none of {', '.join(OVER)}, nor a domain of this study ({', '.join(domains)}), nor one of "
            f"its benchmarks ({', '.join(settings.benchmarks)})."
        )
    found = {
        name
        for name, benchmark in settings.benchmarks.items()
        if (on in OVER or on in (benchmark.domain, name))
        and level in (None, benchmark.difficulty)
        and any(name in settings.groups[group].benchmarks for group in groups)
    }
    if not found:
        raise _no_benchmark(on, level, groups)
    return found


def _no_benchmark(on: str, level: str | None, groups: Iterable[str]) -> StudyError:
    of_level = f" of the level {level}" if level else ""
    return StudyError(f"--on {on}: no benchmark{of_level} in {', '.join(groups)}.")


def _places(answered: Answered, on: str) -> Places:
    if on in answered.benchmarks or on == "benchmarks":
        return [(title_of(answered, one), [one]) for one in answered.scores.evaluations(primary=True)]
    over: Over = on if on in get_args(Over) else "panels"  # type: ignore[assignment]
    return [(place.title, place.evaluations) for place in places_to_measure(answered, over)]


def _contrast(answered: Answered, sides: tuple[Side, Side], title: str, evaluations: Sequence[Evaluation]) -> Contrast:
    scores = answered.scores
    first, second = (on_all(answered, side, evaluations) for side in sides)
    difference, won, lost = NOTHING, 0, 0
    if first is not None and second is not None:
        difference = scores.weighted_difference(weights((first, second)), evaluations)
        for evaluation in evaluations:
            changes = _changes(answered, weights((first, second)), evaluation)
            won, lost = won + int((changes > 0).sum()), lost + int((changes < 0).sum())
    return Contrast(
        over=title,
        groups=list(dict.fromkeys(evaluation.group for evaluation in evaluations)),
        benchmarks=list(dict.fromkeys(evaluation.benchmark for evaluation in evaluations)),
        first_arms=list(map(str, members(first))) if first else [],
        second_arms=list(map(str, members(second))) if second else [],
        first=accuracy(scores, first, evaluations) if first else NOTHING,
        second=accuracy(scores, second, evaluations) if second else NOTHING,
        difference=difference,
        verdict=_verdict(difference),
        smallest_effect=minimum_detectable(difference),
        won=won,
        lost=lost,
        first_truncated=truncated(scores, first, evaluations) if first else None,
        second_truncated=truncated(scores, second, evaluations) if second else None,
    )


def _changes(answered: Answered, sides: ArmWeights, evaluation: Evaluation) -> "NDArray[np.float64]":
    """First minus second, one value per problem: the sum over the prompts that ask it and count on both sides."""
    import numpy as np

    answers = answered.scores.answers(evaluation)
    assert answers is not None, "both sides have answers"
    changes = answers.weighted(sides)
    if answers.problems is None:
        return changes
    sums = np.zeros(int(answers.problems.max()) + 1)
    np.add.at(sums, answers.problems, np.nan_to_num(changes))
    return sums.round(12)


def _verdict(difference: Estimate) -> Verdict:
    if difference.low is None or difference.high is None:
        return "not known"
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "not told apart"
