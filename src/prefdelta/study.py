"""A study as the workflow sees it: which files each job reads and which settings it gets. Lookups, no logic.

The Snakefile makes one `Study`, and its rules name these methods. Those that take `wildcards` are input functions or
params. Paths are relative to the working directory, so that a log's command line can be pasted into a shell.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from prefdelta import code, registry
from prefdelta.config import Compute, Config, Experiment, parse, read_benchmark
from prefdelta.core.errors import StudyError
from prefdelta.core.names import STAGES, TRAINING_PROMPTS
from prefdelta.core.selections import parse_selection
from prefdelta.core.settings import Settings
from prefdelta.core.sources import Benchmark, Source
from prefdelta.core.template import fill
from prefdelta.stages.delta import DeltaSettings
from prefdelta.stages.evaluate import Asked, EvaluateSettings
from prefdelta.stages.filter import FilterSettings
from prefdelta.stages.generate import GenerateSettings
from prefdelta.stages.grade import GradeSettings
from prefdelta.stages.judge import JudgeSettings
from prefdelta.stages.ladder import LadderSettings
from prefdelta.stages.pair import PairSettings
from prefdelta.stages.prompts import PromptsSettings
from prefdelta.stages.reference import ReferenceSettings
from prefdelta.stages.report import ReportBenchmark, ReportExperiment, ReportSettings
from prefdelta.stages.train import TrainSettings

BENCHMARKS = Path("resources/benchmarks")
RUBRICS = Path("resources/rubrics")
PROBLEM_SLOTS = ("problem",)
JUDGE_SLOTS = ("category", "rubric", "problem", "trace")


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
        self._check_texts()

    def _check_texts(self) -> None:
        """Rubrics and templates are there, readable, and have the right slots."""
        config = self.config
        for dimension in config.dimensions:
            _read_text(RUBRICS / f"{dimension}.md", f"the rubric of dimension {dimension!r}")
        for stage in ("generate", "reference", "evaluate"):
            path = Path(getattr(config, stage).template)
            fill(_read_text(path, f"{stage}.template"), dict.fromkeys(PROBLEM_SLOTS, ""), str(path))
        path = Path(config.judge.template)
        fill(_read_text(path, "judge.template"), dict.fromkeys(JUDGE_SLOTS, ""), str(path))

    # --- axes -----------------------------------------------------------------------------------------------------

    @cached_property
    def arms(self) -> list[str]:
        """All trained arms, each once: <policy>/<chosen>~<rejected>/<selection>/<recipe>/s<seed>."""
        return list(dict.fromkeys(arm for found in self.config.experiments.values() for arm in _arms_of(found)))

    @cached_property
    def _pairings(self) -> list[str]:
        return list(dict.fromkeys(arm.split("/")[1] for arm in self.arms))

    def _form_of(self, dimension: str) -> str:
        return next(form for form, asked in self.config.judge.forms.items() if dimension in asked)

    def _components(self, dimension: str) -> list[str]:
        return self.config.delta.composites.get(dimension, [dimension])

    def _source(self, name: str) -> Source:
        return self.config.prompts.train if name == TRAINING_PROMPTS else self.benchmarks[name].source

    # --- inputs ---------------------------------------------------------------------------------------------------

    def weights(self, model: str) -> str:
        """The manifest that names a model's weights."""
        return f"{self.results}/ladder/{model}/model.json"

    def generator_weights(self, wildcards: Any) -> str:
        return self.weights(self.config.generators[wildcards.generator].model)

    def policy_weights(self, wildcards: Any) -> str:
        return self.weights(wildcards.policy)

    def arm_weights(self, wildcards: Any) -> str:
        """The manifest of a trained policy, or of the untrained one for the arm <policy>/base."""
        policy, _, rest = wildcards.arm.partition("/")
        return self.weights(policy) if rest == "base" else f"{self.results}/train/{wildcards.arm}/policy.json"

    def form_rubrics(self, wildcards: Any) -> list[str]:
        return [str(RUBRICS / f"{name}.md") for name in self.config.judge.forms[wildcards.form]]

    def delta_judgements(self, wildcards: Any) -> list[str]:
        forms = dict.fromkeys(self._form_of(name) for name in self._components(wildcards.dimension))
        generators = dict.fromkeys((wildcards.chosen, wildcards.rejected))
        return [f"{self.results}/judge/{generator}/{form}.parquet" for generator in generators for form in forms]

    def filter_deltas(self, wildcards: Any) -> list[str]:
        dimension = parse_selection(wildcards.selection).dimension
        pairing = f"{wildcards.chosen}~{wildcards.rejected}"
        return [f"{self.results}/delta/{pairing}/{dimension}.parquet"] if dimension else []

    def group_prompts(self, wildcards: Any) -> list[str]:
        return [f"{self.results}/prompts/{name}.parquet" for name in self.config.evaluate.groups[wildcards.group]]

    def report_scores(self, wildcards: Any) -> list[str]:
        arms = [*(f"{policy}/base" for policy in self.config.policies), *self.arms]
        return [
            f"{self.results}/evaluate/{arm}/{group}.parquet" for arm in arms for group in self.config.evaluate.groups
        ]

    def report_deltas(self, wildcards: Any) -> list[str]:
        names = [*self.config.dimensions, *self.config.delta.composites]
        return [f"{self.results}/delta/{pairing}/{name}.parquet" for pairing in self._pairings for name in names]

    def report_grades(self, wildcards: Any) -> list[str]:
        return [f"{self.results}/grade/{generator}.parquet" for generator in self.config.generators]

    def report_manifests(self, wildcards: Any) -> list[str]:
        """The manifests of all jobs above the report."""
        config, arms = self.config, [arm.split("/") for arm in self.arms]
        tables = [
            *(f"{self.results}/prompts/{source}.parquet" for source in (TRAINING_PROMPTS, *self.benchmarks)),
            *(self.weights(model) for model in config.models),
            *(f"{self.results}/generate/{generator}.parquet" for generator in config.generators),
            *self.report_grades(wildcards),
            *(f"{self.results}/judge/{g}/{form}.parquet" for g in config.generators for form in config.judge.forms),
            *(f"{self.results}/pair/{pairing}.parquet" for pairing in self._pairings),
            *self.report_deltas(wildcards),
            *(f"{self.results}/filter/{pairing}/{selection}.parquet" for _, pairing, selection, _, _ in arms),
            *(f"{self.results}/reference/{arm[0]}/{g}.parquet" for arm in arms for g in arm[1].split("~")),
            *(f"{self.results}/train/{arm}/policy.json" for arm in self.arms),
            *self.report_scores(wildcards),
        ]
        return [str(Path(table).with_suffix(".manifest.json")) for table in dict.fromkeys(tables)]

    # --- settings: a stage's slice of the config, and nothing else --------------------------------------------------

    def settings(self, stage: str) -> Callable[[Any], str]:
        """A param: the settings of a stage's job as JSON."""
        slice_of = getattr(self, f"_{stage}")
        return lambda wildcards: slice_of(wildcards).model_dump_json()

    def code(self, stage: str) -> Callable[[Any], str]:
        """A param: the digest of the source that a stage's job runs."""
        slice_of = getattr(self, f"_{stage}")
        return lambda wildcards: code.digest(
            f"{code.PACKAGE}.stages.{stage}", tuple(map(registry.module_of, slice_of(wildcards).plugins()))
        )

    def _prompts(self, wildcards: Any) -> Settings:
        source = wildcards.source
        made, limit = self._source(source), self.config.prompts.limit
        return PromptsSettings(source=source, made=made, seed=self.config.seed, limit=limit)

    def _ladder(self, wildcards: Any) -> Settings:
        rung = self.config.models[wildcards.model].ladder
        return LadderSettings(model=wildcards.model, rung=rung, shared=self.config.ladder)

    def _generate(self, wildcards: Any) -> Settings:
        section, generator = self.config.generate, self.config.generators[wildcards.generator]
        return GenerateSettings(
            generator=wildcards.generator,
            engine=section.engine,
            sampling=generator.sampling or section.sampling,
            samples=generator.samples,
            seed=self.config.seed,
            max_failure_share=section.max_failure_share,
        )

    def _grade(self, wildcards: Any) -> Settings:
        grader = self.config.prompts.train.grader
        return GradeSettings(grader=grader, max_failure_share=self.config.grade.max_failure_share)

    def _judge(self, wildcards: Any) -> Settings:
        section = self.config.judge
        return JudgeSettings(
            form=wildcards.form,
            dimensions=section.forms[wildcards.form],
            engine=section.engine,
            sampling=section.sampling,
            samples=section.samples,
            attempts=section.attempts,
            max_failure_share=section.max_failure_share,
            seed=self.config.seed,
        )

    def _pair(self, wildcards: Any) -> Settings:
        share = self.config.pair.max_failure_share
        return PairSettings(chosen=wildcards.chosen, rejected=wildcards.rejected, max_failure_share=share)

    def _delta(self, wildcards: Any) -> Settings:
        components = self._components(wildcards.dimension)
        return DeltaSettings(chosen=wildcards.chosen, rejected=wildcards.rejected, components=components)

    def _filter(self, wildcards: Any) -> Settings:
        return FilterSettings(selection=wildcards.selection, tie_seed=self.config.filter.tie_seed)

    def _reference(self, wildcards: Any) -> Settings:
        section = self.config.reference
        return ReferenceSettings(
            generator=wildcards.generator,
            max_length=section.max_length,
            batch_tokens=section.batch_tokens,
            dtype=section.dtype,
            threads=section.threads,
        )

    def _train(self, wildcards: Any) -> Settings:
        return TrainSettings(
            chosen=wildcards.chosen,
            rejected=wildcards.rejected,
            recipe=self.config.train.recipes[wildcards.recipe],
            seed=int(wildcards.seed),
        )

    def _evaluate(self, wildcards: Any) -> Settings:
        section = self.config.evaluate
        names = section.groups[wildcards.group]
        return EvaluateSettings(
            benchmarks={name: Asked(grader=self.benchmarks[name].source.grader) for name in names},
            engine=section.engine,
            sampling=section.sampling,
            seed=self.config.seed,
            max_failure_share=section.max_failure_share,
        )

    def _report(self, wildcards: Any) -> Settings:
        config = self.config
        benchmarks = {
            name: ReportBenchmark(
                title=benchmark.title,
                domain=benchmark.domain,
                difficulty=benchmark.difficulty,
                in_domain=benchmark.domain == config.prompts.train.family,
            )
            for name, benchmark in self.benchmarks.items()
        }
        return ReportSettings(
            **dict(config.report),
            study=config.study,
            seed=config.seed,
            dimensions=[*config.dimensions, *config.delta.composites],
            benchmarks=benchmarks,
            experiments={
                name: ReportExperiment(title=found.title, arms=_arms_of(found))
                for name, found in config.experiments.items()
            },
        )

    # --- resources ------------------------------------------------------------------------------------------------

    def threads(self, stage: str) -> int:
        return self._compute(stage).threads

    def resources(self, stage: str) -> dict[str, int]:
        """What a rule's `resources:` holds: GPUs, memory (MB) and time (minutes) of one job."""
        compute = self._compute(stage)
        return {"gpu": compute.gpus, "mem_mb": compute.mem_mb, "runtime": compute.runtime}

    def _compute(self, stage: str) -> Compute:
        assert stage in STAGES
        return self.config.compute.get(stage, Compute())


def _arms_of(experiment: Experiment) -> list[str]:
    return [
        f"{policy}/{pairing}/{selection}/{recipe}/s{seed}"
        for policy in experiment.policies
        for pairing in experiment.pairings
        for selection in experiment.selections
        for recipe in experiment.recipes
        for seed in experiment.seeds
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
