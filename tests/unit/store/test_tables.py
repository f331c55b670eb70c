import pkgutil
import resource
import types
import typing
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from importlib import import_module
from operator import attrgetter
from random import Random
from typing import ClassVar

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from prefdelta import records
from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.records.delta import Delta
from prefdelta.records.prompt import Prompt
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from unit.limits import no_free_file
from unit.rows import trace

# Every noun that has a table, those of tomorrow too.
ROW_TYPES = [
    found
    for module in pkgutil.iter_modules(records.__path__)
    for found in vars(import_module(f"{records.__name__}.{module.name}")).values()
    if isinstance(found, type) and found.__module__.endswith(f".{module.name}") and hasattr(found, "KEY")
]
same_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
values = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
}


def values_of(hint):
    """A strategy for a column of this type."""
    if isinstance(hint, types.UnionType):
        return st.one_of([st.none() if option is types.NoneType else values_of(option) for option in hint.__args__])
    if typing.get_origin(hint) is list:
        return st.lists(values_of(*typing.get_args(hint)), max_size=3)
    return values[hint]


def rows_of(row_type):
    """A strategy for tables: rows with different keys, in any order."""
    hints = typing.get_type_hints(row_type)
    row = st.builds(row_type, **{field.name: values_of(hints[field.name]) for field in fields(row_type)})
    return st.lists(row, max_size=5, unique_by=attrgetter(*row_type.KEY))


def traces(n):
    return [trace(f"p{index:02d}", text=f"1+{index}={index + 1}", seed=index * 7919) for index in range(n)]


def write_traces(path, n=40):
    tables.write(path, Trace, traces(n))
    return path.read_bytes()


def test_all_ten_nouns_are_found():
    # A search that finds nothing would make the tests below pass.
    assert len(ROW_TYPES) >= 10


@same_file
@given(data=st.data())
@pytest.mark.parametrize("row_type", ROW_TYPES, ids=lambda found: found.__name__)
def test_rows_come_back_as_they_were_sorted_by_key(row_type, data, tmp_path):
    rows = data.draw(rows_of(row_type))
    assert tables.write(tmp_path / "t.parquet", row_type, rows) == len(rows)
    assert tables.read(tmp_path / "t.parquet", row_type) == sorted(rows, key=attrgetter(*row_type.KEY))


def test_values_come_back_with_their_types(tmp_path):
    tables.write(tmp_path / "t.parquet", Delta, [Delta("a", 4.0, None, None, "rejected_unjudged")])
    (row,) = tables.read(tmp_path / "t.parquet", Delta)
    assert [type(value) for value in (row.pair_id, row.chosen_score, row.delta)] == [str, float, types.NoneType]


@pytest.mark.parametrize("seed", range(3))
def test_the_same_rows_in_another_order_give_the_same_bytes(seed, tmp_path):
    expected, rows = write_traces(tmp_path / "a.parquet"), traces(40)
    Random(seed).shuffle(rows)
    tables.write(tmp_path / "b.parquet", Trace, rows)
    assert (tmp_path / "b.parquet").read_bytes() == expected


def test_other_rows_give_other_bytes(tmp_path):
    expected, rows = write_traces(tmp_path / "a.parquet"), traces(40)
    rows[7] = replace(rows[7], seed=0)
    tables.write(tmp_path / "b.parquet", Trace, rows)
    assert (tmp_path / "b.parquet").read_bytes() != expected


def test_two_rows_of_one_key_are_refused_with_path_and_key(tmp_path):
    rows = [*traces(3), replace(traces(3)[1], text="another")]
    with pytest.raises(StudyError, match=r"t\.parquet: two rows have the key .*'p01', 0"):
        tables.write(tmp_path / "t.parquet", Trace, rows)
    assert list(tmp_path.iterdir()) == []


def test_null_in_a_column_that_has_none_is_refused_with_path_and_column(tmp_path):
    with pytest.raises(ValueError, match=r"t\.parquet: column 'text' must not be null"):
        tables.write(tmp_path / "t.parquet", Prompt, [Prompt("a", "train", None, [])])


def test_a_fraction_in_a_column_of_whole_numbers_is_refused_not_cut_off(tmp_path):
    with pytest.raises(ValueError, match=r"t\.parquet: column 'rank' holds whole numbers only"):
        tables.write(tmp_path / "t.parquet", SelectedPair, [SelectedPair("a", 1.5, False)])


@pytest.mark.parametrize("row", [SelectedPair("a", "1", False), SelectedPair(1, 1, False), SelectedPair("a", 1, "no")])
def test_a_value_of_another_type_is_refused(row, tmp_path):
    with pytest.raises((ValueError, TypeError)):
        tables.write(tmp_path / "t.parquet", SelectedPair, [row])


def arrow(*rows):
    return tables.arrow_of(SelectedPair, [SelectedPair(*row) for row in rows])


def test_a_table_in_any_order_gives_the_bytes_of_its_rows(tmp_path):
    rows = [("b", 2, True), ("a", 0, False), ("c", 1, True)]
    tables.write(tmp_path / "rows.parquet", SelectedPair, [SelectedPair(*row) for row in rows])
    pieces = pa.concat_tables([arrow(*rows[:1]), arrow(*rows[1:])])
    assert tables.write_arrow(tmp_path / "t.parquet", SelectedPair, pieces.select([1, 2, 0])) == 3
    assert (tmp_path / "t.parquet").read_bytes() == (tmp_path / "rows.parquet").read_bytes()


def test_a_table_with_one_key_twice_or_a_null_is_refused(tmp_path):
    with pytest.raises(StudyError, match=r"t\.parquet: two rows have the key .* = 7"):
        tables.write_arrow(tmp_path / "t.parquet", SelectedPair, arrow(("a", 7, True), ("b", 1, True), ("c", 7, True)))
    with pytest.raises(ValueError, match=r"t\.parquet: column 'swapped' must not be null"):
        tables.write_arrow(
            tmp_path / "t.parquet", SelectedPair, arrow(("a", 7, True)).set_column(2, "swapped", pa.nulls(1, "bool"))
        )
    assert list(tmp_path.iterdir()) == []


def test_some_columns_of_a_table_whose_text_is_no_utf_8_are_refused(tmp_path):
    columns = [pa.array([b"\xff"]).view(pa.string()), pa.array([0]), pa.array([True])]
    parquet.write_table(pa.Table.from_arrays(columns, schema=tables.schema(SelectedPair)), tmp_path / "t.parquet")
    assert tables.read_arrow(tmp_path / "t.parquet", SelectedPair, ["rank"]).column("rank").to_pylist() == [0]
    with pytest.raises(DamagedError, match=r"t\.parquet: cannot be read as Parquet"):
        tables.read_arrow(tmp_path / "t.parquet", SelectedPair, ["pair_id"])


def test_a_lone_surrogate_is_refused_and_leaves_no_file(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        tables.write(tmp_path / "t.parquet", Prompt, [Prompt("a", "train", "\ud800", [])])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wanted", [["seed", "sample"], ["text"]])
def test_some_columns_can_be_read_alone(wanted, tmp_path):
    write_traces(tmp_path / "t.parquet", n=3)
    table = tables.read_arrow(tmp_path / "t.parquet", Trace, wanted)
    assert sorted(table.column_names) == sorted(wanted)


def test_a_table_comes_in_parts_in_its_order(tmp_path):
    path = tmp_path / "traces.parquet"
    tables.write(path, Trace, traces(7))
    parts = list(tables.batches(path, Trace, 3))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert [row for part in parts for row in tables.rows_of(path, part, Trace)] == tables.read(path, Trace)
    (texts,) = tables.batches(path, Trace, 10, ["text"])
    assert texts.column_names == ["text"]


def test_a_table_that_is_read_in_parts_is_refused_as_one_that_is_read_whole(tmp_path):
    path = tmp_path / "traces.parquet"
    with pytest.raises(tables.MissingTableError):
        list(tables.batches(path, Trace, 3))
    tables.write(path, Prompt, [])
    with pytest.raises(DamagedError, match="is not a table of Trace"):
        list(tables.batches(path, Trace, 3))
    tables.write(path, Trace, traces(50))
    data = path.read_bytes()
    path.write_bytes(data[:200] + bytes(100) + data[300:])
    with pytest.raises(DamagedError):
        list(tables.batches(path, Trace, 3))


def test_a_table_of_another_noun_is_refused_with_its_path(tmp_path):
    tables.write(tmp_path / "t.parquet", SelectedPair, [SelectedPair("a", 0, False)])
    with pytest.raises(StudyError, match=r"t\.parquet: is not a table of Delta version 1\. Delete it"):
        tables.read(tmp_path / "t.parquet", Delta)


def test_a_table_of_another_version_is_refused_even_if_its_columns_are_the_same(tmp_path):
    @dataclass(frozen=True, slots=True)
    class SelectedPair:  # as it may be tomorrow
        VERSION: ClassVar[int] = 2
        KEY: ClassVar[tuple[str, ...]] = ("rank",)

        pair_id: str
        rank: int
        swapped: bool

    tables.write(tmp_path / "t.parquet", SelectedPair, [SelectedPair("a", 0, False)])
    told = r"t\.parquet: is a table of SelectedPair version 2; this source reads version 1.* made anew"
    with pytest.raises(StudyError, match=told) as raised:
        tables.read(tmp_path / "t.parquet", globals()["SelectedPair"])
    assert not isinstance(raised.value, DamagedError)  # what its writer can read is not to be set aside


def test_a_parquet_file_that_is_no_table_of_ours_is_refused(tmp_path):
    pa.parquet.write_table(pa.table({"pair_id": ["a"], "rank": [0], "swapped": [False]}), tmp_path / "t.parquet")
    with pytest.raises(StudyError, match=r"t\.parquet: is not a table of SelectedPair"):
        tables.read(tmp_path / "t.parquet", SelectedPair)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"t\.parquet: there is no such table"):
        tables.read(tmp_path / "t.parquet", Delta)


def test_a_table_that_cannot_be_read_now_is_not_called_damaged(tmp_path):
    write_traces(tmp_path / "t.parquet")
    told = r"t\.parquet: cannot be read now: Too many open files"
    with no_free_file(), pytest.raises(StudyError, match=told) as raised:
        tables.read(tmp_path / "t.parquet", Trace)
    assert not isinstance(raised.value, DamagedError)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b'{"pair_id": "a"}\n', b"PAR1" + b"\0" * 500 + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused_with_its_path(content, tmp_path):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(StudyError, match=r"t\.parquet: cannot be read as Parquet"):
        tables.read(tmp_path / "t.parquet", Delta)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_table_is_refused(share, tmp_path):
    content = write_traces(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes(content[: int(share * len(content))])
    with pytest.raises(StudyError, match="cannot be read as Parquet"):
        tables.read(tmp_path / "t.parquet", Trace)


@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_flipped_bit_is_detected_or_changes_no_row(bit, tmp_path):
    path = tmp_path / "t.parquet"
    content, expected = write_traces(path), tables.read(path, Trace)
    detected = 0
    # 200 places from the first byte to the last, the data, the page headers and the footer among them.
    for place in sorted({round(share / 199 * (len(content) - 1)) for share in range(200)}):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            found = tables.read(path, Trace)
        except StudyError:
            detected += 1
        else:
            assert found == expected, f"byte {place}"
    assert detected > 100  # the rest is text that nothing reads, such as the writer's name


def test_a_flipped_bit_in_the_data_of_a_column_is_always_detected(tmp_path):
    path = tmp_path / "t.parquet"
    content = write_traces(path)
    column = pa.parquet.ParquetFile(path).metadata.row_group(0).column(3)
    assert column.path_in_schema == "text"
    end = column.data_page_offset + 4  # past the first bytes of the page's header
    for place in range(end + 40, column.dictionary_page_offset + column.total_compressed_size, 5):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(StudyError, match="cannot be read as Parquet"):
            tables.read(path, Trace)


def test_a_full_disk_leaves_the_old_table_and_no_temporary_file(tmp_path):
    path = tmp_path / "t.parquet"
    old = write_traces(path, n=1)
    large = [trace(f"p{index}", text=sha256(str(index).encode()).hexdigest() * 4) for index in range(2000)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))  # files end there, as on a full disk
    try:
        with pytest.raises(StudyError, match=rf"{path}: cannot be written: File too large. [\d,]+ bytes are needed"):
            tables.write(path, Trace, large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
