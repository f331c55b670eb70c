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

from prefdelta.core.recipes import Budget, Lora, Recipe
from prefdelta.core.rungs import Corpus, LadderSection, Rung
from prefdelta.core.tasks.corpus import ErrorRates
from prefdelta.store import checkpoints, snapshots
from prefdelta.store.ownership import Ownership
from prefdelta.store.snapshots import Snapshots
from prefdelta.system.files import sha256_of
from prefdelta.system.processes import stop_on_signals
from prefdelta.training import ladder, trainer
from prefdelta.training.registry import METHODS, method_of
from prefdelta.training.tokens import PreferenceRow

# Three updates per pass over the rows, the last of them with fewer; two passes and one update more.
UPDATES = 7
COMMON = {"learning_rate": 3e-3, "budget": Budget(updates=UPDATES), "warmup_share": 0.3}


def recipe_for(method):
    """A recipe of any method: three pairs an update, and 0.3 for each number that only this method has."""
    fields = method.recipe.model_fields
    own = {name: 0.3 for name, field in fields.items() if field.is_required() and name not in Recipe.model_fields}
    return method.recipe(method=method.name, batch_size=3 * method.rows_per_pair, **own, **COMMON)


RECIPES = {name: recipe_for(method) for name, method in METHODS.items()}
RECIPES["dpo, adapters with dropout"] = RECIPES["dpo"].model_copy(update={"lora": Lora(rank=2, alpha=4, dropout=0.2)})
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


def train(base, rows, recipe, folder, seed=0, taken=None):
    """By the method that the recipe names; returns what was measured."""
    return trainer.train(method_of(recipe), base, rows, recipe, seed, folder, taken or no_snapshots())


def training(method, base, rows, **changes):
    """What `checkpoints.get_or_make` is given; `.steps` are those of its last run. changes: of recipe or section."""

    def run(result, taken):
        run.steps = None
        if method == "ladder":
            section = SECTION.model_copy(update=changes)
            measured = ladder.train_rung(RUNG, section, ladder.draw_rows(RUNG, section), result, "m", taken)
        else:
            measured = train(base, rows, RECIPES[method].model_copy(update=changes), result, taken=taken)
        run.steps = UPDATES - taken.resumed_at
        return measured

    return run


def hashes(record, key="k"):
    """Of every file that was published."""
    folder = record / "policies" / key
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir())}


def main(method, base, rows, record, kill_after, pause):
    snapshots.MIN_SECONDS, snapshots.MAX_SHARE = 0.0, float("inf")
    seal = Snapshots.seal

    def seal_and_say(self, snapshot):
        seal(self, snapshot)
        sys.stdout.write(f"{snapshot.name}\n")
        sys.stdout.flush()
        if snapshot.name == f"checkpoint-{kill_after}":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(pause)

    Snapshots.seal = seal_and_say
    stop_on_signals()
    make = training(method, Path(base), [PreferenceRow(**row) for row in rows])
    checkpoints.get_or_make(Path(record), "policies", "k", "arm", make)


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
