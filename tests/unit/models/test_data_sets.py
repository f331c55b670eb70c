"""Data sets: pinned, read from their files, the same offline, and never by a script of theirs."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prefdelta.core.errors import StudyError
from prefdelta.models.data_sets import dataset_identity, dataset_rows
from unit.loopback_hub import Machine, files_of

NO_COMMIT = "0" * 40

# --- data sets in local folders ---------------------------------------------------------------------------------------

ROWS = [{"problem": f"1+{i}", "answer": str(i + 1)} for i in range(3)]
OTHER = [{"problem": "other", "answer": "?"}]


def write_parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_card(folder, **splits_of):
    """A card with, per config, split -> path."""
    configs = [
        {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in splits.items()]}
        for name, splits in splits_of.items()
    ]
    (folder / "README.md").write_text(f"---\nlicense: mit\nconfigs: {json.dumps(configs)}\n---\n# A data set\n")


def sharded(folder):
    write_parquet(folder / "data/test-00000-of-00002.parquet", ROWS[:2])
    write_parquet(folder / "data/test-00001-of-00002.parquet", ROWS[2:])
    write_parquet(folder / "data/train-00000-of-00001.parquet", OTHER)


def one_file(folder):
    write_lines(folder / "test.jsonl", ROWS)


def by_folder(folder):
    write_parquet(folder / "main/test-00000-of-00001.parquet", ROWS)
    write_parquet(folder / "socratic/test-00000-of-00001.parquet", OTHER)


def by_card(folder):
    write_card(folder, absent={"test": "absent/*"}, main={"test": "one.parquet", "train": "two.parquet"})
    write_parquet(folder / "one.parquet", ROWS)
    write_parquet(folder / "two.parquet", OTHER)


@pytest.mark.parametrize(
    ("layout", "config"), [(sharded, None), (one_file, None), (by_folder, "main"), (by_card, "main")]
)
def test_a_local_folder_has_the_layout_of_the_repository_it_stands_for(tmp_path, layout, config):
    layout(tmp_path)
    assert list(dataset_rows(str(tmp_path), None, config, "test")) == ROWS


def test_an_edited_file_is_seen_even_with_its_old_date_and_size(tmp_path):
    one_file(tmp_path)
    before, times = dataset_identity(str(tmp_path), None), (tmp_path / "test.jsonl").stat()
    assert list(dataset_rows(str(tmp_path), None, None, "test")) == ROWS
    write_lines(tmp_path / "test.jsonl", [{**ROWS[0], "answer": "9"}, *ROWS[1:]])
    os.utime(tmp_path / "test.jsonl", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert next(dataset_rows(str(tmp_path), None, None, "test"))["answer"] == "9"
    assert dataset_identity(str(tmp_path), None) != before


def test_local_data_leaves_nothing_in_the_home(tmp_path):
    machine = Machine(tmp_path / "machine", "http://127.0.0.1:9")
    sharded(machine.folder / "data")
    assert machine.call("list(data_sets.dataset_rows('./data', None, None, 'test'))") == ROWS
    assert {path.name for path in machine.folder.iterdir()} == {"data", "resources"}


def test_images_stay_bytes(tmp_path):
    import datasets

    rows = {"problem": ["a", "b"], "picture": [{"bytes": b"not even an image", "path": None}, None]}
    features = datasets.Features({"problem": datasets.Value("string"), "picture": datasets.Image()})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "test.parquet")
    found = list(dataset_rows(str(tmp_path), None, None, "test"))
    assert [row["picture"] and row["picture"]["bytes"] for row in found] == [b"not even an image", None]


def with_script(folder):
    one_file(folder)
    (folder / "loader.py").write_text("raise SystemExit")


@pytest.mark.parametrize(
    ("layout", "config", "split", "told"),
    [
        (by_card, "min", "test", "no config 'min'. There are: absent, main."),
        (by_card, None, "test", "several configs, and none was named. There are: absent, main."),
        (by_card, "main", "dev", "config 'main' has no split 'dev'. There are: test, train."),
        (by_card, "absent", "test", "split 'test' cannot be read"),
        (one_file, None, "train", r"Available splits: \['test'\]"),
        (one_file, "main", "test", r"'main' not found. Available: \['default'\]"),
        (with_script, None, "test", r"a loading script \(loader.py\)"),
        (lambda folder: (folder / "test.parquet").write_bytes(b"PAR1 and no more"), None, "test", "cannot be read"),
        (lambda folder: (folder / "test.jsonl").write_text('{"a": 1}\n{"a"\n'), None, "test", "cannot be read"),
        (lambda folder: (folder / "README.md").write_text("---\nconfigs: [3]\n---\n"), None, "test", "card cannot be"),
        (lambda folder: None, None, "test", "split 'test' cannot be read"),
        (shutil.rmtree, None, "test", "there is no such folder"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, layout, config, split, told):
    layout(tmp_path)
    with pytest.raises(StudyError, match=told):
        list(dataset_rows(str(tmp_path), None, config, split))


def test_named_files_are_read_as_they_are_in_the_order_named(tmp_path):
    with_script(tmp_path)
    write_parquet(tmp_path / "more/other.parquet", OTHER)
    files = ["more/other.parquet", "test.jsonl"]
    assert list(dataset_rows(str(tmp_path), None, None, "test", files)) == [*OTHER, *ROWS]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"a": 1}\n\n[1]\n', "test.jsonl, line 3: list found"),
        (b'{"a": 1}\n{"a": \n', "test.jsonl, line 2: not JSON"),
        (b'{"a": "\xff"}\n', "test.jsonl, line 1: not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path, content, told):
    (tmp_path / "test.jsonl").write_bytes(content)
    with pytest.raises(StudyError, match=told):
        list(dataset_rows(str(tmp_path), None, None, "test", ["test.jsonl"]))


def test_a_file_that_is_not_there_or_is_cut_is_told(tmp_path):
    sharded(tmp_path)
    path = tmp_path / "data/train-00000-of-00001.parquet"
    with pytest.raises(StudyError, match=r"no file test5.jsonl. There are: data/test-00000-of-00002.parquet, "):
        list(dataset_rows(str(tmp_path), None, None, "test", ["test5.jsonl"]))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StudyError, match=r"train-00000-of-00001.parquet: cannot be read as Parquet"):
        list(dataset_rows(str(tmp_path), None, None, "test", [str(path.relative_to(tmp_path))]))


# --- data sets of the hub ---------------------------------------------------------------------------------------------

DATA = "owner/maths"


def rows_of(commit, config, split, files=None, name=DATA):
    return f"list(data_sets.dataset_rows({name!r}, {commit!r}, {config!r}, {split!r}, {files!r}))"


def test_a_split_is_read_at_its_commit_and_nothing_else_is_fetched(hub, machine, tmp_path):
    (tmp_path / "repository").mkdir()
    by_card(tmp_path / "repository")
    old = hub.push(f"datasets/{DATA}", files_of(tmp_path / "repository"))
    write_parquet(tmp_path / "repository/one.parquet", OTHER)
    new = hub.push(f"datasets/{DATA}", files_of(tmp_path / "repository"))
    dev, rows = machine.calls(rows_of(old, "main", "dev"), rows_of(old, "main", "test"))
    assert "no split 'dev'. There are: test, train." in dev
    assert rows == ROWS
    assert machine.cached() == {"README.md", "one.parquet"}
    hub.stop()
    assert machine.call(rows_of(old, "main", "test")) == ROWS
    rows, other_commit, other_split = machine.calls(
        rows_of(old, "main", "test"), rows_of(new, "main", "test"), rows_of(old, "main", "train"), HF_HUB_OFFLINE="1"
    )
    assert rows == ROWS
    # What is cached never stands in for what was asked for.
    assert "does not hold all of this data set" in other_commit
    assert "does not hold all of this data set" in other_split


def test_a_data_set_without_a_card_is_read_by_the_names_of_its_files(hub, machine, tmp_path):
    sharded(tmp_path / "repository")
    commit = hub.push(f"datasets/{DATA}", files_of(tmp_path / "repository"))
    assert machine.call(rows_of(commit, None, "test")) == ROWS
    machine.pin(f"datasets/{DATA}")
    next(machine.cache.rglob("test-00001-of-00002.parquet")).unlink()
    shutil.rmtree(next(machine.cache.rglob("trees")))
    assert "test-00001-of-00002.parquet is missing" in machine.call(rows_of(commit, None, "test"), HF_HUB_OFFLINE="1")


def test_of_a_data_set_with_a_loading_script_files_are_read_and_the_script_is_not_run(hub, machine, tmp_path):
    one_file(tmp_path / "repository")
    script = b"raise SystemExit('it was run')"
    files = {**files_of(tmp_path / "repository"), "test2.jsonl": b'{"problem": "x"}\n', "maths.py": script}
    commit = hub.push(f"datasets/{DATA}", files)
    script, rows, missing = machine.calls(
        rows_of(commit, None, "test"),
        rows_of(commit, None, "test", ["test2.jsonl"]),
        rows_of(commit, None, "test", ["test3.jsonl"]),
    )
    assert "a loading script (maths.py)" in script
    assert rows == [{"problem": "x"}]
    assert "there is no file test3.jsonl" in missing
    assert machine.cached() == {"maths.py", "test2.jsonl"}


def test_an_unpinned_data_set_is_refused():
    for use in (dataset_identity, lambda name, revision: list(dataset_rows(name, revision, None, "test"))):
        with pytest.raises(StudyError, match="run `prefdelta pin datasets/owner/maths`"):
            use(DATA, None)
    assert dataset_identity(DATA, NO_COMMIT) == f"{DATA}@{NO_COMMIT}"
