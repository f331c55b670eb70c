import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from prefdelta import checkpoints
from prefdelta.core.errors import StudyError
from prefdelta.core.rungs import Rung
from prefdelta.stages import ladder
from prefdelta.stages.entry import Outcome

from .conftest import LADDER, Made, rung
from .running import assert_adds_up, files_in, run

Train = Callable[[Path, Rung], Outcome]


def test_the_model_learns_its_task_and_its_curve_is_kept(model: Made) -> None:
    assert_adds_up(model.outcome, 1, 1)
    curve = model.outcome.details["curve"]
    assert [curve[0][0], curve[-1][0]] == [0, 149]
    assert curve[0][1] > 3  # ln 45 = 3.8 nats per token: it starts as good as blind
    assert curve[-1][1] < 0.3


def test_the_manifest_names_weights_in_the_record_and_nothing_that_differs_between_runs(
    model: Made, record: Path
) -> None:
    assert set(json.loads(model.path.read_text())) == {"key", "weights", "folder"}
    checkpoint, folder = checkpoints.open_manifest(model.path, record)
    assert folder == record / "models" / checkpoint.key
    # Weights as safetensors only: other formats can run code when they are read.
    assert [path.name for path in folder.iterdir() if path.suffix in {".safetensors", ".bin", ".pt", ".pkl"}] == [
        "model.safetensors"
    ]


@pytest.mark.usefixtures("no_model_is_asked")
def test_a_second_run_trains_nothing_and_writes_the_same_manifest(
    model: Made, train_model: Train, record: Path, tmp_path: Path
) -> None:
    before = files_in(record / "models")
    outcome = train_model(tmp_path / "able/model.json", rung())
    assert (tmp_path / "able/model.json").read_bytes() == model.path.read_bytes()
    assert outcome == model.outcome
    assert files_in(record / "models") == before


def test_training_again_elsewhere_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    def manifest(name: str, what: Rung) -> dict[str, str]:
        settings = ladder.LadderSettings(model="m", rung=what, shared=LADDER)
        path = tmp_path / name / "model.json"
        run(ladder, settings, {}, {"model": path}, tmp_path / name / "record")
        return dict(json.loads(path.read_text()))

    once, again, other = (manifest(name, rung(10, seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert once == again
    assert once["key"] != other["key"]
    assert once["weights"] != other["weights"]


def test_training_that_stops_half_way_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(what: Rung, section: object, folder: Path) -> dict[str, object]:
        (folder / "model.safetensors").write_bytes(b"half")
        raise SystemExit(143)

    monkeypatch.setattr(ladder, "train_rung", killed)
    settings = ladder.LadderSettings(model="m", rung=rung(10), shared=LADDER)
    with pytest.raises(SystemExit):
        run(ladder, settings, {}, {"model": tmp_path / "model.json"}, tmp_path / "record")
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("damage", ["delete", "edit"])
def test_weights_that_are_gone_or_edited_are_refused_and_the_way_out_that_is_told_works(
    train_model: Train, record: Path, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "short/model.json"
    train_model(path, rung(3, seed=99))
    _, folder = checkpoints.open_manifest(path, record)
    if damage == "delete":
        shutil.rmtree(folder)
    else:
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(StudyError, match="run the same command again") as raised:
        checkpoints.open_manifest(path, record)
    told = re.search(r"Delete (.*) and run", str(raised.value))
    assert told
    for name in told[1].split(" and "):
        doomed = Path(name)
        shutil.rmtree(doomed) if doomed.is_dir() else doomed.unlink()
    train_model(path, rung(3, seed=99))
    checkpoints.open_manifest(path, record)
