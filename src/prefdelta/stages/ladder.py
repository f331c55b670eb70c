"""Stage ladder: train one small model of the mini study from scratch, on corruptible traces.

The checkpoint is in Hugging Face format (safetensors, character tokenizer, chat template) and lies in the record under
the hash of all that determines it; the output is the small manifest that names it.
"""

from typing import Annotated

from pydantic import Field

from prefdelta import checkpoints, code
from prefdelta.core.ids import digest
from prefdelta.core.rungs import LadderSection, Rung
from prefdelta.core.settings import Settings
from prefdelta.stages.entry import Job, Outcome, start
from prefdelta.training.ladder import train_rung


class LadderSettings(Settings):
    model: Annotated[str, Field(description="its name in the config")]
    rung: Annotated[Rung, Field(description="what to train")]
    shared: Annotated[LadderSection, Field(description="what all rungs share")]


def run(job: Job[LadderSettings]) -> Outcome:
    from importlib.metadata import version

    settings = job.settings
    key = digest(
        {
            "rung": settings.rung.model_dump(),
            "shared": settings.shared.model_dump(),
            "code": code.digest("prefdelta.training.ladder"),
            "versions": [version("torch"), version("transformers")],
        }
    )
    checkpoint = checkpoints.made(
        job.record, "models", key, lambda folder: train_rung(settings.rung, settings.shared, folder)
    )
    checkpoints.write_manifest(job.outputs["model"], checkpoint)
    return Outcome(1, {}, checkpoints.details(job.record, checkpoint))


if __name__ == "__main__":
    start(run, LadderSettings, inputs={}, outputs={"model": "manifest of the checkpoint (JSON)"})
