"""Stage ladder: train one small model of the mini study from scratch, on corruptible traces.

Training falls through phase transitions at steps that depend on the seed, so a model is measured before anything uses
it: outside its accuracy windows it is rejected and trained again with the next seed.

The checkpoint is in Hugging Face format (safetensors, character tokenizer, chat template) and lies in the record under
the hash of all that determines it; the output is the small manifest that names it.
"""

import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from prefdelta import checkpoints, code, registry
from prefdelta.core.accuracy import count_outcomes
from prefdelta.core.errors import StudyError
from prefdelta.core.grading import grade_reply
from prefdelta.core.ids import digest, seed_of
from prefdelta.core.options import TransformersOptions
from prefdelta.core.requests import Reply, Request, Sampling
from prefdelta.core.rungs import LadderSection, Rung, Window
from prefdelta.core.settings import Settings
from prefdelta.core.tasks.families import draw_problems
from prefdelta.records.grade import Grade
from prefdelta.stages.entry import Job, Outcome, start
from prefdelta.training.ladder import MAX_LENGTH, train_rung

ENGINE, GRADER = "engines.transformers", "graders.marker"  # what measures a trained model
SAMPLING = Sampling(temperature=1.0, max_tokens=MAX_LENGTH // 2)


class LadderSettings(Settings):
    model: Annotated[str, Field(description="its name in the config")]
    rung: Annotated[Rung, Field(description="what to train")]
    shared: Annotated[LadderSection, Field(description="what all rungs share")]

    def plugins(self) -> list[str]:
        return [ENGINE, GRADER] if self.rung.windows else []


def run(job: Job[LadderSettings]) -> Outcome:
    from importlib.metadata import version

    settings = job.settings
    key = digest(
        {
            "rung": settings.rung.model_dump(),
            "shared": settings.shared.model_dump(),
            "code": code.digest("prefdelta.stages.ladder", tuple(map(registry.module_of, settings.plugins()))),
            "versions": [version("torch"), version("transformers")],
        }
    )
    checkpoint = checkpoints.made(job.record, "models", key, lambda folder: _train_until_accepted(settings, folder))
    checkpoints.write_manifest(job.output("model"), checkpoint)
    return Outcome(1, {}, checkpoints.details(job.record, checkpoint))


def _train_until_accepted(settings: LadderSettings, folder: Path) -> dict[str, Any]:
    """Train with one seed after the other until a model is inside all its windows; return what was measured.

    Raises StudyError if no attempt gives such a model.
    """
    rejected: list[dict[str, Any]] = []
    for attempt in range(settings.shared.attempts):
        rung = settings.rung.model_copy(update={"seed": settings.rung.seed + attempt})
        for path in folder.iterdir():  # a rejected model's
            path.unlink()
        trained = train_rung(rung, settings.shared, folder, settings.model)
        accuracies = [_accuracy(window, rung, settings.shared, folder) for window in rung.windows]
        if all(row["low"] <= row["accuracy"] <= row["high"] for row in accuracies):
            return {**trained, "seed": rung.seed, "accuracies": accuracies, "rejected": rejected}
        rejected.append({"seed": rung.seed, "accuracies": accuracies, "last_loss": trained["curve"][-1][1]})
        sys.stderr.write(f"ladder {settings.model}, seed {rung.seed}: rejected; {'; '.join(map(_told, accuracies))}\n")
    raise StudyError(
        f"ladder: none of {len(rejected)} trainings of {settings.model!r} gave a model inside its windows.\n"
        f"{_table(rejected)}\n"
        f"Change models.{settings.model}.ladder (steps, error_rates, windows) or ladder.attempts."
    )


def _accuracy(window: Window, rung: Rung, section: LadderSection, folder: Path) -> dict[str, Any]:
    """Share of a window's problems that the model in `folder` solves at temperature 1, beside what is allowed."""
    grader = registry.load(GRADER)
    # The same problems for every model, with draws of its own for each.
    problem_seed = seed_of("ladder", window.family, window.operations)
    drawn = draw_problems(window.family, window.operations, "validation", problem_seed)
    answers = {problem.question: [str(problem.answer())] for problem in islice(drawn, section.measured_items)}
    plan = [
        (question, Request((("user", question),), SAMPLING, seed_of("ladder", rung.seed, question)))
        for question in answers
    ]
    options = TransformersOptions(name="transformers", threads=section.threads)
    engine = registry.load(ENGINE)(folder, "", options)  # its identity is not asked for: nothing of this is recorded
    grades = []
    for reply in engine.run(plan, set(answers)):
        right = answers[reply.key]
        if isinstance(reply, Reply):
            graded = grade_reply(grader, reply.text, reply.finish_reason, None, right)
        else:
            graded = grade_reply(grader, None, None, reply.kind, right)
        grades.append(Grade(reply.key, "", 0, *graded))
    solved, counted = count_outcomes(grades)
    return {
        "family": window.family,
        "operations": window.operations,
        "accuracy": round(solved / counted, 4) if counted else 0.0,
        "low": window.low,
        "high": window.high,
        "n": counted,
    }


def _told(row: Mapping[str, Any]) -> str:
    """One window's result for a person, e.g. `maths 4,5: 54.2% of 240, allowed 20-28%`."""
    lengths = ",".join(map(str, row["operations"]))
    allowed = f"{100 * row['low']:g}-{100 * row['high']:g}%"
    return f"{row['family']} {lengths}: {row['accuracy']:.1%} of {row['n']}, allowed {allowed}"


def _table(rejected: Sequence[Mapping[str, Any]]) -> str:
    """What was measured, one line per training."""
    return "\n".join(
        f"  seed {row['seed']}, last loss {row['last_loss']}: {'; '.join(map(_told, row['accuracies']))}"
        for row in rejected
    )


if __name__ == "__main__":
    start(run, LadderSettings, inputs={}, outputs={"model": "manifest of the checkpoint (JSON)"})
