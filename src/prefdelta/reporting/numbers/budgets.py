"""Selections of several sizes against their size: a plot per way of selecting, with the controls to compare with."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Pairing
from prefdelta.reporting.arms import Repeats, families, selection_of, without_draw
from prefdelta.reporting.content import Content
from prefdelta.reporting.evidence import ExperimentArms
from prefdelta.reporting.figures.budget import BudgetFigure, BudgetPanel, Course
from prefdelta.reporting.figures.marks import Head
from prefdelta.reporting.numbers.gains import UNIT
from prefdelta.reporting.panels import panel_head, panel_point, panels

_ALL, _RANDOM = "all", "random"
_WHOLE = (_ALL, "swapped")  # selections of all pairs


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
    """A panel per block and panel of benchmarks; a plot in it per way of selecting, but for random pairs and all."""
    own = set(experiment.arms)
    experiment = content.with_controls(experiment)
    sizes = {selection_of(arm).k for arm in experiment.arms}
    ks = sorted(k for k in sizes if k is not None)
    compared = blocks(experiment)
    shown = []
    for block in compared:
        for panel in panels(content):
            head = panel_head(content, panel, block.members)
            if len(compared) > 1:
                head = Head(head.title, f"{block.name}; {head.note}", head.in_domain)
            points = {
                name: {k: panel_point(content, repeats, panel, name) for k, repeats in by_k.items()}
                for name, by_k in _courses(block).items()
            }
            whole = points.get(_ALL, {}).get(None)
            random = points.get(_RANDOM, {})
            drawn = [
                Course(
                    name,
                    points[name],
                    last="all" if name in _WHOLE else "other",
                    borrowed=not own.intersection(arm for repeats in by_k.values() for arm in repeats),
                    remarks={k: content.mark(*repeats) for k, repeats in by_k.items()},
                )
                for name, by_k in _courses(block).items()
                if name not in (_ALL, _RANDOM) or points.keys() <= {_ALL, _RANDOM}
            ]
            shown.append(BudgetPanel(head, drawn, random, whole, content.pairings.eligible(block.pairing) or None))
    return BudgetFigure(shown, ks, UNIT)


def _courses(block: Block) -> dict[str, dict[int | None, Repeats]]:
    """Name -> k -> arms; None: without a k. Dimensions first, then the controls."""
    courses: dict[tuple[bool, str], dict[int | None, Repeats]] = {}
    for repeats in block.members:
        selection = selection_of(repeats[0])
        name = without_draw(repeats[0]).removesuffix(f"-{selection.k}")
        is_top = selection.kind == "top"
        courses.setdefault((not is_top, name.removeprefix("top-") if is_top else name), {})[selection.k] = repeats
    return {name: by_k for (_, name), by_k in sorted(courses.items(), key=lambda item: item[0][0])}
