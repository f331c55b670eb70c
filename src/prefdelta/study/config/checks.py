"""Mistakes that no single value of a config shows: undefined names, and counts that cannot be met."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prefdelta.core.arms import Pairing
from prefdelta.core.asking.engine_options import VLLMServer
from prefdelta.core.asking.judges import PEOPLE, judge_in, without_judge
from prefdelta.core.compute import Compute
from prefdelta.core.data.sources import DataSource
from prefdelta.core.errors import StudyError
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.core.stage_names import STAGES, TRAINING_PROMPTS
from prefdelta.study.config.messages import unknown
from prefdelta.study.config.sections import Config, Experiment


def mistakes_across(config: Config) -> list[str]:
    """All such mistakes in a config, one text each."""
    checks = (
        *(
            _generators,
            _prompts,
            _ladder,
            _judge,
            _other_judges,
            _compared,
            _dimensions,
            _composites,
            _annotations,
            _groups,
            _kept,
            _sets,
        ),
        *(_compute, _sizes, _experiments),
    )
    return [mistake for check in checks for mistake in check(config)]


def _unknown(where: str, names: Iterable[str], allowed: Iterable[str]) -> Iterator[str]:
    choices = list(allowed)
    for name in names:
        if name not in choices:
            yield f"{where}: {unknown(name, choices)}"


def _unknown_generators(config: Config, where: str, pairings: Iterable[str]) -> Iterator[str]:
    for name in pairings:
        try:
            pairing = Pairing.parse(name)
        except StudyError as error:
            yield f"{where}: {error}"
        else:
            yield from _unknown(where, pairing.generators, config.generators)


def _at_judge(where: str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if "@" in name:
            yield f"{where}: {name!r} has an @, which stands before the name of another judge; choose another"


def _generators(config: Config) -> Iterator[str]:
    yield from _unknown("policies", config.policies, config.models)
    for name, generator in config.generators.items():
        if generator.model:
            yield from _unknown(f"generators.{name}.model", [generator.model], config.models)
        if generator.shipped and not isinstance(config.prompts.train, DataSource):
            yield f"generators.{name}.shipped: prompts.train is not a data set, so it ships no traces"


def _prompts(config: Config) -> Iterator[str]:
    prompts = config.prompts
    if isinstance(prompts.train, DataSource) and prompts.train.repeated != "dropped":
        yield "prompts.train.repeated: rows of one problem are one training prompt; leave it out"
    if prompts.train_domain is None:
        yield "prompts.domain: is missing; say what the data set of the training prompts is about"
    yield from _unknown("prompts.limits", prompts.limits, [TRAINING_PROMPTS, *config.benchmarks])
    if TRAINING_PROMPTS in config.benchmarks:
        yield f"benchmarks: {TRAINING_PROMPTS!r} is the name of the training prompts; choose another"


def _ladder(config: Config) -> Iterator[str]:
    if any(model.ladder for model in config.models.values()) and config.ladder is None:
        yield "ladder: is missing, but models are trained here (models.<model>.ladder)"
    for name, rung in ((name, model.ladder) for name, model in config.models.items()):
        held = rung.misconceptions if rung else None
        if config.ladder and held:
            tables = config.ladder.misconceptions
            yield from _unknown(f"models.{name}.ladder.misconceptions.table", [held.table], tables)
    # The ladder's models have a template of our own; templates of the hub are checked when they are used.
    questions = [
        (f"generators.{name}", generator.model, generator.sampling or config.generate.sampling)
        for name, generator in config.generators.items()
    ]
    for name, group in config.evaluate.groups.items():
        questions += [(f"evaluate.groups.{name}", policy, group.sampling) for policy in config.policies]
    for where, model, sampling in questions:
        if sampling.reasoning_effort is not None and model in config.models and config.models[model].ladder:
            yield (
                f"{where}: its sampling has a reasoning_effort, but models.{model} is trained here, and its own chat "
                "template has none; leave it out"
            )


def _judge(config: Config) -> Iterator[str]:
    for judge in config.judge.judges().values():
        where, engine = judge.where, judge.engine
        yield from (f"{where}.engine: {mistake}" for mistake in engine.problems())
        needs_weights = isinstance(engine.server, VLLMServer)
        if needs_weights and judge.model is None:
            yield f"{where}.model: is missing: which of models does the vllm server of {where}.engine serve"
        elif judge.model is not None and not needs_weights:
            yield f"{where}.model: {where}.engine starts no vllm server that could serve it; take {where}.model out"
        elif judge.model is not None and judge.model not in config.models:
            yield f"{where}.model: {unknown(judge.model, config.models)}"
        elif judge.model is not None and config.models[judge.model].hub is None:
            yield f"{where}.model: {judge.model!r} is not a model of the hub; give models.{judge.model}.hub"


def _other_judges(config: Config) -> Iterator[str]:
    pairings = [name for experiment in config.experiments.values() for name in experiment.pairings]
    selections = {name for experiment in config.experiments.values() for name in experiment.selections}
    for name, judge in config.judge.others.items():
        where = f"judge.others.{name}"
        yield from _unknown(f"{where}.pairings", judge.pairings, dict.fromkeys(pairings))
        if name == PEOPLE:
            yield f"judge.others: {name!r} is the judge whose scores come from people's sheets; choose another name"
        if judge.model is not None and judge.engine is None:
            yield f"{where}.model: is for an engine of its own; give {where}.engine, or leave model out"
        if not judge.pairings and not any(f"@{name}-" in selection for selection in selections):
            yield f"{where}.pairings: is empty, so it would judge nothing; name a pairing of an experiment"


def _compared(config: Config) -> Iterator[str]:
    forms, compared = config.judge.forms, config.judge.compared
    for form, dimensions in {**forms, **(compared.forms if compared else {})}.items():
        yield from _unknown(f"judge.forms.{form}", dimensions, config.dimensions)
    yield from _at_judge("judge.forms", forms)
    if compared is None:
        return
    yield from _unknown("judge.compared.generators", compared.generators, config.generators)
    yield from _unknown("judge.compared.repeats", compared.repeats.values(), forms)
    yield from _at_judge("judge.compared.forms", compared.forms)
    yield from _at_judge("judge.compared.repeats", compared.repeats)
    for form in compared.forms.keys() & forms.keys():
        yield f"judge.compared.forms: {form!r} is the name of a main form; choose another"
    for form in compared.repeats.keys() & {**forms, **compared.forms}.keys():
        yield f"judge.compared.repeats: {form!r} is the name of another form; choose another"


def _dimensions(config: Config) -> Iterator[str]:
    in_forms = [dimension for dimensions in config.judge.forms.values() for dimension in dimensions]
    for dimension in config.dimensions:
        if (count := in_forms.count(dimension)) != 1:
            yield f"judge.forms: dimension {dimension!r} is in {count} forms; it must be in one"


def _composites(config: Config) -> Iterator[str]:
    yield from _at_judge("delta.composites", config.delta.composites)
    for name, components in config.delta.composites.items():
        yield from _unknown(f"delta.composites.{name}", components, config.dimensions)
        if name in config.dimensions:
            yield f"delta.composites: {name!r} is the name of a dimension; choose another"


def _annotations(config: Config) -> Iterator[str]:
    for sheet, count in Counter(config.annotations).items():
        if count > 1:
            yield f"annotations: {sheet!r} is given twice; leave one out"


def _groups(config: Config) -> Iterator[str]:
    groups = config.evaluate.groups
    for name, group in groups.items():
        yield from _unknown(f"evaluate.groups.{name}.benchmarks", group.benchmarks, config.benchmarks)
        yield from _unknown(f"evaluate.groups.{name}.experiments", group.experiments or [], config.experiments)
        if group.primary and group.experiments is not None:
            yield f"evaluate.groups.{name}: a primary group has all arms; leave experiments out"
        own = group.sampling.temperature
        for temperature in group.base_temperatures:
            if temperature >= own:
                yield (
                    f"evaluate.groups.{name}.base_temperatures: {temperature:g} is not below the group's own "
                    f"temperature, {own:g}; they say what sharper sampling gains"
                )
        if len(set(group.base_temperatures)) < len(group.base_temperatures):
            yield f"evaluate.groups.{name}.base_temperatures: a temperature is given twice"
    in_primary = [name for group in groups.values() if group.primary for name in group.benchmarks]
    for benchmark in config.benchmarks:
        if (count := in_primary.count(benchmark)) != 1:
            yield f"evaluate.groups: benchmark {benchmark!r} is in {count} primary groups; it must be in one"


def _kept(config: Config) -> Iterator[str]:
    yield from _unknown("train.keep", config.train.keep or [], config.experiments)


def _sets(config: Config) -> Iterator[str]:
    for name, common in config.filter.sets.items():
        yield from _unknown_generators(config, f"filter.sets.{name}.pairings", common.pairings)


def _compute(config: Config) -> Iterator[str]:
    yield from _unknown("compute", config.compute, STAGES)
    sizes = {model.size for model in config.models.values() if model.size}
    for stage, compute in config.compute.items():
        yield from _unknown(f"compute.{stage}.sizes", compute.sizes, sizes)
        if stage != "train" and any(part.fsdp or part.submitit for part in (compute, *compute.sizes.values())):
            yield f"compute.{stage}: fsdp and submitit are for train alone; leave them out here"


def _sizes(config: Config) -> Iterator[str]:
    """A model whose size a stage does not list would get no GPU if GPUs are given only by size."""
    models_of: dict[str, Iterable[str | None]] = {
        "generate": [generator.model for generator in config.generators.values()],
        "judge": [judge.model for judge in config.judge.judges().values()],
        "reference": config.policies,
        "train": config.policies,
        "evaluate": config.policies,
    }
    for stage, models in models_of.items():
        compute = config.compute.get(stage, Compute())
        if compute.gpus or not any(part.gpus for part in compute.sizes.values()):
            continue
        for name in dict.fromkeys(name for name in models if name is not None and name in config.models):
            size = config.models[name].size
            if size in compute.sizes:
                continue
            lack = f"there is none for models.{name}.size, {size!r}" if size else f"{name!r} has no size"
            yield (
                f"compute.{stage}.sizes: {lack}, so its jobs would get no GPU; there are "
                f"{', '.join(compute.sizes)}. {'Add it' if size else f'Give models.{name}.size'}, or say in "
                f"compute.{stage}.gpus what others get"
            )


def _experiments(config: Config) -> Iterator[str]:
    for name, experiment in config.experiments.items():
        where = f"experiments.{name}"
        yield from _unknown(f"{where}.policies", experiment.policies, config.policies)
        yield from _unknown(f"{where}.recipes", experiment.recipes, config.train.recipes)
        yield from _unknown_generators(config, f"{where}.pairings", experiment.pairings)
        for pairing in experiment.pairings:
            yield from _self_pairing(config, f"{where}.pairings", pairing)
        yield from _draws(config, where, experiment)
        if experiment.as_many_updates_as is not None:
            others = _selections_and_recipes(config, experiment)
            yield from _unknown(f"{where}.as_many_updates_as", [experiment.as_many_updates_as], others)
        for selection in experiment.selections:
            yield from _selection(config, where, selection, experiment.pairings)


def _draws(config: Config, where: str, experiment: Experiment) -> Iterator[str]:
    """Another draw of traces needs generators that answer at random."""
    if not any(draw for draw, _ in experiment.repeats):
        return
    named = {name for pairing in experiment.pairings for name in pairing.split("~") if name in config.generators}
    for name in sorted(named):
        if not config.is_random(name):
            why = "a data set ships its traces" if config.generators[name].shipped else "its temperature is 0"
            yield (
                f"{where}.draws: the traces of {name!r} cannot be drawn again, because {why}; leave draws out, or put "
                "its pairings into an experiment without draws"
            )


def _self_pairing(config: Config, where: str, name: str) -> Iterator[str]:
    """A generator that is paired with itself needs two traces of a prompt, both judged."""
    if name not in {str(Pairing(generator, generator)) for generator in config.generators}:
        return
    chosen = Pairing.parse(name).chosen
    generator = config.generators[chosen]
    need = f"{where}: {name!r} pairs a generator with itself, which takes 2 samples per prompt"
    if generator.samples < 2:
        yield f"{need}; set generators.{chosen}.samples to 2 or more"
    if (generator.judged or config.judge.samples) < 2:
        yield f"{need}; set generators.{chosen}.judged to 2 or more"


def _selections_and_recipes(config: Config, experiment: Experiment) -> set[str]:
    """<selection>/<recipe> of the arms of all experiments that cover an experiment's policies and pairings."""
    return {
        f"{selection}/{recipe}"
        for other in config.experiments.values()
        if set(experiment.policies) <= set(other.policies) and set(experiment.pairings) <= set(other.pairings)
        for selection in other.selections
        for recipe in other.recipes
    }


def _selection(config: Config, experiment: str, name: str, pairings: list[str]) -> Iterator[str]:
    where = f"{experiment}.selections"
    try:
        selection = parse_selection(name)
    except StudyError as error:
        yield f"{where}: {error}"
        return
    asked = (selection.k or 0) * (2 if selection.MATCHES else 1)
    needed = f"{asked} pairs, the top ones and as many others" if selection.MATCHES else f"{asked} pairs"
    if selection.dimension is not None:
        dimensions, judges = [*config.dimensions, *config.delta.composites], [*config.judge.others, PEOPLE]
        yield from _unknown(f"{where}: {name!r}", [without_judge(selection.dimension)], dimensions)
        judge = judge_in(selection.dimension)
        yield from _unknown(f"{where}: {name!r}: judge", [judge] if judge else [], judges)
        if judge == PEOPLE and not config.annotations:
            yield f"{where}: {name!r} selects by people's deltas; name their sheets in annotations"
        other = config.judge.others.get(judge or "")
        if other and other.prompts != "all" and asked > other.prompts:
            yield (
                f"{where}: {name!r} asks for {needed}, but {judge} judges only {other.prompts} prompts; "
                f"raise judge.others.{judge}.prompts"
            )
    if selection.set is not None and selection.set not in config.filter.sets:
        yield f"{where}: {name!r}: set {unknown(selection.set, config.filter.sets)}"
    elif selection.set is not None:
        for pairing in pairings:
            if pairing not in config.filter.sets[selection.set].pairings:
                yield f"{experiment}: {name!r} is for the pairings of its set, but {pairing!r} is not one"
    if selection.policy is not None and selection.policy not in config.policies:
        yield f"{where}: {name!r}: policy {unknown(selection.policy, config.policies)}"
    train = config.prompts.train
    limits = [
        config.prompts.limits.get(TRAINING_PROMPTS, config.prompts.limit),
        None if isinstance(train, DataSource) else train.items,
    ]
    most = min((limit for limit in limits if limit), default=None)
    if most is not None and asked > most:
        yield f"{where}: {name!r} asks for {needed}, but there are only {most} training prompts"
