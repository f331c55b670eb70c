"""Which files each kind of job reads, by the names that its rule gives them."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.asking.judges import PEOPLE, judge_in
from prefdelta.core.data.sources import Benchmark
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.core.stage_names import PAGES, STAGES, TRAINING_PROMPTS
from prefdelta.study import texts
from prefdelta.study.axes import Axes
from prefdelta.study.config.sections import Config
from prefdelta.study.files import Files
from prefdelta.study.job import StudyJob
from prefdelta.training.registry import method_of

_Inputs = Mapping[str, list[str]]


class Inputs:
    """`of(job)` looks up a job's inputs by its kind. jobs: lists a stage's jobs, since the report reads all jobs."""

    def __init__(
        self,
        config: Config,
        benchmarks: Mapping[str, Benchmark],
        axes: Axes,
        files: Files,
        jobs: Callable[[str], Sequence[StudyJob]],
    ) -> None:
        self._config = config
        self._benchmarks = benchmarks
        self._axes = axes
        self._files = files
        self._jobs = jobs
        self._prompts_path = files.output("prompts", source=TRAINING_PROMPTS)
        self._by_kind: Mapping[str, Callable[[StudyJob], _Inputs]] = {
            "prompts": self._prompts,
            "ladder": lambda job: {},
            "generate": self._generate,
            "generate_shard": self._generate_shard,
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

    def of(self, job: StudyJob) -> _Inputs:
        return self._by_kind[job.kind](job)

    def for_rule(self, job: StudyJob, name: str) -> list[str]:
        """One input of a job, as its rule asks for it. Raises StudyError for a lock or sheet that is not there."""
        paths = self.of(job)[name]
        for path in paths if name == "lock" else []:
            texts.require_lock(path)
        for path in paths if name in ("annotations", "sheets") else []:
            texts.require_annotations(path)
        return paths

    def weights(self, model: str) -> list[str]:
        """The file that names a model's weights; none for a model of the hub, whose commit is one of the settings."""
        return [] if self._config.models[model].hub else [self._files.output("ladder", model=model)]

    def _prompts(self, job: StudyJob) -> _Inputs:
        """The gate against contamination: prompts to leave out, and texts that a benchmark must not overlap with."""
        gate, is_training = self._config.prompts.contamination, job.axes["source"] == TRAINING_PROMPTS
        return {
            "lock": [gate.lock] if gate and is_training else [],
            "train": [self._prompts_path] if gate and not is_training else [],
        }

    def _generate(self, job: StudyJob) -> _Inputs:
        shards = self._axes.shards(job.axes["generator"])
        return {
            **self._generate_shard(job),
            "shards": [self._files.output("generate_shard", **shard) for shard in shards],
        }

    def _generate_shard(self, job: StudyJob) -> _Inputs:
        model = self._config.generator(job.axes["generator"]).model
        return {
            "prompts": [self._prompts_path],
            "template": [self._config.generate.template],
            "weights": self.weights(model) if model else [],
        }

    def _grade(self, job: StudyJob) -> _Inputs:
        return {"prompts": [self._prompts_path], "traces": [self._traces(job.axes["generator"])]}

    def _judge(self, job: StudyJob) -> _Inputs:
        return {
            **self._grade(job),
            "template": [self._config.judge.template],
            "rubrics": [texts.rubric(name) for name in self._axes.forms[job.axes["form"]]],
        }

    def _pair(self, job: StudyJob) -> _Inputs:
        inputs = {"prompts": [self._prompts_path]}
        for side in ("chosen", "rejected"):
            generator = job.axes[side]
            inputs[f"{side}_traces"] = [self._traces(generator)]
            inputs[f"{side}_grades"] = [self._files.output("grade", generator=generator)]
        return inputs

    def _delta(self, job: StudyJob) -> _Inputs:
        pairing, by_people = _pairing_of(job), judge_in(job.axes["dimension"]) == PEOPLE
        components = [] if by_people else self._axes.components(job.axes["dimension"])
        forms = dict.fromkeys(map(self._axes.form_of, components))
        return {
            "pairs": [self._pairs(pairing)],
            "judgements": [
                self._files.output("judge", generator=generator, form=form)
                for generator in pairing.generators
                for form in forms
            ],
            "annotations": self._annotations(layout.annotations) if by_people else [],
        }

    def _filter(self, job: StudyJob) -> _Inputs:
        pairing, selection = _pairing_of(job), job.axes["selection"]
        parsed = parse_selection(selection)
        dimension, policy, rejected = parsed.dimension, parsed.policy, pairing.rejected
        return {
            "pairs": [self._pairs(pairing)],
            "deltas": [self._files.output("delta", **pairing.axes, dimension=dimension)] if dimension else [],
            "common": [self._pairs(other) for other in self._axes.common_pairings(selection, pairing.draw)],
            "grades": [self._files.output("grade", generator=rejected)] if parsed.MATCHES else [],
            "reference": [self._files.output("reference", policy=policy, generator=rejected)] if policy else [],
        }

    def _reference(self, job: StudyJob) -> _Inputs:
        return {
            **self._grade(job),
            "template": [self._config.reference.template],
            "weights": self.weights(job.axes["policy"]),
        }

    def _train(self, job: StudyJob) -> _Inputs:
        policy = job.axes["policy"]
        arms = [arm for arm in job.arms if isinstance(arm, Arm)]
        generators = list(dict.fromkeys(name for arm in arms for name in arm.pairing.generators))
        needs_reference = method_of(self._config.train.recipes[arms[0].recipe]).needs_reference
        referred = generators if needs_reference else []
        return {
            "prompts": [self._prompts_path],
            "pairs": list(dict.fromkeys(self._pairs(arm.pairing) for arm in arms)),
            "selected": list(
                dict.fromkeys(self._files.output("filter", **self._axes.filter_axes(arm)) for arm in arms)
            ),
            "traces": [self._traces(generator) for generator in generators],
            "reference": [self._files.output("reference", policy=policy, generator=name) for name in referred],
            "template": [self._config.reference.template],
            "weights": self.weights(policy),
        }

    def _evaluate(self, job: StudyJob) -> _Inputs:
        section = self._config.evaluate
        asked = sorted(section.groups[job.axes["group"]].benchmarks)
        templates = dict.fromkeys(self._benchmarks[name].template or section.template for name in asked)
        trained = [self._files.output("train", **arm.axes) for arm in job.arms if isinstance(arm, Arm)]
        return {
            "prompts": [self._files.output("prompts", source=name) for name in asked],
            "template": list(templates),
            "weights": trained or self.weights(job.axes["policy"]),
        }

    def _browse(self, job: StudyJob) -> _Inputs:
        generators, pairings, arms = self._axes.generators, self._axes.pairings, self._axes.arms
        groups = [name for name, group in self._config.evaluate.groups.items() if group.primary]
        judgements = self._judgements(generators, self._config.judge.forms)
        traces = [self._traces(name) for name in generators]
        models = [generator.model for generator in self._config.generators.values() if generator.model]
        weights = [path for model in dict.fromkeys([*models, *self._policies]) for path in self.weights(model)]
        selected = dict.fromkeys(self._files.output("filter", **self._axes.filter_axes(arm)) for arm in arms)
        return {
            "page": [texts.BROWSER_PAGE],
            "app": texts.browser_application(),
            "template": [self._config.generate.template],
            "judge_template": [self._config.judge.template],
            "rubrics": [texts.rubric(name) for name in self._config.dimensions],
            "prompts": [self._files.output("prompts", source=name) for name in self._axes.sources],
            "traces": traces,
            "grades": [self._files.output("grade", generator=name) for name in generators],
            "judgements": judgements,
            "pairs": [self._pairs(pairing) for pairing in pairings],
            "deltas": [
                self._files.output("delta", **pairing.axes, dimension=delta)
                for pairing, delta in self._axes.deltas_of_pairings
                if delta in self._axes.deltas
            ],
            "selected": list(selected),
            "weights": [*weights, *(self._files.output("train", **arm.axes) for arm in arms)],
            "scores": [
                self._files.output(kind, **policy.axes, group=group)
                for group in groups
                for kind, policies in (("evaluate_base", map(Base, self._policies)), ("evaluate", arms))
                for policy in policies
            ],
            "manifests": [path.removesuffix(layout.TABLE) + layout.MANIFEST for path in (*traces, *judgements)],
        }

    @property
    def _policies(self) -> list[str]:
        """The models that arms are trained from."""
        return list(dict.fromkeys(arm.policy for arm in self._axes.arms))

    def _report(self, job: StudyJob) -> _Inputs:
        above = [job for stage in STAGES if stage not in PAGES for job in self._jobs(stage)]
        return {
            "template": [texts.REPORT_TEMPLATE],
            "parts": list(texts.REPORT_PARTS),
            "claims": [texts.REPORT_CLAIMS],
            "paper": [texts.REPORT_PAPER],
            "example": self._example(),
            "scores": [path for job in above if job.stage == "evaluate" for path in job.outputs],
            "deltas": [path for job in above if job.stage == "delta" for path in job.outputs],
            "pairs": [self._pairs(pairing) for pairing in self._axes.pairings],
            "grades": [path for job in above if job.stage == "grade" for path in job.outputs],
            "judgements": self._judgements(self._axes.compared_with, self._config.judge.forms),
            "compared": [
                *self._judgements(self._axes.compared_generators, self._axes.compared_forms),
                *(
                    path
                    for judge in self._config.judge.others
                    for path in self._judgements(self._axes.judged_generators(judge), self._axes.forms_by(judge))
                ),
            ],
            "annotations": self._annotations(layout.annotations),
            "sheets": self._annotations(layout.sheet_key),
            "manifests": [job.manifest for job in above],
        }

    def _example(self) -> list[str]:
        """What is shown of the pair that the report takes as its example: problem, traces, judgements."""
        pairing = self._axes.example
        if pairing is None:
            return []
        return [
            self._prompts_path,
            *map(self._traces, dict.fromkeys(pairing.generators)),
            *self._judgements(dict.fromkeys(pairing.generators), self._config.judge.forms),
        ]

    def _annotations(self, path_of: Callable[[str, str], str]) -> list[str]:
        return [path_of(self._config.study, sheet) for sheet in self._config.annotations]

    def _judgements(self, generators: Iterable[str], forms: Iterable[str]) -> list[str]:
        """Judgements of these generators' traces in these forms, if a job makes them: of a draw from 1, only some."""
        asked, made = list(forms), set(self._axes.all_judged)
        return [
            self._files.output("judge", generator=name, form=form)
            for name in generators
            for form in asked
            if (name, form) in made
        ]

    def _traces(self, generator: str) -> str:
        return self._files.output("generate", generator=generator)

    def _pairs(self, pairing: Pairing) -> str:
        return self._files.output("pair", **pairing.axes)


def _pairing_of(job: StudyJob) -> Pairing:
    return Pairing(job.axes["chosen"], job.axes["rejected"])
