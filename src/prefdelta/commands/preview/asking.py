"""The previews of generate, judge and evaluate: some rows are rendered, asked, and parsed or graded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

from prefdelta.commands.planning.models import model_of
from prefdelta.commands.preview.messages import asked_by, tokenizer_folder
from prefdelta.commands.preview.previewed import PreviewedJob, PreviewedRow
from prefdelta.commands.preview.rows import PreviewRows
from prefdelta.commands.preview.scratch import Scratch
from prefdelta.core.asking.costs import TokenUsage, cost
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.engines.openai.account import read_prices
from prefdelta.models.chat_templates import render
from prefdelta.models.loading import load_tokenizer
from prefdelta.models.vllm_install import versions
from prefdelta.models.weights import open_weights
from prefdelta.reading.votes import read_votes
from prefdelta.records.call import Call
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.manifest import Manifest
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.stages import evaluate, generate, grade
from prefdelta.stages.evaluate import EvaluateSettings
from prefdelta.stages.generate import GenerateSettings
from prefdelta.stages.grade import GradeSettings
from prefdelta.stages.judge import JudgeSettings
from prefdelta.stages.reference import ReferenceSettings
from prefdelta.store import calls, tables
from prefdelta.store.record import Record
from prefdelta.study.job import StudyJob
from prefdelta.study.study import Study
from prefdelta.workflow.job import Job

USUAL_LIMIT = 1.0  # USD, where the config names prices
_NOT_KEPT = ("transformers",)  # engines whose replies depend, in their last bits, on the whole plan


@dataclass(frozen=True, slots=True)
class Previewer:
    """Asks on behalf of a study."""

    study: Study
    scratch: Scratch
    rows: PreviewRows
    spent: float  # USD, by the whole study before this preview
    limit_usd: float | None  # of this preview; None: none was given

    # --- generate -----------------------------------------------------------------------------------------------

    def generate(self) -> Iterator[PreviewedJob]:
        """Each generator, on the first prompts."""
        for job in self.study.jobs("generate"):
            if job.kind == "generate" and job.axes["generator"] in self.study.config.generators:
                yield self._generate(job)

    def _generate(self, job: StudyJob) -> PreviewedJob:
        settings, generator = job.typed_settings, job.axes["generator"]
        assert isinstance(settings, GenerateSettings)
        prompts = self.rows.prompts(TRAINING_PROMPTS)
        shown = self.shown(job, prompts[0].text)
        small = settings.model_copy(update={"samples": 1, "shard": None, "max_failure_share": 1.0})
        inputs = {"prompts": [self.rows.table(TRAINING_PROMPTS)], "template": _paths(job, "template"), "shards": []}
        output = self.scratch.path("generate", generator=generator)
        asked = Job(small, inputs | {"weights": _paths(job, "weights")}, {"traces": [output]}, self._record())
        if why := self.why_not(settings.engine, job):
            return PreviewedJob(**shown, not_asked=why)
        try:
            asked, kept = self._with_record(asked, settings.engine, generate.missing)
            manifest = self.scratch.run("generate", asked)
        except StudyError as error:
            return PreviewedJob(**shown, not_asked=str(error))
        traces = tables.read(output, Trace)
        self.rows.traces_made[generator] = traces
        results = self._grades(traces)
        rows = [
            PreviewedRow(
                about=f"prompt {trace.prompt_id}",
                reply=trace.text,
                tokens=trace.n_tokens,
                finish_reason=trace.finish_reason,
                result=trace.unusable_because or results[trace.prompt_id],
                good=trace.usable,
            )
            for trace in traces
        ]
        return PreviewedJob(**shown, rows=rows, **_measured(manifest), kept=kept)

    def _grades(self, traces: Sequence[Trace]) -> Mapping[str, str]:
        """Prompt -> whether its trace is right, or why that is not known."""
        (settings,) = {job.settings: job.typed_settings for job in self.study.jobs("grade")}.values()
        assert isinstance(settings, GradeSettings)
        table = self.scratch.write(Trace, traces, "generate", generator="graded")
        inputs = {"prompts": [self.rows.table(TRAINING_PROMPTS)], "traces": [table]}
        output = self.scratch.folder / "grades.parquet"
        grade.run(
            Job(settings.model_copy(update={"max_failure_share": 1.0}), inputs, {"grades": [output]}, self._record())
        )
        return {row.prompt_id: row.failure or _right(row.correct) for row in tables.read(output, Grade)}

    # --- judge --------------------------------------------------------------------------------------------------

    def judge(self) -> Iterator[PreviewedJob]:
        """Each form of each judge, on the traces of the first generator that has some."""
        forms = set[str]()
        ready = self.rows.with_traces()
        for job in self.study.jobs("judge"):
            form, generator = job.axes["form"], job.axes["generator"]
            others = [one.axes["generator"] for one in self.study.jobs("judge") if one.axes["form"] == form]
            if form in forms or (generator not in ready and set(ready) & set(others)):
                continue
            forms.add(form)
            yield self._judge(job)

    def _judge(self, job: StudyJob) -> PreviewedJob:
        settings, generator = job.typed_settings, job.axes["generator"]
        assert isinstance(settings, JudgeSettings)
        traces = self.rows.traces(generator)
        problems = self.rows.problems()
        first = traces[0] if traces else None
        shown = self.shown(
            job, problems[first.prompt_id] if first else next(iter(problems.values())), str(first.text) if first else ""
        )
        if not traces:
            return PreviewedJob(**shown, not_asked=f"there is no usable trace of {generator} yet to show it")
        engine = self._guarded(settings.engine)
        if isinstance(engine, str):
            return PreviewedJob(**shown, not_asked=engine)
        changes = {"samples": 1, "votes": 1, "prompts": None, "max_failure_share": 1.0, "engine": engine}
        small = settings.model_copy(update=changes)
        inputs = {
            "prompts": [self.rows.table(TRAINING_PROMPTS, traces)],
            "traces": [self.scratch.write(Trace, traces, "generate", generator=generator)],
            "template": _paths(job, "template"),
            "rubrics": _paths(job, "rubrics"),
        }
        output = self.scratch.path("judge", generator=generator, form=job.axes["form"])
        try:
            asked = Job(small, inputs, {"judgements": [output]}, Path(self.study.record))
            manifest = self.scratch.run("judge", asked)
        except StudyError as error:
            return PreviewedJob(**shown, not_asked=str(error))
        partition = calls.judge_calls(Path(self.study.record), settings.form, generator)
        rows = _verdicts(partition, tables.read(output, Judgement), settings.engine)
        return PreviewedJob(**shown, rows=rows, **_measured(manifest), kept=True, at_once=settings.engine.in_flight)

    def _guarded(self, engine: OpenAIOptions) -> OpenAIOptions | str:
        """How to ask a judge within the limit, at once and not in a batch; or why it is not asked."""
        if engine.server is not None:
            return engine
        if engine.prices is None and self.limit_usd is not None:
            return "--limit-usd cannot be kept: judge.engine.prices names no prices of this model"
        changes: dict[str, Any] = {"batch": None}
        if engine.prices is not None:
            most = self.spent + (USUAL_LIMIT if self.limit_usd is None else self.limit_usd)
            changes["limit_usd"] = most if engine.limit_usd is None else min(most, engine.limit_usd)
        return engine.model_copy(update=changes)

    # --- evaluate -----------------------------------------------------------------------------------------------

    def evaluate(self) -> Iterator[PreviewedJob]:
        """Each untrained policy, on the first items of each benchmark, in the primary groups."""
        groups = self.study.config.evaluate.groups
        for job in self.study.jobs("evaluate"):
            if job.kind == "evaluate_base" and groups[job.axes["group"]].primary:
                yield self._evaluate(job)

    def _evaluate(self, job: StudyJob) -> PreviewedJob:
        settings, axes = job.typed_settings, job.axes
        assert isinstance(settings, EvaluateSettings)
        first = next(iter(settings.benchmarks))
        shown = self.shown(job, self.rows.prompts(first)[0].text, benchmark=first)
        if why := self.why_not(settings.engine, job):
            return PreviewedJob(**shown, not_asked=why)
        once = {name: asked.model_copy(update={"samples": 1}) for name, asked in settings.benchmarks.items()}
        small = settings.model_copy(update={"benchmarks": once, "max_failure_share": 1.0})
        inputs = {
            "prompts": [self.rows.table(name) for name in settings.benchmarks],
            "template": _paths(job, "template"),
            "weights": _paths(job, "weights"),
        }
        output = self.scratch.path("evaluate_base", policy=axes["policy"], group=axes["group"])
        try:
            asked = Job(small, inputs, {"scores": [output]}, self._record())
            asked, kept = self._with_record(asked, settings.engine, evaluate.missing)
            manifest = self.scratch.run("evaluate", asked)
            weights = open_weights(asked.inputs["weights"], settings.hub, asked.record, only_look=True)
        except StudyError as error:
            return PreviewedJob(**shown, not_asked=str(error))
        scores = tables.read(output, Score)
        said = Record(calls.policy_calls(asked.record, weights.key), Call, only_look=True).fetch(
            {score.call_key for score in scores}
        )
        rows = [_answer(score, said.get(score.call_key)) for score in scores]
        return PreviewedJob(**shown, rows=rows, **_measured(manifest), kept=kept)

    # --- all ----------------------------------------------------------------------------------------------------

    def shown(self, job: StudyJob, problem: str, trace: str = "", benchmark: str = "") -> dict[str, Any]:
        """What a preview says of a job before it asks: its model, and its first prompt."""
        model = model_of(self.study, job.stage, job.name)
        asked = asked_by(job, problem, trace, benchmark)
        settings: Any = job.typed_settings
        folder = tokenizer_folder(self.study, model) if model else None
        prompt, rendered = "\n".join(f"[{role}]\n{content}" for role, content in asked.messages), False
        if folder is not None:
            effort = None if isinstance(settings, ReferenceSettings) else settings.sampling.reasoning_effort
            prompt, rendered = render(load_tokenizer(folder), asked.messages, self.study.rendering(model), effort), True
        shown: dict[str, Any] = {"template": asked.template, "prompt": prompt, "rendered": rendered}
        if isinstance(settings, JudgeSettings):
            engine = settings.engine
            place = f"a server {engine.server.name} of the job's own" if engine.server else engine.base_url
            shown["facts"] = {"judge": f"{engine.model}, {place}"}
        return {"stage": job.stage, "name": job.name, "model": model, **shown}

    def why_not(self, engine: Any, job: StudyJob) -> str | None:
        """Why a job's model cannot be asked here, as far as that is seen without loading it."""
        for path in _paths(job, "weights"):
            if not path.is_file():
                return f"its model is trained by the study itself, and {path} is not there yet"
        model = model_of(self.study, job.stage, job.name)
        if model and tokenizer_folder(self.study, model) is None:
            return "the files of its model are not on this machine: prefdelta pin --fetch"
        if engine is not None and engine.name == "vllm":
            try:
                versions()
            except (StudyError, PackageNotFoundError) as error:
                return str(error)
        return None

    def _record(self) -> Path:
        return Path(self.study.record)

    def _with_record(self, asked: Job[Any], engine: Any, missing: Any) -> tuple[Job[Any], bool]:
        """(The job with the record that keeps its replies, whether that is the study's)."""
        if engine is None or engine.name not in _NOT_KEPT or missing(asked) == 0:
            return asked, True
        return Job(asked.settings, asked.inputs, asked.outputs, self.scratch.record), False


def _paths(job: StudyJob, name: str) -> list[Path]:
    return list(map(Path, job.inputs[name]))


def _right(correct: bool | None) -> str:
    return "right" if correct else "wrong"


def _measured(manifest: Manifest) -> dict[str, Any]:
    return {"asked": manifest.run.computed.get("calls", 0), "seconds": manifest.run.seconds}


def _verdicts(partition: Path, judgements: Sequence[Judgement], engine: OpenAIOptions) -> list[PreviewedRow]:
    """One row per trace: its last reply, and the scores in it."""
    said = Record(partition, Call, only_look=True).fetch({key for row in judgements for key in row.call_keys})
    rows = []
    seen = set[tuple[str, int]]()
    for judgement, votes in read_votes(partition, judgements):
        if (judgement.prompt_id, judgement.sample) in seen or not votes:
            continue
        seen.add((judgement.prompt_id, judgement.sample))
        (vote,) = votes
        call = said.get(vote.call_key)
        scores = ", ".join(f"{name} {score}" for name, score in (vote.scores or {}).items())
        rows.append(
            PreviewedRow(
                about=f"trace {judgement.generator}/{judgement.prompt_id}/{judgement.sample}",
                reply=vote.reply,
                reasoning=vote.reasoning,
                tokens=call.n_tokens if call else None,
                finish_reason=call.finish_reason if call else None,
                result=judgement.failure or scores,
                good=judgement.failure is None,
                seconds=call.seconds if call else None,
                usd=_usd(engine, call),
            )
        )
    return rows


def _usd(engine: OpenAIOptions, call: Call | None) -> float | None:
    """What a reply costs in a run, by the prices of today."""
    if engine.prices is None or call is None or call.prompt_tokens is None or call.n_tokens is None:
        return None
    prices = read_prices(Path(engine.prices)).of(engine.model, engine.prices)
    used = TokenUsage(call.prompt_tokens, call.cached_tokens or 0, call.n_tokens)
    return cost(prices, used, engine.batch is not None)


def _answer(score: Score, call: Call | None) -> PreviewedRow:
    return PreviewedRow(
        about=f"{score.benchmark} {score.prompt_id}",
        reply=call.text if call else None,
        reasoning=call.reasoning if call else None,
        tokens=score.n_tokens,
        finish_reason=score.finish_reason,
        result=score.failure or _right(score.correct),
        good=score.failure is None,
    )
