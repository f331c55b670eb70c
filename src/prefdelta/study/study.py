"""A study as the workflow sees it: which files each job reads and which settings it gets. Lookups, no logic.

The Snakefile makes one `Study`, and its rules name these methods. Those that take `wildcards` are input functions or
params. Paths are relative to the working directory, so that a log's command line can be pasted into a shell.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prefdelta.core.asking.rendering import PLAIN, Rendering
from prefdelta.core.compute import Asked, Cluster, Compute, Fsdp
from prefdelta.core.data.sources import Benchmark, DataSource, Source
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel, is_local
from prefdelta.core.ids import digest, seed_of
from prefdelta.core.launch import Launch
from prefdelta.core.names import STAGES, TRAINING_PROMPTS
from prefdelta.core.pairs.selections import CommonSet, parse_selection
from prefdelta.core.pins import Kind
from prefdelta.core.recipes import NEEDS_REFERENCE
from prefdelta.core.settings import Settings
from prefdelta.core.template import fill
from prefdelta.engines.openai.account import read_prices
from prefdelta.models.repositories import LOCK, read_pins
from prefdelta.stages.delta import DeltaSettings
from prefdelta.stages.evaluate import AskedBenchmark, EvaluateSettings
from prefdelta.stages.filter import FilterSettings
from prefdelta.stages.generate import GenerateSettings, Shard, Shipped
from prefdelta.stages.grade import GradeSettings
from prefdelta.stages.judge import JudgeSettings
from prefdelta.stages.ladder import LadderSettings
from prefdelta.stages.pair import PairSettings
from prefdelta.stages.prompts import PromptsSettings
from prefdelta.stages.reference import ReferenceSettings
from prefdelta.stages.report import ReportBenchmark, ReportExperiment, ReportGroup, ReportSettings
from prefdelta.stages.train import TrainSettings
from prefdelta.study.config import Config, Experiment, parse, read_benchmark
from prefdelta.system.files import sha256_of
from prefdelta.workflow.job_source import PLANNED, job_code

BENCHMARKS = Path("resources/benchmarks")
RUBRICS = Path("resources/rubrics")
REPORT_TEMPLATE = "resources/templates/report.html"
REPORT_CLAIMS = "resources/claims.yaml"
PROBLEM_SLOTS = ("problem",)
JUDGE_SLOTS = ("category", "rubric", "problem", "trace")
ASKING = ("generate", "reference", "evaluate")  # stages with a template for problems
_SIDES = ("chosen", "rejected")
_OF_A_SIDE = ("generate", "grade")  # stages whose tables a pair joins
# Rule -> the files of its jobs in results/<study>/. A batch of train or evaluate has a rule of its own.
NAMES = {
    "prompts": "prompts/{source}",
    "ladder": "ladder/{model}/model",
    "generate": "generate/{generator}",
    "generate_shard": "generate/{generator}/shard-{shard}-of-{of}",
    "grade": "grade/{generator}",
    "judge": "judge/{generator}/{form}",
    "pair": "pair/{chosen}~{rejected}",
    "delta": "delta/{chosen}~{rejected}/{dimension}",
    "filter": "filter/{chosen}~{rejected}/{selection}",
    "reference": "reference/{policy}/{generator}",
    "report": "report/index",
}
SETTINGS: dict[str, type[Settings]] = {
    "prompts": PromptsSettings,
    "ladder": LadderSettings,
    "generate": GenerateSettings,
    "grade": GradeSettings,
    "judge": JudgeSettings,
    "pair": PairSettings,
    "delta": DeltaSettings,
    "filter": FilterSettings,
    "reference": ReferenceSettings,
    "train": TrainSettings,
    "evaluate": EvaluateSettings,
    "report": ReportSettings,
}


@dataclass(frozen=True, slots=True)
class Batch:
    """One job of train or evaluate: a rule of its own, with several arms' outputs."""

    rule: str
    inputs: dict[str, list[str]]
    outputs: list[str]
    manifest: str
    log: str
    settings: str  # JSON
    texts: str
    code: str
    is_local: bool  # a job of the machine where Snakemake runs, which waits for one that it asks SLURM for itself
    threads: int
    resources: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What one job writes, as its rule names it."""

    outputs: list[str]  # all but manifest and log; a path without an ending is a folder
    manifest: str
    log: str


@dataclass(frozen=True, slots=True)
class Planned:
    """What one job is given."""

    stage: str
    manifest: str
    settings: str  # JSON
    code: str  # digest of its source
    reads: list[str]  # inputs but manifests: tables, weights' manifests (.json), and texts that people edit
    writes: list[str]

    @property
    def given(self) -> dict[str, Any]:
        """Its settings."""
        found: dict[str, Any] = json.loads(self.settings)
        return found


class Study:
    """Files and settings of every job."""

    def __init__(self, content: Mapping[str, Any], where: str) -> None:
        """Read a study from a parsed config file. `where` names it in errors.

        Raises StudyError that lists what is wrong with the config, its benchmarks, rubrics or templates.
        """
        self.config: Config = parse(content, where)
        self.results = f"results/{self.config.study}"
        self.record = f"{self.results}/record"
        self.benchmarks: dict[str, Benchmark] = {
            name: read_benchmark(BENCHMARKS / f"{name}.yaml") for name in self.config.benchmarks
        }
        self._pins = read_pins()
        self._check_texts()
        self._check_prices()
        self._planned: dict[str, str] | None = None

    def export_planned(self) -> None:
        """From now on, tell the jobs by environment which source each was planned with (see `workflow.job_source`)."""
        self._planned = {}

    def _check_texts(self) -> None:
        """Rubrics and templates are there, readable, and have the right slots."""
        config = self.config
        for dimension in config.dimensions:
            _read_text(RUBRICS / f"{dimension}.md", f"the rubric of dimension {dimension!r}")
        templates = {f"{stage}.template": getattr(config, stage).template for stage in ASKING}
        templates |= {f"the template of {name}": one.template for name, one in self.benchmarks.items() if one.template}
        for what, path in templates.items():
            fill(_read_text(Path(path), what), dict.fromkeys(PROBLEM_SLOTS, ""), path)
        path = Path(config.judge.template)
        fill(_read_text(path, "judge.template"), dict.fromkeys(JUDGE_SLOTS, ""), str(path))

    def _check_prices(self) -> None:
        """What a hosted model costs is known before anything runs, not when it is asked, after days of generating."""
        engine = self.config.judge.engine
        if engine.prices is not None:
            try:
                read_prices(Path(engine.prices)).of(engine.model, engine.prices)
            except StudyError as error:
                raise StudyError(f"judge.engine.prices: {error}") from None

    # --- axes -----------------------------------------------------------------------------------------------------

    @cached_property
    def arms(self) -> list[str]:
        """All trained arms, each once: <policy>/<chosen>~<rejected>/<selection>/<recipe>/s<seed>."""
        return list(dict.fromkeys(arm for found in self.config.experiments.values() for arm in _arms_of(found)))

    @cached_property
    def _pairings(self) -> list[str]:
        return list(dict.fromkeys(arm.split("/")[1] for arm in self.arms))

    @property
    def _deltas(self) -> list[str]:
        return [*self.config.dimensions, *self.config.delta.composites]

    @cached_property
    def train_batches(self) -> list["Batch"]:
        """The jobs of train: arms that share policy, pairing, recipe and seed, at most compute.train.batch in each."""
        return [
            self._train_batch(name, arms) for name, arms in _batches(self.arms, self._compute("train").batch).items()
        ]

    @cached_property
    def evaluate_batches(self) -> list["Batch"]:
        """The jobs of evaluate: per group, the untrained policies and the batches of arms."""
        found = []
        for group in self.config.evaluate.groups:
            for policy in self.config.policies:
                found.append(self._evaluate_batch(f"{policy}/base-{group}", [f"{policy}/base"], group))
            batches = _batches(self._arms_in(group), self._compute("evaluate").batch)
            found += [self._evaluate_batch(f"{name}-{group}", arms, group) for name, arms in batches.items()]
        return found

    def policy_manifest(self, arm: str) -> str:
        """The manifest that names a trained policy's weights."""
        return f"{self.results}/train/{arm}/policy.json"

    @cached_property
    def passing_arms(self) -> dict[str, list[str]]:
        """Arms whose policies are of no use once they are evaluated (train.keep) -> the scores that take them."""
        keep = self.config.train.keep
        kept = {
            arm
            for name in (self.config.experiments if keep is None else keep)
            for arm in _arms_of(self.config.experiments[name])
        }
        scores = [path for batch in self.evaluate_batches for path in batch.outputs]
        return {arm: [path for path in scores if f"/{arm}/" in path] for arm in self.arms if arm not in kept}

    def _arms_in(self, group: str) -> list[str]:
        """The trained arms that a group evaluates."""
        experiments = self.config.evaluate.groups[group].experiments
        if experiments is None:
            return self.arms
        return list(dict.fromkeys(arm for name in experiments for arm in _arms_of(self.config.experiments[name])))

    def _common_set(self, selection: str) -> CommonSet | None:
        name = parse_selection(selection).set
        return self.config.filter.sets[name] if name else None

    def _form_of(self, dimension: str) -> str:
        return next(form for form, asked in self.config.judge.forms.items() if dimension in asked)

    def _judged_samples(self, generator: str) -> int:
        """How many first samples of a prompt the judge rates."""
        return self.config.generators[generator].judged or self.config.judge.samples

    def _components(self, dimension: str) -> list[str]:
        return self.config.delta.composites.get(dimension, [dimension])

    def _limit(self, name: str) -> int | None:
        """How many prompts of a source are kept."""
        section = self.config.prompts
        if name == TRAINING_PROMPTS or name in section.limits:
            return section.limits.get(name, section.limit)
        return self.benchmarks[name].limit or section.limit

    def _source(self, name: str) -> Source:
        return self.config.prompts.train if name == TRAINING_PROMPTS else self.benchmarks[name].source

    @property
    def wildcards(self) -> dict[str, str]:
        """Wildcard -> a pattern of the names that it may be."""
        config, generators = self.config, list(self.config.generators)
        names = {
            "source": [TRAINING_PROMPTS, *config.benchmarks],
            "model": list(config.models),
            "generator": generators,
            "chosen": generators,
            "rejected": generators,
            "form": list(self._forms),
            "dimension": self._deltas,
            "policy": config.policies,
        }
        return {name: "|".join(map(re.escape, allowed)) or r"(?!)" for name, allowed in names.items()}

    # --- inputs ---------------------------------------------------------------------------------------------------

    def weights(self, model: str) -> list[str]:
        """The manifest that names a model's weights; none for a model of the hub, whose commit is a setting."""
        return [] if self.config.models[model].hub else [f"{self.results}/ladder/{model}/model.json"]

    def generator_weights(self, wildcards: Any) -> list[str]:
        model = self.config.generators[wildcards.generator].model
        return self.weights(model) if model else []

    def policy_weights(self, wildcards: Any) -> list[str]:
        return self.weights(wildcards.policy)

    def shards(self, wildcards: Any) -> list[str]:
        """What the shards of a generator write, if there are several."""
        name = wildcards.generator
        return [f"{self.results}/generate/{shard}.parquet" for shard in self._shards if shard.startswith(f"{name}/")]

    def prompts_lock(self, wildcards: Any) -> list[str]:
        """The prompts that are left out of the training set, if there is a gate."""
        gate = self.config.prompts.contamination
        if gate is None or wildcards.source != TRAINING_PROMPTS:
            return []
        if not Path(gate.lock).is_file():
            raise StudyError(
                f"prompts.contamination.lock: there is no file {gate.lock}. Write it: prefdelta decontaminate."
            )
        return [gate.lock]

    def prompts_train(self, wildcards: Any) -> list[str]:
        """The training prompts, which a benchmark must not overlap with, if there is a gate."""
        gated = self.config.prompts.contamination is not None and wildcards.source != TRAINING_PROMPTS
        return [f"{self.results}/prompts/{TRAINING_PROMPTS}.parquet"] if gated else []

    def form_rubrics(self, wildcards: Any) -> list[str]:
        return [str(RUBRICS / f"{name}.md") for name in self._forms[wildcards.form]]

    @property
    def _forms(self) -> dict[str, list[str]]:
        """All forms: those of the study, and those that are compared with them."""
        return {**self.config.judge.forms, **self._compared_forms}

    @property
    def _compared_forms(self) -> dict[str, list[str]]:
        judge = self.config.judge
        return judge.compared.asked(judge.forms) if judge.compared else {}

    def delta_judgements(self, wildcards: Any) -> list[str]:
        forms = dict.fromkeys(self._form_of(name) for name in self._components(wildcards.dimension))
        generators = dict.fromkeys((wildcards.chosen, wildcards.rejected))
        return [f"{self.results}/judge/{generator}/{form}.parquet" for generator in generators for form in forms]

    def filter_deltas(self, wildcards: Any) -> list[str]:
        dimension = parse_selection(wildcards.selection).dimension
        pairing = f"{wildcards.chosen}~{wildcards.rejected}"
        return [f"{self.results}/delta/{pairing}/{dimension}.parquet"] if dimension else []

    def filter_common(self, wildcards: Any) -> list[str]:
        common = self._common_set(wildcards.selection)
        return [f"{self.results}/pair/{pairing}.parquet" for pairing in common.pairings] if common else []

    def report_scores(self, wildcards: Any) -> list[str]:
        return [path for batch in self.evaluate_batches for path in batch.outputs]

    def report_pairs(self, wildcards: Any) -> list[str]:
        return [f"{self.results}/pair/{pairing}.parquet" for pairing in self._pairings]

    def report_deltas(self, wildcards: Any) -> list[str]:
        return self._outputs("delta")

    def report_grades(self, wildcards: Any) -> list[str]:
        return self._outputs("grade")

    def report_judgements(self, wildcards: Any) -> list[str]:
        """The main judgements of the generators that are judged in another way, too."""
        compared = self.config.judge.compared
        return self._tables("judge", self._judged(compared.generators, self.config.judge.forms) if compared else [])

    def report_compared(self, wildcards: Any) -> list[str]:
        """The other judgements."""
        return self._tables("judge", self._compared)

    def report_manifests(self, wildcards: Any) -> list[str]:
        """The manifests of all jobs above the report."""
        return [job.manifest for stage in STAGES if stage != "report" for job in self.written(stage)]

    # --- outputs --------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> list[str]:
        """All that a study consists of: a table in its middle is wanted for itself too, and made if it is gone."""
        return [path for stage in STAGES for job in self.written(stage) for path in job.outputs]

    def written(self, stage: str) -> list[Written]:
        """What the jobs of a stage write: all that the report stands on, and the report."""
        if stage in ("train", "evaluate"):
            batches = self.train_batches if stage == "train" else self.evaluate_batches
            return [Written(batch.outputs, batch.manifest, batch.log) for batch in batches]
        found = []
        for output in self._outputs(stage):
            name = Path(output).relative_to(self.results).with_suffix("")
            outputs = [output, f"{self.results}/report/figures"] if stage == "report" else [output]
            manifest = f"{self.results}/{name}.manifest.json"
            found.append(Written(outputs, manifest, f"{self.results}/logs/{name}.log"))
        return found

    def _outputs(self, stage: str) -> list[str]:
        """The output of each job of a stage that has no batches."""
        config = self.config
        if stage == "ladder":
            return [path for model in config.models for path in self.weights(model)]
        if stage == "report":
            return [f"{self.results}/report/index.html"]
        if stage == "reference":
            batches = self.train_batches
            read = [path for batch in batches for side in _SIDES for path in batch.inputs[f"{side}_reference"]]
            return list(dict.fromkeys(read))
        arms = [arm.split("/") for arm in self.arms]
        common = [name for arm in arms if (found := self._common_set(arm[2])) for name in found.pairings]
        names = {
            "prompts": [TRAINING_PROMPTS, *self.benchmarks],
            "generate": [*config.generators, *self._shards],
            "grade": config.generators,
            "judge": [*self._judged(config.generators, config.judge.forms), *self._compared],
            "pair": [*self._pairings, *common],
            "delta": [f"{pairing}/{name}" for pairing in self._pairings for name in self._deltas],
            "filter": [f"{pairing}/{selection}" for _, pairing, selection, _, _ in arms],
        }
        return self._tables(stage, names[stage])

    def _tables(self, stage: str, names: Iterable[str]) -> list[str]:
        return [f"{self.results}/{stage}/{name}.parquet" for name in dict.fromkeys(names)]

    @property
    def _shards(self) -> list[str]:
        return [
            f"{name}/shard-{index}-of-{generator.shards}"
            for name, generator in self.config.generators.items()
            for index in range(generator.shards if generator.shards > 1 else 0)
        ]

    @staticmethod
    def _judged(generators: Iterable[str], forms: Iterable[str]) -> list[str]:
        return [f"{generator}/{form}" for generator in generators for form in forms]

    @property
    def _compared(self) -> list[str]:
        """Judge's other way, on a sample: <generator>/<form>."""
        compared = self.config.judge.compared
        return self._judged(compared.generators, self._compared_forms) if compared else []

    # --- what the hub has -----------------------------------------------------------------------------------------

    @cached_property
    def hub_names(self) -> dict[Kind, list[str]]:
        """The models and data sets of the hub that the study uses; local folders are none."""
        sources = [self.config.prompts.train, *(benchmark.source for benchmark in self.benchmarks.values())]
        names: dict[Kind, list[str]] = {
            "models": [model.hub for model in self.config.models.values() if model.hub],
            "datasets": [source.dataset for source in sources if isinstance(source, DataSource)],
        }
        return {kind: sorted({name for name in found if not is_local(name)}) for kind, found in names.items()}

    @property
    def unpinned(self) -> list[str]:
        """Those of them that no commit is known of."""
        return [name for kind, names in self.hub_names.items() for name in self._pins.unpinned(kind, names)]

    def check_pinned(self) -> None:
        """Raise StudyError if something of the hub is not pinned: what runs must be known to the last byte."""
        if self.unpinned:
            raise StudyError(f"{self._unpinned_told()} Nothing was started.")

    def _unpinned_told(self) -> str:
        names = ", ".join(self.unpinned)
        return (
            f"not pinned to a commit: {names}. Run `prefdelta pin` where the hub can be reached and commit {LOCK}; or "
            "name local folders (./…) in their place."
        )

    def told(self) -> str:
        """The whole study in a few lines, for a dry run: its jobs by stage, and what keeps it from running."""
        counts = {stage: len(self.written(stage)) for stage in STAGES}
        total, jobs = sum(counts.values()), ", ".join(f"{stage} {count}" for stage, count in counts.items() if count)
        policies = len(self.config.policies)
        lines = [
            f"study {self.config.study}: {len(self.arms)} trained arms and {policies} untrained, {total} jobs: {jobs}"
        ]
        if self.unpinned:
            lines.append(f"warning: {self._unpinned_told()} Until then it does not run.")
        return "\n".join(lines)

    def _hub(self, model: str) -> HubModel | None:
        name = self.config.models[model].hub
        return HubModel(name=name, revision=self._pins.revision("models", name)) if name else None

    def rendering(self, model: str | None) -> Rendering:
        """How a model's chat template is rendered. That of the ladder is our own, and has nothing to set."""
        if model is None or self.config.models[model].hub is None:
            return PLAIN
        return Rendering(date=self.config.date, chat_template_kwargs=self.config.models[model].chat_template_kwargs)

    def _pinned(self, source: Source) -> Source:
        if isinstance(source, DataSource) and source.revision is None:
            return source.model_copy(update={"revision": self._pins.revision("datasets", source.dataset)})
        return source

    # --- settings: a stage's slice of the config, and nothing else --------------------------------------------------

    @property
    def planned(self) -> Iterator["Planned"]:
        """All jobs, with what they are given: stage by stage, in the order of `written`."""
        for stage in STAGES:
            if stage in ("train", "evaluate"):
                batches = self.train_batches if stage == "train" else self.evaluate_batches
                for one in batches:
                    reads = [path for paths in one.inputs.values() for path in paths]
                    yield Planned(stage, one.manifest, one.settings, one.code, reads, one.outputs)
                continue
            for job in self.written(stage):
                wildcards = self._wildcards_of(job.manifest)
                given = getattr(self, f"_{stage}")(wildcards)
                code = job_code(stage, given)[1]
                yield Planned(
                    stage, job.manifest, given.model_dump_json(), code, self._reads(stage, wildcards), job.outputs
                )

    def _wildcards_of(self, manifest: str) -> SimpleNamespace:
        """The wildcards of a job that is no batch, by the path of its manifest."""
        name = manifest.removeprefix(f"{self.results}/").removesuffix(".manifest.json")
        for pattern in NAMES.values():
            if found := re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/~]+)", pattern), name):
                return SimpleNamespace(**found.groupdict())
        raise AssertionError(f"{manifest}: is of no rule")

    def _reads(self, stage: str, wildcards: Any) -> list[str]:
        """What a job that is no batch reads, as its rule says, but for manifests."""
        config, prompts = self.config, f"{self.results}/prompts/{TRAINING_PROMPTS}.parquet"
        sides = [getattr(wildcards, side, "") for side in _SIDES]
        traces = f"{self.results}/generate/{getattr(wildcards, 'generator', '')}.parquet"
        pairs = f"{self.results}/pair/{'~'.join(sides)}.parquet"
        match stage:
            case "prompts":
                gate = config.prompts.contamination if wildcards.source == TRAINING_PROMPTS else None
                return [*([gate.lock] if gate else []), *self.prompts_train(wildcards)]
            case "generate":
                shards = [] if hasattr(wildcards, "shard") else self.shards(wildcards)
                return [prompts, config.generate.template, *self.generator_weights(wildcards), *shards]
            case "grade":
                return [prompts, traces]
            case "judge":
                return [prompts, traces, config.judge.template, *self.form_rubrics(wildcards)]
            case "pair":
                return [prompts, *(f"{self.results}/{of}/{side}.parquet" for side in sides for of in _OF_A_SIDE)]
            case "delta":
                return [pairs, *self.delta_judgements(wildcards)]
            case "filter":
                return [pairs, *self.filter_deltas(wildcards), *self.filter_common(wildcards)]
            case "reference":
                return [prompts, traces, config.reference.template, *self.policy_weights(wildcards)]
            case "report":
                named = ("scores", "deltas", "pairs", "grades", "judgements", "compared")
                tables = [path for name in named for path in getattr(self, f"report_{name}")(wildcards)]
                return [REPORT_TEMPLATE, REPORT_CLAIMS, *tables]
        return []

    def settings(self, stage: str) -> Callable[[Any], str]:
        """A param: the settings of a stage's job as JSON."""
        slice_of = getattr(self, f"_{stage}")
        return lambda wildcards: slice_of(wildcards).model_dump_json()

    def code(self, stage: str) -> Callable[[Any], str]:
        """A param: the digest of the source that a stage's job runs."""
        slice_of = getattr(self, f"_{stage}")
        return lambda wildcards: self._code(stage, slice_of(wildcards))

    def texts(self, stage: str) -> Callable[[Any], str]:
        """A param: the digest of the texts that a stage's job reads.

        They are inputs too, but Snakemake looks into an input only if its time stamp is new, and clocks differ.
        """
        paths_of: dict[str, Callable[[Any], list[str]]] = {
            "prompts": self.prompts_lock,
            "generate": lambda _: [self.config.generate.template],
            "judge": lambda wildcards: [self.config.judge.template, *self.form_rubrics(wildcards)],
            "reference": lambda _: [self.config.reference.template],
            "report": lambda _: [REPORT_TEMPLATE, REPORT_CLAIMS],
        }
        return lambda wildcards: _text_digest(paths_of[stage](wildcards))

    def _code(self, stage: str, settings: Settings) -> str:
        name, found = job_code(stage, settings)
        if self._planned is not None and name not in self._planned:
            self._planned[name] = found
            os.environ[PLANNED] = json.dumps(self._planned)
        return found

    def _prompts(self, wildcards: Any) -> Settings:
        return self.prompts_settings(wildcards.source)

    def prompts_settings(self, source: str) -> PromptsSettings:
        """The settings of the job that makes the prompts of one source."""
        made, gate = self._pinned(self._source(source)), self.config.prompts.contamination
        return PromptsSettings(
            source=source,
            made=made,
            seed=self.config.seed,
            limit=self._limit(source),
            ngram=gate.ngram if gate else None,
        )

    def _ladder(self, wildcards: Any) -> Settings:
        rung, shared = self.config.models[wildcards.model].ladder, self.config.ladder
        assert rung is not None
        assert shared is not None
        return LadderSettings(model=wildcards.model, rung=rung, shared=shared)

    def _generate(self, wildcards: Any) -> Settings:
        section, generator = self.config.generate, self.config.generators[wildcards.generator]
        model = self.config.models[generator.model] if generator.model else None
        train, shipped, shard = self._pinned(self.config.prompts.train), None, getattr(wildcards, "shard", None)
        if generator.shipped is not None:
            assert isinstance(train, DataSource)
            shipped = Shipped(source=train, traces=generator.shipped)
        return GenerateSettings(
            generator=wildcards.generator,
            engine=(generator.engine or section.engine) if model else None,
            hub=self._hub(generator.model) if generator.model else None,
            shipped=shipped,
            system=model.system if model else None,
            thinking=model.thinking if model else None,
            rendering=self.rendering(generator.model),
            shard=None if shard is None else Shard(index=int(shard), of=generator.shards),
            sampling=generator.sampling or section.sampling,
            samples=generator.samples,
            seed=self.config.seed,
            max_failure_share=section.max_failure_share,
        )

    def _grade(self, wildcards: Any) -> Settings:
        grader = self.config.prompts.train.grader
        return GradeSettings(grader=grader, max_failure_share=self.config.grade.max_failure_share)

    def _judge(self, wildcards: Any) -> Settings:
        section, compared = self.config.judge, self._compared_forms
        repeated = section.compared.repeats.get(wildcards.form) if section.compared else None
        return JudgeSettings(
            generator=wildcards.generator,
            form=repeated or wildcards.form,
            dimensions=self._forms[wildcards.form],
            engine=section.engine,
            sampling=section.sampling,
            samples=self._judged_samples(wildcards.generator),
            attempts=section.attempts,
            max_failure_share=section.max_failure_share,
            # A repeat asks the very question of the main form; only its seed tells the two calls apart.
            seed=seed_of("repeat", self.config.seed, wildcards.form) if repeated else self.config.seed,
            hub=self._hub(section.model) if section.model else None,
            rendering=self.rendering(section.model),
            prompts=section.compared.prompts if section.compared and wildcards.form in compared else None,
        )

    def _pair(self, wildcards: Any) -> Settings:
        chosen, rejected = wildcards.chosen, wildcards.rejected
        return PairSettings(
            chosen=chosen,
            rejected=rejected,
            judged={name: self._judged_samples(name) for name in sorted({chosen, rejected})},
            max_failure_share=self.config.pair.max_failure_share,
        )

    def _delta(self, wildcards: Any) -> Settings:
        components = sorted(self._components(wildcards.dimension))
        return DeltaSettings(chosen=wildcards.chosen, rejected=wildcards.rejected, components=components)

    def _filter(self, wildcards: Any) -> Settings:
        section, common = self.config.filter, self._common_set(wildcards.selection)
        is_cell = parse_selection(wildcards.selection).cell is not None
        return FilterSettings(
            selection=wildcards.selection,
            tie_seed=section.tie_seed,
            limit=common.pairs if common else section.cell_pairs if is_cell else None,
        )

    def _reference(self, wildcards: Any) -> Settings:
        section = self.config.reference
        return ReferenceSettings(
            generator=wildcards.generator,
            max_length=section.max_length,
            batch_tokens=section.batch_tokens,
            dtype=section.dtype,
            threads=section.threads,
            hub=self._hub(wildcards.policy),
            system=self.config.models[wildcards.policy].system,
            rendering=self.rendering(wildcards.policy),
        )

    def _train_batch(self, name: str, arms: list[str]) -> "Batch":
        policy, pairing, _, recipe_name, seed = arms[0].split("/")
        chosen, rejected = pairing.split("~")
        recipe = self.config.train.recipes[recipe_name]
        selections = {arm: arm.split("/")[2] for arm in arms}
        inputs = {
            "prompts": [f"{self.results}/prompts/{TRAINING_PROMPTS}.parquet"],
            "pairs": [f"{self.results}/pair/{pairing}.parquet"],
            "selected": [f"{self.results}/filter/{pairing}/{selection}.parquet" for selection in selections.values()],
            "template": [self.config.reference.template],
            "weights": self.weights(policy),
        }
        for side, generator in zip(_SIDES, (chosen, rejected), strict=True):
            reference = [f"{self.results}/reference/{policy}/{generator}.parquet"]
            inputs[f"{side}_traces"] = [f"{self.results}/generate/{generator}.parquet"]
            inputs[f"{side}_reference"] = reference if recipe.method in NEEDS_REFERENCE else []
        outputs = [self.policy_manifest(arm) for arm in arms]
        settings = TrainSettings(
            chosen=chosen,
            rejected=rejected,
            selections=selections,
            recipe=recipe,
            seed=int(seed.removeprefix("s")),
            max_length=self.config.reference.max_length,
            max_too_long_share=self.config.train.max_too_long_share,
            max_unfit_share=self.config.train.max_unfit_share,
            hub=self._hub(policy),
            system=self.config.models[policy].system,
            rendering=self.rendering(policy),
        )
        return self._batch("train", name, inputs, outputs, settings, policy)

    def _evaluate_batch(self, name: str, arms: list[str], group_name: str) -> "Batch":
        section = self.config.evaluate
        group = section.groups[group_name]
        policy, is_base = arms[0].partition("/")[0], arms[0].endswith("/base")
        asked = {
            benchmark: AskedBenchmark(
                grader=self.benchmarks[benchmark].source.grader,
                template=self.benchmarks[benchmark].template or section.template,
                samples=group.samples.get(benchmark, self.benchmarks[benchmark].samples),
            )
            for benchmark in sorted(group.benchmarks)
        }
        inputs = {
            "prompts": [f"{self.results}/prompts/{benchmark}.parquet" for benchmark in asked],
            "template": list(dict.fromkeys(one.template for one in asked.values())),
            "weights": self.weights(policy) if is_base else [self.policy_manifest(arm) for arm in arms],
        }
        outputs = [f"{self.results}/evaluate/{arm}/{group_name}.parquet" for arm in arms]
        settings = EvaluateSettings(
            arms=arms,
            benchmarks=asked,
            engine=section.engine,
            hub=self._hub(policy) if is_base else None,
            system=self.config.models[policy].system,
            rendering=self.rendering(policy),
            sampling=group.sampling,
            seed=self.config.seed,
            max_failure_share=section.max_failure_share,
        )
        return self._batch("evaluate", name, inputs, outputs, settings, policy)

    def _batch(
        self,
        stage: str,
        name: str,
        inputs: dict[str, list[str]],
        outputs: list[str],
        settings: Settings,
        policy: str,
    ) -> "Batch":
        asked = self.asked_for(stage, policy)
        waits = asked.submitit is not None
        resources = {} if waits else _resources(self.config.cluster, lambda _: asked)
        if stage == "train":
            resources["launch"] = lambda wildcards, attempt: self._launch(asked, attempt)
        return Batch(
            rule=f"{stage}_{_identifier(name)}",
            inputs=inputs,
            outputs=outputs,
            manifest=f"{self.results}/{stage}/{name}.manifest.json",
            log=f"{self.results}/logs/{stage}/{name}.log",
            settings=settings.model_dump_json(),
            texts=_text_digest(inputs["template"]),
            code=self._code(stage, settings),
            is_local=waits,
            threads=1 if waits else self.threads(stage),
            resources=resources,
        )

    def _report(self, wildcards: Any) -> Settings:
        config = self.config
        benchmarks = {
            name: ReportBenchmark(
                title=benchmark.title,
                domain=benchmark.domain,
                difficulty=benchmark.difficulty,
                in_domain=benchmark.domain == config.prompts.train_domain,
            )
            for name, benchmark in self.benchmarks.items()
        }
        return ReportSettings(
            **dict(config.report),
            study=config.study,
            seed=config.seed,
            dimensions=self._deltas,
            forms=config.judge.forms if config.judge.compared else {},
            compared=self._compared_forms,
            benchmarks=benchmarks,
            experiments={
                name: ReportExperiment(
                    title=found.title, figure=found.figure, arms=_arms_of(found), beside=self._beside(found)
                )
                for name, found in config.experiments.items()
            },
            groups={
                name: ReportGroup(title=group.title, benchmarks=group.benchmarks, primary=group.primary)
                for name, group in config.evaluate.groups.items()
            },
        )

    def _beside(self, experiment: Experiment) -> list[str]:
        """The arms that got as many updates as those of an experiment should have got."""
        compared = experiment.as_many_updates_as
        trained = [(policy, pairing) for policy in experiment.policies for pairing in experiment.pairings]
        starts = tuple(f"{policy}/{pairing}/{compared}/s" for policy, pairing in trained if compared)
        return [arm for arm in self.arms if arm.startswith(starts)]

    # --- resources ------------------------------------------------------------------------------------------------

    def threads(self, stage: str) -> int:
        return self._compute(stage).threads

    def resources(self, stage: str) -> dict[str, Any]:
        """What a rule's `resources:` holds: GPUs, memory (MB) and time (minutes) of one job.

        A second attempt at a job gets twice the memory and time, a third three times.
        """
        return _resources(self.config.cluster, partial(self._asked, stage))

    def _launch(self, asked: Asked, attempt: int) -> str:
        """How a training's processes are started, as JSON. It is no setting: no policy depends on it."""
        launch = Launch(fsdp=asked.fsdp or Fsdp())
        if asked.submitit is not None:
            launch = Launch(
                fsdp=launch.fsdp,
                submitit=asked.submitit,
                gpus=asked.gpus,
                cpus=self.threads("train"),
                mem_mb=attempt * asked.mem_mb,
                runtime=attempt * asked.runtime,
                cluster=self.config.cluster,
            )
        return launch.model_dump_json(exclude_defaults=True)

    def _asked(self, stage: str, wildcards: Any) -> Asked:
        compute = self._compute(stage)
        model = None
        match stage:
            case "generate":
                generator = self.config.generators[wildcards.generator]
                model = generator.model
                if model is None or (generator.shards > 1 and not hasattr(wildcards, "shard")):
                    return compute.model_copy(update={"gpus": 0})  # it reads what is there
            case "judge":
                if self.config.judge.engine.server is None:
                    return compute.model_copy(update={"gpus": 0})  # the judge runs elsewhere
                model = self.config.judge.model
            case "reference":
                model = wildcards.policy
        return self.asked_for(stage, model)

    def asked_for(self, stage: str, model: str | None) -> Asked:
        """What a job of a stage asks for, if it is about a model (its name)."""
        compute = self._compute(stage)
        size = self.config.models[model].size if model else None
        return compute.sizes.get(size or "", compute)

    def _compute(self, stage: str) -> Compute:
        assert stage in STAGES
        return self.config.compute.get(stage, Compute())


def _resources(cluster: Cluster, asked: Callable[[Any], Asked]) -> dict[str, Any]:
    """The slurm_ ones, gpu_model, qos and constraint are read by Snakemake's executor for SLURM, and by it alone."""
    found: dict[str, Any] = {
        "nodes": 1,  # the GPUs of one job lie on one node
        "gpu": lambda wildcards: asked(wildcards).gpus,
        "mem_mb": lambda wildcards, attempt: attempt * asked(wildcards).mem_mb,
        "runtime": lambda wildcards, attempt: attempt * asked(wildcards).runtime,
    }
    fixed = {"slurm_account": cluster.account, "qos": cluster.qos, "constraint": cluster.constraint}
    found |= {name: value for name, value in fixed.items() if value is not None}
    if (partition := cluster.partition) or cluster.gpu_partition:
        on_gpu = cluster.gpu_partition or partition
        found["slurm_partition"] = lambda wildcards: (on_gpu if asked(wildcards).gpus else partition) or ""
    if cluster.gpu_model:
        found["gpu_model"] = lambda wildcards: cluster.gpu_model if asked(wildcards).gpus else ""
    return found


def _batches(arms: list[str], size: int) -> dict[str, list[str]]:
    """Arms that share all but the selection, in portions of `size`.

    <policy>/<pairing>/<recipe>-s<seed>-<first selection> -> arms.
    """
    shared: dict[str, list[str]] = {}
    for arm in arms:
        policy, pairing, _, recipe, seed = arm.split("/")
        shared.setdefault(f"{policy}/{pairing}/{recipe}-{seed}", []).append(arm)
    return {
        f"{name}-{found[start].split('/')[2]}": found[start : start + size]
        for name, found in shared.items()
        for start in range(0, len(found), size)
    }


def _text_digest(paths: Iterable[str]) -> str:
    return digest([sha256_of(Path(path)) for path in paths])[:16]


def _identifier(name: str) -> str:
    """A rule's name from a batch's; the hash keeps apart what the replaced characters told apart."""
    return f"{re.sub(r'[^A-Za-z0-9]+', '_', name)}_{digest(name)[:4]}"


def _arms_of(experiment: Experiment) -> list[str]:
    return [
        f"{policy}/{pairing}/{selection}/{recipe}/s{seed}"
        for policy in experiment.policies
        for pairing in experiment.pairings
        for selection in experiment.selections
        for recipe in experiment.recipes
        for seed in sorted(experiment.seeds)
    ]


def _read_text(path: Path, what: str) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(
            f"{path}: {what} cannot be read as UTF-8 text ({error}). Create it, or name another."
        ) from None
    if not text.strip():
        raise StudyError(f"{path}: {what} is empty. Write it, or name another file.")
    return text
