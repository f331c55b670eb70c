"""The process that asks for a training's job and waits for it, as the stage train does: by hand, in a test's hurry.

    python -m slurm.coordinator '{"base": ..., "rows": [...], "record": ..., "launch": {...}, "every": 5, "silence": 9}'

every: seconds between two snapshots. The policy is record/policies/k; what goes wrong ends it as it ends a stage.
"""

import json
import os
import sys
from pathlib import Path

from prefdelta import checkpoints, snapshots
from prefdelta.core.errors import StudyError
from prefdelta.core.launch import Launch
from prefdelta.files import say
from prefdelta.processes import stop_on_signals
from prefdelta.training import cluster, several
from prefdelta.training.tokens import PreferenceRow
from unit.training.making import RECIPES

RECIPE = RECIPES["dpo"][1].model_copy(update={"batch_size": 4})


def main(base, rows, record, launch, every, silence):
    several.WORKER = "slurm.ranks"
    several.SILENCE_SECONDS = silence
    cluster.LOOK_SECONDS, cluster.FILES_SECONDS = 2.0, 2.0
    snapshots.MIN_SECONDS, snapshots.MAX_SHARE = every, float("inf")
    rows = [PreferenceRow(**row) for row in rows]
    stop_on_signals()

    def train(result, taken):
        told, _ = several.train("training.dpo", Path(base), rows, RECIPE, 0, result, taken, Launch(**launch), "arm")
        return {**told, "resumed_at": taken.resumed_at}

    try:
        checkpoints.made(Path(record), "policies", "k", "arm", train)
    except StudyError as error:
        say(f"error: {error}")
        sys.exit(2)


if __name__ == "__main__":
    try:
        main(**json.loads(sys.argv[1]))
    except SystemExit as stopped:
        os._exit(stopped.code or 0)
