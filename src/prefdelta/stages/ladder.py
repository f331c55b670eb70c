"""Stage ladder: train one small model of the mini study from scratch, on corruptible traces.

Accuracy jumps at steps that depend on the seed, so a model is measured before anything uses it. A model outside its
accuracy windows is rejected and trained again with the next seed.

Every attempt's checkpoint is in Hugging Face format (safetensors, character tokenizer, chat template). It lies in the
record under the hash of all that determines it, as do the replies by which it was measured: nothing is done twice. The
output is the small pointer to the accepted checkpoint.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from prefdelta.core.answers.accuracy import count_outcomes
from prefdelta.core.answers.grading import grade
from prefdelta.core.asking.engine_options import TransformersOptions
from prefdelta.core.asking.requests import Request, Sampling
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest, seed_of
from prefdelta.core.rungs import LadderSection, Rung, Window
from prefdelta.core.settings import Settings
from prefdelta.core.tasks.families import draw_problems
from prefdelta.records.call import Call
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.details.ladder import LadderDetails, RejectedTraining, WindowAccuracy
from prefdelta.records.grade import Grade
from prefdelta.store import calls, checkpoints
from prefdelta.store.record import Record
from prefdelta.store.snapshots import Snapshots
from prefdelta.system import plugins
from prefdelta.system.log import say
from prefdelta.training.ladder import MAX_LENGTH, draw_rows, train_rung
from prefdelta.workflow import source
from prefdelta.workflow.job import Job, Outcome, start

ENGINE, GRADER = "engines.transformers", "graders.marker"  # for measuring a trained model
TRAINING_CODE = ("prefdelta.training",)  # other imports of training.ladder only decide which rows are drawn
MAX_TOKENS = MAX_LENGTH // 2  # of an answer


class LadderSettings(Settings):
    model: str
    """Name of the model in the config."""

    rung: Rung
    """The model to train."""

    shared: LadderSection
    """Settings that all rungs share."""

    def plugins(self) -> list[str]:
        return [ENGINE, GRADER] if self.rung.windows else []


def run(job: Job[LadderSettings]) -> Outcome:
    """Train with one seed after another until a model is inside all its windows.

    Raises StudyError if no attempt gives such a model.
    """
    settings = job.settings
    rejected: list[RejectedTraining] = []
    computed = {"steps": 0, "calls": 0}
    for attempt in range(settings.shared.attempts):
        rung = settings.rung.model_copy(update={"seed": settings.rung.seed + attempt})
        checkpoint, steps = _trained(job, rung)
        computed["steps"] += steps
        trained = checkpoints.details(job.record, checkpoint)
        accuracies = []
        for window in rung.windows:
            accuracy, calls_made = _accuracy(job, window, rung, checkpoint)
            accuracies.append(accuracy)
            computed["calls"] += calls_made
        if all(window.inside for window in accuracies):
            checkpoints.write_pointer(job.output("model"), checkpoint)
            details = LadderDetails(**trained, seed=rung.seed, accuracies=accuracies, rejected=rejected)
            return Outcome(1, {}, details, computed)
        last_loss = trained["curve"][-1][1]
        rejected.append(RejectedTraining(rung.seed, checkpoint.key, accuracies, last_loss))
        say(f"ladder {settings.model}, seed {rung.seed}: rejected; {'; '.join(map(_sentence, accuracies))}")
    raise StudyError(
        f"ladder: none of {len(rejected)} trainings of {settings.model!r} gave a model inside its windows.\n"
        f"{_table(rejected)}\n"
        f"Change models.{settings.model}.ladder (steps, error_rates, windows) or ladder.attempts."
    )


def _trained(job: Job[LadderSettings], rung: Rung) -> tuple[Checkpoint, int]:
    """(the checkpoint of one attempt, from the record or trained now; number of steps made now)."""
    settings = job.settings
    rows = draw_rows(rung, settings.shared)
    key = digest(
        {
            "rows": rows,  # in place of the corpora and code from which they were drawn
            "rung": rung.model_dump(exclude={"corpora", "error_rates", "misconceptions", "windows"}),
            "shared": settings.shared.model_dump(exclude={"attempts", "measured_items", "misconceptions"}),
            "code": source.digest("prefdelta.training.ladder", within=TRAINING_CODE),
            "versions": [version("torch"), version("transformers")],
        }
    )
    steps = 0

    def make(output: Path, snapshots: Snapshots) -> Mapping[str, Any]:
        nonlocal steps
        measured = train_rung(rung, settings.shared, rows, output, settings.model, snapshots)
        steps = rung.steps - snapshots.resumed_at
        return measured

    return checkpoints.get_or_make(job.record, "models", key, job.settings.model, make), steps


def _accuracy(
    job: Job[LadderSettings], window: Window, rung: Rung, checkpoint: Checkpoint
) -> tuple[WindowAccuracy, int]:
    """(a window with the share of its problems that a model solves at each temperature, calls made now)."""
    shared = job.settings.shared
    # All models get the same problems, but each has its own draws.
    problem_seed = seed_of("ladder", window.family, window.operations)
    drawn = draw_problems(window.family, window.operations, "validation", problem_seed)
    answers = {
        problem.question: [str(problem.answer())] for problem in islice(drawn, window.items or shared.measured_items)
    }
    temperatures = dict.fromkeys([window.temperature, *window.best_over])
    requests = [
        Request(
            (("user", question),),
            Sampling(temperature=temperature, max_tokens=MAX_TOKENS),
            seed_of("ladder", rung.seed, question),
        )
        for temperature in temperatures
        for question in answers
    ]
    options = TransformersOptions(name="transformers", threads=shared.threads)
    engine = plugins.load(ENGINE)(job.record / checkpoint.folder, checkpoint.weights, options)
    record = Record(job.record / "calls" / "ladder" / checkpoint.key, Call)
    replies = calls.ask_missing(engine, requests, record, f"ladder {job.settings.model}, seed {rung.seed}")
    grader = plugins.load(GRADER)
    solved, counted = {}, {}
    for place, temperature in enumerate(temperatures):
        asked = replies.calls[place * len(answers) : (place + 1) * len(answers)]
        grades = [
            Grade(question, "", 0, *grade(grader, call, right)[:3])
            for (question, right), call in zip(answers.items(), asked, strict=True)
        ]
        right, counted[temperature] = count_outcomes(grades)
        solved[temperature] = round(right / max(counted[temperature], 1), 4)
    best = max(window.best_over, key=lambda temperature: solved[temperature], default=None)
    measured = WindowAccuracy(
        family=window.family,
        operations=window.operations,
        accuracy=solved[window.temperature],
        low=window.low,
        high=window.high,
        n=counted[window.temperature],
        temperature=window.temperature,
        best_temperature=best,
        best_accuracy=None if best is None else solved[best],
        at_most_above=window.at_most_above,
    )
    return measured, replies.asked


def _sentence(window: WindowAccuracy) -> str:
    """One window's result as text, for example `maths 4,5: 54.2% of 240, allowed 20-28%`."""
    lengths = ",".join(map(str, window.operations))
    allowed = f"{100 * window.low:g}-{100 * window.high:g}%"
    greedy = "" if window.temperature == 1 else f" at temperature {window.temperature:g}"
    text = f"{window.family} {lengths}{greedy}: {window.accuracy:.1%} of {window.n}, allowed {allowed}"
    if window.best_accuracy is None or window.at_most_above is None:
        return text
    limit = f"at most {100 * window.at_most_above:g} points above"
    return f"{text}; best {window.best_accuracy:.1%} at {window.best_temperature:g}, allowed {limit}"


def _table(rejected: Sequence[RejectedTraining]) -> str:
    """The measurements of rejected trainings, as text with one line per training."""
    return "\n".join(
        f"  seed {training.seed}, last loss {training.last_loss}: {'; '.join(map(_sentence, training.accuracies))}"
        for training in rejected
    )


if __name__ == "__main__":
    start(run, LadderSettings, inputs={}, outputs={"model": "pointer to the checkpoint (JSON)"})
