"""Stage generate: traces of one generator for all training prompts.

Every draw is one request with its own seed, recorded when it is answered; the table is made from the record, sorted.
"""

from typing import Annotated

from pydantic import Field

from prefdelta.core.asking.engine_options import GeneratorOptions, ThinkingMarks
from prefdelta.core.asking.prompt_template import ask_problem
from prefdelta.core.asking.reasoning_marks import marked_thinking, with_thinking
from prefdelta.core.asking.requests import Engine, Request, Sampling
from prefdelta.core.asking.stored_reasoning import in_one_form
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.data.sources import DataSource, TraceFields
from prefdelta.core.failure_limits import check_share, count_failures
from prefdelta.core.hub import HubModel
from prefdelta.core.ids import fraction, seed_of
from prefdelta.core.settings import Settings
from prefdelta.core.statistics import mean_of_known
from prefdelta.models.weights import open_weights
from prefdelta.records.call import Call
from prefdelta.records.details.generate import GenerateDetails
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import calls, tables
from prefdelta.system import plugins
from prefdelta.workflow.job import Job, Outcome, start


class GenerateSection(Settings):
    """Settings that all generators share. A generator may have its own `engine` and `sampling`."""

    template: str
    """File of the prompt, with the slot {problem}."""

    engine: GeneratorOptions
    """How generators are run."""

    sampling: Sampling
    """How generators draw their traces."""

    max_failure_share: Annotated[float, Field(ge=0, le=1)]
    """Largest share of one generator's traces that may be truncated or empty; above it the stage stops. Below
    it these traces are counted and left out."""


class Shipped(Settings):
    """Traces that a data set ships."""

    source: DataSource
    """The data set of the training prompts."""

    traces: TraceFields
    """Columns of the data set that hold traces."""


class Shard(Settings):
    """One share of a generator's prompts, drawn by a hash."""

    index: Annotated[int, Field(ge=0)]
    """Which share, from 0."""

    of: Annotated[int, Field(ge=1)]
    """Number of shares."""

    def holds(self, prompt_id: str) -> bool:
        return int(fraction("shard", prompt_id) * self.of) == self.index


class GenerateSettings(Settings):
    generator: str
    """Name of the generator in the config."""

    engine: GeneratorOptions | None
    """How the generator's model is run. None: a data set ships its traces."""

    hub: HubModel | None = None
    """The generator's model, if it is of the hub."""

    shipped: Shipped | None = None
    """The data set that ships the generator's traces."""

    system: str | None = None
    """The generator's system prompt."""

    thinking: ThinkingMarks | None = None
    """The model's own marks of reasoning, which are stored as <think> and </think>."""

    rendering: TemplateSettings = PLAIN
    """Date and variables of the model's chat template."""

    shard: Shard | None = None
    """The only share of the prompts that is asked. None: all prompts."""

    sampling: Sampling
    """How the generator draws its traces."""

    samples: Annotated[int, Field(ge=1)]
    """Draws per prompt."""

    seed: int
    """Root of all draws."""

    max_failure_share: float
    """Largest share of failures; above it the stage stops."""

    def plugins(self) -> list[str]:
        return [f"engines.{self.engine.name if self.engine else 'dataset'}"]


def run(job: Job[GenerateSettings]) -> Outcome:
    settings = job.settings
    ask_plan = _ask_plan(job)
    asked_calls = ask_plan.ask(f"generate {settings.generator}")
    traces = [
        Trace(
            prompt_id=str(request.prompt_id),
            generator=settings.generator,
            sample=request.sample,
            text=_text(call, settings.thinking),
            finish_reason=call.finish_reason,
            n_tokens=call.n_tokens,
            seed=request.seed,
            call_key=call.key,
            failure=call.failure,
            source_correct=call.source_correct,
        )
        for request, call in zip(ask_plan.requests, asked_calls.calls, strict=True)
    ]
    unusable = count_failures(trace.unusable_because for trace in traces)
    words = {call.failure: call.detail for call in asked_calls.calls if call.failure and call.detail}
    check_share("generate.max_failure_share", len(traces), unusable, settings.max_failure_share, words)
    tables.write(job.output("traces"), Trace, traces)
    details = GenerateDetails(mean_of_known(trace.n_tokens for trace in traces))
    return Outcome(len(traces), unusable, details, {"calls": asked_calls.asked, "tokens": asked_calls.tokens})


def missing(job: Job[GenerateSettings]) -> int:
    """How many calls `run` would make. Nothing is asked or written."""
    return _ask_plan(job, only_look=True).missing()


def _ask_plan(job: Job[GenerateSettings], only_look: bool = False) -> calls.AskPlan:
    settings = job.settings
    template = job.input("template").read_text(encoding="utf-8").strip()
    engine = _engine(job, only_look)
    prompts = tables.read(job.input("prompts"), Prompt)
    requests = [
        Request(
            messages=ask_problem(template, prompt.text, str(job.input("template")), settings.system),
            sampling=settings.sampling,
            seed=seed_of("generate", settings.seed, settings.generator, prompt.prompt_id, sample),
            sample=sample,
            prompt_id=prompt.prompt_id,
        )
        for prompt in prompts
        if settings.shard is None or settings.shard.holds(prompt.prompt_id)
        for sample in range(settings.samples)
    ]
    return calls.AskPlan(engine, requests, job.record / "calls" / "generate" / settings.generator)


def _text(call: Call, thinking: ThinkingMarks | None) -> str | None:
    """A trace's text. Its reasoning is marked in the same way for all models and servers."""
    text = call.text
    if text is not None and thinking is not None:
        text = marked_thinking(text, thinking.opening, thinking.closing)
    text = with_thinking(call.reasoning, text, truncated=call.finish_reason == "length")
    return None if text is None else in_one_form(text)


def _engine(job: Job[GenerateSettings], only_look: bool) -> Engine:
    settings = job.settings
    (plugin,) = settings.plugins()
    engine: Engine
    if settings.shipped is not None:
        engine = plugins.load(plugin)(settings.shipped.source, settings.shipped.traces)
    else:
        weights = open_weights(job.inputs["weights"], settings.hub, job.record, only_look)
        engine = plugins.load(plugin)(weights.folder, weights.identity, settings.engine, settings.rendering)
    return engine


if __name__ == "__main__":
    start(
        run,
        GenerateSettings,
        inputs={
            "prompts": "table of Prompt",
            "template": "text with the slot {problem}",
            "weights": "pointer to the generator's checkpoint, or none for a model of the hub or shipped traces",
            "shards": "tables of Trace that shards made: what they asked is in the record; none if there are no shards",
        },
        outputs={"traces": "table of Trace"},
    )
