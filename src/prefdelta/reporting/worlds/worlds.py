"""The worlds: each is a truth about gains, as a small function of what arms trained on.

To add one, write a function from `Features` and `Assumptions` to gains in points, in domain and out of domain (arrays
with one value per arm), and add a `World` with it to `WORLDS`. `changes` says what it assumes otherwise than usual.
`prefdelta worlds` and the tests take every world that is here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prefdelta.reporting.worlds.assumptions import Assumptions
from prefdelta.reporting.worlds.features import Features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEADY = "step_coherence"  # the dimension that the paper finds the most stable to select by
_SEEN, _DISTINCT = 0.2, 0.15  # powers of the shares of pairs: a sixteenth of them, once, gives 38% of the gain of all
_MOST = 1.1  # selecting better pairs gives at most so much more than all pairs
_FALL = 0.45  # of entropy, if training only sharpens; the temperature that gives as much must be on the config's grid
_SFT = 0.25  # share of the gain of a method that sees chosen traces alone

Gains = tuple["NDArray[np.float64]", "NDArray[np.float64]"]  # points in domain and out of domain, per arm


@dataclass(frozen=True, slots=True)
class World:
    """A planted truth."""

    name: str
    about: str  # one line
    gains: Callable[[Features, Assumptions], Gains] | None  # None: nothing gains
    changes: Mapping[str, Any] = field(default_factory=dict)  # values of Assumptions
    faithfulness: float | None = None  # of every dimension but those below; None: the usual ones
    faithful: Mapping[str, float] = field(default_factory=dict)  # dimension -> faithfulness

    def assumptions(self, usual: Assumptions) -> Assumptions:
        """What holds in this world."""
        faithfulness = {
            name: self.faithful.get(name, value if self.faithfulness is None else self.faithfulness)
            for name, value in usual.faithfulness.items()
        }
        return replace(usual, faithfulness=faithfulness, **self.changes)


def _both(gain: "NDArray[np.float64]", assumptions: Assumptions) -> Gains:
    """The same course in domain and out of domain. gain: 1 for all pairs of the largest generator delta."""
    return assumptions.gain_in_domain * gain, assumptions.gain_out_of_domain * gain


def _length(features: Features, assumptions: Assumptions) -> Gains:
    return _both(features.length, assumptions)


def _correctness(features: Features, assumptions: Assumptions) -> Gains:
    return _both(features.right_over_wrong, assumptions)


def _chosen(features: Features, assumptions: Assumptions) -> Gains:
    return _both(features.chosen * (1 + features.chosen_quality), assumptions)


def _step(features: Features, assumptions: Assumptions) -> Gains:
    return _both((features.gap > 0).astype(float), assumptions)


def _inverted_u(features: Features, assumptions: Assumptions) -> Gains:
    import numpy as np

    return _both(1 - (2 * np.clip(features.gap, 0, 1) - 1) ** 2, assumptions)


def _sharpening(features: Features, assumptions: Assumptions) -> Gains:
    return _both(features.seen, assumptions)


def _of_delta(features: Features) -> "NDArray[np.float64]":
    """Share of the gain of all pairs that a selection, a budget and a method give, from the pairs' true deltas."""
    import numpy as np

    dose = np.minimum(1.0, features.seen) ** _SEEN * features.distinct**_DISTINCT
    gain: NDArray[np.float64] = np.minimum(_MOST, features.quality * dose)
    return np.where(features.contrasts, gain, _SFT * gain)


def _delta(features: Features, assumptions: Assumptions) -> Gains:
    """Out of domain in proportion to the generator delta; in domain so up to two thirds of the largest, then level."""
    import numpy as np

    gain = _of_delta(features)
    level = np.minimum(1.0, 1.5 * features.gap)
    return assumptions.gain_in_domain * level * gain, assumptions.gain_out_of_domain * features.gap * gain


def _without_steady(features: Features, assumptions: Assumptions) -> Gains:
    import numpy as np

    others = np.array([dimension != STEADY for dimension in features.dimension])
    inside, outside = _delta(features, assumptions)
    return inside * others, outside * others


_FAIR_JUDGE = {"judged_rise": 0.0, "length_rise": 0.0}

NOTHING = World("nothing-1", "nothing gains; runs vary by 1 point", None, {"run_sd": 1.0, **_FAIR_JUDGE})
_ALL = (
    World(
        "delta",
        "the delta is the cause: of generators steadily out of domain and up to a level in domain; of pairs the true "
        "delta, which judged step coherence tells best",
        _delta,
        faithfulness=0.4,
        faithful={STEADY: 0.85},
    ),
    World("length", "gains follow the length difference of the pairs, and nothing else", _length),
    World("correctness", "gains follow the share of right-over-wrong pairs, and nothing else", _correctness),
    World(
        "chosen",
        "gains follow the quality of the chosen side, of its generator and of its traces, and nothing else",
        _chosen,
    ),
    World("step", "any generator above the rejected one gains the same: a step, no dose response", _step),
    World("inverted-u", "gains rise up to half of the largest generator delta, and fall again", _inverted_u),
    World("step-coherence-fails", "as delta, but pairs selected by step coherence gain nothing", _without_steady),
    World(
        "token-judge",
        "the judge counts tokens: judged deltas follow length alone, and nothing gains",
        None,
        {"length_correlation": 1.0, "judged_rise": 0.0},
        faithfulness=0.0,
    ),
    World(
        "sharpening",
        "training only sharpens: gains follow the number of pairs seen, whatever the pairs, and a lower temperature "
        "gives them, too",
        _sharpening,
        {"entropy_fall": _FALL, "sharpened_gain": 1 / _FALL},
    ),
    World("nothing-0", "nothing gains; runs do not vary", None, {"run_sd": 0.0, **_FAIR_JUDGE}),
    NOTHING,
    World("nothing-2", "nothing gains; runs vary by 2 points", None, {"run_sd": 2.0, **_FAIR_JUDGE}),
)
WORLDS: Mapping[str, World] = {world.name: world for world in _ALL}
