"""All figures of the report, by the names of their files."""

from prefdelta.core.arms import Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import NOTHING, Estimate, scaled
from prefdelta.reporting.content import Content, Overlaps
from prefdelta.reporting.figures.canvas import Drawing
from prefdelta.reporting.figures.dots import Dot, DotFigure, DotPanel
from prefdelta.reporting.figures.heatmap import HeatFigure, HeatPanel, Shared
from prefdelta.reporting.figures.marks import Head, Point
from prefdelta.reporting.figures.scatter import Crossing, ScatterFigure, ScatterPanel
from prefdelta.reporting.figures.values import MarkSource
from prefdelta.reporting.formats import span
from prefdelta.reporting.numbers.deltas import DeltaLine
from prefdelta.reporting.numbers.experiments import draw_experiment

OVERLAP, DELTAS, GAPS = "overlap", "deltas", "gaps"


def drawings(content: Content) -> dict[str, Drawing]:
    """File name -> drawing: one per experiment with arms, by its key, and those of overlap, deltas and gaps."""
    taken = sorted({OVERLAP, DELTAS, GAPS} & set(content.experiments))
    if taken:
        raise StudyError(f"experiments: {', '.join(taken)} is the name of a figure of the report; choose another.")
    figures = {
        key: draw_experiment(content, experiment) for key, experiment in content.experiments.items() if experiment.arms
    }
    lines = content.pairings.lines()
    if content.overlaps is not None and content.overlaps.overlaps:
        figures[OVERLAP] = _overlap(content.overlaps)
    if lines:
        figures[DELTAS] = _deltas(content, lines)
    gaps = _gaps(content, lines)
    if gaps.panels:
        figures[GAPS] = gaps
    return figures


def _overlap(overlaps: Overlaps) -> HeatFigure:
    """A panel per k."""
    panels = []
    for k in overlaps.ks:
        of_k = [overlap for overlap in overlaps.overlaps if overlap.k == k]
        ends = [end for overlap in of_k for end in (overlap.chance.low, overlap.chance.high) if end is not None]
        by_chance = span([round(100 * end) for end in ends])
        shares = {(overlap.first, overlap.second): Shared(overlap.share, overlap.chance) for overlap in of_k}
        panels.append(HeatPanel(Head(f"Top {k:,}", f"% in common; by chance, same ties: {by_chance}"), shares))
    names = list(dict.fromkeys(name for overlap in overlaps.overlaps for name in (overlap.first, overlap.second)))
    return HeatFigure(panels, names)


def _deltas(content: Content, lines: list[DeltaLine]) -> DotFigure:
    """A panel per pairing, a row per dimension."""
    dimensions = list(dict.fromkeys(line.dimension for line in lines))
    panels = []
    for pairing in dict.fromkeys(line.pairing for line in lines):
        means = {line.dimension: line.mean for line in lines if line.pairing == pairing}
        dots = [
            Dot(name, _judged(means.get(name, NOTHING), str(pairing), pairing, name), content.is_confounded(pairing))
            for name in dimensions
        ]
        panels.append(DotPanel(Head(str(pairing), f"{span([mean.n for mean in means.values()])} pairs"), dots))
    return DotFigure(panels, "score points")


def _judged(mean: Estimate, name: str, pairing: Pairing, dimension: str) -> Point:
    return Point(mean, (), MarkSource(name, f"mean delta in {dimension} of {pairing}, all eligible pairs"))


def _gaps(content: Content, lines: list[DeltaLine]) -> ScatterFigure:
    """A panel per dimension, a point per pairing."""
    rejected = {line.pairing.rejected for line in lines}
    gaps = {pairing: content.grades.gap(pairing) for pairing in dict.fromkeys(line.pairing for line in lines)}
    panels = []
    for dimension in dict.fromkeys(line.dimension for line in lines):
        crossings = [
            Crossing(
                line.pairing.chosen if len(rejected) == 1 else str(line.pairing),
                scaled(gap, 100),
                _judged(line.mean, str(line.pairing), line.pairing, dimension),
                content.is_confounded(line.pairing),
            )
            for line in lines
            if line.dimension == dimension and (gap := gaps[line.pairing]) is not None
        ]
        if crossings:
            note = f"rejected: {next(iter(rejected))}" if len(rejected) == 1 else "chosen~rejected"
            panels.append(ScatterPanel(Head(dimension, note), crossings))
    return ScatterFigure(panels, "chosen minus rejected: accuracy, points", "mean delta")
