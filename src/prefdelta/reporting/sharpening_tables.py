"""Tables of what sharper sampling alone gains: by temperature, per arm, and pass@k."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from prefdelta.core.arms import Base
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.arms import Repeats, families
from prefdelta.reporting.captions import PAIRED, caption
from prefdelta.reporting.content import Content
from prefdelta.reporting.contrasts import ContrastName, beside, gain, named, where
from prefdelta.reporting.evidence import title_of
from prefdelta.reporting.formats import count, decimal, listed
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.gains import gain_weights
from prefdelta.reporting.numbers.passes import pass_at, sizes
from prefdelta.reporting.numbers.sharpening import Sharpening, grid, mean_entropy, sharpening

_SHOWN = ("beyond sharpening", "sharpening", "undecided", "no gain", "not measured")


@dataclass(frozen=True, slots=True)
class Side:
    """The primary benchmarks in domain, or those out of it."""

    title: str
    evaluations: Sequence[Evaluation]


@dataclass(frozen=True, slots=True)
class SharpeningRow:
    side: str
    found: Sharpening
    temperatures: str  # of base@entropy: "0.82" or "0.78–0.86"
    remarks: str  # what the verdict lacks, and why a match is not exact


@dataclass(frozen=True, slots=True)
class GridRow:
    """An untrained policy at one temperature."""

    policy: str
    temperature: str
    accuracies: Sequence[Estimate | None]  # one per benchmark
    entropies: Sequence[float | None]  # nats per token


@dataclass(frozen=True, slots=True)
class PassRow:
    label: str
    base: bool
    values: Sequence[Estimate]  # one per k: accuracy of a base, gain of an arm


@dataclass(frozen=True, slots=True)
class PassTable:
    title: str
    ks: Sequence[int]
    rows: Sequence[PassRow]


@dataclass(frozen=True, slots=True)
class SharpeningTables:
    words: str  # what the rows say, in a sentence
    benchmarks: Sequence[str]
    grid: Sequence[GridRow]
    rows: Sequence[SharpeningRow]
    temperatures: Sequence[float]  # at which arms were evaluated besides, coolest first
    caption: str
    passes: Sequence[PassTable]


def sharpening_tables(content: Content) -> SharpeningTables | None:
    """All tables; None if no untrained policy answered at further temperatures, and no problem twice."""
    rows, passes = list(_rows(content)), pass_tables(content)
    if not rows and not passes:
        return None
    found = [row.found for row in rows]
    return SharpeningTables(
        words=_words(found),
        benchmarks=[title_of(content, evaluation) for evaluation in content.scores.evaluations(primary=True)],
        grid=list(_grid_rows(content)) if rows else [],
        rows=rows,
        temperatures=sorted({temperature for one in found for temperature in one.at}),
        caption=caption(
            [each for one in found for each in (one.gain, one.beyond)],
            arms=[arm for one in found for arm in one.arms],
            paired=PAIRED,
        ),
        passes=passes,
    )


def sides(content: Content) -> list[Side]:
    """In domain, and out of domain, if there are benchmarks."""
    primary = content.scores.evaluations(primary=True)
    both = [
        Side(title, [one for one in primary if content.benchmarks[one.benchmark].in_domain is inside])
        for title, inside in (("in domain", True), ("out of domain", False))
    ]
    return [side for side in both if side.evaluations]


def pass_tables(content: Content) -> list[PassTable]:
    """pass@k of the untrained policies, and what arms gain on it: in domain, and out; none without several answers."""
    tables = []
    for side in sides(content):
        matrices = [answers for one in side.evaluations if (answers := content.scores.answers(one))]
        most = min((int(matrix.samples.max()) for matrix in matrices), default=1)
        if most < 2:
            continue
        ks = sizes(most)
        at = [content.scores.mapped(partial(pass_at, k=k)) for k in ks]
        bases = [
            base for base in map(Base, content.scores.policies()) if all(at[0].has(base, e) for e in side.evaluations)
        ]
        rows = [
            PassRow(
                f"{base.policy}, untrained",
                base=True,
                values=[scores.weighted_difference({base: 1.0}, side.evaluations) for scores in at],
            )
            for base in bases
        ]
        rows += [
            PassRow(
                repeats[0].family,
                base=False,
                values=[scores.weighted_difference(gain_weights(repeats), side.evaluations) for scores in at],
            )
            for repeats in families(content.all_arms())
            if repeats[0].base in bases
        ]
        tables.append(PassTable(side.title, ks, rows))
    return tables


def _rows(content: Content) -> Iterable[SharpeningRow]:
    """A row per family whose untrained policy has a grid, and side."""
    inside = [one for side in sides(content) if side.title == "in domain" for one in side.evaluations]
    for repeats in families(content.all_arms()):
        for side in sides(content):
            if not all(_has_grid(content, repeats, evaluation) for evaluation in side.evaluations):
                continue
            elsewhere = _elsewhere(content, side.evaluations)
            found = sharpening(content.scores, repeats, side.evaluations, inside, elsewhere)
            remarks = _matched(content, side.evaluations, found)
            yield SharpeningRow(side.title, _named(content, found, side, elsewhere), *remarks)


def _named(
    content: Content, found: Sharpening, side: Side, elsewhere: Mapping[float, Sequence[Evaluation]]
) -> Sharpening:
    """The same numbers, with the names of what they are of."""
    place, repeats = where(content, side.title, side.evaluations), found.arms
    at = {
        temperature: named(one, gain(repeats, where(content, side.title, elsewhere[temperature])))
        for temperature, one in found.at.items()
    }
    best = found.best and (
        found.best[0],
        named(found.best[1], ContrastName(f"gain of {found.best[0]}", over=place.title)),
    )
    return replace(
        found,
        gain=named(found.gain, gain(repeats, place)),
        sharpened=named(found.sharpened, beside(repeats, place, "gain of base@entropy of")),
        beyond=named(found.beyond, gain(repeats, place, "sharpened")),
        beyond_gain=named(found.beyond_gain, beside(repeats, place, "what is beyond base@gain of")),
        at=at,
        best=best,
    )


def _has_grid(content: Content, repeats: Repeats, evaluation: Evaluation) -> bool:
    answers = content.scores.answers(evaluation)
    return answers is not None and bool(grid(answers, repeats[0].policy))


def _elsewhere(content: Content, evaluations: Sequence[Evaluation]) -> Mapping[float, Sequence[Evaluation]]:
    """Temperature -> the same benchmarks in secondary groups at that temperature, if all are there."""
    by_temperature: dict[float, dict[str, Evaluation]] = {}
    for evaluation in content.scores.evaluations(primary=False):
        temperature = content.groups[evaluation.group].temperature
        by_temperature.setdefault(temperature, {})[evaluation.benchmark] = evaluation
    own = {content.groups[evaluation.group].temperature for evaluation in evaluations}
    names = [evaluation.benchmark for evaluation in evaluations]
    return {
        temperature: [there[name] for name in names]
        for temperature, there in by_temperature.items()
        if temperature not in own and all(name in there for name in names)
    }


def _matched(content: Content, evaluations: Sequence[Evaluation], found: Sharpening) -> tuple[str, str]:
    """(temperatures of base@entropy, what is to be said of the verdict, and of matches outside of the grid)."""
    if len(found.matches) < len(evaluations):
        return "", "the entropy is not known"
    own = [content.groups[evaluation.group].temperature for evaluation in evaluations]
    degrees = [decimal(match.temperature(at), 2) for match, at in zip(found.matches, own, strict=True)]
    low, high = min(degrees), max(degrees)
    cooler = sum(match.outside == "cooler" for match in found.matches)
    hotter = sum(match.outside == "hotter" for match in found.matches)
    of = f"of {count(len(evaluations))} benchmarks"
    alone = 0.0 not in found.at and found.verdict in ("beyond sharpening", "sharpening")
    parts = ["by the grid alone: no greedy answers"] if alone else []
    parts += [f"sharper than the coolest of the grid on {count(cooler)} {of}"] if cooler else []
    parts += [f"less sharp than the untrained policy on {count(hotter)} {of}"] if hotter else []
    return low if low == high else f"{low}–{high}", listed(parts)


def _grid_rows(content: Content) -> Iterable[GridRow]:
    scores, primary = content.scores, content.scores.evaluations(primary=True)
    for policy in scores.policies():
        members = [member for one in primary if (answers := scores.answers(one)) for member in grid(answers, policy)]
        for member in sorted(dict.fromkeys(members), key=lambda base: -(base.temperature or float("inf"))):
            there = [one if scores.has(member, one) else None for one in primary]
            yield GridRow(
                policy,
                "as arms" if member.temperature is None else f"{member.temperature:g}",
                [None if one is None else scores.weighted_difference({member: 1.0}, [one]) for one in there],
                [None if one is None else mean_entropy(scores, [member], one) for one in there],
            )


def _words(found: Sequence[Sharpening]) -> str:
    """How many rows have each verdict."""
    verdicts = [one.verdict for one in found]
    counts = {verdict: verdicts.count(verdict) for verdict in _SHOWN if verdict in verdicts}
    return listed(f"{verdict} {count(number)}" for verdict, number in counts.items())
