import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.ids import digest, fraction
from prefdelta.core.pairs.hashing import digests, fractions, in_hex

texts = st.text(st.characters(exclude_categories=["Cs"]))
parts = st.lists(st.one_of(texts, st.integers(), st.none()), max_size=3)
rows = st.lists(st.tuples(texts, texts, st.one_of(st.none(), st.integers(0, 2**40))))


@given(parts, rows)
def test_hashes_of_columns_are_those_of_their_rows(parts, rows):
    columns = [pa.array([row[at] for row in rows], kind) for at, kind in enumerate((pa.string(), pa.string(), "int64"))]
    assert in_hex(digests(parts, *columns)).to_pylist() == [digest([*parts, *row])[:16] for row in rows]
    assert fractions(parts, columns[0]).tolist() == [fraction(*parts, row[0]) for row in rows]


def test_more_rows_than_are_hashed_at_once():
    names = [f"pair{number}" for number in range(70_000)]
    drawn = fractions(["ties", 0], pa.array(names))
    assert [drawn[at] for at in (0, 65_535, 65_536, 69_999)] == [
        fraction("ties", 0, names[at]) for at in (0, 65_535, 65_536, 69_999)
    ]
