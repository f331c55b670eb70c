"""One arm minus another, by panel or benchmark: the report's own differences and intervals, with a verdict."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

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
from prefdelta.commands.looking.names import find_arms
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

Verdict = Literal["better", "worse", "not told apart", "not known"]
OVER = ("panels", "benchmarks", "in_domain", "out_of_domain", "all")
EXPECTATIONS = ("better", "not_worse")
RULE = (
    "better or worse: the 95% interval of the difference excludes 0; else not told apart. The interval holds the luck "
    "of problems and of runs."
)


@dataclass(frozen=True, slots=True)
class ComparedSide:
    name: str
    arms: list[str]  # those that count; or the untrained policy
    not_evaluated: list[str]  # repeats that have no answers yet


@dataclass(frozen=True, slots=True)
class Contrast:
    """First minus second, on one panel or benchmark. Shares, not points."""

    over: str  # title of the panel or benchmark
    groups: list[str]
    benchmarks: list[str]
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
    places: Sequence[tuple[str, Sequence[Evaluation]]]  # title -> what is averaged
    contrasts: list[Contrast]

    def document(self, items: list[ChangedItem]) -> ComparisonDocument:
        first, second = (self._side(name, side) for name, side in zip(self.names, self.sides, strict=True))
        return ComparisonDocument(self.study, first, second, RULE, self.contrasts, items)

    def _side(self, name: str, side: Side) -> ComparedSide:
        evaluations = [evaluation for _, found in self.places for evaluation in found]
        there = [arm for arm in members(side) if all(self.answered.scores.has(arm, one) for one in evaluations)]
        return ComparedSide(name, list(map(str, there)), [str(arm) for arm in members(side) if arm not in there])


def compare(results: Results, first: str, second: str, *, on: str, level: str | None, group: str | None) -> Comparison:
    """First minus second. on: a domain, a benchmark, or one of OVER. level, group: see `prefdelta compare --help`.

    Raises StudyError if the study has no such arms or benchmarks, or if one side has no answers yet.
    """
    sides = (find_arms(results, first), find_arms(results, second))
    if set(members(sides[0])) & set(members(sides[1])):
        raise StudyError(f"{first} and {second}: have an arm in common. Name two arms, or two families of arms.")
    settings = report_settings(results)
    groups = _groups(settings, group)
    benchmarks = _benchmarks(settings, groups, on, level)
    answered = read_answers(results, groups, benchmarks)
    places = _places(answered, on)
    contrasts = [_contrast(answered, sides, title, evaluations) for title, evaluations in places]
    if not any(contrast.difference.n for contrast in contrasts):
        waiting = [name for name, side in zip((first, second), sides, strict=True) if not _there(answered, side)]
        raise StudyError(
            f"{' and '.join(waiting or [first, second])}: no answers in {', '.join(groups)} on "
            f"{', '.join(sorted(benchmarks))} yet. `prefdelta status` says how far the study is; a group may ask only "
            "the arms of some experiments (evaluate.groups)."
        )
    return Comparison(results.name, (first, second), sides, answered, places, contrasts)


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


def _there(answered: Answered, side: Side) -> bool:
    return any(on_all(answered, side, [one]) for one in answered.scores.evaluations(primary=True))


def _groups(settings: ReportSettings, group: str | None) -> list[str]:
    if group is None:
        return [name for name, one in settings.groups.items() if one.primary]
    if group not in settings.groups:
        raise StudyError(f"--group: the study has no group {group!r}; it has {', '.join(settings.groups)}.")
    return [group]


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
        of_level = f" of the level {level}" if level else ""
        raise StudyError(f"--on {on}: no benchmark{of_level} in {', '.join(groups)}.")
    return found


def _places(answered: Answered, on: str) -> list[tuple[str, Sequence[Evaluation]]]:
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
            answers = scores.answers(evaluation)
            assert answers is not None, "both sides have answers"
            changes = answers.weighted(weights((first, second)))
            won, lost = won + int((changes > 0).sum()), lost + int((changes < 0).sum())
    return Contrast(
        over=title,
        groups=list(dict.fromkeys(evaluation.group for evaluation in evaluations)),
        benchmarks=list(dict.fromkeys(evaluation.benchmark for evaluation in evaluations)),
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


def _verdict(difference: Estimate) -> Verdict:
    if difference.low is None or difference.high is None:
        return "not known"
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "not told apart"
