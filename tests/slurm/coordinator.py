"""The process that asks for a training's job and waits for it, as the stage train does: by hand, in a test's hurry.

    python -m slurm.coordinator '{"base": ..., "rows": [...], "record": ..., "launch": {...}, "every": 5, "silence": 9}'

every: seconds between two snapshots. The policy is record/policies/k; what goes wrong ends it as it ends a stage.
"""

import json
import os
import sys
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.core.launch import Launch
from prefdelta.store import checkpoints, snapshots
from prefdelta.system.log import say
from prefdelta.system.processes import stop_on_signals
from prefdelta.training.processes import launcher, submitit_job
from prefdelta.training.tokens import PreferenceRow
from unit.training.making import RECIPES

RECIPE = RECIPES["dpo"].model_copy(update={"batch_size": 4})


def main(base, rows, record, launch, every, silence):
    launcher.WORKER = "slurm.ranks"
    launcher.SILENCE_SECONDS = silence
    submitit_job.LOOK_SECONDS, submitit_job.FILES_SECONDS = 2.0, 2.0
    snapshots.MIN_SECONDS, snapshots.MAX_SHARE = every, float("inf")
    rows = [PreferenceRow(**row) for row in rows]
    stop_on_signals()

    def train(result, taken):
        measured, _ = launcher.train(Path(base), rows, RECIPE, 0, result, taken, Launch(**launch), "arm")
        return {**measured, "resumed_at": taken.resumed_at}

    try:
        checkpoints.get_or_make(Path(record), "policies", "k", "arm", train)
    except StudyError as error:
        say(f"error: {error}")
        sys.exit(2)


if __name__ == "__main__":
    try:
        main(**json.loads(sys.argv[1]))
    except SystemExit as stopped:
        os._exit(stopped.code or 0)
