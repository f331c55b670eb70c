import json
import shutil

import pytest

from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.store import ownership, snapshots
from prefdelta.store.ownership import Ownership
from prefdelta.store.snapshots import SEAL, Snapshots, read_seal, seal
from prefdelta.system import processes
from unit.limits import no_free_file


@pytest.fixture
def folder(tmp_path):
    """A folder that is sealed."""
    (tmp_path / "f/sub").mkdir(parents=True)
    (tmp_path / "f/model").write_bytes(b"weights")
    (tmp_path / "f/sub/vocabulary").write_bytes(b"words")
    seal(tmp_path / "f")
    return tmp_path / "f"


def test_a_seal_lists_every_file(folder):
    assert set(read_seal(folder)) == {"model", "sub/vocabulary"}
    assert json.loads((folder / SEAL).read_text()) == read_seal(folder)


def test_equal_files_have_equal_seals_in_any_place(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "other")
    assert seal(tmp_path / "other") == read_seal(folder)
    assert (tmp_path / "other" / SEAL).read_bytes() == (folder / SEAL).read_bytes()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "model").write_bytes(b"weightz"), "not as it was written: model"),
        (lambda folder: (folder / "model").write_bytes(b""), "not as it was written: model"),
        (lambda folder: (folder / "sub/vocabulary").unlink(), "not as it was written: sub/vocabulary"),
        (lambda folder: (folder / "more").write_bytes(b""), "not as it was written: more"),
        (lambda folder: (folder / SEAL).unlink(), "has no sealed.json that can be read"),
        (lambda folder: (folder / SEAL).write_text(""), "has no sealed.json that can be read"),
        (lambda folder: (folder / SEAL).write_text("3"), "has no sealed.json that can be read"),
        (lambda folder: (folder / SEAL).write_bytes(b"\xff{}"), "has no sealed.json that can be read"),
        (lambda folder: (folder / SEAL).write_text("{}"), "not as it was written: model, sub/vocabulary"),
        (lambda folder: shutil.rmtree(folder), "has no sealed.json that can be read"),
    ],
)
def test_what_differs_from_the_seal_is_told(folder, damage, told):
    damage(folder)
    with pytest.raises(DamagedError, match=told) as raised:
        read_seal(folder)
    assert raised.value.path == folder


# --- snapshots ---


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(snapshots, "time", clock)
    return clock


@pytest.fixture
def claim(tmp_path):
    return Ownership(tmp_path / "record", tmp_path / "work")


@pytest.fixture
def taken(tmp_path, claim):
    return Snapshots(tmp_path / "snapshots", claim)


def write(snapshot, text=b"state"):
    snapshot.mkdir(parents=True)
    (snapshot / "state").write_bytes(text)
    return snapshot


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_without_snapshots_there_is_no_newest(taken):
    assert taken.take_newest() is None
    assert (taken.resumed_at, taken.last) == (0, None)


def test_the_newest_is_that_of_the_highest_step_not_of_the_latest_name(taken):
    for step in (9, 10):
        taken.seal(write(taken.path(step)))
    assert taken.take_newest() == taken.path(10)
    assert (taken.resumed_at, taken.last) == (10, taken.path(10))


def test_only_the_two_newest_are_kept(taken):
    for step in (1, 2, 9, 10):
        taken.seal(write(taken.path(step)))
    assert names(taken.folder) == ["checkpoint-10", "checkpoint-9"]


def test_one_that_was_not_finished_or_is_damaged_is_told_and_removed(taken, capsys):
    for step in (1, 2):
        taken.seal(write(taken.path(step)))
    (taken.path(2) / "state").write_bytes(b"stete")
    write(taken.path(3))
    assert taken.take_newest() == taken.path(1)
    assert names(taken.folder) == ["checkpoint-1"]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["warning", "warning", told[2]]
    assert "checkpoint-3: has no sealed.json" in told[0]
    assert "checkpoint-2: not as it was written: state" in told[1]


def test_other_files_beside_them_are_left_alone(taken):
    taken.seal(write(taken.path(1)))
    (taken.folder / "README.md").write_text("a model card of TRL")
    assert taken.take_newest() == taken.path(1)
    assert names(taken.folder) == ["README.md", "checkpoint-1"]


def test_the_first_is_due_after_ten_seconds_and_each_next_ten_seconds_after_the_last(clock, taken):
    clock.now += 9.9
    assert not taken.due()
    clock.now += 0.1
    assert taken.due()
    taken.seal(write(taken.path(1)))
    clock.now += 9.9
    assert not taken.due()
    clock.now += 0.2
    assert taken.due()


def test_where_saving_is_slow_it_takes_a_twentieth_of_the_time(clock, taken):
    clock.now += 10
    assert taken.due()
    write(taken.path(1))
    clock.now += 3  # from `due` to the seal
    taken.seal(taken.path(1))
    clock.now += 59.9
    assert not taken.due()
    clock.now += 0.2
    assert taken.due()


def test_where_others_save_the_time_until_they_began_is_no_cost_of_saving(clock, taken):
    clock.now += 10
    assert taken.due()
    clock.now += 3600  # they load, and end an update
    write(taken.path(1))
    clock.now += 2
    taken.began(2)
    taken.seal(taken.path(1))
    clock.now += 39.9
    assert not taken.due()
    clock.now += 0.2
    assert taken.due()


def test_a_signal_makes_one_due_at_once_and_ends_the_process_when_it_is_sealed(tmp_path, claim, monkeypatch):
    asked = False
    taken = Snapshots(tmp_path / "snapshots", claim, lambda: asked)
    assert not taken.due()
    asked = True
    monkeypatch.setattr(processes, "_received", [15])
    assert taken.due()
    with pytest.raises(SystemExit) as raised:
        taken.seal(write(taken.path(4)))
    assert raised.value.code == 143
    assert taken.take_newest() == taken.path(4)


def test_an_instance_that_was_overtaken_seals_nothing(taken, tmp_path, monkeypatch):
    taken.seal(write(taken.path(1)))
    monkeypatch.setattr(ownership, "INSTANCE", "other-1")
    Ownership(tmp_path / "record", tmp_path / "work")
    monkeypatch.undo()
    with pytest.raises(StudyError, match="another instance of this job was started later"):
        taken.seal(write(taken.path(2)))
    assert not (taken.path(2) / SEAL).exists()
    assert taken.take_newest() == taken.path(1)


def test_a_folder_that_cannot_be_read_now_is_not_taken_for_a_damaged_one(folder):
    with no_free_file(), pytest.raises(OSError, match="Too many open files"):
        read_seal(folder)
    assert set(read_seal(folder)) == {"model", "sub/vocabulary"}
