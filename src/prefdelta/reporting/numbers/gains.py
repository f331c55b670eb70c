"""Gains over the base for figures: in percentage points, with the values of the repeats."""

from collections.abc import Iterable

from prefdelta.core.arms import Arm
from prefdelta.reporting.content import Content
from prefdelta.reporting.figures.marks import Head, Point
from prefdelta.reporting.formats import span
from prefdelta.reporting.numbers.bootstrap import scaled
from prefdelta.reporting.panels import Panel, panel_gain

UNIT = "percentage points"
Repeats = tuple[Arm, ...]  # arms that differ in their seed, or in that of a random draw


def gain(content: Content, repeats: Repeats, panel: Panel) -> Point:
    """Points gained over the base, with the values of the repeats."""
    singles = [panel_gain(content.scores, [arm], panel) for arm in repeats] if len(repeats) > 1 else []
    values = [100 * single.value for single in singles if single.value is not None]
    return Point(scaled(panel_gain(content.scores, repeats, panel), 100), values)


def panel_head(content: Content, panel: Panel, members: Iterable[Repeats]) -> Head:
    """A panel's title, and its number of problems."""
    problems = span([panel_gain(content.scores, repeats, panel).n for repeats in members])
    return Head(panel.title, f"{panel.note}; n\u00a0=\u00a0{problems}", panel.in_domain)
