"""The names of contrasts: what a number compares, said in one way wherever the number is shown.

A name says which arms (selection, pairing, recipe, policy), in which runs, on which benchmarks, at which temperature,
and against what. So two contrasts have one name only if they are one contrast.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from prefdelta.core.arms import Arm
from prefdelta.core.paper_claims import Against
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.arms import Repeats, seed_names, selection_of
from prefdelta.reporting.evidence import AnsweredBenchmarks
from prefdelta.reporting.formats import listed
from prefdelta.reporting.numbers.accuracies import Evaluation

_BEYOND = "beyond base@entropy"  # the untrained policy at the temperature that makes it as sure as the arm
MINUS = " − "


@dataclass(frozen=True, slots=True)
class Where:
    """Benchmarks whose accuracies are averaged, each of equal weight."""

    title: str
    at: str  # the temperature of their answers
    evaluations: Sequence[Evaluation]


@dataclass(frozen=True, slots=True)
class NamedEstimate(Estimate):
    """An estimate that knows what it is of."""

    contrast: str = ""


@dataclass(frozen=True, slots=True)
class ContrastName:
    """The parts of a name. An empty one says nothing."""

    what: str  # gain of top-mean-700; top-mean-700 − random-700
    pairing: str = ""
    recipe: str = ""
    policy: str = ""
    runs: str = ""
    over: str = ""
    at: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        return self.what, self.pairing, self.recipe, self.policy, self.runs, self.over, self.at

    @property
    def name(self) -> str:
        """All of it."""
        return self.without(())

    def __str__(self) -> str:
        return self.name

    def without(self, told: Collection[int]) -> str:
        """The name without some of its parts, by their number."""
        return " · ".join(part for at, part in enumerate(self.parts) if part and at not in told)


_RUNS = 4  # the place of the runs among the parts of a name


def shared_parts(contrasts: Iterable[ContrastName]) -> list[int]:
    """The numbers of the parts, but for the first, that are alike in all of some names: to be said once, above them."""
    columns = list(zip(*(one.parts for one in contrasts), strict=True))
    return [at for at, texts in enumerate(columns) if at and texts[0] and len(set(texts)) == 1]


def common_part(contrasts: Sequence[ContrastName]) -> str:
    """What some names have in common: the words of `shared_parts`."""
    return " · ".join(contrasts[0].parts[at] for at in shared_parts(contrasts))


def short_names(contrasts: Sequence[ContrastName], with_runs: bool = False) -> list[str]:
    """The names without what they have in common. with_runs: with the runs, also if they have these in common."""
    told = [at for at in shared_parts(contrasts) if not (with_runs and at == _RUNS)]
    return [one.without(told) for one in contrasts]


def named(estimate: Estimate, contrast: ContrastName) -> NamedEstimate:
    """The estimate, with the name of what it is of."""
    values = (estimate.value, estimate.low, estimate.high, estimate.n, estimate.se, estimate.df, estimate.run_df)
    return NamedEstimate(*values, contrast.name)


def where(evidence: AnsweredBenchmarks, title: str, evaluations: Sequence[Evaluation]) -> Where:
    """The place of a number. title: of several benchmarks together."""
    several = f"{title} (mean of {len(evaluations)})"
    own = _benchmark(evidence, evaluations[0].benchmark) if len(evaluations) == 1 else several
    return Where(own, _temperatures(evidence, evaluations), evaluations)


def gain(repeats: Repeats, place: Where, against: Against = "base") -> ContrastName:
    """The mean of some repeats minus their untrained policy."""
    return contrast("gain of", [[repeats]], place, against=against)


def beside(repeats: Repeats, place: Where, what: str) -> ContrastName:
    """A number of some arms that is none of theirs alone: what its words say, with the parts of their name."""
    one = gain(repeats, place)
    return replace(one, what=f"{what} {one.what.removeprefix('gain of ')}")


def contrast(
    how: str,
    sides: Sequence[Sequence[Repeats]],
    place: Where,
    *,
    against: Against = "base",
    between: str = MINUS,
) -> ContrastName:
    """Families of arms, or their mean, minus others: in `what` stands only that in which the sides differ.

    how: words before them. between: words between two sides.
    """
    parts = [_parts(side) for side in sides]
    alike = [len({part[at] for part in parts}) == 1 for at in range(len(parts[0]))]
    heads = [
        " ".join(text for at, text in enumerate(part) if not alike[at] or at == 0) for part in parts
    ]  # the selection is always told
    if alike[0] and len(parts) > 1 and not all(alike):  # ... once, where both sides have the same
        heads = [" ".join(text for at, text in enumerate(part) if not alike[at]) for part in parts]
        heads[0] = f"{parts[0][0]}: {heads[0]}"
    what = " ".join(filter(None, [how, between.join(heads), _BEYOND if against == "sharpened" else ""]))
    first = parts[0]
    pairing, recipe, policy, runs = (first[at] if alike[at] else "" for at in range(1, 5))
    return ContrastName(what, pairing, recipe, policy, runs, place.title, place.at)


def along(
    how: str, families: Sequence[Repeats], place: Where, *, against: Against = "base", pairings: str = ""
) -> ContrastName:
    """A number over arms that differ in their pairing. pairings: how these are named; default: by the chosen sides."""
    first = families[0][0].pairing.undrawn
    chosen = listed(repeats[0].pairing.undrawn.chosen for repeats in families)
    named = pairings or f"along {chosen} over {first.rejected}"
    selection, _, recipe, policy, runs = _parts(families)
    beyond = f" {_BEYOND}" if against == "sharpened" else ""
    return ContrastName(f"{how}{beyond} {named}", selection, recipe, policy, runs, place.title, place.at)


def _parts(side: Sequence[Repeats]) -> tuple[str, str, str, str, str]:
    """(selection, pairing, recipe, policy, runs) of some families."""
    arms = [arm for repeats in side for arm in repeats]
    selections = _each(_selection(repeats) for repeats in side)
    several = len(selections) > 1
    return (
        f"mean of {listed(selections)}" if several else selections[0],
        listed(_each(str(arm.pairing.undrawn) for arm in arms)),
        listed(_each(arm.recipe for arm in arms)),
        listed(_each(arm.policy for arm in arms)),
        _runs(side),
    )


def _selection(repeats: Repeats) -> str:
    """The name of what some repeats train on; of several random draws, with the seeds of all."""
    names = _each(arm.selection for arm in repeats)
    if len(names) == 1:
        return selection_of(repeats[0]).label if selection_of(repeats[0]).cell else names[0]
    draws = sorted({selection_of(arm).seed or 0 for arm in repeats})
    return f"{selection_of(repeats[0]).family}-s{','.join(map(str, draws))}"


def _runs(side: Sequence[Repeats]) -> str:
    """The runs of some families; if they differ, those of each."""
    groups: dict[str, list[Arm]] = {}
    for repeats in side:
        for arm in repeats:
            groups.setdefault(f"{arm.selection} {arm.pairing.undrawn} {arm.recipe} {arm.policy}", []).append(arm)
    by_group = {name: listed(seed_names(arms)) for name, arms in groups.items()}
    if len(set(by_group.values())) == 1:
        seeds = next(iter(by_group.values()))
        return f"seed{'s' if ',' in seeds else ''} {seeds}"
    by_seeds: dict[str, list[str]] = {}
    for name, seeds in by_group.items():
        by_seeds.setdefault(seeds, []).append(name)
    differing = _differing(list(by_group))
    return "; ".join(
        f"seed{'s' if ',' in seeds else ''} {seeds} ({listed(differing[name] for name in names)})"
        for seeds, names in by_seeds.items()
    )


def _differing(names: Sequence[str]) -> dict[str, str]:
    """Name of an arm -> those of its words in which the names differ."""
    words = [name.split(" ") for name in names]
    apart = [at for at, texts in enumerate(zip(*words, strict=True)) if len(set(texts)) > 1]
    return {name: " ".join(of[at] for at in apart) for name, of in zip(names, words, strict=True)}


def _benchmark(evidence: AnsweredBenchmarks, name: str) -> str:
    """A benchmark's title, with its name if another has the same title."""
    title = evidence.benchmarks[name].title
    return title if sum(label.title == title for label in evidence.benchmarks.values()) == 1 else f"{title} ({name})"


def _temperatures(evidence: AnsweredBenchmarks, evaluations: Sequence[Evaluation]) -> str:
    groups = [evidence.groups[evaluation.group] for evaluation in evaluations]
    degrees = sorted({group.temperature for group in groups})
    told = "greedy" if degrees == [0] else f"T = {listed(f'{degree:g}' for degree in degrees)}"
    alike = [
        other
        for other in evidence.groups.values()
        if other not in groups
        and other.temperature in degrees
        and any(evaluation.benchmark in other.benchmarks for evaluation in evaluations)
    ]
    return f"{told}, {listed(_each(group.title for group in groups))}" if alike else told


def _each(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
