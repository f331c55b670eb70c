"""Groups and labels of arms in the report: repeats are one group; labels are the parts of names that differ."""

from collections.abc import Iterable, Sequence

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.layout import Place
from prefdelta.core.pairs.selections import Selection, parse_selection

Repeats = tuple[Arm, ...]  # arms that differ in their draw of traces, in their seed, or in that of a random draw
PARTS = ("selection", "pairing", "recipe", "policy")


def read_arm(name: str) -> Arm:
    """An arm from its name. Raises StudyError for a name of another form, or of an unknown selection."""
    arm = Arm.parse(name)
    selection_of(arm)
    return arm


def arm_at(place: Place) -> Arm | Base:
    """The arm or base whose scores lie at a place of evaluate."""
    axes = place.axes
    if place.kind == "evaluate_base":
        return Base(axes["policy"])
    if place.kind == "evaluate_sharpened":
        return Base(axes["policy"], float(axes["temperature"]))
    return Arm(axes["policy"], pairing_at(place), axes["selection"], axes["recipe"], int(axes["seed"]))


def pairing_at(place: Place) -> Pairing:
    """The pairing of a place of pair, delta, filter or evaluate."""
    return Pairing(place.axes["chosen"], place.axes["rejected"])


def selection_of(arm: Arm) -> Selection:
    """Kind, k and seed of the draw of an arm's selection."""
    return parse_selection(arm.selection)


def without_draw(arm: Arm) -> str:
    """The name of an arm's selection, without the seed of a random draw of pairs."""
    return selection_of(arm).family


def families(arms: Iterable[Arm], *, merge_draws: bool = False) -> list[Repeats]:
    """Groups of arms that differ only in their draw of traces and their seed, in order of first appearance.

    merge_draws: treat random selections of the same size as repeats of each other, too.
    """
    by_key: dict[tuple[str, Pairing, str, str], list[Arm]] = {}
    for arm in arms:
        selection = without_draw(arm) if merge_draws else arm.selection
        by_key.setdefault((arm.policy, arm.pairing.undrawn, selection, arm.recipe), []).append(arm)
    return [tuple(sorted(repeats, key=_repeat)) for repeats in by_key.values()]


def short_labels(members: Sequence[Repeats], parts: Sequence[str] = PARTS) -> list[str]:
    """Per family, the parts of its name in which the families differ; the first part if they differ in none."""
    firsts = [repeats[0] for repeats in members]
    differing = [part for part in parts if len({_label(arm, part) for arm in firsts}) > 1] or [parts[0]]
    return [" · ".join(_label(arm, part) for part in differing) for arm in firsts]


def common_parts(arms: Sequence[Arm]) -> dict[str, str]:
    """Part -> its value, for the parts of the name that all arms share."""
    shared = {}
    for part in ("policy", "pairing", "selection", "recipe"):
        values = {_label(arm, part) for arm in arms}
        if len(values) == 1:
            shared[part] = values.pop()
    return shared


def seed_names(arms: Iterable[Arm]) -> list[str]:
    """The training seeds of some arms, each once. `2@1` is seed 2 on draw 1 of the traces."""
    repeats = sorted({(arm.draw, arm.seed) for arm in arms})
    return [f"{seed}@{draw}" if draw else str(seed) for draw, seed in repeats]


def _repeat(arm: Arm) -> tuple[int, int, int]:
    """Sort key of repeats: the draw of traces, the random draw of pairs, then the seed."""
    return arm.draw, selection_of(arm).seed or 0, arm.seed


def _label(arm: Arm, part: str) -> str:
    """A part of an arm's name as it is shown in figures, without its draw of traces."""
    match part:
        case "selection":
            return selection_of(arm).label
        case "pairing":
            return str(arm.pairing.undrawn)
        case _:
            return str(getattr(arm, part))
