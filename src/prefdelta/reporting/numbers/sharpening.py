"""What sharper sampling alone gains: the untrained policy at the temperature that matches an arm.

Training often lowers the entropy of a policy, and a lower temperature does that too, without any training. So an arm is
held against its untrained policy at two matched temperatures:

- `base@entropy`: at which its mean token entropy is that of the arm, the mean over its repeats. Each benchmark has its
  own, because a temperature that matches on one domain is too low or too high for another.
- `base@gain`: at which it gains as much in domain as the arm does. The same temperature is then held against the arm
  out of domain.

Neither is sampled. The untrained policy answers at the temperatures of a grid, `<policy>/base` and `<policy>/base@<T>`
(`evaluate.groups.<group>.base_temperatures`), and both are (1 - w) of one of them + w of the next. So the gain beyond
sharpening is a weighted sum of accuracies like any other gain: a `MatchedBase` stands among the weights of `Scores`.
The variance between runs is that of an arm's accuracy minus its own matched base, because a run that came out sharper
has another match. Over problems the interval of `base@entropy` takes w as known, that of `base@gain` does not;
docs/sharpening.md has the coverage.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from prefdelta.core.arms import Arm, Base, parse_arm
from prefdelta.core.statistics import NOTHING, Estimate, Variance, t_interval
from prefdelta.reporting.numbers.gains import ArmWeights, gain_weights, mean_weights

if TYPE_CHECKING:
    from prefdelta.reporting.numbers.accuracies import Evaluation, Scores
    from prefdelta.reporting.numbers.answers import AnswerMatrix

On = Literal["entropy", "gain"]


@dataclass(frozen=True, slots=True)
class MatchedBase(Base):
    """`base@entropy` or `base@gain` of some repeats: their untrained policy at the temperature that matches them.

    It may stand in the weights of `Scores.weighted_difference`, `joint` and `of_accuracies` beside arms and bases, and
    means a sum of two answered bases there, in each evaluation its own. `Scores.has` says whether it can be made.
    """

    arms: tuple[Arm, ...] = ()  # the repeats
    on: On = "entropy"
    over: "tuple[Evaluation, ...]" = ()  # where it is matched, on the mean; empty: in each evaluation by itself

    def __str__(self) -> str:
        return f"{self.policy}/base@{self.on}({', '.join(map(str, (*self.arms, *self.over)))})"


@dataclass(frozen=True, slots=True)
class Match:
    """Where between the temperatures of the grid an untrained policy equals an arm."""

    shares: Mapping[Base, float]  # one member of the grid, or two neighbours -> its share; the sum is 1
    target: float  # the arm's: mean token entropy in nats, or gain as a share
    reached: float  # the same of the sum
    outside: Literal["", "hotter", "cooler"]  # the arm lies beyond this end of the grid, whose last member is taken

    def temperature(self, own: float) -> float:
        """The temperature of the match. own: that of the group."""
        return sum(share * (base.temperature or own) for base, share in self.shares.items())


def base_at_entropy(arms: Sequence[Arm], over: "Sequence[Evaluation]" = ()) -> MatchedBase:
    """`base@entropy` of some repeats. over: match once, on the mean over these; else in each evaluation by itself."""
    return MatchedBase(arms[0].policy, arms=tuple(arms), over=tuple(over))


def base_at_gain(arms: Sequence[Arm], over: "Sequence[Evaluation]") -> MatchedBase:
    """`base@gain` of some repeats. over: the evaluations in domain. Raises ValueError if there are none."""
    if not over:
        raise ValueError("base@gain is matched on evaluations in domain, and there are none; give at least one")
    return MatchedBase(arms[0].policy, arms=tuple(arms), on="gain", over=tuple(over))


def beyond_weights(arms: Sequence[Arm], base: MatchedBase) -> ArmWeights:
    """The weights whose sum of accuracies is the gain of some repeats beyond sharpening."""
    return {**mean_weights(arms), base: -1.0}


def gain_beyond(scores: "Scores", arms: Sequence[Arm], evaluations: "Sequence[Evaluation]") -> Estimate:
    """The mean accuracy of some repeats minus `base@entropy`, a share: the mean over benchmarks of equal weight.

    No value if one of the benchmarks has no grid of temperatures, or an entropy is not known.
    """
    return scores.weighted_difference(beyond_weights(arms, base_at_entropy(arms)), evaluations)


def gain_beyond_gain(
    scores: "Scores", arms: Sequence[Arm], inside: "Sequence[Evaluation]", evaluations: "Sequence[Evaluation]"
) -> Estimate:
    """The mean accuracy of some repeats minus `base@gain`, a share: over `evaluations` out of domain.

    inside: the evaluations in domain, on which it is matched. What their problems add to the match, its interval holds:
    the variance of the arm minus base@gain there, times the square of how far the untrained policy rises out of domain
    for each point that it rises in domain (the delta method: Oehlert 1992, "A note on the delta method").
    """
    base = base_at_gain(arms, inside)
    weights = beyond_weights(arms, base)
    found, at_match = scores.weighted_difference(weights, evaluations), scores.weighted_difference(weights, inside)
    if found.value is None or found.se is None or found.df is None or at_match.se is None or at_match.df is None:
        return found
    rise = sum(_rise(scores, base, evaluation) for evaluation in evaluations) / len(evaluations)
    parts = [Variance(found.se**2, found.df), Variance((rise * at_match.se) ** 2, at_match.df)]
    return t_interval(found.value, found.n, parts, found.run_df)


def _rise(scores: "Scores", base: MatchedBase, evaluation: "Evaluation") -> float:
    """How far the untrained policy rises, where `base` lies, per unit of its rise where it is matched by gain."""
    found = match(scores, base, evaluation)
    if found is None or len(found.shares) < 2:  # it is an end of the grid, or a member
        return 0.0
    hotter, cooler = found.shares
    step: ArmWeights = {cooler: 1.0, hotter: -1.0}
    there, here = (scores.weighted_difference(step, where).value for where in ([evaluation], base.over))
    return (there or 0.0) / here if here else 0.0


def grid(answers: "AnswerMatrix", policy: str) -> list[Base]:
    """The untrained policy at each temperature at which it answered, hottest first: the group's own, then the grid's.

    Empty without the group's own, or if there is no other.
    """
    own = Base(policy)
    if str(own) not in answers.rows:
        return []
    others = [parse_arm(name) for name in answers.rows if name.startswith(f"{own}@")]
    bases = [base for base in others if isinstance(base, Base)]
    return [own, *sorted(bases, key=lambda base: -(base.temperature or 0.0))] if bases else []


def match(scores: "Scores", base: MatchedBase, evaluation: "Evaluation") -> Match | None:
    """Where `base` lies in an evaluation. None without a grid, or if an entropy or accuracy is not known."""
    scale = _scale(scores, base, evaluation)
    return None if scale is None else scale.match(scores, base.arms)


@dataclass(frozen=True, slots=True)
class _Scale:
    """An untrained policy over its grid: by what an arm is matched."""

    on: On
    over: "Sequence[Evaluation]"
    bases: Sequence[Base]  # hottest first
    values: Sequence[float]  # minus the mean token entropy, or the gain: they rise, as a rule

    def match(self, scores: "Scores", arms: Sequence[Arm]) -> Match | None:
        by_entropy = self.on == "entropy"
        wanted = _sharpness(scores, arms, self.over) if by_entropy else _gain(scores, gain_weights(arms), self.over)
        if wanted is None:
            return None
        place, share, outside = crossing(self.values, wanted)
        shares = {self.bases[place]: 1.0}
        reached = self.values[place]
        if share:
            shares = {self.bases[place]: 1 - share, self.bases[place + 1]: share}
            reached += share * (self.values[place + 1] - reached)
        sign = -1.0 if by_entropy else 1.0
        return Match(shares, sign * wanted, sign * reached, outside)


def _scale(scores: "Scores", base: MatchedBase, evaluation: "Evaluation") -> _Scale | None:
    """The scale on which `base` is matched; None without a grid, or if a value of it is not known."""
    over = list(base.over or (evaluation,))
    matrices = [scores.answers(each) for each in dict.fromkeys((evaluation, *over))]
    grids = [grid(matrix, base.policy) if matrix else [] for matrix in matrices]
    bases = [member for member in grids[0] if all(member in other for other in grids[1:])]
    if len(bases) < 2:
        return None
    if base.on == "entropy":
        values = [_sharpness(scores, [member], over) for member in bases]
    else:
        values = [0.0, *(_gain(scores, {member: 1.0, bases[0]: -1.0}, over) for member in bases[1:])]
    known = [value for value in values if value is not None]
    return _Scale(base.on, over, bases, known) if len(known) == len(values) else None


def crossing(values: Sequence[float], wanted: float) -> tuple[int, float, Literal["", "hotter", "cooler"]]:
    """(place i, share w, outside): (1 - w) of value i + w of value i + 1 is the wanted one.

    values: of the members of a grid, hottest first; as a rule they rise. The first pair of neighbours that reaches the
    wanted value is taken. If the first value is above it, that is taken; if none reaches it, the largest.
    """
    if wanted <= values[0]:
        return 0, 0.0, "hotter" if wanted < values[0] else ""
    for place, (before, after) in enumerate(pairwise(values)):
        if before < wanted <= after:
            share = (wanted - before) / (after - before)
            return (place + 1, 0.0, "") if share == 1 else (place, share, "")
    return values.index(max(values)), 0.0, "cooler"


def resolved(scores: "Scores", weights: ArmWeights, evaluation: "Evaluation") -> ArmWeights | None:
    """The weights in one evaluation, by arms and bases that answered it. None if a match cannot be made there."""
    if not any(isinstance(arm, MatchedBase) for arm in weights):
        return weights
    total: dict[Arm | Base, float] = {}
    for arm, weight in weights.items():
        parts: Mapping[Base, float] | dict[Arm | Base, float] = {arm: 1.0}
        if isinstance(arm, MatchedBase):
            if (found := match(scores, arm, evaluation)) is None:
                return None
            parts = found.shares
        for part, share in parts.items():
            total[part] = total.get(part, 0.0) + weight * share
    kept = {arm: weight for arm, weight in total.items() if abs(weight) > 1e-12}
    return kept or dict.fromkeys(total, 0.0)  # a base minus itself, where the match is the untrained policy as it is


@dataclass(frozen=True, slots=True)
class Luck:
    """How the luck of runs enters sums with a matched base: a run moves its accuracy, and its base@entropy too.

    The outcome of a run is `own` times its own minus `shared` times that of its own matched base.
    """

    base: MatchedBase  # without its arms: how they are matched
    own: float
    shared: float

    def matrix(self, scores: "Scores", evaluation: "Evaluation") -> "AnswerMatrix":
        """The trained arms with these outcomes; NaN where an arm has no match."""
        import numpy as np

        answers = scores.answers(evaluation)
        assert answers is not None, "a sum is over evaluations that have answers"
        arms = [arm for arm in map(parse_arm, answers.rows) if isinstance(arm, Arm)]
        policies = dict.fromkeys(arm.policy for arm in arms)
        scales = {policy: _scale(scores, replace(self.base, policy=policy), evaluation) for policy in policies}
        means = np.full((len(arms), answers.means.shape[1]), np.nan)
        for row, arm in enumerate(arms):
            scale = scales[arm.policy]
            if found := scale.match(scores, [arm]) if scale else None:
                base = sum(part * answers.means[answers.rows[str(each)]] for each, part in found.shares.items())
                means[row] = self.own * answers.means[answers.rows[str(arm)]] - self.shared * base
        return replace(answers, rows={str(arm): row for row, arm in enumerate(arms)}, means=means)


def luck_of(sums: Sequence[ArmWeights]) -> Luck | None:
    """The luck of runs in sums that hold a matched base; None if none does. All are taken to be as the first one."""
    for weights in sums:
        for base, weight in weights.items():
            if isinstance(base, MatchedBase):
                own = sum(weights.get(arm, 0.0) for arm in base.arms)
                how = replace(base, policy="", arms=())
                return Luck(how, 1.0, -weight / own) if own else Luck(how, 0.0, -1.0)
    return None


def run_weights_of(weights: ArmWeights) -> ArmWeights:
    """The weights of the runs in a sum: its arms; those of its matched bases where it has no arms."""
    if any(isinstance(arm, Arm) for arm in weights):
        return weights
    return {
        arm: weight / len(base.arms)
        for base, weight in weights.items()
        if isinstance(base, MatchedBase)
        for arm in base.arms
    }


def _sharpness(scores: "Scores", arms: "Sequence[Arm | Base]", over: "Sequence[Evaluation]") -> float | None:
    """Minus the mean token entropy (nats) of some repeats, the mean over evaluations."""
    entropies = [mean_entropy(scores, arms, evaluation) for evaluation in over]
    known = [entropy for entropy in entropies if entropy is not None]
    return -sum(known) / len(known) if len(known) == len(over) else None


def mean_entropy(scores: "Scores", arms: "Sequence[Arm | Base]", evaluation: "Evaluation") -> float | None:
    """The mean token entropy (nats) of some repeats, or of a base, in one evaluation; None if it is not known."""
    answers = scores.answers(evaluation)
    if answers is None or answers.entropies is None or any(str(arm) not in answers.rows for arm in arms):
        return None
    mean = math.fsum(answers.entropies[answers.rows_of(arms)]) / len(arms)
    return None if math.isnan(mean) else mean


def _gain(scores: "Scores", weights: ArmWeights, over: "Sequence[Evaluation]") -> float | None:
    if not all(scores.has(arm, evaluation) for arm in weights for evaluation in over):
        return None
    return scores.weighted_difference(weights, over).value


# --- what is said of a family -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sharpening:
    """Some repeats held against sharper sampling, on the mean over some benchmarks. Gains are shares."""

    arms: tuple[Arm, ...]
    gain: Estimate  # over the untrained policy, both at the temperature of the group
    sharpened: Estimate  # what base@entropy gains
    beyond: Estimate  # the arm minus base@entropy
    half: Estimate  # `beyond` minus half of `gain`
    beyond_gain: Estimate  # the arm minus base@gain; no value where that is matched: it is 0 by construction
    best: tuple[Base, Estimate] | None  # the best temperature of the grid, and what it gains
    at: Mapping[float, Estimate]  # the gain at other temperatures (0: greedy), of arm and untrained policy alike
    matches: Sequence[Match]  # of base@entropy, one per benchmark
    entropy: tuple[float, float] | None  # mean token entropy (nats) of arm and untrained policy; None: unknown

    @property
    def verdict(self) -> "Verdict":
        """What this says of the gain, by the rule in docs/sharpening.md."""
        greedy, too_cool = self.at.get(0.0), any(found.outside == "cooler" for found in self.matches)
        if self.beyond.low is None or self.half.high is None or self.gain.low is None:
            return "not measured"
        if self.gain.low <= 0:
            return "no gain"
        if any(one is not None and one.run_df == 0 for one in (self.gain, self.beyond, self.half, greedy)):
            return "undecided"  # nothing shows how much runs vary
        if self.beyond.low > 0 and (not too_cool if greedy is None else _above(greedy)):
            return "beyond sharpening"
        none = greedy is None or (greedy.high is not None and greedy.high < self.gain.low / 2 and not _above(greedy))
        return "sharpening" if self.half.high < 0 and none else "undecided"


Verdict = Literal["sharpening", "beyond sharpening", "undecided", "no gain", "not measured"]


def sharpening(
    scores: "Scores",
    arms: Sequence[Arm],
    evaluations: "Sequence[Evaluation]",
    inside: "Sequence[Evaluation]",
    others: "Mapping[float, Sequence[Evaluation]]",
) -> Sharpening:
    """Some repeats against sharper sampling, on the mean over `evaluations`.

    inside: the evaluations in domain, on which base@gain is matched. others: temperature -> the same benchmarks there.
    """
    matched, base = base_at_entropy(arms), arms[0].base
    both: list[Arm | Base] = [*arms, base]
    matches = [found for evaluation in evaluations if (found := match(scores, matched, evaluation))]
    elsewhere = inside and set(evaluations) != set(inside)
    half = {arm: weight / 2 for arm, weight in mean_weights(arms).items()}
    entropies = [_sharpness(scores, side, evaluations) for side in (arms, [base])]
    known = [-entropy for entropy in entropies if entropy is not None]
    return Sharpening(
        arms=tuple(arms),
        gain=scores.weighted_difference(gain_weights(arms), evaluations),
        sharpened=scores.weighted_difference({matched: 1.0, base: -1.0}, evaluations),
        beyond=gain_beyond(scores, arms, evaluations),
        half=scores.weighted_difference({**half, matched: -1.0, base: 0.5}, evaluations),
        beyond_gain=gain_beyond_gain(scores, arms, inside, evaluations) if elsewhere else NOTHING,
        best=best_of_grid(scores, base.policy, evaluations),
        at={
            temperature: scores.weighted_difference(gain_weights(arms), there)
            for temperature, there in others.items()
            if all(scores.has(arm, evaluation) for arm in both for evaluation in there)
        },
        matches=matches,
        entropy=(known[0], known[1]) if len(known) == 2 else None,
    )


def best_of_grid(scores: "Scores", policy: str, evaluations: "Sequence[Evaluation]") -> tuple[Base, Estimate] | None:
    """The temperature at which an untrained policy is best, and what it gains there; None without a grid.

    It is chosen by the answers that it is then judged by, so its gain is rather too large: hard on the arms.
    """
    grids = [grid(answers, policy) for evaluation in evaluations if (answers := scores.answers(evaluation))]
    members = [member for member in grids[0] if all(member in other for other in grids)] if grids else []
    if len(members) < 2:
        return None
    gains = {member: scores.weighted_difference({member: 1.0, members[0]: -1.0}, evaluations) for member in members[1:]}
    best = max(gains, key=lambda member: gains[member].value or 0.0)
    return best, gains[best]


def _above(estimate: Estimate) -> bool:
    return estimate.low is not None and estimate.low > 0
