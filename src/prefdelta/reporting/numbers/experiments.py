"""An experiment as a figure: gains over the base, along the generators, against k, or one row per arm."""

from collections.abc import Sequence

from prefdelta.core.arms import Pairing
from prefdelta.reporting.arms import PARTS, Repeats, families, selection_of, short_labels
from prefdelta.reporting.content import CONFOUNDED, Content
from prefdelta.reporting.evidence import ExperimentArms
from prefdelta.reporting.figures.canvas import Drawing
from prefdelta.reporting.figures.dots import Band, Dot, DotFigure, DotPanel
from prefdelta.reporting.figures.scaling import ScalingFigure, ScalingPanel, Series
from prefdelta.reporting.formats import NONE, percent
from prefdelta.reporting.numbers.budgets import budgets
from prefdelta.reporting.numbers.gains import UNIT
from prefdelta.reporting.panels import panel_head, panel_point, panels

_SERIES = ("policy", "selection", "recipe")  # parts of the names of series
_FIRST = {"methods": ("recipe", "pairing", "selection", "policy")}  # parts of the labels, if not PARTS


def draw_experiment(content: Content, experiment: ExperimentArms) -> Drawing:
    """The figure of an experiment, which has at least one arm."""
    if experiment.figure == "scaling":
        return scaling(content, experiment)
    return budgets(content, experiment) if experiment.several_k else rows(content, content.with_controls(experiment))


def scaling(content: Content, experiment: ExperimentArms) -> ScalingFigure:
    """A place per pairing, a generator paired with itself first; a series per policy, selection and recipe."""
    arms = experiment.arms
    pairings = sorted(
        dict.fromkeys(arm.pairing.undrawn for arm in arms), key=lambda pairing: pairing.chosen != pairing.rejected
    )
    members = families(arms)
    series = list(dict.fromkeys(map(_series, members)))
    by_key = {(_series(repeats), repeats[0].pairing.undrawn): repeats for repeats in members}
    firsts = [next(repeats for repeats in members if _series(repeats) == key) for key in series]
    marks = [
        content.mark(*(arm for repeats in members if _series(repeats) == key for arm in repeats)) for key in series
    ]
    names = [f"{name}{mark}" for name, mark in zip(short_labels(firsts, _SERIES), marks, strict=True)]
    shown_panels = []
    for panel in panels(content):
        drawn = [
            Series(
                name,
                [
                    panel_point(content, by_key[key, pairing], panel) if (key, pairing) in by_key else None
                    for pairing in pairings
                ],
            )
            for key, name in zip(series, names, strict=True)
        ]
        shown_panels.append(ScalingPanel(panel_head(content, panel, members), drawn))
    rejected = {pairing.rejected for pairing in pairings}
    axis = "chosen generator, and the share of its traces that are right"
    if len(rejected) == 1:
        axis += f"; rejected: {rejected.pop()}"
        shown = [pairing.chosen for pairing in pairings]
    else:
        shown = list(map(str, pairings))
    apart = {place for place, pairing in enumerate(pairings) if content.is_confounded(pairing)}
    if apart:
        axis += f"; open: {CONFOUNDED}"
    places = [f"{name}\n{_accuracy(content, pairing)}" for name, pairing in zip(shown, pairings, strict=True)]
    return ScalingFigure(shown_panels, places, axis, UNIT, frozenset(apart))


def rows(content: Content, experiment: ExperimentArms) -> DotFigure:
    """A row per arm. If selections are compared, the random ones of a size are the reference for the others."""
    filtering = experiment.figure == "filtering"
    members = filtering_rows(experiment) if filtering else families(experiment.arms)
    labels = content.labels(members, _FIRST.get(experiment.figure, PARTS))
    shown = []
    for panel in panels(content):
        points = [panel_point(content, repeats, panel) for repeats in members]
        dots = [
            Dot(
                label,
                point,
                (filtering and selection_of(repeats[0]).k is None) or content.is_confounded(repeats[0].pairing),
            )
            for label, point, repeats in zip(labels, points, members, strict=True)
        ]
        bands = [Band(*ends, points[at].estimate) for at, ends in references(members).items()] if filtering else []
        shown.append(DotPanel(panel_head(content, panel, members), dots, bands))
    return DotFigure(shown, UNIT)


def filtering_rows(experiment: ExperimentArms) -> list[Repeats]:
    """Selections of all pairs first, then the others grouped by size, with the random ones first in each group."""
    members = families(experiment.arms, merge_draws=True)
    blocks = list(dict.fromkeys(map(_block, members)))
    order = {block: number for number, block in enumerate(sorted(blocks, key=lambda block: block[-1] is not None))}
    return sorted(members, key=lambda repeats: (order[_block(repeats)], selection_of(repeats[0]).kind != "random"))


def references(members: Sequence[Repeats]) -> dict[int, tuple[int, int]]:
    """Row of random selections -> first and last row of the selections of their size."""
    spans = {}
    for at, repeats in enumerate(members):
        if selection_of(repeats[0]).kind == "random":
            same = [row for row, other in enumerate(members) if _block(other) == _block(repeats)]
            spans[at] = (same[0], same[-1])
    return spans


def _accuracy(content: Content, pairing: Pairing) -> str:
    accuracy = content.grades.accuracy(pairing.chosen)
    return NONE if accuracy is None or accuracy.value is None else f"{percent(accuracy.value)}%"


def _series(repeats: Repeats) -> tuple[str, str, str]:
    return repeats[0].policy, repeats[0].selection, repeats[0].recipe


def _block(repeats: Repeats) -> tuple[str, Pairing, str, int | None]:
    """The key of arms that differ only in what they select, not in how much."""
    first = repeats[0]
    return first.policy, first.pairing.undrawn, first.recipe, selection_of(first).k
