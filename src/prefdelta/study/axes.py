"""The axes of a study: its arms, pairings, deltas, forms and shards, as the config declares them."""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property

from prefdelta.core.arms import Arm, Pairing, drawn
from prefdelta.core.asking.judges import PEOPLE, at_judge, judge_in, without_judge
from prefdelta.core.pairs.selections import CommonSet, parse_selection
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.study.config.sections import Config, Experiment


class Axes:
    """The values in the config's lists: each value once, in the order of the config."""

    def __init__(self, config: Config) -> None:
        self._config = config

    # --- arms ---------------------------------------------------------------------------------------------------

    @cached_property
    def arms(self) -> list[Arm]:
        """All trained arms."""
        return self._arms_of(self._config.experiments)

    @cached_property
    def pairings(self) -> list[Pairing]:
        """The pairings of the arms."""
        return list(dict.fromkeys(arm.pairing for arm in self.arms))

    @cached_property
    def example(self) -> Pairing | None:
        """The pairing of which the report shows a pair: that of its overlaps, or else the last of two generators."""
        if self._config.report.overlap is not None:
            return Pairing.parse(self._config.report.overlap.pairing)
        pairings = [pairing for pairing in self.pairings if pairing.draw == 0 and len(set(pairing.generators)) == 2]
        return pairings[-1] if pairings else None

    def arms_evaluated(self, group: str) -> list[Arm]:
        """The trained arms that a group of benchmarks is asked of."""
        experiments = self._config.evaluate.groups[group].experiments
        return self.arms if experiments is None else self._arms_of(experiments)

    @cached_property
    def kept_arms(self) -> list[Arm]:
        """The arms whose policies are kept once they are evaluated (train.keep)."""
        keep = self._config.train.keep
        return self.arms if keep is None else self._arms_of(keep)

    def arms_beside(self, experiment: Experiment) -> list[Arm]:
        """The arms named by the experiment's `as_many_updates_as`: its controls at equal updates."""
        trained = {(policy, pairing) for policy in experiment.policies for pairing in _pairings_of(experiment)}
        return [
            arm
            for arm in self.arms
            if (arm.policy, arm.pairing.undrawn) in trained
            and f"{arm.selection}/{arm.recipe}" == experiment.as_many_updates_as
        ]

    def _arms_of(self, experiments: Iterable[str]) -> list[Arm]:
        """The arms of some experiments, each once."""
        return list(dict.fromkeys(arm for name in experiments for arm in arms_of(self._config.experiments[name])))

    # --- traces and pairs ---------------------------------------------------------------------------------------

    @cached_property
    def paired(self) -> list[Pairing]:
        """The pairings that are formed: those of the arms, and those of their common sets in the draws of the arms."""
        common = [pairing for arm in self.arms for pairing in self.common_pairings(arm.selection, arm.draw)]
        return list(dict.fromkeys([*self.pairings, *common]))

    @cached_property
    def generators(self) -> list[str]:
        """The generators in draw 0, then those of each other draw that are paired."""
        paired = {name for pairing in self.paired for name in pairing.generators}
        draws = sorted({pairing.draw for pairing in self.paired} - {0})
        again = [name for draw in draws for first in self._config.generators if (name := drawn(first, draw)) in paired]
        return [*self._config.generators, *again]

    # --- judging ------------------------------------------------------------------------------------------------

    @property
    def forms(self) -> dict[str, list[str]]:
        """Form -> the dimensions it asks: the study's, those compared with them, and those of other judges."""
        return {**self._config.judge.forms, **self.compared_forms, **self.other_forms}

    @property
    def compared_forms(self) -> dict[str, list[str]]:
        """The forms of `judge.compared`, used on a sample of the traces."""
        judge = self._config.judge
        return judge.compared.asked(judge.forms) if judge.compared else {}

    @property
    def compared_generators(self) -> list[str]:
        """The generators of `judge.compared`: their traces are judged in its forms, too."""
        return self._config.judge.compared.generators if self._config.judge.compared else []

    @property
    def compared_with(self) -> list[str]:
        """The generators whose traces are judged in the study's forms, and in another way or by another judge too."""
        by_others = (name for judge in self._config.judge.others for name in self.judged_generators(judge))
        return list(dict.fromkeys([*self.compared_generators, *by_others]))

    @property
    def other_forms(self) -> dict[str, list[str]]:
        """The study's forms as other judges are asked them."""
        judge = self._config.judge
        return {at_judge(form, name): asked for name in judge.others for form, asked in judge.forms.items()}

    @property
    def asked_again(self) -> list[str]:
        """The forms that ask the study's judge the same again, with other seeds."""
        section, judges = self._config.judge, self._config.judge.judges()
        own = judges[None]
        repeats = list(section.compared.repeats) if section.compared else []
        same = [
            name
            for name, judge in judges.items()
            if name and (judge.engine, judge.model, judge.sampling) == (own.engine, own.model, own.sampling)
        ]
        return [*repeats, *(form for name in same for form in self.forms_by(name))]

    def forms_by(self, judge: str) -> list[str]:
        """The forms that another judge is asked."""
        return [form for form in self.other_forms if judge_in(form) == judge]

    @cached_property
    def judged_pairings(self) -> dict[str, list[Pairing]]:
        """Other judge -> the pairings whose traces it scores: those it names, and those of arms on its selections."""
        selected = {(judge_in(parse_selection(arm.selection).dimension or ""), arm.pairing) for arm in self.arms}
        return {
            name: [pair for pair in self.pairings if str(pair) in judge.pairings or (name, pair) in selected]
            for name, judge in self._config.judge.others.items()
        }

    def judged_generators(self, judge: str) -> list[str]:
        """The generators whose traces another judge scores."""
        return list(dict.fromkeys(name for pairing in self.judged_pairings[judge] for name in pairing.generators))

    def form_of(self, dimension: str) -> str:
        """The form that asks a dimension: one of the study's, by the judge whom the dimension names."""
        forms = self._config.judge.forms
        asked = next(form for form, asked in forms.items() if without_judge(dimension) in asked)
        return at_judge(asked, judge_in(dimension))

    def judged_samples(self, generator: str) -> int:
        """How many first samples of a prompt the judge rates."""
        return self._config.generator(generator).judged or self._config.judge.samples

    @cached_property
    def judged(self) -> list[tuple[str, str]]:
        """(generator, form) of the traces that are judged in main forms, by any judge.

        In draw 0, all of them by the study's judge; in another draw, or by another judge, those whose deltas are
        computed.
        """
        main = [(name, form) for name in self._config.generators for form in self._config.judge.forms]
        again = [
            (name, self.form_of(component))
            for pairing, delta in self.deltas_of_pairings
            for name in pairing.generators
            for component in self.components(delta)
            if judge_in(component) != PEOPLE
        ]
        return list(dict.fromkeys([*main, *again]))

    @cached_property
    def all_judged(self) -> list[tuple[str, str]]:
        """(generator, form) of all traces that are judged: in main forms, then in those of `judge.compared`."""
        return [*self.judged, *((name, form) for name in self.compared_generators for form in self.compared_forms)]

    # --- deltas and selections ----------------------------------------------------------------------------------

    @property
    def deltas(self) -> list[str]:
        """The names of the judge's deltas: the dimensions, then the composites."""
        return [*self._config.dimensions, *self._config.delta.composites]

    @cached_property
    def deltas_of_pairings(self) -> list[tuple[Pairing, str]]:
        """(pairing, delta) of the deltas that are computed, by all judges that score the pairing's traces.

        In draw 0, all of them, for the report; in another draw, those by which an arm's pairs are selected.
        """
        selected = {(arm.pairing, parse_selection(arm.selection).dimension) for arm in self.arms}
        return [
            (pairing, delta)
            for pairing in self.pairings
            for delta in self._deltas_of(pairing)
            if pairing.draw == 0 or (pairing, delta) in selected
        ]

    @property
    def other_deltas(self) -> list[str]:
        """The names of the same deltas as other judges score them."""
        others = [at_judge(delta, judge) for judge in self._config.judge.others for delta in self.deltas]
        return [*others, *dict.fromkeys(delta for deltas in self.people_deltas.values() for delta in deltas)]

    @cached_property
    def people_deltas(self) -> dict[Pairing, list[str]]:
        """Pairing -> the names of the deltas by people that its arms' selections use."""
        used: dict[Pairing, list[str]] = {}
        for arm in self.arms:
            dimension = parse_selection(arm.selection).dimension or ""
            if judge_in(dimension) == PEOPLE and dimension not in used.setdefault(arm.pairing, []):
                used[arm.pairing].append(dimension)
        return used

    def _deltas_of(self, pairing: Pairing) -> list[str]:
        """The names of a pairing's deltas, by all judges that score its traces."""
        judges = [name for name, pairings in self.judged_pairings.items() if pairing in pairings]
        by_others = [at_judge(delta, judge) for judge in judges for delta in self.deltas]
        return [*self.deltas, *by_others, *self.people_deltas.get(pairing, [])]

    def components(self, delta: str) -> list[str]:
        """The dimensions whose mean a delta is: one dimension, or those of a composite; of the delta's judge."""
        name, judge = without_judge(delta), judge_in(delta)
        return [at_judge(part, judge) for part in self._config.delta.composites.get(name, [name])]

    def common_set(self, selection: str) -> CommonSet | None:
        """The set that a selection names; None for every selection that names none."""
        name = parse_selection(selection).set
        return self._config.filter.sets[name] if name else None

    def common_pairings(self, selection: str, draw: int) -> list[Pairing]:
        """The pairings whose common prompts a selection takes in a draw; none unless it names a set.

        A pairing whose traces cannot be drawn again counts in draw 0 alone.
        """
        common = self.common_set(selection)
        pairings = map(Pairing.parse, common.pairings) if common else ()
        return [
            pairing.at(draw)
            for pairing in pairings
            if draw == 0 or all(map(self._config.is_random, pairing.generators))
        ]

    def asked_policy(self, arm: Arm) -> str | None:
        """The policy by whose reference log-probabilities an arm's pairs are selected; None for most selections."""
        return parse_selection(arm.selection).policy

    def filter_axes(self, arm: Arm) -> Mapping[str, str]:
        """The axes of the filter job that selects an arm's pairs. `order`: which of the orders of equal deltas."""
        per_seed = self._config.filter.tie_order == "per_seed" and parse_selection(arm.selection).DRAWS_TIES
        return {**arm.pairing.axes, "selection": arm.selection, "order": str(arm.seed if per_seed else 0)}

    # --- shards and names -----------------------------------------------------------------------------------------

    def shards(self, generator: str) -> list[Mapping[str, str]]:
        """The axes of the jobs that share a generator's prompts; none if one job does all prompts."""
        count = self._config.generator(generator).shards
        return [
            {"generator": generator, "shard": str(index), "of": str(count)}
            for index in range(count if count > 1 else 0)
        ]

    @property
    def sources(self) -> list[str]:
        """The sources of prompts: the training set, then the benchmarks."""
        return [TRAINING_PROMPTS, *self._config.benchmarks]

    @property
    def wildcards(self) -> dict[str, str]:
        """Wildcard -> a regular expression of the names that it may be."""
        generators = self.generators
        names = {
            "source": self.sources,
            "model": list(self._config.models),
            "generator": generators,
            "chosen": generators,
            "rejected": generators,
            "form": list(self.forms),
            "dimension": [*self.deltas, *self.other_deltas],
            "policy": self._config.policies,
        }
        return {name: "|".join(map(re.escape, allowed)) or r"(?!)" for name, allowed in names.items()}


def arms_of(experiment: Experiment) -> list[Arm]:
    """The arms of an experiment: every combination of its lists."""
    return [
        Arm(policy, pairing.at(draw), selection, recipe, seed)
        for policy in experiment.policies
        for pairing in _pairings_of(experiment)
        for selection in experiment.selections
        for recipe in experiment.recipes
        for draw, seed in experiment.repeats
    ]


def _pairings_of(experiment: Experiment) -> list[Pairing]:
    return [Pairing.parse(name) for name in experiment.pairings]
