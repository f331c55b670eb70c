"""Evidence with planted gains, for tests of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.evidence import BenchmarkLabel, ExperimentArms
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.bootstrap import Bootstrap

NEAR, FAR = Evaluation("all", "near"), Evaluation("all", "far")


@dataclass
class Planted:
    experiments: Mapping[str, ExperimentArms]
    scores: Scores
    gaps: Mapping[str, float] = field(default_factory=dict)  # by pairing, a share
    accuracies: Mapping[str, float] = field(default_factory=dict)  # by generator, a share
    deltas: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # by pairing, then prompt
    lengths: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    shipped: frozenset[str] = frozenset()
    benchmarks: Mapping[str, BenchmarkLabel] = field(
        default_factory=lambda: {
            "near": BenchmarkLabel("Near", "maths", in_domain=True),
            "far": BenchmarkLabel("Far", "code", in_domain=False),
        }
    )
    groups: Mapping[str, BenchmarkGroup] = field(
        default_factory=lambda: {"all": BenchmarkGroup("All", ["near", "far"], primary=True)}
    )

    @property
    def grades(self) -> "Planted":
        return self

    @property
    def pairings(self) -> "Planted":
        return self

    def accuracy(self, name: str) -> Estimate | None:
        return Estimate(self.accuracies[name], None, None, 9) if name in self.accuracies else None

    def gap(self, pairing: Pairing) -> Estimate | None:
        return Estimate(self.gaps[str(pairing)], None, None, 9) if str(pairing) in self.gaps else None

    def eligible(self, pairing: Pairing) -> int:
        return 100

    def by_prompt(self, pairing: Pairing, dimension: str) -> Mapping[str, float]:
        return self.deltas.get(str(pairing), {})

    def lengths_by_prompt(self, pairing: Pairing) -> Mapping[str, float]:
        return self.lengths.get(str(pairing), {})

    def is_confounded(self, pairing: Pairing) -> bool:
        return not self.shipped.isdisjoint(pairing.generators)


def planted(
    gains: Mapping[str, Mapping[str, float | tuple[float, float]]],
    seeds: int,
    prompts: int = 2000,
    run_sd: float = 0.5,
    seed: int = 0,
    entropies: Mapping[str, float] | None = None,
    **rest: Mapping[str, Mapping[str, float]] | Mapping[str, float] | frozenset[str],
) -> Planted:
    """Gains in points by experiment and arm: a selection of big~small by dpo, or `pairing/selection/recipe`.

    A pair of gains is (in domain, out of domain). run_sd: of the training seeds, in points. entropies: nats by the
    beginning of an arm's or a base's name; bases of other temperatures (`pico/base@0.5`) gain as arms do, under "base".
    """
    rng = np.random.default_rng(seed)
    experiments, wanted = {}, {str(Base("pico")): (0.0, 0.0)}
    for name, gain in gains.get("base", {}).items():
        wanted[name] = gain if isinstance(gain, tuple) else (gain, gain)
    for name, of_arm in gains.items():
        if name == "base":
            continue
        arms = []
        for arm_name, gain in of_arm.items():
            long = arm_name if "/" in arm_name else f"big~small/{arm_name}/dpo"
            for training_seed in range(seeds):
                arm = Arm.parse(f"pico/{long}/s{training_seed}")
                arms.append(arm)
                wanted[str(arm)] = gain if isinstance(gain, tuple) else (gain, gain)
        experiments[name] = ExperimentArms(name, "rows", arms)
    answers = {}
    for place, evaluation in enumerate((NEAR, FAR)):
        difficulty = rng.uniform(0.2, 0.8, prompts)
        rows = []
        for arm, gain in wanted.items():
            run = 0.0 if arm.startswith("pico/base") else rng.normal(0, run_sd)
            rows.append(rng.random(prompts) < difficulty + (gain[place] + run) / 100)
        means = np.array(rows, dtype=float)
        ones = np.ones(means.shape, dtype=np.int64)
        names = {arm: row for row, arm in enumerate(wanted)}
        own = entropies and np.array(
            [next(at for start, at in entropies.items() if arm.startswith(start)) for arm in names]
        )
        answers[evaluation] = AnswerMatrix(names, means, ones, ones, np.zeros(len(names), dtype=np.int64), None, own)
    groups = {"all": BenchmarkGroup("All", ["near", "far"], primary=True)}
    return Planted(experiments, Scores(answers, groups, Bootstrap(400, 1)), **rest)  # type: ignore[arg-type]
