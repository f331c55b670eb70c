"""Trainings through the record that can be stopped at a step: in this process, or run as one of their own.

    python making.py '{"method": "dpo", "base": ..., "rows": [...], "record": ..., "kill_after": 3, "pause": 0}'

Every step takes a snapshot, and its name goes to stdout.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from prefdelta.core.recipes import Budget, DPORecipe, KTORecipe, Lora, SFTRecipe
from prefdelta.core.rungs import Corpus, LadderSection, Rung
from prefdelta.core.tasks.corpus import ErrorRates
from prefdelta.store import checkpoints, snapshots
from prefdelta.store.ownership import Ownership
from prefdelta.store.snapshots import Snapshots
from prefdelta.system.files import sha256_of
from prefdelta.system.processes import stop_on_signals
from prefdelta.training import ladder
from prefdelta.training.methods import dpo, kto, sft
from prefdelta.training.tokens import PreferenceRow

# Three updates per pass over the rows, the last of them with fewer; two passes and one update more.
UPDATES = 7
COMMON = {"learning_rate": 3e-3, "budget": Budget(updates=UPDATES), "warmup_share": 0.3}
RECIPES = {
    "dpo": (dpo.train, DPORecipe(method="dpo", beta=0.3, batch_size=3, **COMMON)),
    "kto": (kto.train, KTORecipe(method="kto", beta=0.3, batch_size=6, **COMMON)),
    "sft": (sft.train, SFTRecipe(method="sft", batch_size=3, **COMMON)),
    "dpo, adapters with dropout": (
        dpo.train,
        DPORecipe(method="dpo", beta=0.3, batch_size=3, lora=Lora(rank=2, alpha=4, dropout=0.2), **COMMON),
    ),
}
SECTION = LadderSection(
    muon_learning_rate=0.02,
    adamw_learning_rate=0.005,
    warmup_steps=2,
    decay_share=0.4,
    attempts=1,
    measured_items=1,
)
RUNG = Rung(
    architecture="gpt2",
    width=16,
    layers=1,
    heads=2,
    steps=UPDATES,
    batch_size=4,
    corpora=[Corpus(family="maths", operations=[1, 2])],
    error_rates=ErrorRates(),
    seed=1,
    windows=[],
)


def no_snapshots() -> Snapshots:
    """For a training too short to need any."""
    folder = Path(mkdtemp())
    return Snapshots(folder / "snapshots", Ownership(folder / "record", folder / "work"))


def training(method, base, rows, **changes):
    """What `checkpoints.get_or_make` is given; `.steps` are those of its last run. changes: of recipe or section."""

    def train(result, taken):
        train.steps = None
        if method == "ladder":
            section = SECTION.model_copy(update=changes)
            told = ladder.train_rung(RUNG, section, ladder.draw_rows(RUNG), result, "m", taken)
        else:
            run, recipe = RECIPES[method]
            told = run(base, rows, recipe.model_copy(update=changes), 0, result, taken)
        train.steps = UPDATES - taken.resumed_at
        return told

    return train


def hashes(record, key="k"):
    """Of every file that was published."""
    folder = record / "policies" / key
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def main(method, base, rows, record, kill_after, pause):
    snapshots.MIN_SECONDS, snapshots.MAX_SHARE = 0.0, float("inf")
    seal = Snapshots.seal

    def told(self, snapshot):
        seal(self, snapshot)
        sys.stdout.write(f"{snapshot.name}\n")
        sys.stdout.flush()
        if snapshot.name == f"checkpoint-{kill_after}":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(pause)

    Snapshots.seal = told
    stop_on_signals()
    train = training(method, Path(base), [PreferenceRow(**row) for row in rows])
    checkpoints.get_or_make(Path(record), "policies", "k", "arm", train)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
