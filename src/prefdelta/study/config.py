"""The config file: axes first, then one section per stage. Typed, and checked as a whole before anything starts.

`python -m prefdelta.study.config` prints the JSON schema that workflow/schemas/config.schema.json holds.
"""

import difflib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from prefdelta.core.asking.engine_options import GeneratorOptions, ThinkingMarks, VLLMServer
from prefdelta.core.asking.rendering import DEFAULT_DATE, Date, Kwargs
from prefdelta.core.asking.requests import Sampling
from prefdelta.core.compute import Cluster, Compute
from prefdelta.core.data.contamination import Contamination
from prefdelta.core.data.sources import Benchmark, DataSource, Domain, MadeSource, Source, TraceFields
from prefdelta.core.errors import StudyError
from prefdelta.core.names import STAGES, TRAINING_PROMPTS
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.core.rungs import LadderSection, Rung
from prefdelta.core.settings import Settings
from prefdelta.stages.delta import DeltaSection
from prefdelta.stages.evaluate import EvaluateSection
from prefdelta.stages.filter import FilterSection
from prefdelta.stages.generate import GenerateSection
from prefdelta.stages.grade import GradeSection
from prefdelta.stages.judge import JudgeSection
from prefdelta.stages.pair import PairSection
from prefdelta.stages.reference import ReferenceSection
from prefdelta.stages.report import FigureKind, ReportSection
from prefdelta.stages.train import TrainSection

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Dimension = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Pairing = Annotated[str, Field(pattern=r"^[^~]+~[^~]+$", description="<chosen generator>~<rejected generator>")]


class Model(Settings):
    """Where a model's weights come from, and how it wants to be asked. Exactly one of ladder and hub is given."""

    ladder: Rung | None = None  # trained here, from scratch
    hub: str | None = None  # owner/name on the Hugging Face hub, or a local folder (./...) in its place
    system: str | None = None  # system prompt, wherever the model is asked, trained or scored
    thinking: ThinkingMarks | None = None  # how it marks its reasoning, if not by <think> and </think>
    # Variables of its chat template, wherever the model is asked, trained or scored: { enable_thinking: true }
    chat_template_kwargs: Kwargs = Field(default_factory=dict)
    size: Name | None = None  # its jobs ask for compute.<stage>.sizes.<size>

    @model_validator(mode="after")
    def _one(self) -> "Model":
        if (self.ladder is None) == (self.hub is None):
            raise ValueError("give either ladder (trained here) or hub (owner/name, or a local folder)")
        if self.ladder and self.chat_template_kwargs:
            raise ValueError("chat_template_kwargs are for models of the hub; the ladder's template has none")
        return self


class Generator(Settings):
    """Who writes traces: a model; or a data set, the one of the training prompts, which ships them."""

    model: Name | None = None
    shipped: TraceFields | None = None  # columns of prompts.train that hold the traces
    samples: Annotated[int, Field(ge=1)] = 1  # draws per prompt
    judged: Annotated[int, Field(ge=1)] | None = None  # how many first draws are judged, instead of judge.samples
    sampling: Sampling | None = None  # instead of generate.sampling
    engine: GeneratorOptions | None = None  # instead of generate.engine
    shards: Annotated[int, Field(ge=1)] = 1  # jobs that share its prompts

    @model_validator(mode="after")
    def _one(self) -> "Generator":
        if (self.model is None) == (self.shipped is None):
            raise ValueError("give either model or shipped (traces that prompts.train holds)")
        return self


class Experiment(Settings):
    """Arms, declared over axes: every combination of the lists is one arm."""

    title: str
    figure: FigureKind = "rows"
    policies: list[Name]
    pairings: list[Pairing]
    selections: list[str]
    recipes: list[Name]
    seeds: list[Annotated[int, Field(ge=0)]]
    # <selection>/<recipe> of other arms that got as many updates as these: the figure shows them beside, and the report
    # says so if the numbers differ after all.
    as_many_updates_as: str | None = None


class PromptsSection(Settings):
    """The training prompts. Benchmarks are files of their own in resources/benchmarks."""

    train: Source
    domain: Domain | None = None  # of a data set; a procedure knows its own
    limit: Annotated[int, Field(ge=1)] | None = None  # keep only so many of each source, drawn by seed
    limits: dict[Name, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)  # source -> the same for it alone
    contamination: Contamination | None = None  # the gate that keeps benchmark items out of the training prompts

    @property
    def train_domain(self) -> str | None:
        return self.domain or (self.train.family if isinstance(self.train, MadeSource) else None)


class Config(Settings):
    """A study."""

    study: Annotated[Name, Field(description="name of the study: its results lie in results/<study>/")]
    seed: Annotated[int, Field(ge=0, description="root of every draw")]
    date: Annotated[Date, Field(description="what chat templates take for today (ISO)")] = DEFAULT_DATE

    models: dict[Name, Model]
    generators: dict[Name, Generator]
    policies: list[Name]
    benchmarks: list[Name]
    dimensions: list[Dimension]
    experiments: dict[Name, Experiment]

    prompts: PromptsSection
    ladder: LadderSection | None = None
    generate: GenerateSection
    grade: GradeSection
    judge: JudgeSection
    pair: PairSection
    delta: DeltaSection
    filter: FilterSection
    reference: ReferenceSection
    train: TrainSection
    evaluate: EvaluateSection
    report: ReportSection
    compute: dict[str, Compute]
    cluster: Cluster = Field(default_factory=Cluster)

    def problems(self) -> list[str]:
        """What no single value shows: names that nothing defines, and counts that cannot be met."""
        found: list[str] = []

        def known(where: str, names: Iterable[str], allowed: Iterable[str]) -> None:
            found.extend(f"{where}: {_unknown(name, allowed)}" for name in names if name not in set(allowed))

        known("policies", self.policies, self.models)
        for name, generator in self.generators.items():
            known(f"generators.{name}.model", [generator.model] if generator.model else [], self.models)
            if generator.shipped and not isinstance(self.prompts.train, DataSource):
                found.append(f"generators.{name}.shipped: prompts.train is no data set, so it ships no traces")
        if isinstance(self.prompts.train, DataSource) and self.prompts.train.repeated != "dropped":
            found.append("prompts.train.repeated: rows of one problem are one training prompt; leave it out")
        if self.prompts.train_domain is None:
            found.append("prompts.domain: is missing; say what the data set of the training prompts is about")
        if any(model.ladder for model in self.models.values()) and self.ladder is None:
            found.append("ladder: is missing, but models are trained here (models.<model>.ladder)")
        found.extend(self._judge_problems())
        found.extend(self._effort_problems())
        compared = self.judge.compared
        for form, dimensions in {**self.judge.forms, **(compared.forms if compared else {})}.items():
            known(f"judge.forms.{form}", dimensions, self.dimensions)
        if compared:
            known("judge.compared.generators", compared.generators, self.generators)
            known("judge.compared.repeats", compared.repeats.values(), self.judge.forms)
            for form in compared.forms.keys() & self.judge.forms.keys():
                found.append(f"judge.compared.forms: {form!r} is the name of a main form; choose another")
            for form in compared.repeats.keys() & {**self.judge.forms, **compared.forms}.keys():
                found.append(f"judge.compared.repeats: {form!r} is the name of another form; choose another")
        asked = [dimension for dimensions in self.judge.forms.values() for dimension in dimensions]
        for dimension in self.dimensions:
            if asked.count(dimension) != 1:
                found.append(
                    f"judge.forms: dimension {dimension!r} is in {asked.count(dimension)} forms; it must be in one"
                )
        for name, components in self.delta.composites.items():
            known(f"delta.composites.{name}", components, self.dimensions)
            if name in self.dimensions:
                found.append(f"delta.composites: {name!r} is the name of a dimension; choose another")
        for name, group in self.evaluate.groups.items():
            known(f"evaluate.groups.{name}.benchmarks", group.benchmarks, self.benchmarks)
            known(f"evaluate.groups.{name}.experiments", group.experiments or [], self.experiments)
            if group.primary and group.experiments is not None:
                found.append(f"evaluate.groups.{name}: a primary group has all arms; leave experiments out")
        primary = [name for group in self.evaluate.groups.values() if group.primary for name in group.benchmarks]
        for benchmark in self.benchmarks:
            if primary.count(benchmark) != 1:
                told = f"benchmark {benchmark!r} is in {primary.count(benchmark)} primary groups"
                found.append(f"evaluate.groups: {told}; it must be in one")
        known("train.keep", self.train.keep or [], self.experiments)
        for name, common in self.filter.sets.items():
            for pairing in common.pairings:
                known(f"filter.sets.{name}.pairings", pairing.split("~"), self.generators)
        if TRAINING_PROMPTS in self.benchmarks:
            found.append(f"benchmarks: {TRAINING_PROMPTS!r} is the name of the training prompts; choose another")
        known("prompts.limits", self.prompts.limits, [TRAINING_PROMPTS, *self.benchmarks])
        known("compute", self.compute, STAGES)
        sizes = {model.size for model in self.models.values() if model.size}
        for stage, compute in self.compute.items():
            known(f"compute.{stage}.sizes", compute.sizes, sizes)
            if stage != "train" and any(one.fsdp or one.submitit for one in (compute, *compute.sizes.values())):
                found.append(f"compute.{stage}: fsdp and submitit are for train alone; leave them out here")
        found.extend(self._size_problems())
        for name, experiment in self.experiments.items():
            where = f"experiments.{name}"
            known(f"{where}.policies", experiment.policies, self.policies)
            known(f"{where}.recipes", experiment.recipes, self.train.recipes)
            for pairing in experiment.pairings:
                known(f"{where}.pairings", pairing.split("~"), self.generators)
                found.extend(self._self_pairing_problems(where, pairing))
            if experiment.as_many_updates_as is not None:
                known(f"{where}.as_many_updates_as", [experiment.as_many_updates_as], self._trained_as(experiment))
            for selection in experiment.selections:
                found.extend(self._selection_problems(f"{where}.selections", selection))
                found.extend(self._set_problems(where, selection, experiment.pairings))
        return found

    def _trained_as(self, experiment: Experiment) -> set[str]:
        """<selection>/<recipe> of all arms of the policies and pairings of an experiment."""
        return {
            f"{selection}/{recipe}"
            for other in self.experiments.values()
            if set(experiment.policies) <= set(other.policies) and set(experiment.pairings) <= set(other.pairings)
            for selection in other.selections
            for recipe in other.recipes
        }

    def _size_problems(self) -> list[str]:
        """A model of a size that a stage does not know would get no GPU where only the sizes say how many."""
        asking: dict[str, Iterable[str | None]] = {
            "generate": [generator.model for generator in self.generators.values()],
            "judge": [self.judge.model],
            "reference": self.policies,
            "train": self.policies,
            "evaluate": self.policies,
        }
        found = []
        for stage, names in asking.items():
            compute = self.compute.get(stage, Compute())
            if compute.gpus or not any(asked.gpus for asked in compute.sizes.values()):
                continue
            for name in dict.fromkeys(name for name in names if name is not None and name in self.models):
                size = self.models[name].size
                if size in compute.sizes:
                    continue
                told = f"there is none for models.{name}.size, {size!r}" if size else f"{name!r} has no size"
                found.append(
                    f"compute.{stage}.sizes: {told}, so its jobs would get no GPU; there are "
                    f"{', '.join(compute.sizes)}. {'Add it' if size else f'Give models.{name}.size'}, or say in "
                    f"compute.{stage}.gpus what others get"
                )
        return found

    def _judge_problems(self) -> list[str]:
        judge, engine = self.judge, self.judge.engine
        found = [f"judge.engine: {told}" for told in engine.problems()]
        needs_weights = isinstance(engine.server, VLLMServer)
        if needs_weights and judge.model is None:
            found.append("judge.model: is missing: which of models does the vllm server of judge.engine serve")
        elif judge.model is not None and not needs_weights:
            found.append("judge.model: judge.engine starts no vllm server that could serve it; take judge.model out")
        elif judge.model is not None and judge.model not in self.models:
            found.append(f"judge.model: {_unknown(judge.model, self.models)}")
        elif judge.model is not None and self.models[judge.model].hub is None:
            found.append(f"judge.model: {judge.model!r} is no model of the hub; give models.{judge.model}.hub")
        return found

    def _effort_problems(self) -> list[str]:
        """Models that are trained here have a template of our own; those of the hub say when they are asked."""
        asked = [
            (f"generators.{name}", generator.model, generator.sampling or self.generate.sampling)
            for name, generator in self.generators.items()
        ]
        for name, group in self.evaluate.groups.items():
            asked += [(f"evaluate.groups.{name}", policy, group.sampling) for policy in self.policies]
        return [
            f"{where}: its sampling has a reasoning_effort, but models.{model} is trained here, and its own chat "
            "template knows none; leave it out"
            for where, model, sampling in asked
            if sampling.reasoning_effort is not None and model in self.models and self.models[model].ladder
        ]

    def _self_pairing_problems(self, where: str, pairing: str) -> list[str]:
        chosen, rejected = pairing.split("~")
        generator = self.generators.get(chosen)
        if chosen != rejected or generator is None:
            return []
        told = f"{where}.pairings: {pairing!r} pairs a generator with itself, which takes 2 samples per prompt"
        short = []
        if generator.samples < 2:
            short.append(f"{told}; set generators.{chosen}.samples to 2 or more")
        if (generator.judged or self.judge.samples) < 2:
            short.append(f"{told}; set generators.{chosen}.judged to 2 or more")
        return short

    def _selection_problems(self, where: str, name: str) -> list[str]:
        try:
            selection = parse_selection(name)
        except StudyError as error:
            return [f"{where}: {error}"]
        found = []
        allowed = [*self.dimensions, *self.delta.composites]
        if selection.dimension is not None and selection.dimension not in allowed:
            found.append(f"{where}: {name!r}: {_unknown(selection.dimension, allowed)}")
        if selection.set is not None and selection.set not in self.filter.sets:
            found.append(f"{where}: {name!r}: set {_unknown(selection.set, self.filter.sets)}")
        train = self.prompts.train
        limit = self.prompts.limits.get(TRAINING_PROMPTS, self.prompts.limit)
        counts = [count for count in (None if isinstance(train, DataSource) else train.items, limit) if count]
        if selection.k is not None and counts and selection.k > min(counts):
            told = f"but there are only {min(counts)} training prompts"
            found.append(f"{where}: {name!r} asks for {selection.k} pairs, {told}")
        return found

    def _set_problems(self, where: str, name: str, pairings: list[str]) -> list[str]:
        """A common selection is only for pairings of its set."""
        known = self.filter.sets.get(name.removeprefix("common-")) if name.startswith("common-") else None
        if known is None:
            return []
        outside = [pairing for pairing in pairings if pairing not in known.pairings]
        return [f"{where}: {name!r} is for the pairings of its set, but {pairing!r} is not one" for pairing in outside]


def parse(content: Mapping[str, Any], where: str) -> Config:
    """A config from its parsed YAML. Raises StudyError that lists every mistake, with the nearest right name."""
    try:
        config = Config.model_validate(dict(content))
    except ValidationError as error:
        raise StudyError(_told(where, [_explain(Config, item) for item in error.errors()])) from None
    if problems := config.problems():
        raise StudyError(_told(where, problems))
    return config


def read_benchmark(path: Path) -> Benchmark:
    """An entry of resources/benchmarks. Raises StudyError if it is missing or wrong."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise StudyError(f"benchmarks: {_unknown(path.stem, near)} (there is no file {path})") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}") from None
    try:
        return Benchmark.model_validate(content)
    except ValidationError as error:
        raise StudyError(_told(str(path), [_explain(Benchmark, item) for item in error.errors()])) from None


def schema_text() -> str:
    """The JSON schema of a config file, as workflow/schemas/config.schema.json holds it."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def _told(where: str, problems: list[str]) -> str:
    return f"{where} has {len(problems)} mistake(s); nothing was started.\n" + "\n".join(f"  - {p}" for p in problems)


def _unknown(name: str, allowed: Iterable[str]) -> str:
    choices = sorted(allowed)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{name!r} is not known; {hint}allowed: {', '.join(choices) or 'nothing is defined'}"


def _explain(model: type[BaseModel], error: Any) -> str:
    """One line for a person: the key, what was found, what is allowed."""
    keys, fields = _place(model, error["loc"])
    place = ".".join(keys)
    found = error["input"]
    match error["type"]:
        case "extra_forbidden":
            return f"{place}: {_unknown(keys[-1], fields)}"
        case "missing":
            return f"{place}: is missing"
        case "union_tag_invalid":  # `method` of a recipe, for example: it decides which keys are allowed
            context = error["ctx"]
            tag, allowed = context["tag"], re.findall(r"'([^']+)'", context["expected_tags"])
            return f"{place}.{context['discriminator'].strip(chr(39))}: {_unknown(tag, allowed)}"
        case "union_tag_not_found":
            return f"{place}.{error['ctx']['discriminator'].strip(chr(39))}: is missing"
        case "float_type" | "int_type" if isinstance(found, str) and _is_number(found):
            written = f"{float(found):.1e}" if "e" in found.lower() else re.sub(r"^0+(?=\d)", "", found)
            return f"{place}: {found!r} is text to YAML; write it as a number, for example {written} without quotes"
    return f"{place}: found {found!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) is not None


def _place(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """(the keys of an error's location as the file has them, the keys allowed beside the last of them).

    Found by walking the JSON schema: pydantic puts the tag of a union into the location, which is no key of the file.
    """
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        options = [option for option in node.get("anyOf", []) if option.get("type") != "null"]
        node = options[0] if options else node
        reference = node.get("$ref")
        return dict(definitions[reference.rpartition("/")[2]]) if reference else node

    keys: list[str] = []
    node, siblings = resolved(schema), {}
    for part in location:
        if part in (tags := node.get("discriminator", {}).get("mapping", {})):
            node = resolved({"$ref": tags[part]})
            continue
        keys.append(str(part))
        siblings = node.get("properties", {})
        if isinstance(part, int):
            node = resolved(node.get("items", {}))
        elif part in siblings:
            node = resolved(siblings[part])
        else:
            patterns = list(node.get("patternProperties", {}).values())
            extra = node.get("additionalProperties")
            node = resolved(patterns[0] if patterns else extra if isinstance(extra, dict) else {})
    return keys, list(siblings)


if __name__ == "__main__":
    sys.stdout.write(schema_text())
