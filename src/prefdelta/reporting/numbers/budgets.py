"""Selections of several sizes against their size: a line per dimension, and the controls to compare with."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from prefdelta.core.arms import Pairing
from prefdelta.reporting.arms import Repeats, families, selection_of, without_draw
from prefdelta.reporting.content import Content
from prefdelta.reporting.evidence import ExperimentArms
from prefdelta.reporting.figures.budget import BudgetFigure, BudgetPanel, Course
from prefdelta.reporting.figures.marks import Head
from prefdelta.reporting.numbers.gains import UNIT
from prefdelta.reporting.panels import panel_head, panel_point, panels

_CONTROLS = ("all", "bottom", "matched", "swapped")  # controls with a mark of their own


@dataclass(frozen=True, slots=True)
class Block:
    """Arms that differ only in what and how much they select."""

    name: str
    members: Sequence[Repeats]

    @property
    def pairing(self) -> Pairing:
        return self.members[0][0].pairing


def blocks(experiment: ExperimentArms) -> list[Block]:
    """Blocks by policy, pairing and recipe, in order of first appearance; random draws of one size are repeats."""
    by_name: dict[str, list[Repeats]] = {}
    for repeats in families(experiment.arms, merge_draws=True):
        first = repeats[0]
        by_name.setdefault(" · ".join((first.policy, str(first.pairing.undrawn), first.recipe)), []).append(repeats)
    return [Block(name, members) for name, members in by_name.items()]


def budgets(content: Content, experiment: ExperimentArms) -> BudgetFigure:
    """A panel per block and panel of benchmarks."""
    experiment = content.with_controls(experiment)
    sizes = {selection_of(arm).k for arm in experiment.arms}
    ks = sorted(k for k in sizes if k is not None)
    compared = blocks(experiment)
    styles = _styles(content, [name for block in compared for _, name in _courses(block)])
    shown = []
    for block in compared:
        for panel in panels(content):
            head = panel_head(content, panel, block.members)
            if len(compared) > 1:
                head = Head(head.title, f"{block.name}; {head.note}", head.in_domain)
            courses = _courses(block)
            drawn = [
                Course(
                    name,
                    kind,
                    styles[name],
                    [panel_point(content, by_k[k], panel).estimate if k in by_k else None for k in (*ks, None)],
                    [content.mark(*by_k.get(k, ())) for k in (*ks, None)],
                )
                for (kind, name), by_k in courses.items()
            ]
            shown.append(BudgetPanel(head, drawn))
    whole = {content.pairings.eligible(block.pairing) for block in compared}
    return BudgetFigure(shown, ks, max(whole) or None, UNIT)


def _styles(content: Content, names: Sequence[str]) -> dict[str, int]:
    """Styles of dimensions by their place in the study, of controls by their kind; no two controls share one."""
    dimensions = {name: place for place, name in enumerate(content.dimensions)}
    styles: dict[str, int] = {}
    for name in dict.fromkeys(names):
        kind = next((at for at, control in enumerate(_CONTROLS) if name.startswith(control)), len(_CONTROLS))
        taken = {styles[other] for other in styles if other not in dimensions}
        free = kind if kind not in taken else next(at for at in count(len(_CONTROLS)) if at not in taken)
        styles[name] = dimensions.get(name, free)
    return styles


def _courses(block: Block) -> dict[tuple[str, str], dict[int | None, Repeats]]:
    """(kind, name) -> k -> arms; `None` is all pairs. Lines of dimensions first, then the controls."""
    courses: dict[tuple[str, str], dict[int | None, Repeats]] = {}
    for repeats in block.members:
        selection = selection_of(repeats[0])
        name = without_draw(repeats[0]).removesuffix(f"-{selection.k}")
        kind = selection.kind if selection.kind in ("top", "random") else "other"
        courses.setdefault((kind, name.removeprefix("top-") if kind == "top" else name), {})[selection.k] = repeats
    order = ("top", "random", "other")
    return dict(sorted(courses.items(), key=lambda item: order.index(item[0][0])))
