"""Stage judge: rate the traces of one generator on the dimensions of one form.

A form is the set of dimensions asked in one request. The judge is any server behind the OpenAI protocol; if a
reply is not exactly a verdict, the judge is asked again, with at most `attempts` requests; then it is a typed failure.
A judge may be asked for several votes on a trace: the score is their mean, and fewer scores are equal.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from os import environ
from typing import Annotated, Any

from pydantic import Field

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.judge_prompt import join_rubrics, judge_prompt
from prefdelta.core.asking.judges import Judge, JudgeName, OtherJudge
from prefdelta.core.asking.requests import Endpoint, Request, Sampling
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.asking.verdicts import NO_VERDICT, InvalidVerdictError, read_verdict, verdict_schema
from prefdelta.core.asking.votes import Vote, judgements, votes_lost
from prefdelta.core.errors import StudyError
from prefdelta.core.failure_limits import check_share, count_failures
from prefdelta.core.hub import HubModel
from prefdelta.core.ids import fraction, seed_of
from prefdelta.core.settings import Settings
from prefdelta.core.statistics import mean_of_known
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.names import REMEDY, listed_names
from prefdelta.models.weights import Weights, open_weights
from prefdelta.records.call import Call
from prefdelta.records.details.judge import JudgeDetails
from prefdelta.records.judgement import Judgement
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.servers.process import serve
from prefdelta.store import calls, tables
from prefdelta.system import plugins
from prefdelta.system.log import say
from prefdelta.workflow import source
from prefdelta.workflow.job import Job, Outcome, start

ANOTHER_MODEL = "another_model"  # the failure for a reply of another model


class Compared(Settings):
    """Other ways of judging, on a sample. The report compares their scores with those of the main forms.

    They get as many votes as the main forms, so that two means of equally many votes are compared.
    """

    forms: dict[str, list[str]]
    """Name of a form -> the dimensions asked together. Names of main forms are not allowed."""

    repeats: dict[str, str] = Field(default_factory=dict)
    """Name of a form -> the main form that it asks again, word for word and with another seed: the judge's own
    noise."""

    generators: list[str]
    """Generators whose traces are judged again."""

    prompts: Annotated[int, Field(ge=1)]
    """Number of prompts, drawn by a hash."""

    def asked(self, main: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """Other form -> its dimensions. main: main form -> its dimensions."""
        return {**self.forms, **{form: main[repeated] for form, repeated in self.repeats.items()}}


class JudgeSection(Settings):
    """The judge's scores, from 1 to 5 per dimension. One judge for the whole study, and others to compare it with."""

    model: str | None = None
    """Model (of `models`) that a vllm server of `engine` serves. Not for another server or a hosted model."""

    template: str
    """File of the prompt, with the slots {category}, {rubric}, {problem} and {trace}."""

    forms: dict[str, list[str]]
    """Name of a form -> the dimensions asked in one request. Each dimension is in one form. An edit of a rubric has
    its whole form judged again."""

    engine: OpenAIOptions
    """Where the judge is and how it is asked."""

    sampling: Sampling
    """How the judge draws its verdicts."""

    samples: Annotated[int, Field(ge=1)] = 1
    """How many first samples per prompt are judged, for generators without `judged` of their own."""

    votes: Annotated[int, Field(ge=1)] = 1
    """Verdicts on one trace, each with a seed of its own. A score is the mean of those that do not fail, so more votes
    give fewer equal deltas. With more votes only the new ones are asked; with fewer, nothing."""

    attempts: Annotated[int, Field(ge=1)] = 3
    """Largest number of requests for one verdict, if replies do not parse."""

    max_failure_share: Annotated[float, Field(ge=0, le=1)]
    """Largest share of one generator's verdicts in a form that may fail; above it the stage stops. Each vote is a
    verdict."""

    compared: Compared | None = None
    """Other ways of judging, on a sample. Default: none."""

    others: dict[JudgeName, OtherJudge] = Field(default_factory=dict)
    """Name -> another judge. Its dimensions are called `<dimension>@<judge>`, in selections too. A new one adds jobs
    and reruns none."""

    def judges(self) -> dict[str | None, Judge]:
        """All judges by name; the study's own, which comes first, has none."""
        found: dict[str | None, Judge] = {None: Judge("judge", self.engine, self.model, self.sampling, self.votes)}
        for name, other in self.others.items():
            found[name] = Judge(
                f"judge.others.{name}",
                other.engine or self.engine,
                other.model if other.engine else self.model,
                other.sampling or self.sampling,
                other.votes or self.votes,
                None if other.prompts == "all" else other.prompts,
            )
        return found


class JudgeSettings(Settings):
    generator: str
    """Generator of the traces."""

    form: str
    """Name of the form in the config."""

    dimensions: list[str]
    """The dimensions that the form asks for."""

    engine: OpenAIOptions
    """Model, server or address, limits."""

    sampling: Sampling
    """How the judge draws its verdicts."""

    samples: int
    """How many first samples per prompt are judged."""

    votes: int = 1
    """Verdicts on one trace."""

    attempts: int
    """Largest number of requests for one verdict, if replies do not parse."""

    max_failure_share: float
    """Largest share of failures; above it the stage stops."""

    seed: int
    """Root of all draws."""

    hub: HubModel | None = None
    """The judge's weights, for a server that the job starts."""

    rendering: TemplateSettings = PLAIN
    """Date and variables of the chat template of such a judge."""

    prompts: int | None = None
    """Number of prompts that are judged, drawn by a hash. None: all."""

    def plugins(self) -> list[str]:
        server = self.engine.server
        return [f"engines.{self.engine.name}", *([f"servers.{server.name}"] if server else [])]


def run(job: Job[JudgeSettings]) -> Outcome:
    settings = job.settings
    traces, judged, requests = _requests(job)
    made, tokens, reply_tokens, models = 0, 0, list[int | None](), Counter[str]()
    ask_plan = _ask_plan(job) if judged else None

    def ask(asked: list[Request]) -> Sequence[Call]:
        nonlocal made, tokens
        assert ask_plan is not None
        what = f"judge {settings.generator} {settings.form}, attempt {asked[0].attempt + 1}"
        asked_calls = replace(ask_plan, requests=asked).ask(what)
        made, tokens = made + asked_calls.asked, tokens + asked_calls.tokens
        reply_tokens.extend(call.n_tokens for call in asked_calls.calls)
        models.update(call.model for call in asked_calls.calls if call.model)
        return asked_calls.calls

    by_index = _verdicts(settings, requests, ask)
    _warn_of_other_models(settings.engine, models)
    verdicts = [by_index[index] for index in range(len(requests))]
    votes = {
        (trace.prompt_id, trace.sample): verdicts[number * settings.votes : (number + 1) * settings.votes]
        for number, trace in enumerate(judged)
    }
    rows = [
        row
        for trace in traces
        for row in judgements(trace, votes.get((trace.prompt_id, trace.sample), []), settings.dimensions)
    ]

    invalid = count_failures(verdict.failure for verdict in verdicts)
    words = {verdict.failure: verdict.words for verdict in verdicts if verdict.failure and verdict.words}
    check_share("judge.max_failure_share", len(verdicts), invalid, settings.max_failure_share, words)
    tables.write(job.output("judgements"), Judgement, rows)
    failures = count_failures(row.failure for row in rows)
    details = JudgeDetails(
        requests=len(reply_tokens),
        unparseable=dict(invalid),
        votes_lost=votes_lost(votes.values()),
        mean_tokens=mean_of_known(reply_tokens),
        models=dict(sorted(models.items())),
    )
    return Outcome(len(rows), failures, details, {"calls": made, "tokens": tokens})


def missing(job: Job[JudgeSettings]) -> int:
    """Least number of calls that `run` would make; replies that are not verdicts need more. Nothing is asked."""
    _, judged, requests = _requests(job)
    if not judged:
        return 0
    ask_plan = _ask_plan(job, only_look=True)
    count = 0

    def look(asked: list[Request]) -> Sequence[Call | None]:
        nonlocal count
        calls_there = replace(ask_plan, requests=asked).recorded()
        count += calls_there.count(None)
        return calls_there

    _verdicts(job.settings, requests, look)
    return count


def _requests(job: Job[JudgeSettings]) -> tuple[list[Trace], list[Trace], list[Request]]:
    """(all traces of the job, the traces that are judged, a request for each vote on these, trace by trace)."""
    settings = job.settings
    problems = {prompt.prompt_id: prompt.text for prompt in tables.read(job.input("prompts"), Prompt)}
    template, rubric = _read_prompts(job)
    sampled = _sample(problems, settings.prompts)
    traces = [
        trace
        for trace in tables.read(job.input("traces"), Trace)
        if trace.sample < settings.samples and trace.prompt_id in sampled
    ]

    where = str(job.input("template"))

    def request(trace: Trace, vote: int) -> Request:
        problem, text = problems[trace.prompt_id], str(trace.text)
        prompt = judge_prompt(template, where, form=settings.form, rubric=rubric, problem=problem, trace=text)
        # The first vote is what a judge with one vote is asked, by the same key.
        draw = (trace.prompt_id, trace.sample, *([f"vote {vote}"] if vote else []))
        return Request(
            messages=(("user", prompt),),
            sampling=settings.sampling,
            seed=seed_of("judge", settings.seed, *draw),
            sample=vote or trace.sample,
            response_schema=verdict_schema(settings.dimensions),
        )

    judged = [trace for trace in traces if trace.usable]
    return traces, judged, [request(trace, vote) for trace in judged for vote in range(settings.votes)]


def _sample(prompts: Iterable[str], count: int | None) -> set[str]:
    return set(sorted(prompts, key=lambda prompt: fraction("judged", prompt))[:count])


def _read_prompts(job: Job[JudgeSettings]) -> tuple[str, str]:
    """The template, and the rubric of the form from the files of its dimensions."""
    rubrics = []
    files = {path.stem: path for path in job.inputs["rubrics"]}
    for dimension in job.settings.dimensions:
        try:
            text = files[dimension].read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(
                f"{files[dimension]}: cannot be read as UTF-8 text ({error}). It must hold the rubric of {dimension}."
            ) from None
        if not text:
            raise StudyError(f"{files[dimension]}: is empty. It must hold the rubric of {dimension}.")
        rubrics.append((dimension, text))
    return job.input("template").read_text(encoding="utf-8").strip(), join_rubrics(rubrics)


def _ask_plan(job: Job[JudgeSettings], only_look: bool = False) -> calls.AskPlan:
    """The engine to ask, and where its calls are recorded; nothing is asked yet."""
    settings = job.settings
    weights = open_weights([], settings.hub, job.record, only_look) if settings.hub else None
    engine = plugins.load(f"engines.{settings.engine.name}")(
        settings.engine,
        partial(_serve, settings.engine, weights, settings.rendering),
        _server_identity(settings.engine, weights, settings.rendering),
        Spending.of(settings.engine, job.record / "spending"),
    )
    return calls.AskPlan(engine, [], calls.judge_calls(job.record, settings.form, settings.generator))


def _verdicts(
    settings: JudgeSettings, requests: list[Request], ask: Callable[[list[Request]], Sequence[Call | None]]
) -> dict[int, Vote]:
    """The verdict on each request, by its index; none if `ask` has no call.

    Requests whose replies do not parse are asked again in further rounds.
    """
    verdicts: dict[int, Vote] = {}
    waiting = list(range(len(requests)))
    right = False  # whether the right model has answered at all
    for attempt in range(settings.attempts if requests else 0):
        again = []
        for index, call in zip(waiting, ask([replace(requests[i], attempt=attempt) for i in waiting]), strict=True):
            if call is None:
                continue
            verdicts[index] = _parse(call, settings, attempt + 1)
            right = right or (call.failure is None and verdicts[index].failure != ANOTHER_MODEL)
            # If a reply is not a verdict, the next one may be. A prompt that is too long, or that kills the server,
            # will not change.
            if verdicts[index].failure is not None and call.failure in (None, *NO_VERDICT):
                again.append(index)
        waiting = [index for index in again if right or verdicts[index].failure != ANOTHER_MODEL]
        if not waiting:
            break
    return verdicts


def _parse(call: Call, settings: JudgeSettings, attempts: int) -> Vote:
    scores, failure = None, call.failure
    if failure is None:
        try:
            if not settings.engine.accepts(call.model):
                raise InvalidVerdictError(ANOTHER_MODEL)
            scores = read_verdict(call.text, call.finish_reason, settings.dimensions)
        except InvalidVerdictError as error:
            failure = str(error)
    return Vote(scores=scores, failure=failure, attempts=attempts, call_key=call.key, words=call.detail)


def failure_of(settings: JudgeSettings, call: Call) -> str | None:
    """Why a recorded call is not a verdict; None if it is one."""
    return _parse(call, settings, call.attempt + 1).failure


def _warn_of_other_models(engine: OpenAIOptions, models: Counter[str]) -> None:
    """models: name in replies -> number of replies with it."""
    if others := Counter({name: count for name, count in models.items() if not engine.accepts(name)}):
        say(
            f"warning: {others.total():,} of {models.total():,} replies name another model than {engine.model!r}: "
            f"{listed_names(others)}. They count as no verdict ({ANOTHER_MODEL}). {REMEDY}"
        )


def _serve(
    options: OpenAIOptions, weights: Weights | None, rendering: TemplateSettings = PLAIN
) -> AbstractContextManager[Endpoint]:
    """The endpoint to ask: a server that this job starts, or the one that the config names."""
    if options.server is not None:
        plugin = f"servers.{options.server.name}"
        if weights is None:
            return serve(partial(plugins.load(plugin), options.server), options.model, options.start_s)
        command = partial(plugins.load(plugin), options.server, weights.folder, options.model, rendering)
        environment = plugins.load(f"{plugin}.environment")(rendering)
        return serve(command, options.model, options.start_s, environment)
    if options.api_key_env not in environ:
        raise StudyError(f"the environment has no {options.api_key_env}, the key of {options.base_url}. Set it.")
    return nullcontext(Endpoint(str(options.base_url), environ[options.api_key_env], lambda: None))


def _server_identity(
    options: OpenAIOptions, weights: Weights | None = None, rendering: TemplateSettings = PLAIN
) -> dict[str, Any]:
    """All that determines a judge's replies besides its model's name. The address of a hosted judge is not included."""
    if options.server is None:
        return {"provider": options.provider}
    plugin = f"servers.{options.server.name}"
    if weights is not None:
        identity: dict[str, Any] = plugins.load(f"{plugin}.identity")(
            options.server, weights.folder, weights.identity, rendering
        )
        return identity
    return {"settings": options.server.model_dump(), "code": source.digest(plugins.module_of(plugin))}


if __name__ == "__main__":
    start(
        run,
        JudgeSettings,
        inputs={
            "prompts": "table of Prompt",
            "traces": "table of Trace",
            "template": "text with the slots {category}, {rubric}, {problem}, {trace}",
            "rubrics": "one text per dimension, named <dimension>.md",
        },
        outputs={"judgements": "table of Judgement"},
    )
