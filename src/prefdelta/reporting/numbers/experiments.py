"""An experiment as a figure: gains over the base, along the generators, against k, or one row per arm."""

from collections.abc import Sequence

from prefdelta.core.arms import Pairing
from prefdelta.core.statistics import NOTHING, Estimate, scaled
from prefdelta.reporting.arms import PARTS, Repeats, families, selection_of
from prefdelta.reporting.content import CONFOUNDED, Content
from prefdelta.reporting.evidence import ExperimentArms
from prefdelta.reporting.figures.canvas import Drawing
from prefdelta.reporting.figures.dots import Band, Dot, DotFigure, DotPanel
from prefdelta.reporting.figures.scaling import ScalingFigure, ScalingPanel, ScalingPlace, Series
from prefdelta.reporting.formats import span
from prefdelta.reporting.numbers.budgets import budgets
from prefdelta.reporting.numbers.gains import POINTS, UNIT
from prefdelta.reporting.panels import panel_head, panel_point, panels

_FIRST = {"methods": ("recipe", "pairing", "selection", "policy")}  # parts of the labels, if not PARTS


def draw_experiment(content: Content, experiment: ExperimentArms) -> Drawing:
    """The figure of an experiment, which has at least one arm."""
    if experiment.figure == "scaling":
        return scaling(content, experiment)
    return budgets(content, experiment) if experiment.several_k else rows(content, content.with_controls(experiment))


def scaling(content: Content, experiment: ExperimentArms) -> ScalingFigure:
    """A place per pairing, at its generator delta; a series per policy, selection, recipe and rejected generator.

    Chosen generators of one family are joined. A generator paired with itself has no delta, however the accuracies of
    its two samples came out.
    """
    arms = experiment.arms
    pairings = list(dict.fromkeys(arm.pairing.undrawn for arm in arms))
    members = families(arms)
    series = list(dict.fromkeys(map(_series, members)))
    by_key = {(_series(repeats), repeats[0].pairing.undrawn): repeats for repeats in members}
    rejected = list(dict.fromkeys(pairing.rejected for pairing in pairings))
    shown_names = {pairing: pairing.chosen if len(rejected) == 1 else str(pairing) for pairing in pairings}
    names = []
    for key in series:
        own = [repeats for repeats in members if _series(repeats) == key]
        differing = [part for place, part in enumerate(key[:3]) if len({other[place] for other in series}) > 1]
        over = [f"over {key[3]}"] if len(rejected) > 1 else []
        names.append(" · ".join([*differing, *over]) + content.mark(*(arm for repeats in own for arm in repeats)))
    shown_panels = []
    for panel in panels(content):
        drawn = [
            Series(
                name,
                [
                    panel_point(content, by_key[key, pairing], panel, shown_names[pairing])
                    if (key, pairing) in by_key
                    else None
                    for pairing in pairings
                ],
            )
            for key, name in zip(series, names, strict=True)
        ]
        shown_panels.append(ScalingPanel(panel_head(content, panel, members), drawn))
    axis = "chosen minus rejected: share of traces that are right, points"
    if len(rejected) == 1:
        axis += f"; rejected: {rejected[0]}"
    if any(map(content.is_confounded, pairings)):
        axis += f"; open: {CONFOUNDED}"
    places = [
        ScalingPlace(
            shown_names[pairing],
            _delta(content, pairing),
            None if content.is_confounded(pairing) else content.families.get(pairing.chosen, ""),
        )
        for pairing in pairings
    ]
    if unknown := [place.name for place in places if place.x.value is None]:
        axis += f"; not drawn, as no grades tell where: {', '.join(unknown)}"
    if known := [place for place in places if place.x.value is not None]:
        axis += f"; n\u00a0=\u00a0{span([place.x.n for place in known])} prompts"
    return ScalingFigure(shown_panels, places, axis, UNIT)


def rows(content: Content, experiment: ExperimentArms) -> DotFigure:
    """A row per arm. If selections are compared, the random ones of a size are the reference for the others."""
    filtering = experiment.figure == "filtering"
    members = filtering_rows(experiment) if filtering else families(experiment.arms)
    labels = content.labels(members, _FIRST.get(experiment.figure, PARTS))
    shown = []
    for panel in panels(content):
        points = [panel_point(content, repeats, panel, label) for repeats, label in zip(members, labels, strict=True)]
        dots = [
            Dot(
                label,
                point,
                (filtering and selection_of(repeats[0]).k is None) or content.is_confounded(repeats[0].pairing),
            )
            for label, point, repeats in zip(labels, points, members, strict=True)
        ]
        bands = [Band(*ends, points[at]) for at, ends in references(members).items()] if filtering else []
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


def _delta(content: Content, pairing: Pairing) -> Estimate:
    """The generator delta in points; 0, which is known, for a generator paired with itself."""
    gap = content.grades.gap(pairing)
    if gap is None:
        return NOTHING
    return Estimate(0.0, None, None, gap.n) if pairing.chosen == pairing.rejected else scaled(gap, POINTS)


def _series(repeats: Repeats) -> tuple[str, str, str, str]:
    first = repeats[0]
    return first.policy, first.selection, first.recipe, first.pairing.undrawn.rejected


def _block(repeats: Repeats) -> tuple[str, Pairing, str, int | None]:
    """The key of arms that differ only in what they select, not in how much."""
    first = repeats[0]
    return first.policy, first.pairing.undrawn, first.recipe, selection_of(first).k
