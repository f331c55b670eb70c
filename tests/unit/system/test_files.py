import errno
import hashlib
import os
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.system.files import publish, publish_text, set_aside, sha256_of


def names(folder):
    """All files of a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def test_a_text_is_published_as_utf8_and_nothing_else_is_left(tmp_path):
    publish_text(tmp_path / "a.txt", "é\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\n"
    assert names(tmp_path) == ["a.txt"]


def test_missing_folders_are_made(tmp_path):
    publish_text(tmp_path / "x" / "y" / "a.txt", "a")
    assert (tmp_path / "x" / "y" / "a.txt").read_text() == "a"


def test_an_old_file_is_replaced_whole(tmp_path):
    publish_text(tmp_path / "a.txt", "old and long")
    publish_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.fixture
def full(monkeypatch):
    """The disk takes ten bytes of each file and no more."""
    write = Path.write_bytes

    def write_some(path, data):
        write(path, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_some)


@pytest.mark.parametrize("old", [None, "old"])
def test_a_full_disk_is_told_with_path_and_bytes_and_leaves_what_was_there(tmp_path, full, old):
    path = tmp_path / "a.txt"
    if old is not None:
        path.write_text(old)
    with pytest.raises(StudyError, match=rf"^{path}: cannot be written: No space left on device. 4,000 bytes are need"):
        publish(path, b"n" * 4000)
    assert names(tmp_path) == ([] if old is None else ["a.txt"])
    assert old is None or path.read_text() == old


def test_another_error_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(IsADirectoryError):
        publish(tmp_path, b"x")


def test_the_path_holds_the_old_content_while_the_new_one_is_written(tmp_path, monkeypatch):
    publish_text(tmp_path / "a.parquet", "old")
    write, seen = Path.write_bytes, []

    def watched(path, data):
        write(path, data)
        seen.append((path, (tmp_path / "a.parquet").read_text()))

    monkeypatch.setattr(Path, "write_bytes", watched)
    publish(tmp_path / "a.parquet", b"new")
    ((temporary, content),) = seen
    assert content == "old"
    # Beside it: a rename is atomic within one file system only. Not *.parquet: a record reads all of these.
    assert temporary.parent == tmp_path
    assert temporary.suffix != ".parquet"
    assert f"-{os.getpid()}-" in temporary.name


def test_what_is_set_aside_makes_room_and_replaces_what_was_set_aside_before(tmp_path):
    for content in ("first", "second"):
        (tmp_path / "a").write_text(content)
        assert set_aside(tmp_path / "a") == tmp_path / "a.damaged"
    assert names(tmp_path) == ["a.damaged"]
    assert (tmp_path / "a.damaged").read_text() == "second"


def test_a_folder_is_set_aside_too(tmp_path):
    for name in ("x", "y"):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / name).write_text("")
        set_aside(tmp_path / "a")
    assert names(tmp_path / "a.damaged") == ["y"]


def test_a_reader_who_has_the_file_open_keeps_the_old_content(tmp_path):
    publish_text(tmp_path / "a.txt", "old")
    with (tmp_path / "a.txt").open() as reader:
        publish_text(tmp_path / "a.txt", "new")
        assert reader.read() == "old"


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"\x00\xff" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"\x00\xff" * 100_000).hexdigest()
