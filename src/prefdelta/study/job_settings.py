"""The settings of each kind of job: a slice of the config, and nothing else.

A job's settings hold only its own axes (of generators, dimensions, selections, arms, seeds), so that a new value adds
jobs and repeats none.
"""

from collections.abc import Callable, Mapping

from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base
from prefdelta.core.asking.judges import judge_in, without_judge
from prefdelta.core.data.sources import Benchmark, DataSource
from prefdelta.core.ids import seed_of
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.core.settings import Settings
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.stages.browse import BrowseBenchmark, BrowseSettings
from prefdelta.stages.delta import DeltaSettings
from prefdelta.stages.evaluate import STANDS_BESIDE, AskedBenchmark, EvaluateSettings
from prefdelta.stages.filter import FilterSettings
from prefdelta.stages.generate import GenerateSettings, Shard, Shipped
from prefdelta.stages.grade import GradeSettings
from prefdelta.stages.judge import JudgeSettings
from prefdelta.stages.ladder import LadderSettings
from prefdelta.stages.pair import PairSettings
from prefdelta.stages.prompts import PromptsSettings
from prefdelta.stages.reference import ReferenceSettings
from prefdelta.stages.report import (
    ReportBenchmark,
    ReportExperiment,
    ReportGroup,
    ReportPeople,
    ReportSettings,
)
from prefdelta.stages.train import TrainSettings
from prefdelta.study.axes import Axes, arms_of
from prefdelta.study.config.sections import Config
from prefdelta.study.hub import Hub
from prefdelta.study.job import StudyJob
from prefdelta.study.judge_versions import judge_versions
from prefdelta.study.plan import plan_in_order

SETTINGS: Mapping[str, type[Settings]] = {  # by stage
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
    "browse": BrowseSettings,
    "report": ReportSettings,
}


class JobSettings:
    """`of(job)` looks a job's settings up by its kind."""

    def __init__(self, config: Config, benchmarks: Mapping[str, Benchmark], axes: Axes, hub: Hub) -> None:
        self._config = config
        self._benchmarks = benchmarks
        self._axes = axes
        self._hub = hub
        self._by_kind: Mapping[str, Callable[[StudyJob], Settings]] = {
            "prompts": lambda job: self.prompts(job.axes["source"]),
            "ladder": self._ladder,
            "generate": self._generate,
            "generate_shard": self._generate,
            "grade": self._grade,
            "judge": self._judge,
            "pair": self._pair,
            "delta": self._delta,
            "filter": self._filter,
            "reference": self._reference,
            "train": self._train,
            "evaluate": self._evaluate,
            "evaluate_base": self._evaluate,
            "evaluate_sharpened": self._evaluate,
            "browse": self._browse,
            "report": self._report,
        }

    def of(self, job: StudyJob) -> Settings:
        return self._by_kind[job.kind](job)

    def prompts(self, source: str) -> PromptsSettings:
        """The settings for the training prompts or for one benchmark."""
        section = self._config.prompts
        if source == TRAINING_PROMPTS:
            made, limit = section.train, section.limits.get(source, section.limit)
        else:
            benchmark = self._benchmarks[source]
            made, limit = benchmark.source, section.limits.get(source, benchmark.limit or section.limit)
        return PromptsSettings(
            source=source,
            made=self._hub.pinned(made),
            seed=self._config.seed,
            limit=limit,
            ngram=section.contamination.ngram if section.contamination else None,
        )

    def _ladder(self, job: StudyJob) -> Settings:
        rung, shared = self._config.models[job.axes["model"]].ladder, self._config.ladder
        assert rung is not None
        assert shared is not None
        held = {
            name: rows
            for name, rows in shared.misconceptions.items()
            if rung.misconceptions and name == rung.misconceptions.table
        }
        shared = shared.model_copy(update={"misconceptions": held})
        return LadderSettings(model=job.axes["model"], rung=rung, shared=shared)

    def _generate(self, job: StudyJob) -> Settings:
        name, section = job.axes["generator"], self._config.generate
        generator = self._config.generator(name)
        model = self._config.models[generator.model] if generator.model else None
        train, shipped = self._hub.pinned(self._config.prompts.train), None
        if generator.shipped is not None:
            assert isinstance(train, DataSource)
            shipped = Shipped(source=train, traces=generator.shipped)
        is_shard = job.kind == "generate_shard"
        return GenerateSettings(
            generator=name,
            engine=(generator.engine or section.engine) if model else None,
            hub=self._hub.model(generator.model) if generator.model else None,
            shipped=shipped,
            system=model.system if model else None,
            thinking=model.thinking if model else None,
            rendering=self._hub.rendering(generator.model),
            shard=Shard(index=int(job.axes["shard"]), of=generator.shards) if is_shard else None,
            sampling=generator.sampling or section.sampling,
            samples=generator.samples,
            seed=self._config.seed,
            max_failure_share=section.max_failure_share,
        )

    def _grade(self, job: StudyJob) -> Settings:
        grader = self._config.prompts.train.grader
        return GradeSettings(grader=grader, max_failure_share=self._config.grade.max_failure_share)

    def _judge(self, job: StudyJob) -> Settings:
        section, form, generator = self._config.judge, job.axes["form"], job.axes["generator"]
        name = judge_in(form)
        judge, seed, prompts = section.judges()[name], self._config.seed, None
        asked = without_judge(form)
        # A repeat, and another judge, may ask the very question of the main form; only the seed tells the calls apart.
        if name is not None:
            seed, prompts = seed_of("another judge", seed, name), judge.prompts
        elif section.compared and form in self._axes.compared_forms:
            prompts = section.compared.prompts
            if form in section.compared.repeats:
                asked, seed = section.compared.repeats[form], seed_of("repeat", seed, form)
        return JudgeSettings(
            generator=generator,
            form=asked,
            dimensions=self._axes.forms[form],
            engine=judge.engine,
            sampling=judge.sampling,
            samples=self._axes.judged_samples(generator),
            votes=judge.votes,
            attempts=section.attempts,
            max_failure_share=section.max_failure_share,
            seed=seed,
            hub=self._hub.model(judge.model) if judge.model else None,
            rendering=self._hub.rendering(judge.model),
            prompts=prompts,
        )

    def _pair(self, job: StudyJob) -> Settings:
        chosen, rejected = job.axes["chosen"], job.axes["rejected"]
        return PairSettings(
            chosen=chosen,
            rejected=rejected,
            judged={name: self._axes.judged_samples(name) for name in sorted({chosen, rejected})},
            max_failure_share=self._config.pair.max_failure_share,
        )

    def _delta(self, job: StudyJob) -> Settings:
        components = sorted(map(without_judge, self._axes.components(job.axes["dimension"])))
        return DeltaSettings(chosen=job.axes["chosen"], rejected=job.axes["rejected"], components=components)

    def _filter(self, job: StudyJob) -> Settings:
        section, name = self._config.filter, job.axes["selection"]
        common = self._axes.common_set(name)
        cell_limit = section.cell_pairs if parse_selection(name).cell is not None else None
        return FilterSettings(
            selection=name,
            tie_seed=section.tie_seed,
            order=int(job.axes["order"]),
            limit=common.pairs if common else cell_limit,
        )

    def _reference(self, job: StudyJob) -> Settings:
        section, policy = self._config.reference, job.axes["policy"]
        return ReferenceSettings(
            generator=job.axes["generator"],
            max_length=section.max_length,
            batch_tokens=section.batch_tokens,
            dtype=section.dtype,
            threads=section.threads,
            hub=self._hub.model(policy),
            system=self._config.models[policy].system,
            rendering=self._hub.rendering(policy),
        )

    def _train(self, job: StudyJob) -> Settings:
        arms = [arm for arm in job.arms if isinstance(arm, Arm)]
        first, section = arms[0], self._config.train
        selected = {str(arm): layout.job_name("filter", **self._axes.filter_axes(arm)) for arm in arms}
        return TrainSettings(
            arms={arm: table.removeprefix("filter/") for arm, table in selected.items()},
            recipe=section.recipes[first.recipe],
            max_length=self._config.reference.max_length,
            max_too_long_share=section.max_too_long_share,
            max_unfit_share=section.max_unfit_share,
            hub=self._hub.model(first.policy),
            system=self._config.models[first.policy].system,
            rendering=self._hub.rendering(first.policy),
        )

    def _evaluate(self, job: StudyJob) -> Settings:
        section, policy = self._config.evaluate, job.axes["policy"]
        group = section.groups[job.axes["group"]]
        first = job.arms[0]
        is_base = isinstance(first, Base)
        times = section.base_samples if is_base and group.sampling.temperature > 0 else 1
        sharpened = {"temperature": first.temperature} if isinstance(first, Base) and first.temperature else {}
        asked = {
            name: AskedBenchmark(
                grader=self._benchmarks[name].source.grader,
                template=self._benchmarks[name].template or section.template,
                samples=times * group.samples.get(name, self._benchmarks[name].samples),
                other_graders=[
                    other
                    for other in section.other_graders
                    if self._benchmarks[name].source.grader in STANDS_BESIDE[other]
                ],
            )
            for name in sorted(group.benchmarks)
        }
        settings = EvaluateSettings(
            arms=list(map(str, job.arms)),
            benchmarks=asked,
            engine=section.engine,
            hub=self._hub.model(policy) if is_base else None,
            system=self._config.models[policy].system,
            rendering=self._hub.rendering(policy),
            sampling=group.sampling.model_copy(update=sharpened),
            seed=self._config.seed,
            max_failure_share=section.max_failure_share,
        )
        return settings if is_base else settings.model_copy(update={"min_update_cosine": section.min_update_cosine})

    def _browse(self, job: StudyJob) -> Settings:
        config, axes = self._config, self._axes
        policies = {arm.policy for arm in axes.arms}
        group_of = {
            benchmark: name
            for name, group in config.evaluate.groups.items()
            if group.primary
            for benchmark in group.benchmarks
        }
        benchmarks = {}
        for name, benchmark in self._benchmarks.items():
            group = config.evaluate.groups[group_of[name]]
            benchmarks[name] = BrowseBenchmark(
                title=benchmark.title,
                domain=benchmark.domain,
                group=group_of[name],
                samples=group.samples.get(name, benchmark.samples),
                temperature=group.sampling.temperature,
            )
        return BrowseSettings(
            **dict(config.browse),
            study=config.study,
            title=config.report.title,
            dimensions={name: sorted(axes.components(name)) for name in axes.deltas},
            forms=dict(sorted(config.judge.forms.items())),
            generators=sorted(axes.generators),
            arms={
                str(arm): "{selection}/t{order}".format(**axes.filter_axes(arm)) for arm in sorted(axes.arms, key=str)
            },
            benchmarks=benchmarks,
            hub={name: hub for name in sorted(policies) if (hub := self._hub.model(name))},
        )

    def _report(self, job: StudyJob) -> Settings:
        config = self._config
        benchmarks = {
            name: ReportBenchmark(
                title=benchmark.title,
                domain=benchmark.domain,
                difficulty=benchmark.difficulty,
                in_domain=benchmark.domain == config.prompts.train_domain,
            )
            for name, benchmark in self._benchmarks.items()
        }
        experiments = {
            name: ReportExperiment(
                title=experiment.title,
                figure=experiment.figure,
                arms=list(map(str, arms_of(experiment))),
                beside=list(map(str, self._axes.arms_beside(experiment))),
            )
            for name, experiment in config.experiments.items()
        }
        groups = {
            name: ReportGroup(
                title=group.title,
                benchmarks=group.benchmarks,
                primary=group.primary,
                temperature=group.sampling.temperature,
            )
            for name, group in config.evaluate.groups.items()
        }
        return ReportSettings(
            **dict(config.report),
            study=config.study,
            seed=config.seed,
            dimensions=self._axes.deltas,
            forms=config.judge.forms if config.judge.compared or config.judge.others else {},
            compared={**self._axes.compared_forms, **self._axes.other_forms},
            same_judge=self._axes.asked_again,
            benchmarks=benchmarks,
            experiments=experiments,
            groups=groups,
            families={name: one.family for name, one in config.generators.items() if one.family},
            max_drawn_share=config.filter.max_drawn_share,
            plan=plan_in_order(config) if config.report.worlds else None,
            people=self._people(),
        )

    def _people(self) -> ReportPeople | None:
        if not self._config.annotations:
            return None
        versions = judge_versions(self._config, self._axes, self._hub)
        components = {name: self._axes.components(name) for name in self._axes.deltas}
        return ReportPeople(versions=versions, components=components)
