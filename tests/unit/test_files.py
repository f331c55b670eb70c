import hashlib
import os

import pytest

from prefdelta.files import publish, publish_text, sha256_of


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


def failing(temporary):
    temporary.write_text("half of")
    raise OSError("disk full")


def test_a_failing_write_leaves_the_old_file_and_no_temporary_one(tmp_path):
    publish_text(tmp_path / "a.txt", "old")
    with pytest.raises(OSError, match="disk full"):
        publish(tmp_path / "a.txt", failing)
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_failing_first_write_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="disk full"):
        publish(tmp_path / "a.txt", failing)
    assert names(tmp_path) == []


def test_the_path_holds_the_old_content_while_the_new_one_is_written(tmp_path):
    publish_text(tmp_path / "a.txt", "old")
    seen = []

    def write(temporary):
        temporary.write_text("new")
        seen.append((tmp_path / "a.txt").read_text())

    publish(tmp_path / "a.txt", write)
    assert seen == ["old"]


def test_a_reader_who_has_the_file_open_keeps_the_old_content(tmp_path):
    publish_text(tmp_path / "a.txt", "old")
    with (tmp_path / "a.txt").open() as reader:
        publish_text(tmp_path / "a.txt", "new")
        assert reader.read() == "old"


def test_the_temporary_file_lies_beside_its_target_and_is_no_segment_or_table(tmp_path):
    # Beside it: a rename is atomic within one file system only. Not *.parquet: a record reads all of these.
    seen = []

    def write(temporary):
        temporary.write_text("x")
        seen.append(temporary)

    publish(tmp_path / "a.parquet", write)
    (temporary,) = seen
    assert temporary.parent == tmp_path
    assert temporary.suffix != ".parquet"
    assert str(os.getpid()) in temporary.name


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"\x00\xff" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"\x00\xff" * 100_000).hexdigest()
