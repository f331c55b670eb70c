import json
import shutil

import pytest

from prefdelta.checkpoints import details, made, open_manifest, write_manifest
from prefdelta.core.errors import StudyError


def train(folder):
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text("{}")
    return {"steps": 3}


@pytest.fixture
def manifest(tmp_path):
    """The manifest of a checkpoint that was made."""
    write_manifest(tmp_path / "model.json", made(tmp_path / "record", "models", "k1", train))
    return tmp_path / "model.json"


def folder_of(manifest):
    return manifest.parent / "record" / "models" / "k1"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_is_made_in_the_folder_of_its_key(tmp_path):
    checkpoint = made(tmp_path, "models", "k1", train)
    assert (checkpoint.key, checkpoint.folder) == ("k1", "models/k1")
    assert (tmp_path / "models" / "k1" / "model.safetensors").read_bytes() == b"weights"


def test_what_was_measured_is_kept_with_it(tmp_path):
    assert details(tmp_path, made(tmp_path, "models", "k1", train)) == {"steps": 3}


def test_a_checkpoint_that_is_there_is_not_made_again(tmp_path):
    def fail(folder):
        raise AssertionError("trained again")

    first = made(tmp_path, "models", "k1", train)
    assert made(tmp_path, "models", "k1", fail) == first


def test_another_key_is_another_checkpoint(tmp_path):
    made(tmp_path, "models", "k1", train)
    made(tmp_path, "models", "k2", train)
    assert names(tmp_path / "models") == ["k1", "k2"]


@pytest.mark.parametrize("error", [RuntimeError("NaN"), OSError("disk full"), KeyboardInterrupt(), SystemExit(143)])
def test_a_training_that_stops_half_way_leaves_nothing(error, tmp_path):
    def stop(folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        made(tmp_path, "models", "k1", stop)
    assert names(tmp_path / "models") == []


def test_nothing_is_at_the_final_path_while_training_goes_on(tmp_path):
    seen = []

    def look(folder):
        seen.append((tmp_path / "models" / "k1").exists())
        return train(folder)

    made(tmp_path, "models", "k1", look)
    assert seen == [False]


def test_of_two_jobs_that_make_one_key_the_second_takes_what_the_first_published(tmp_path):
    def slow(folder):
        first = made(tmp_path, "models", "k1", train)  # another job is faster
        (folder / "model.safetensors").write_bytes(b"weights of the slow one")
        return {"first": first.weights}

    checkpoint = made(tmp_path, "models", "k1", slow)
    assert details(tmp_path, checkpoint) == {"steps": 3}
    assert names(tmp_path / "models") == ["k1"]


def test_equal_files_have_the_same_hash_in_any_place(tmp_path):
    one, other = made(tmp_path / "a", "models", "k1", train), made(tmp_path / "b", "policies", "k2", train)
    assert one.weights == other.weights


def test_a_manifest_is_the_same_bytes_on_every_run(manifest, tmp_path):
    write_manifest(tmp_path / "again.json", made(tmp_path / "elsewhere", "models", "k1", train))
    assert (tmp_path / "again.json").read_bytes() == manifest.read_bytes()


def test_a_manifest_opens_the_checkpoint_it_names(manifest):
    checkpoint, folder = open_manifest(manifest, manifest.parent / "record")
    assert folder == folder_of(manifest)
    assert checkpoint.weights == json.loads(manifest.read_text())["weights"]


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


@pytest.mark.parametrize("change", [change_weights, change_tokenizer, add_file, drop_file, rename_file, swap_contents])
def test_files_changed_under_the_same_path_are_refused(change, manifest):
    change(folder_of(manifest))
    with pytest.raises(StudyError, match=r"k1: the files are not those that .*model\.json was written for"):
        open_manifest(manifest, manifest.parent / "record")


def test_who_follows_the_remedy_for_changed_files_gets_the_right_ones_back(manifest):
    record, right = manifest.parent / "record", manifest.read_bytes()
    change_weights(folder_of(manifest))
    with pytest.raises(StudyError, match=f"Delete {folder_of(manifest)} and {manifest}"):
        open_manifest(manifest, record)
    shutil.rmtree(folder_of(manifest))
    write_manifest(manifest, made(record, "models", "k1", train))
    assert manifest.read_bytes() == right


def test_missing_weights_are_named_with_a_remedy(manifest):
    for path in folder_of(manifest).iterdir():
        path.unlink()
    folder_of(manifest).rmdir()
    with pytest.raises(StudyError, match=r"which are not there\. Delete .*model\.json and run the same command again"):
        open_manifest(manifest, manifest.parent / "record")
