"""Arms: their names taken apart, put together where they differ in their seed only, and shortened for figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selections import Selection, parse_selection

PARTS = ("selection", "pairing", "recipe", "policy")


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm's name taken apart."""

    name: str
    policy: str
    pairing: str
    selection: str
    recipe: str
    seed: int

    @property
    def family(self) -> str:
        """All but the seed."""
        return f"{self.policy}/{self.pairing}/{self.selection}/{self.recipe}"

    @property
    def base(self) -> str:
        return base_of(self.policy)

    @property
    def chosen(self) -> str:
        return self.pairing.partition("~")[0]

    @property
    def rejected(self) -> str:
        return self.pairing.partition("~")[2]

    @property
    def draw(self) -> int | None:
        """The seed of a random selection."""
        return _selection(self.selection).seed

    @property
    def k(self) -> int | None:
        """How many pairs its selection names."""
        return _selection(self.selection).k

    @property
    def kind(self) -> str:
        """What its selection is: all, top, random ..."""
        return _selection(self.selection).kind

    @property
    def drawn(self) -> str:
        """Its selection, without the seed of a random draw."""
        return _selection(self.selection).family


def read_arm(name: str) -> Arm:
    """An arm from `<policy>/<chosen>~<rejected>/<selection>/<recipe>/s<seed>`. Raises StudyError for another form."""
    match name.split("/"):
        case [policy, pairing, selection, recipe, seed] if seed[:1] == "s" and seed[1:].isdecimal():
            parse_selection(selection)
            return Arm(name, policy, pairing, selection, recipe, int(seed[1:]))
    raise StudyError(
        f"{name!r} is not the name of an arm; they read <policy>/<chosen>~<rejected>/<selection>/<recipe>/s<seed>."
    )


def base_of(policy: str) -> str:
    """The name of an untrained policy among the arms."""
    return f"{policy}/base"


def is_base(name: str) -> bool:
    """Whether it names an untrained policy."""
    return name.endswith("/base") and name.count("/") == 1


def families(arms: Iterable[Arm], *, merge_draws: bool = False) -> list[tuple[Arm, ...]]:
    """Arms that differ in nothing but their seed, together, in order of first appearance.

    merge_draws: random selections of one size are repeats of each other, too.
    """
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        key = f"{arm.policy}/{arm.pairing}/{arm.drawn}/{arm.recipe}" if merge_draws else arm.family
        found.setdefault(key, []).append(arm)
    return [tuple(sorted(members, key=lambda arm: (arm.draw or 0, arm.seed))) for members in found.values()]


def short_labels(groups: Sequence[tuple[Arm, ...]], parts: Sequence[str] = PARTS) -> list[str]:
    """Per group of arms, those of the parts of its name in which the groups differ; if in none, the first."""
    firsts = [members[0] for members in groups]
    differing = [part for part in parts if len({_shown(arm, part) for arm in firsts}) > 1] or [parts[0]]
    return [" · ".join(_shown(arm, part) for part in differing) for arm in firsts]


def common_parts(arms: Sequence[Arm]) -> dict[str, str]:
    """The parts of the name that all arms share, by part."""
    shared = {}
    for part in ("policy", "pairing", "selection", "recipe"):
        values = {_shown(arm, part) for arm in arms}
        if len(values) == 1:
            shared[part] = values.pop()
    return shared


def _shown(arm: Arm, part: str) -> str:
    """A part of an arm's name as figures show it."""
    if part != "selection":
        return str(getattr(arm, part))
    return _selection(arm.selection).label


def _selection(name: str) -> Selection:
    return parse_selection(name)
