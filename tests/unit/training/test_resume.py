"""What happens to a training that is stopped, in any way, at any step."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.core.recipes import Budget
from prefdelta.store import checkpoints, ownership, snapshots
from prefdelta.store.ownership import Ownership
from prefdelta.store.snapshots import Snapshots
from prefdelta.training.registry import METHODS

from .making import UPDATES, hashes, training

TRAININGS = [*METHODS, "ladder"]


class Stopped(BaseException):
    """As a kill: nothing in the package catches it."""


@pytest.fixture(scope="module")
def whole(base, rows, tmp_path_factory):
    """Method -> hashes of what an uninterrupted training publishes. It takes no snapshot."""
    found = {}

    def of(method):
        if method not in found:
            record = tmp_path_factory.mktemp(method)
            checkpoints.get_or_make(record, "policies", "k", "arm", training(method, base, rows))
            found[method] = hashes(record)
        return found[method]

    return of


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(snapshots, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(snapshots, "MAX_SHARE", float("inf"))


@contextmanager
def stopped_after(monkeypatch, count):
    """The process ends when it has sealed that many snapshots."""
    sealed = []

    def seal(self, snapshot):
        original(self, snapshot)
        sealed.append(snapshot)
        if len(sealed) == count:
            raise Stopped

    original = Snapshots.seal
    with monkeypatch.context() as patched:
        patched.setattr(Snapshots, "seal", seal)
        with pytest.raises(Stopped):
            yield


def work(record):
    return record / "policies" / f".k.{digest('arm')[:8]}.work"


def kept(record):
    """Steps of the snapshots on disk."""
    return sorted(int(path.name.rpartition("-")[2]) for path in (work(record) / "snapshots").glob("checkpoint-*"))


def resumed(method, base, rows, record):
    """Run the same training again; returns how many steps it made."""
    train = training(method, base, rows)
    checkpoints.get_or_make(record, "policies", "k", "arm", train)
    assert not work(record).exists()
    return train.steps


def process(method, base, rows, record, kill_after=0, pause=0.0):
    spec = {
        "method": method,
        "base": str(base),
        "rows": [asdict(row) for row in rows],
        "record": str(record),
        "kill_after": kill_after,
        "pause": pause,
    }
    command = [sys.executable, "-m", "unit.training.making", json.dumps(spec)]
    tests = Path(__file__).parents[2]
    return subprocess.Popen(command, cwd=tests, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("method", ["dpo", "ladder"])
def test_after_a_kill_9_training_goes_on_from_the_last_snapshot_to_the_same_bytes(method, base, rows, whole, tmp_path):
    with process(method, base, rows, tmp_path, kill_after=3) as killed:
        assert killed.wait(60) == -signal.SIGKILL, killed.stderr.read()
    assert not (tmp_path / "policies/k").exists()
    assert kept(tmp_path) == [2, 3]
    assert resumed(method, base, rows, tmp_path) == UPDATES - 3
    assert hashes(tmp_path) == whole(method)


@pytest.mark.parametrize("method", ["dpo", "ladder"])
def test_sigterm_saves_the_step_and_ends_with_143_within_5_seconds(method, base, rows, whole, tmp_path):
    with process(method, base, rows, tmp_path, pause=0.5) as running:
        assert running.stdout.readline() == "checkpoint-1\n", running.stderr.read()
        sent = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 128 + signal.SIGTERM
        assert time.monotonic() - sent < 5
        assert re.search(r"stopped by a signal; .*checkpoint-2 holds all work so far", running.stderr.read())
    assert kept(tmp_path) == [1, 2]
    assert resumed(method, base, rows, tmp_path) == UPDATES - 2
    assert hashes(tmp_path) == whole(method)


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("method", [*TRAININGS, "dpo, adapters with dropout"])
def test_stopped_after_every_step_in_turn_it_ends_in_the_same_bytes(method, base, rows, whole, tmp_path, monkeypatch):
    for step in range(1, UPDATES):
        with stopped_after(monkeypatch, 1):
            checkpoints.get_or_make(tmp_path, "policies", "k", "arm", training(method, base, rows))
        assert kept(tmp_path)[-1] == step
    assert resumed(method, base, rows, tmp_path) == 1
    assert hashes(tmp_path) == whole(method)


def truncated(snapshot):
    largest = max(snapshot.iterdir(), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-7])


def flipped(snapshot):
    largest = max(snapshot.iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)


def emptied(snapshot):
    max(snapshot.iterdir(), key=lambda path: path.stat().st_size).write_bytes(b"")


def unsealed(snapshot):
    (snapshot / snapshots.SEAL).unlink()


def torn_seal(snapshot):
    seal = snapshot / snapshots.SEAL
    seal.write_bytes(seal.read_bytes()[:20])


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize(
    ("method", "damage"),
    [
        ("dpo", truncated),
        ("kto", unsealed),
        ("sft", flipped),
        *(("ladder", damage) for damage in (truncated, flipped, emptied, unsealed, torn_seal)),
    ],
)
def test_a_torn_newest_snapshot_is_skipped_with_a_warning_and_the_one_before_taken(
    method, damage, base, rows, whole, tmp_path, monkeypatch, capsys
):
    with stopped_after(monkeypatch, 4):
        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", training(method, base, rows))
    damage(work(tmp_path) / "snapshots/checkpoint-4")
    capsys.readouterr()
    assert resumed(method, base, rows, tmp_path) == UPDATES - 3
    assert hashes(tmp_path) == whole(method)
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert "checkpoint-4" in warnings[0]


@pytest.mark.usefixtures("every_step")
def test_if_all_snapshots_are_damaged_training_starts_again(base, rows, whole, tmp_path, monkeypatch):
    with stopped_after(monkeypatch, 2):
        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", training("ladder", base, rows))
    for snapshot in (work(tmp_path) / "snapshots").iterdir():
        unsealed(snapshot)
    assert resumed("ladder", base, rows, tmp_path) == UPDATES
    assert hashes(tmp_path) == whole("ladder")


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("method", ["dpo", "ladder"])
def test_an_instance_that_was_overtaken_seals_and_publishes_nothing(method, base, rows, tmp_path, monkeypatch):
    original = Snapshots.seal

    def overtaken(self, snapshot):
        if snapshot.name == "checkpoint-2":
            with monkeypatch.context() as elsewhere:
                elsewhere.setattr(ownership, "INSTANCE", "other-1")
                Ownership(tmp_path, work(tmp_path))
        original(self, snapshot)

    monkeypatch.setattr(Snapshots, "seal", overtaken)
    with pytest.raises(StudyError, match=r"another instance of this job was started later \(other-1"):
        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", training(method, base, rows))
    sealed = [path.parent.name for path in work(tmp_path).rglob(snapshots.SEAL)]
    assert sealed == ["checkpoint-1"]
    assert not (tmp_path / "policies/k").exists()


# --- numbers that are not finite ---

WILD = {"learning_rate": 1e30, "max_grad_norm": 1e30, "warmup_share": 0.0}
WILD_LADDER = {"adamw_learning_rate": 1e30, "warmup_steps": 0}


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("method", TRAININGS)
def test_numbers_that_are_not_finite_stop_it_and_the_last_good_snapshot_is_kept(method, base, rows, tmp_path):
    train = training(method, base, rows, **(WILD_LADDER if method == "ladder" else WILD))
    with pytest.raises(StudyError) as raised:
        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", train)
    text = str(raised.value)
    assert re.search(r"loss (nan|inf|[\d.e+]+), gradient norm (nan|inf) at update 2: training stops", text)
    assert f"The last good snapshot is kept ({work(tmp_path) / 'snapshots/checkpoint-1'})" in text
    assert "to the same numbers" in text
    assert "Lower " in text
    assert "learning_rate" in text
    assert not (tmp_path / "policies/k").exists()
    assert kept(tmp_path) == [1]
    assert Snapshots(work(tmp_path) / "snapshots", Ownership(tmp_path, tmp_path)).take_newest() is not None


@pytest.mark.usefixtures("every_step")
def test_weights_that_are_not_finite_are_not_kept(base, rows, tmp_path):
    wild = {**WILD, "learning_rate": 1e39}  # loss and gradient of the first update are still those of the base
    with pytest.raises(StudyError, match=r"weights are no longer finite after update 1: .* No snapshot had been taken"):
        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", training("sft", base, rows, **wild))
    assert kept(tmp_path) == []


def test_weights_that_are_not_finite_after_the_last_update_are_not_published(base, rows, tmp_path):
    wild = {**WILD, "learning_rate": 1e39, "budget": Budget(updates=1)}
    with pytest.raises(StudyError, match="weights are no longer finite after update 1"):
        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", training("sft", base, rows, **wild))
    assert not (tmp_path / "policies/k").exists()


# --- a full disk ---


@contextmanager
def files_of_at_most(size):
    """Writing more to one file fails, as on a disk that is full (EFBIG; root is not above it)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("method", ["dpo", "ladder"])
def test_a_full_disk_is_told_with_path_and_size_and_training_goes_on_when_there_is_room(
    method, base, rows, whole, tmp_path, monkeypatch
):
    with stopped_after(monkeypatch, 2):
        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", training(method, base, rows))
    with files_of_at_most(8_000), pytest.raises(StudyError) as raised:
        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", training(method, base, rows))
    assert re.search(rf"{work(tmp_path)}: cannot be written: .* [\d,]+ bytes are needed", str(raised.value))
    assert resumed(method, base, rows, tmp_path) == UPDATES - 2
    assert hashes(tmp_path) == whole(method)
