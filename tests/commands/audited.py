"""A small study whose numbers can be reckoned by hand: eight prompts, g3's traces against g1's.

Of p6 the rejected trace is cut, of p7 the chosen one; the others make pairs. The longer chosen trace has the larger
delta, and the deltas of p2, p3 and p4 are equal.
"""

from importlib import import_module
from pathlib import Path

from prefdelta.records.call import Call
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.manifest import JobRun, Manifest
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.store.calls import judge_calls
from prefdelta.store.record import Record
from prefdelta.workflow.job import Job

from .made import ALL, BENCHMARK, DIMENSIONS, POLICIES, RECORD, RESULTS, SWAPPED, study_here, write_text

PROMPTS = [f"p{i}" for i in range(8)]
TOKENS = {"g3": [10, 9, 8, 8, 6, 5, 5, 80], "g1": [4, 4, 4, 5, 4, 4, 80, 4]}
CUT = {"g3": "p7", "g1": "p6"}
SCORES = {"g3": [5, 5, 4, 4, 3, 3, 5, None], "g1": [1, 2, 2, 2, 1, 2, None, 3]}
DELTAS = [4, 3, 2, 2, 2, 1]
RIGHT = {"g3": "p0 p1 p2 p3 p4 p6", "g1": "p0 p7"}
AGAIN = ("g1", "p5")  # the judge's first reply is no verdict
NO_VERDICT = "\x1b[31mthree, I'd say"


def make_audited() -> None:
    """Write the results of the study in the working directory."""
    for generator in ("g3", "g1"):
        _make_traces(generator)
        _make_judgements(generator)
    problems = {prompt: f"What is {number}7 + 25 * {number}3 - 48?" for number, prompt in enumerate(PROMPTS)}
    _make_prompts("train", problems)
    # One item is a problem that is trained on, one a problem whose pair was dropped.
    _make_prompts(BENCHMARK, {"b0": problems["p1"], "b1": problems["p7"], "b2": "What is 9 * 9 * 9 - 11?"})
    run_stages("pair", "delta", "filter")
    for arm in ("pa/base", *POLICIES):
        _make_scores(arm)


def run_stages(*stages: str) -> None:
    """Run stages of the study in the working directory, in this process, with their manifests."""
    study = study_here()
    for stage in stages:
        for job in study.jobs(stage):
            outputs = list(map(Path, job.outputs))
            inputs = {name: list(map(Path, paths)) for name, paths in job.inputs.items()}
            name = {"pair": "pairs", "delta": "deltas", "filter": "selected"}[stage]
            outputs[0].parent.mkdir(parents=True, exist_ok=True)
            done = import_module(f"prefdelta.stages.{stage}").run(
                Job(job.typed_settings, inputs, {name: outputs}, RECORD)
            )
            manifest = Manifest(
                stage=stage,
                rows=done.rows,
                failures=done.failures,
                not_selected=done.not_selected,
                details=done.details,
                settings=job.typed_settings.model_dump(),
                run=JobRun("2026-01-01T00:00:00Z", 1.0, 1.0, 1),
            )
            write_text(Path(job.manifest), manifest.to_json())


def _make_prompts(source: str, problems: dict[str, str]) -> None:
    _write(f"prompts/{source}", Prompt, [Prompt(name, source, text, ["1"]) for name, text in problems.items()])


def _make_traces(generator: str) -> None:
    traces, grades = [], []
    for prompt, tokens in zip(PROMPTS, TOKENS[generator], strict=True):
        cut = prompt == CUT[generator]
        text = f"{generator} says {'so ' * tokens}A:1"
        reason = "length" if cut else "stop"
        traces.append(Trace(prompt, generator, 0, text, reason, tokens, 7, f"trace-{generator}-{prompt}", None))
        correct = None if cut else prompt in RIGHT[generator].split()
        grades.append(Grade(prompt, generator, 0, None, correct, "truncated" if cut else None))
    _write(f"generate/{generator}", Trace, traces)
    _write(f"grade/{generator}", Grade, grades)


def _make_judgements(generator: str) -> None:
    rows, calls = [], []
    for prompt, score in zip(PROMPTS, SCORES[generator], strict=True):
        question = f"verdict-{generator}-{prompt}"
        keys = [question, f"{question}-1"] if (generator, prompt) == AGAIN else [question]
        for dimension in DIMENSIONS:
            if score is None:
                rows.append(Judgement(prompt, generator, 0, dimension, None, 0, 0, [], "unusable_trace"))
            else:
                rows.append(Judgement(prompt, generator, 0, dimension, score, 1, len(keys), keys[-1:], None))
        for attempt, key in enumerate(keys if score else []):
            verdict = "{" + ", ".join(f'"{dimension}": {score}' for dimension in DIMENSIONS) + "}"
            text = NO_VERDICT if attempt < len(keys) - 1 else verdict
            calls.append(_call(key, question, attempt, text))
    _write(f"judge/{generator}/both", Judgement, rows)
    with Record(judge_calls(RECORD, "both", generator), Call) as record:
        for call in calls:
            record.append(call)


def _call(key: str, question: str, attempt: int, text: str) -> Call:
    return Call(
        key=key,
        question=question,
        attempt=attempt,
        text=text,
        finish_reason="stop",
        n_tokens=4,
        failure=None,
        model="rules",
        seconds=0.1,
        made_at=1.0,
        host="host",
        prompt_tokens=100,
    )


def _make_scores(arm: str) -> None:
    """All answers have 10 tokens, those of the arm `all` 12; one answer of `swapped` is cut."""
    rows = []
    for item in ("b0", "b1", "b2"):
        cut = (arm, item) == (SWAPPED, "b0")
        tokens = 12 if arm == ALL else 10
        reason, failure = ("length", "truncated") if cut else ("stop", None)
        key = f"answer-{arm}-{item}"
        rows.append(Score(BENCHMARK, item, 0, None, None if cut else True, reason, tokens, key, failure))
    _write(f"evaluate/{arm}/sampled", Score, rows)


def _write(name: str, row_type: type, rows: list) -> None:
    path = RESULTS / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write(path, row_type, rows)
