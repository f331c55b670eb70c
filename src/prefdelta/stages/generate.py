"""Stage generate: traces of one generator for all training prompts.

Every draw is one request with its own seed, recorded as it comes; the table is a sorted projection of the record.
"""

from typing import Annotated

from pydantic import Field

from prefdelta import calls, checkpoints, registry, tables
from prefdelta.core.failures import check_share, count_failures
from prefdelta.core.ids import seed_of
from prefdelta.core.options import TransformersOptions
from prefdelta.core.requests import Request, Sampling
from prefdelta.core.settings import Settings
from prefdelta.core.template import ask_problem
from prefdelta.record import Record
from prefdelta.records.call import Call
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.stages.entry import Job, Outcome, start


class GenerateSection(Settings):
    """What all generators share; each may say otherwise."""

    template: str  # file with the slot {problem}
    engine: TransformersOptions
    sampling: Sampling
    max_failure_share: Annotated[float, Field(ge=0, le=1)]  # above it the stage stops


class GenerateSettings(Settings):
    generator: Annotated[str, Field(description="its name in the config")]
    engine: Annotated[TransformersOptions, Field(description="how its model is asked")]
    sampling: Annotated[Sampling, Field(description="temperature, top_p, max_tokens (tokens)")]
    samples: Annotated[int, Field(ge=1, description="draws per prompt")]
    seed: Annotated[int, Field(description="root of all draws")]
    max_failure_share: Annotated[float, Field(description="above it the stage stops")]

    def plugins(self) -> list[str]:
        return [f"engines.{self.engine.name}"]


def run(job: Job[GenerateSettings]) -> Outcome:
    settings = job.settings
    template = job.input("template").read_text(encoding="utf-8").strip()
    checkpoint, folder = checkpoints.open_manifest(job.input("weights"), job.record)
    engine = registry.load(f"engines.{settings.engine.name}")(folder, checkpoint.weights, settings.engine)

    plan = [
        (prompt, sample) for prompt in tables.read(job.input("prompts"), Prompt) for sample in range(settings.samples)
    ]
    requests = [
        Request(
            messages=ask_problem(template, prompt.text, str(job.input("template"))),
            sampling=settings.sampling,
            seed=seed_of("generate", settings.seed, settings.generator, prompt.prompt_id, sample),
            sample=sample,
        )
        for prompt, sample in plan
    ]
    record = Record(job.record / "calls" / "generate" / settings.generator, Call)
    answers = calls.complete(engine, requests, record, f"generate {settings.generator}")
    traces = [
        Trace(
            prompt_id=prompt.prompt_id,
            generator=settings.generator,
            sample=sample,
            text=call.text,
            finish_reason=call.finish_reason,
            n_tokens=call.n_tokens,
            seed=request.seed,
            call_key=call.key,
            failure=call.failure,
        )
        for (prompt, sample), request, call in zip(plan, requests, answers.calls, strict=True)
    ]
    unusable = count_failures(trace.unusable_because for trace in traces)
    check_share("generate.max_failure_share", len(traces), unusable, settings.max_failure_share)
    tables.write(job.output("traces"), Trace, traces)
    tokens = [trace.n_tokens for trace in traces if trace.n_tokens is not None]
    details = {"mean_tokens": sum(tokens) / len(tokens) if tokens else None}
    return Outcome(len(traces), unusable, details, {"calls": answers.asked})


if __name__ == "__main__":
    start(
        run,
        GenerateSettings,
        inputs={
            "prompts": "table of Prompt",
            "template": "text with the slot {problem}",
            "weights": "manifest of the generator's checkpoint",
        },
        outputs={"traces": "table of Trace"},
    )
