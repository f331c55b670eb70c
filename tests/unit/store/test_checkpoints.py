import json
import re
import shutil
from pathlib import Path

import pytest

from prefdelta.core.asking.template_settings import PLAIN
from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.core.ids import digest
from prefdelta.models.chat_templates import in_key
from prefdelta.store import ownership
from prefdelta.store.checkpoints import details, get_or_make, open_pointer, remove_weights, write_pointer
from prefdelta.store.ownership import Ownership
from prefdelta.system import processes

WORK = f".k1.{digest('pa')[:8]}.work"


def train(folder, _):
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("{}")
    return {"steps": 3}


@pytest.fixture
def pointer(tmp_path):
    """The pointer of a checkpoint that was made."""
    write_pointer(tmp_path / "model.json", get_or_make(tmp_path / "record", "models", "k1", "pa", train))
    return tmp_path / "model.json"


def folder_of(pointer):
    return pointer.parent / "record" / "models" / "k1"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail(*_):
    raise AssertionError("trained again")


def test_a_checkpoint_is_made_in_the_folder_of_its_key(tmp_path):
    checkpoint = get_or_make(tmp_path, "models", "k1", "pa", train)
    assert (checkpoint.key, checkpoint.folder) == ("k1", "models/k1")
    assert (tmp_path / "models" / "k1" / "model.safetensors").read_bytes() == b"weights"


def test_what_was_measured_is_kept_with_it(tmp_path):
    assert details(tmp_path, get_or_make(tmp_path, "models", "k1", "pa", train)) == {"steps": 3}


def test_a_checkpoint_that_is_there_is_not_made_again(tmp_path):
    first = get_or_make(tmp_path, "models", "k1", "pa", train)
    assert get_or_make(tmp_path, "models", "k1", "pa", fail) == first


def test_a_checkpoint_whose_weights_were_removed_still_counts_as_made(pointer):
    first, folder = open_pointer(pointer, pointer.parent / "record")
    remove_weights(folder)
    remove_weights(folder)
    assert names(folder) == ["training.json", "weights_removed.json"]
    assert get_or_make(pointer.parent / "record", "models", "k1", "pa", fail) == first
    assert open_pointer(pointer, pointer.parent / "record") == (first, folder)


def test_the_chat_template_stays_when_weights_go_because_calls_are_known_by_it(tmp_path):
    def train_with_template(folder, snapshots):
        (folder / "chat_template.jinja").write_text("{{ strftime_now('%Y') }}")
        return train(folder, snapshots)

    write_pointer(tmp_path / "model.json", get_or_make(tmp_path / "record", "models", "k1", "pa", train_with_template))
    first, folder = open_pointer(tmp_path / "model.json", tmp_path / "record")
    before = in_key(folder, PLAIN)
    remove_weights(folder)
    assert in_key(folder, PLAIN) == before != {}
    assert open_pointer(tmp_path / "model.json", tmp_path / "record") == (first, folder)


def test_a_kill_while_weights_are_removed_leaves_them_removed(pointer, monkeypatch):
    first, folder = open_pointer(pointer, pointer.parent / "record")

    def die(path, missing_ok=False):
        if not missing_ok:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", die)
    with pytest.raises(KeyboardInterrupt):
        remove_weights(folder)
    monkeypatch.undo()
    assert open_pointer(pointer, pointer.parent / "record") == (first, folder)
    remove_weights(folder)
    assert names(folder) == ["training.json", "weights_removed.json"]


def test_another_key_is_another_checkpoint(tmp_path):
    get_or_make(tmp_path, "models", "k1", "pa", train)
    get_or_make(tmp_path, "models", "k2", "pa", train)
    assert names(tmp_path / "models") == ["k1", "k2"]


@pytest.mark.parametrize("error", [RuntimeError("NaN"), OSError("broken"), KeyboardInterrupt(), SystemExit(143)])
def test_a_training_that_stops_half_way_publishes_nothing_and_keeps_its_snapshots(error, tmp_path):
    def stop(folder, snapshots):
        (folder / "model.safetensors").write_bytes(b"half")
        snapshots.path(3).mkdir(parents=True)
        snapshots.seal(snapshots.path(3))
        raise error

    with pytest.raises(type(error)):
        get_or_make(tmp_path, "models", "k1", "pa", stop)
    assert names(tmp_path / "models") == [WORK]
    assert names(tmp_path / "models" / WORK) == ["snapshots"]

    def go_on(folder, snapshots):
        assert snapshots.take_newest() == snapshots.path(3)
        return train(folder, snapshots)

    get_or_make(tmp_path, "models", "k1", "pa", go_on)
    assert names(tmp_path / "models") == ["k1"]


def test_what_a_killed_instance_left_of_its_result_is_not_published(tmp_path):
    (tmp_path / "models" / WORK / "result-host-1").mkdir(parents=True)
    (tmp_path / "models" / WORK / "result-host-1/half").write_bytes(b"")
    get_or_make(tmp_path, "models", "k1", "pa", train)
    assert names(tmp_path / "models") == ["k1"]
    assert "half" not in names(tmp_path / "models/k1")


def test_nothing_is_at_the_final_path_while_training_goes_on(tmp_path):
    seen = []

    def look(folder, snapshots):
        seen.append((tmp_path / "models" / "k1").exists())
        return train(folder, snapshots)

    get_or_make(tmp_path, "models", "k1", "pa", look)
    assert seen == [False]


def start_elsewhere(tmp_path, monkeypatch):
    """Another process starts to make the same."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(ownership, "INSTANCE", "other-1")
        Ownership(tmp_path, tmp_path / "models" / WORK)


def test_an_instance_that_was_overtaken_publishes_nothing(tmp_path, monkeypatch):
    def overtaken(folder, snapshots):
        start_elsewhere(tmp_path, monkeypatch)
        return train(folder, snapshots)

    with pytest.raises(
        StudyError, match=rf"{re.escape(WORK)}: another instance of this job was started later \(other-1"
    ):
        get_or_make(tmp_path, "models", "k1", "pa", overtaken)
    assert not (tmp_path / "models/k1").exists()


def test_who_finds_the_same_published_at_the_last_moment_takes_it(tmp_path):
    def slow(folder, snapshots):
        shutil.copytree(
            get_or_make(tmp_path / "elsewhere", "models", "k1", "pa", train) and tmp_path / "elsewhere/models/k1", final
        )
        (folder / "model.safetensors").write_bytes(b"weights of the slow one")
        return {}

    final = tmp_path / "models/k1"
    checkpoint = get_or_make(tmp_path, "models", "k1", "pa", slow)
    assert details(tmp_path, checkpoint) == {"steps": 3}
    assert names(tmp_path / "models") == ["k1"]


def test_a_signal_during_the_last_step_ends_the_process_after_publishing(tmp_path, monkeypatch):
    def last_step(folder, snapshots):
        monkeypatch.setattr(processes, "_received", [15])
        return train(folder, snapshots)

    with pytest.raises(SystemExit) as raised:
        get_or_make(tmp_path, "models", "k1", "pa", last_step)
    assert raised.value.code == 143
    assert names(tmp_path / "models") == ["k1"]


def test_less_room_than_is_needed_is_told_before_training_starts(tmp_path):
    with pytest.raises(StudyError, match=rf"{re.escape(WORK)}: cannot be written: No space left .* 1(,000){{6}} bytes"):
        get_or_make(tmp_path, "models", "k1", "pa", fail, needed=10**18)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),  # torch
        ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),  # safetensors
    ],
)
def test_a_disk_that_gets_full_is_told_with_path_and_size(error, tmp_path):
    def write(folder, _):
        (folder / "model.safetensors").write_bytes(b"weights")
        raise error

    with pytest.raises(
        StudyError, match=rf"{re.escape(WORK)}: cannot be written: No space left on device\. 7 bytes are needed"
    ):
        get_or_make(tmp_path, "models", "k1", "pa", write)


def test_another_error_of_a_training_is_its_own(tmp_path):
    def defect(*_):
        raise RuntimeError("shapes do not match") from KeyError("cause")

    with pytest.raises(RuntimeError, match="shapes") as raised:
        get_or_make(tmp_path, "models", "k1", "pa", defect)
    assert isinstance(raised.value.__cause__, KeyError)


def test_equal_files_have_the_same_hash_in_any_place(tmp_path):
    one, other = (
        get_or_make(tmp_path / "a", "models", "k1", "pa", train),
        get_or_make(tmp_path / "b", "policies", "k2", "pa", train),
    )
    assert one.weights == other.weights


def test_a_pointer_is_the_same_bytes_on_every_run(pointer, tmp_path):
    write_pointer(tmp_path / "again.json", get_or_make(tmp_path / "elsewhere", "models", "k1", "pa", train))
    assert (tmp_path / "again.json").read_bytes() == pointer.read_bytes()


def test_a_pointer_opens_the_checkpoint_it_names(pointer):
    checkpoint, folder = open_pointer(pointer, pointer.parent / "record")
    assert folder == folder_of(pointer)
    assert checkpoint.weights == json.loads(pointer.read_text())["weights"]


def change_weights(folder):
    (folder / "model.safetensors").write_bytes(b"Weights")


def change_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"a": 1}')


def add_file(folder):
    (folder / "chat_template.jinja").write_text("x")


def drop_file(folder):
    (folder / "tokenizer.json").unlink()


def rename_file(folder):
    (folder / "tokenizer.json").rename(folder / "tokenizer_config.json")


def swap_contents(folder):
    (folder / "model.safetensors").write_text("{}")
    (folder / "tokenizer.json").write_bytes(b"weights")


def drop_seal(folder):
    (folder / "sealed.json").unlink()


CHANGES = [change_weights, change_tokenizer, add_file, drop_file, rename_file, swap_contents, drop_seal]


@pytest.mark.parametrize("change", CHANGES)
def test_files_changed_under_the_same_path_are_refused_and_set_aside(change, pointer):
    change(folder_of(pointer))
    with pytest.raises(DamagedError, match=r"model\.json names damaged weights\. .*/k1: .* now k1\.damaged") as raised:
        open_pointer(pointer, pointer.parent / "record")
    # The job sets aside what the error names (`workflow.job`); without its pointer, the checkpoint is made again.
    assert raised.value.path == pointer
    assert names(folder_of(pointer).parent) == ["k1.damaged"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_checkpoint_is_not_taken_but_set_aside_and_made_anew(change, pointer, capsys):
    right, record = pointer.read_bytes(), pointer.parent / "record"
    change(folder_of(pointer))
    write_pointer(pointer, get_or_make(record, "models", "k1", "pa", train))
    assert pointer.read_bytes() == right
    open_pointer(pointer, record)
    assert names(folder_of(pointer).parent) == ["k1", "k1.damaged"]
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("warning: ")
    assert told.endswith("k1.damaged; it is made anew")


def test_files_that_were_exchanged_for_others_with_a_seal_are_refused(pointer):
    record = pointer.parent / "record"

    def other(folder, snapshots):
        change_tokenizer(folder)
        return {}

    get_or_make(record, "models", "k2", "pa", other)
    shutil.rmtree(folder_of(pointer))
    (record / "models/k2").rename(folder_of(pointer))
    with pytest.raises(DamagedError, match=r"k1: the files are not those that .*model\.json was written for") as raised:
        open_pointer(pointer, record)
    assert raised.value.path == pointer


def test_missing_weights_are_named_with_a_remedy(pointer):
    shutil.rmtree(folder_of(pointer))
    with pytest.raises(DamagedError, match=r"which are not there\. Delete it and run the same command again") as raised:
        open_pointer(pointer, pointer.parent / "record")
    assert raised.value.path == pointer


def test_a_missing_pointer_is_told(tmp_path):
    with pytest.raises(StudyError, match=r"model\.json: there is no such manifest\. Run the same command again"):
        open_pointer(tmp_path / "model.json", tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"3", b'{"key": "k"}', b"\xff", b'{"key": 1, "more": 2}'])
def test_a_torn_pointer_is_told(text, tmp_path):
    (tmp_path / "model.json").write_bytes(text)
    with pytest.raises(DamagedError, match=r"model\.json: is not the manifest of a checkpoint"):
        open_pointer(tmp_path / "model.json", tmp_path)


def test_two_jobs_that_make_the_same_at_once_both_get_it(tmp_path):
    def train_while_another_does(folder, snapshots):
        get_or_make(tmp_path, "models", "k1", "pb", train)
        return train(folder, snapshots)

    first = get_or_make(tmp_path, "models", "k1", "pa", train_while_another_does)
    assert get_or_make(tmp_path, "models", "k1", "pb", fail) == first
    assert names(tmp_path / "models") == ["k1"]
