"""What planted evidence takes for granted. A finished study replaces what it has measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from prefdelta.core.arms import Pairing
from prefdelta.reporting.worlds.shape import StudyShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """Assumptions about a study. `MEANINGS` says what each is; every value is a guess unless `measured` names it."""

    base_accuracy: Mapping[str, float]
    generator_accuracy: Mapping[str, float]
    gain_in_domain: float = 14.0
    gain_out_of_domain: float = 16.0
    entropy_fall: float = 0.15
    sharpened_gain: float = 0.25
    run_sd: float = 1.0
    trace_share: float = 0.75
    shared_share: float = 0.5
    draw_share: float = 0.5
    difficulty_spread: float = 1.5
    effect_spread: float = 0.3
    usable_share: float = 0.866
    zero_share: Mapping[str, float]
    faithfulness: Mapping[str, float]
    length_correlation: float = 0.3
    correctness_correlation: float = 0.35
    length_rise: float = 1.0
    judged_rise: float = 0.7
    measured: frozenset[str] = frozenset()

    def gap(self, pairing: Pairing) -> float:
        """The generator delta: accuracy of chosen minus rejected, a share."""
        return self.generator_accuracy[pairing.chosen] - self.generator_accuracy[pairing.rejected]

    def largest_gap(self, shape: StudyShape) -> float:
        """The largest generator delta of a study's pairings, without generators whose traces a data set ships."""
        gaps = [abs(self.gap(pairing)) for pairing in shape.pairings if not shape.is_confounded(pairing)]
        return max(gaps, default=0.0) or 1.0

    def with_measured(self, **values: Any) -> "Assumptions":
        """The assumptions with values that a study has measured."""
        return replace(self, **values, measured=self.measured | set(values))

    def lines(self) -> list[tuple[str, str, str, str]]:
        """(name, value, assumed or measured, meaning) of each."""
        names = [field.name for field in fields(self) if field.name != "measured"]
        return [
            (name, _shown(getattr(self, name)), "measured" if name in self.measured else "assumed", MEANINGS[name])
            for name in names
        ]


MEANINGS = {
    "base_accuracy": "accuracy of the untrained policies by benchmark, a share",
    "generator_accuracy": "accuracy of the generators on the training prompts, a share; spread evenly, weak to strong",
    "gain_in_domain": "gain in domain from all pairs of the largest generator delta, points; it holds what claims name",
    "gain_out_of_domain": "the same out of domain, points",
    "entropy_fall": "share of a policy's token entropy that the largest gain takes from it, a smaller gain less",
    "sharpened_gain": "gain of an untrained policy from losing all its entropy, over the largest gain",
    "run_sd": "standard deviation over training seeds (and draws of traces, if several), points, on all benchmarks",
    "trace_share": "share of the variance of a run that lies in the draw of traces, if the study has several draws",
    "shared_share": "share of that which families have in common whose chosen traces are of one draw",
    "draw_share": "variance of the luck of a random draw of pairs, which its seeds share, over that of a run",
    "difficulty_spread": "standard deviation of the difficulty of problems, logits",
    "effect_spread": "standard deviation over problems of the change that training makes, logits",
    "usable_share": "share of a generator's prompts with a usable trace",
    "zero_share": "share of judged deltas that are 0, by dimension",
    "faithfulness": "correlation of a dimension's judged delta, before it is rounded, with the true quality delta",
    "length_correlation": "correlation of a judged delta, before it is rounded, with the length difference of its pair",
    "correctness_correlation": "correlation of the true quality delta with chosen minus rejected being right",
    "length_rise": "mean length difference at the largest generator delta, in standard deviations over pairs",
    "judged_rise": "mean judged delta, before it is rounded, at the largest generator delta, in standard deviations",
}

_BASE_ACCURACY = {"maths, easy": 0.85, "maths, hard": 0.45, "stem": 0.5, "code": 0.4}
_OTHER_ACCURACY = 0.5
_WEAKEST, _STRONGEST = 0.4, 0.8
_ZERO_SHARE = 0.5
_FAITHFULNESS = 0.6
_USABLE_OF_A_LADDER = 0.98  # its traces are short: few are cut off


def default_assumptions(shape: StudyShape, **changes: Any) -> Assumptions:
    """The assumptions about a study before anything ran."""
    names = list(shape.generators)
    steps = max(1, len(names) - 1)
    spread = {name: _WEAKEST + (_STRONGEST - _WEAKEST) * place / steps for place, name in enumerate(names)}
    aimed = {name: generator.accuracy for name, generator in shape.generators.items()}
    values: dict[str, Any] = {
        "base_accuracy": {
            name: _BASE_ACCURACY.get(label.note, _OTHER_ACCURACY) for name, label in shape.benchmarks.items()
        },
        "generator_accuracy": {name: spread[name] if aimed[name] is None else aimed[name] for name in names},
        "zero_share": dict.fromkeys(shape.dimensions, _ZERO_SHARE),
        "faithfulness": dict.fromkeys(shape.dimensions, _FAITHFULNESS),
    }
    if any(accuracy is not None for accuracy in aimed.values()):
        values["usable_share"] = _USABLE_OF_A_LADDER
    return Assumptions(**values | changes)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return _mapping(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _mapping(values: Mapping[str, float]) -> str:
    """Names with equal values are told together."""
    by_value: dict[str, list[str]] = {}
    for name, value in values.items():
        by_value.setdefault(f"{value:.3g}", []).append(name)
    if len(by_value) == 1:
        return next(iter(by_value))
    return ", ".join(f"{_names(names)} {value}" for value, names in by_value.items())


def _names(names: Sequence[str]) -> str:
    return " ".join(names)
