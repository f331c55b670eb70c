import json
from types import SimpleNamespace

import pytest

from prefdelta.commands.planning.amounts import Amount, Basis
from prefdelta.commands.planning.observed_speed import ObservedSpeed


def speed_from(folder, **run):
    """Of a study with one finished training, which read 7,200 tokens."""
    manifest = folder / "train/able/dpo.manifest.json"
    manifest.parent.mkdir(parents=True)
    run = {"computed": {"updates": 9, "tokens": 7200}, **run}
    manifest.write_text(json.dumps({"rows": 1, "details": {}, "run": run}))
    study = SimpleNamespace(
        results=folder,
        config=SimpleNamespace(models={"able": SimpleNamespace(size="8b")}),
        jobs=lambda stage: [SimpleNamespace(manifest=str(manifest))] if stage == "train" else [],
    )
    return ObservedSpeed(study)


def test_a_training_of_its_own_slurm_job_counts_without_its_time_in_the_queue(tmp_path):
    found = speed_from(tmp_path, seconds=36_000.0, training_seconds=3600.0)
    assert found.tokens_per_s("train", "able") == Amount(2.0, Basis.MEASURED)
    assert found.seconds("train") == Amount(3600.0, Basis.MEASURED)


def test_any_other_job_counts_from_its_start_to_its_end(tmp_path):
    found = speed_from(tmp_path, seconds=7200.0)
    assert found.tokens_per_s("train", "able").value == pytest.approx(1.0)
    assert found.seconds("train") == Amount(7200.0, Basis.MEASURED)
