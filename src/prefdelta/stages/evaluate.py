"""Stage evaluate: a batch of arms, trained or not, on a group of benchmarks.

The seed of a draw depends on the item and the sample alone, so all arms answer with the same noise: they are paired.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from prefdelta import calls, checkpoints, registry, tables
from prefdelta.core.accuracy import COUNTS_AS_WRONG, count_outcomes
from prefdelta.core.failures import check_share, count_failures
from prefdelta.core.grading import grade_reply
from prefdelta.core.ids import seed_of
from prefdelta.core.options import TransformersOptions
from prefdelta.core.requests import Request, Sampling
from prefdelta.core.settings import Settings
from prefdelta.core.template import ask_problem
from prefdelta.record import Record
from prefdelta.records.call import Call
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.stages.entry import Job, Outcome, file_of, start


class Group(Settings):
    """Benchmarks that are evaluated in one way, by one job for each batch of arms."""

    title: str
    benchmarks: Annotated[list[str], Field(min_length=1)]
    sampling: Sampling
    primary: bool = True  # what the figures show; every benchmark is in one primary group
    experiments: list[str] | None = None  # whose arms are evaluated; None: all


class EvaluateSection(Settings):
    template: str  # file with the slot {problem}
    engine: TransformersOptions
    groups: dict[str, Group]
    max_failure_share: Annotated[float, Field(ge=0, le=1)]  # above it the stage stops


class Asked(Settings):
    """How one benchmark is asked and graded."""

    grader: str
    samples: int = 1  # avg@samples


class EvaluateSettings(Settings):
    arms: Annotated[list[str], Field(description="the batch")]
    benchmarks: Annotated[dict[str, Asked], Field(description="the group: benchmark -> grader and samples")]
    engine: Annotated[TransformersOptions, Field(description="how the policies are asked")]
    sampling: Annotated[Sampling, Field(description="temperature, top_p, max_tokens (tokens)")]
    seed: Annotated[int, Field(description="root of all draws")]
    max_failure_share: Annotated[float, Field(description="above it the stage stops")]

    def plugins(self) -> list[str]:
        graders = {f"graders.{asked.grader}" for asked in self.benchmarks.values()}
        return [f"engines.{self.engine.name}", *sorted(graders)]


def run(job: Job[EvaluateSettings]) -> Outcome:
    settings = job.settings
    items = [prompt for path in job.inputs["prompts"] for prompt in tables.read(path, Prompt)]
    solved, rows, asked = {}, [], 0
    for arm in settings.arms:
        weights = job.inputs["weights"]
        scores, calls_made = _scores(job, arm, weights[0] if arm.endswith("/base") else file_of(weights, arm), items)
        failures = count_failures(score.failure for score in scores)
        ours = {kind: count for kind, count in failures.items() if kind not in COUNTS_AS_WRONG}
        check_share("evaluate.max_failure_share", len(scores), ours, settings.max_failure_share)
        tables.write(file_of(job.outputs["scores"], arm), Score, scores)
        rows += scores
        asked += calls_made
        solved[arm] = {
            name: count_outcomes(score for score in scores if score.benchmark == name) for name in settings.benchmarks
        }
    failed = count_failures(score.failure for score in rows)
    return Outcome(len(rows), failed, {"solved_of_counted": solved}, {"calls": asked})


def _scores(job: Job[EvaluateSettings], arm: str, weights: Path, items: list[Prompt]) -> tuple[list[Score], int]:
    """An arm's answers to all items of the group, graded; and how many were asked for now."""
    settings = job.settings
    template = job.input("template").read_text(encoding="utf-8").strip()
    policy, folder = checkpoints.open_manifest(weights, job.record)
    engine = registry.load(f"engines.{settings.engine.name}")(folder, policy.weights, settings.engine)
    plan = [(prompt, sample) for prompt in items for sample in range(settings.benchmarks[prompt.source].samples)]
    requests = [
        Request(
            messages=ask_problem(template, prompt.text, str(job.input("template"))),
            sampling=settings.sampling,
            seed=seed_of("evaluate", settings.seed, prompt.prompt_id, sample),
            sample=sample,
        )
        for prompt, sample in plan
    ]
    record = Record(job.record / "calls" / "evaluate" / policy.key, Call)
    answers = calls.complete(engine, requests, record, f"evaluate {arm}")
    graders = {name: registry.load(f"graders.{asked.grader}") for name, asked in settings.benchmarks.items()}
    scores = []
    for (prompt, sample), call in zip(plan, answers.calls, strict=True):
        grader = graders[prompt.source]
        extracted, correct, failure = grade_reply(grader, call.text, call.finish_reason, call.failure, prompt.answers)
        scores.append(
            Score(
                benchmark=prompt.source,
                prompt_id=prompt.prompt_id,
                sample=sample,
                extracted=extracted,
                correct=correct,
                finish_reason=call.finish_reason,
                n_tokens=call.n_tokens,
                call_key=call.key,
                failure=failure,
            )
        )
    return scores, answers.asked


if __name__ == "__main__":
    start(
        run,
        EvaluateSettings,
        inputs={
            "prompts": "tables of Prompt, one per benchmark of the group",
            "template": "text with the slot {problem}",
            "weights": "manifests of the policies' checkpoints: train/<arm>/policy.json, or one for <policy>/base",
        },
        outputs={"scores": "tables of Score, evaluate/<arm>/<group>.parquet"},
    )
