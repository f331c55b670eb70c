"""Stage evaluate: a batch of arms, trained or not, on a group of benchmarks.

The seed of a draw depends only on the item and the sample, so all arms answer with the same noise: they are paired.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from prefdelta.core.answers.accuracy import COUNTS_AS_WRONG, count_outcomes, outcome
from prefdelta.core.answers.grading import Graded, grade_all, grader_reasons
from prefdelta.core.arms import Base, parse_arm
from prefdelta.core.asking.engine_options import GeneratorOptions
from prefdelta.core.asking.prompt_template import ask_problem
from prefdelta.core.asking.requests import Engine, Failure, Reply, Request, Sampling
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.core.failure_limits import check_share, count_failures
from prefdelta.core.hub import HubModel
from prefdelta.core.ids import seed_of
from prefdelta.core.precision import cheapest_precision, cosines_of, kept_by
from prefdelta.core.settings import Settings
from prefdelta.core.statistics import mean_of_known
from prefdelta.models.weights import open_weights
from prefdelta.records.call import Call
from prefdelta.records.details.evaluate import EvaluateDetails, UpstreamCounts
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.store import calls, checkpoints, tables
from prefdelta.system import plugins
from prefdelta.system.log import say
from prefdelta.system.processes import cores
from prefdelta.workflow.job import Job, Outcome, file_of, start

# Other grader -> graders beside which it can stand. math-verify takes an equation of mini's traces for their answer.
STANDS_BESIDE = {"math_verify": frozenset({"maths"}), "text": frozenset({"maths", "marker"})}
_HAVE_UPSTREAMS_RULE = {"choice"}  # graders with `upstream(text, answers)`, the rule of the benchmark's own code


class Group(Settings):
    """Benchmarks that one job evaluates in one way, for each batch of arms."""

    title: str
    """Name of the group in the report."""

    benchmarks: Annotated[list[str], Field(min_length=1)]
    """Names of benchmarks (of `benchmarks`)."""

    sampling: Sampling
    """How policies answer the benchmarks of this group."""

    samples: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Benchmark -> answers per item in this group (avg@k). Default: the benchmark's own `samples`."""

    primary: bool = True
    """Whether the figures show the group. Each benchmark is in exactly one primary group; other groups have tables of
    their own."""

    base_temperatures: list[Annotated[float, Field(ge=0.001)]] = Field(default_factory=list)
    """Further temperatures at which the untrained policies answer this group, each below that of `sampling`. They show
    what sharper sampling alone gains: the report compares each arm with the untrained policy at the temperature that
    gives the arm's mean token entropy. Each costs one job per policy."""

    experiments: list[str] | None = None
    """Experiments whose arms are evaluated. Default: all. A primary group has all arms and must not have this key."""


class EvaluateSection(Settings):
    """The policies' answers to the benchmarks."""

    template: str
    """File of the prompt, with the slot {problem}, for benchmarks that do not name their own."""

    engine: GeneratorOptions
    """How policies are run. Its `dtype` is that of all policies, trained or not: an arm and its base can be compared
    only in the same precision."""

    min_update_cosine: Annotated[float, Field(ge=0, le=1)] = 0.99
    """How much of a policy's training must be left in the engine's `dtype`: least cosine between what training changed
    and what is left of it when base and policy are rounded. Below it the stage stops and names a `dtype` that keeps
    enough."""

    groups: dict[str, Group]
    """Name of a group -> benchmarks that are evaluated in the same way."""

    other_graders: list[Literal["math_verify", "text"]] = Field(default_factory=list)
    """Other graders whose verdicts stand beside ours: math-verify alone (beside the grader `maths`), and equality of
    normalised texts (beside `maths` and `marker`). They decide nothing. The page marks gains that depend on the grader,
    and `prefdelta audit graders` shows answers on which graders differ. Another list grades the recorded answers again,
    and asks nothing. math-verify takes some milliseconds of a core for each answer."""

    base_samples: Annotated[int, Field(ge=1)] = 1
    """How many times as often as an arm an untrained policy answers each item. All gains of its arms are against these
    answers, so their error is in every gain, and no number of arms or seeds averages it out. The first samples are
    those that an arm draws. 1: as often as an arm, which costs least, and is also best where an arm answers with the
    same noise as its base and nearly the same text: then their first samples vary together, and others do not. In a
    group at temperature 0, always as often as an arm: further answers would be the same."""

    max_failure_share: Annotated[float, Field(ge=0, le=1)]
    """Largest share of answers that may have no result because the engine or the grader failed; above it the stage
    stops. An item without an answer is not a failure: it counts as not solved."""


class AskedBenchmark(Settings):
    """How one benchmark is asked and graded."""

    grader: str
    """Name of the grader, a module of prefdelta.graders."""

    template: str
    """File of the prompt, with the slot {problem}."""

    samples: int = 1
    """Answers per item (avg@samples)."""

    other_graders: list[Literal["math_verify", "text"]] = Field(default_factory=list)
    """Graders whose verdicts are stored beside those of `grader`."""


class EvaluateSettings(Settings):
    arms: list[str]
    """The batch of arms."""

    benchmarks: dict[str, AskedBenchmark]
    """The group: benchmark -> template, grader, samples."""

    engine: GeneratorOptions
    """How the policies are run."""

    hub: HubModel | None = None
    """The untrained policy, if it is a model of the hub."""

    system: str | None = None
    """The policy's system prompt."""

    rendering: TemplateSettings = PLAIN
    """Date and variables of the policy's chat template."""

    sampling: Sampling
    """How the policies answer."""

    seed: int
    """Root of all draws."""

    min_update_cosine: float = 0.99
    """Least cosine of what the engine's precision keeps of an arm's update; below it the stage stops."""

    max_failure_share: float
    """Largest share of failures; above it the stage stops."""

    def plugins(self) -> list[str]:
        graders = {
            f"graders.{name}" for asked in self.benchmarks.values() for name in (asked.grader, *asked.other_graders)
        }
        return [f"engines.{self.engine.name}", *sorted(graders)]


def run(job: Job[EvaluateSettings]) -> Outcome:
    settings = job.settings
    _check_precision(job)
    plan = _plan(job)
    requests = _requests(job, plan)
    solved, upstream, rows, graded, asked, tokens = {}, {}, list[Score](), list[Graded](), 0, 0
    for arm in settings.arms:
        ask_plan = _ask_plan(job, arm, requests)
        asked_calls = ask_plan.ask(f"evaluate {arm}")
        its_grades = _graded(job, plan, asked_calls.calls)
        others = _by_other_graders(job, plan, asked_calls.calls)
        scores = [_score(*row) for row in zip(plan, asked_calls.calls, its_grades, others, strict=True)]
        for reason, count in grader_reasons(its_grades).items():
            say(f"{arm}: {count:,} answers cannot be graded: {reason}")
        failures = count_failures(score.failure for score in scores)
        ours = {kind: count for kind, count in failures.items() if kind not in COUNTS_AS_WRONG}
        words = {call.failure: call.detail for call in asked_calls.calls if call.failure and call.detail}
        check_share("evaluate.max_failure_share", len(scores), ours, settings.max_failure_share, words)
        tables.write(file_of(job.outputs["scores"], arm), Score, scores)
        rows += scores
        graded += its_grades
        asked += asked_calls.asked
        tokens += asked_calls.tokens
        solved[arm] = {
            name: count_outcomes(score for score in scores if score.benchmark == name) for name in settings.benchmarks
        }
        upstream[arm] = _by_upstreams_rule(job, plan, asked_calls.calls, scores)
    failed = count_failures(score.failure for score in rows)
    details = EvaluateDetails(
        solved_of_counted=solved,
        mean_tokens=mean_of_known(score.n_tokens for score in rows),
        by_upstreams_rule=upstream if any(upstream.values()) else None,
        grader_said=grader_reasons(graded) or None,
    )
    return Outcome(len(rows), failed, details, {"calls": asked, "tokens": tokens})


def missing(job: Job[EvaluateSettings]) -> int:
    """How many calls `run` would make. Nothing is asked or written."""
    requests = _requests(job, _plan(job))
    asked = (_ask_plan(job, arm, requests, only_look=True) for arm in job.settings.arms)
    by_policy = {ask_plan.partition: ask_plan for ask_plan in asked}  # arms with the same weights share one
    return sum(ask_plan.missing() for ask_plan in by_policy.values())


def _plan(job: Job[EvaluateSettings]) -> list[tuple[Prompt, int]]:
    """All draws of all items of the group: (item, sample)."""
    items = [prompt for path in job.inputs["prompts"] for prompt in tables.read(path, Prompt)]
    samples = {name: asked.samples for name, asked in job.settings.benchmarks.items()}
    return [(prompt, sample) for prompt in items for sample in range(samples[prompt.source])]


def _requests(job: Job[EvaluateSettings], plan: list[tuple[Prompt, int]]) -> list[Request]:
    """The request of each draw: the same for all arms."""
    settings = job.settings
    templates = {str(path): path.read_text(encoding="utf-8").strip() for path in job.inputs["template"]}

    def messages(prompt: Prompt) -> tuple[tuple[str, str], ...]:
        template = settings.benchmarks[prompt.source].template
        return ask_problem(templates[template], prompt.text, template, settings.system)

    return [
        Request(
            messages=messages(prompt),
            sampling=settings.sampling,
            seed=seed_of("evaluate", settings.seed, prompt.prompt_id, sample),
            sample=sample,
            with_entropy=True,
        )
        for prompt, sample in plan
    ]


def _ask_plan(job: Job[EvaluateSettings], arm: str, requests: list[Request], only_look: bool = False) -> calls.AskPlan:
    settings = job.settings
    weights = job.inputs["weights"]
    pointers = weights if isinstance(parse_arm(arm), Base) else [file_of(weights, arm)]
    policy = open_weights(pointers, settings.hub, job.record, only_look)
    engine = plugins.load(f"engines.{settings.engine.name}")(
        policy.folder, policy.identity, settings.engine, settings.rendering
    )
    if policy.removed:
        engine = _EngineWithoutWeights(engine, pointers)
    return calls.AskPlan(engine, requests, calls.policy_calls(job.record, policy.key))


def _check_precision(job: Job[EvaluateSettings]) -> None:
    """Raise StudyError if the engine's precision rounds away what training changed in an arm.

    An arm whose training changed nothing passes, and so does one whose training measured nothing.
    """
    dtype, least = job.settings.engine.dtype, job.settings.min_update_cosine
    for arm in job.settings.arms:
        if isinstance(parse_arm(arm), Base):
            continue
        folder = open_weights([file_of(job.inputs["weights"], arm)], None, job.record, only_look=True).folder
        cosines = cosines_of(checkpoints.measurements(folder)) if folder.is_dir() else {}
        kept = kept_by(dtype, cosines)
        if kept is not None and kept < least:
            by_each = ", ".join(f"{precision} {cosine:.3f}" for precision, cosine in cosines.items())
            raise StudyError(
                f"arm {arm}: evaluate.engine.dtype {dtype} rounds away what training changed. The cosine of the whole "
                f"update with what is left of it is {by_each}; evaluate.min_update_cosine asks {least:g}. Set "
                f"evaluate.engine.dtype to {cheapest_precision([cosines], least)}, the cheapest precision that keeps "
                "enough of this arm (its base is then evaluated in it, too), or lower evaluate.min_update_cosine."
            )


def _graded(job: Job[EvaluateSettings], plan: list[tuple[Prompt, int]], replies: list[Call]) -> list[Graded]:
    """The grades of an arm's answers to all items of the group."""
    graders = {name: plugins.load(f"graders.{asked.grader}") for name, asked in job.settings.benchmarks.items()}
    answered = zip(plan, replies, strict=True)
    return grade_all(((graders[prompt.source], call, prompt.answers) for (prompt, _), call in answered), cores())


def _by_other_graders(
    job: Job[EvaluateSettings], plan: list[tuple[Prompt, int]], replies: list[Call]
) -> list[dict[str, str]]:
    """For each answer: other grader -> its verdict."""
    verdicts: list[dict[str, str]] = [{} for _ in plan]
    asked = job.settings.benchmarks
    for name in sorted({grader for benchmark in asked.values() for grader in benchmark.other_graders}):
        grader = plugins.load(f"graders.{name}")
        places = [place for place, (prompt, _) in enumerate(plan) if name in asked[prompt.source].other_graders]
        graded = grade_all(((grader, replies[place], plan[place][0].answers) for place in places), cores())
        for place, one in zip(places, graded, strict=True):
            verdicts[place][name] = one.verdict
    return verdicts


def _score(draw: tuple[Prompt, int], call: Call, graded: Graded, others: dict[str, str]) -> Score:
    prompt, sample = draw
    return Score(
        benchmark=prompt.source,
        prompt_id=prompt.prompt_id,
        sample=sample,
        extracted=graded.extracted,
        correct=graded.correct,
        finish_reason=call.finish_reason,
        n_tokens=call.n_tokens,
        call_key=call.key,
        failure=graded.failure,
        entropy=call.entropy,
        by_math_verify=others.get("math_verify"),
        by_text=others.get("text"),
    )


def _by_upstreams_rule(
    job: Job[EvaluateSettings], plan: list[tuple[Prompt, int]], replies: list[Call], scores: list[Score]
) -> dict[str, UpstreamCounts]:
    """How benchmarks' own rules differ from our graders, by benchmark.

    The benchmarks' own rules also see truncated answers, as in the benchmarks' own code.
    """
    by_benchmark = {}
    for name, asked in job.settings.benchmarks.items():
        if asked.grader not in _HAVE_UPSTREAMS_RULE:
            continue
        rule = plugins.load(f"graders.{asked.grader}.upstream")
        verdicts = [
            (bool(rule(call.text or "", prompt.answers)), outcome(score))
            for (prompt, _), call, score in zip(plan, replies, scores, strict=True)
            if prompt.source == name and outcome(score) is not None
        ]
        by_benchmark[name] = UpstreamCounts(
            solved=sum(theirs for theirs, _ in verdicts),
            counted=len(verdicts),
            differ=sum(theirs != ours for theirs, ours in verdicts),
        )
    return by_benchmark


class _EngineWithoutWeights:
    """Replaces an engine whose weights are gone, so that only recorded answers can be used."""

    def __init__(self, engine: Engine, pointers: Sequence[Path]) -> None:
        self._engine, self._pointers = engine, pointers

    def identity(self) -> dict[str, Any]:
        return self._engine.identity()

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        raise StudyError(
            f"{len(missing):,} answers are not recorded, and the weights were removed by `prefdelta gc "
            "--evaluated-policies`. To have them trained again: prefdelta invalidate "
            f"{' '.join(map(str, self._pointers))}"
        )


if __name__ == "__main__":
    start(
        run,
        EvaluateSettings,
        inputs={
            "prompts": "tables of Prompt, one per benchmark of the group",
            "template": "texts with the slot {problem}, as the settings name them",
            "weights": "pointers to the policies' checkpoints: train/<arm>/policy.json, or one of an untrained "
            "policy; none for a model of the hub",
        },
        outputs={"scores": "tables of Score, evaluate/<arm>/<group>.parquet"},
    )
