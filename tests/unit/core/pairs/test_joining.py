import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.pairs.joining import places, rows_at, sorted_places

ids = st.lists(st.sampled_from("abcdé"))
keys = st.lists(st.tuples(st.integers(-1, 4), st.sampled_from([-1, 0, 1, 7, 2**40])))


def arrays(keys):
    return tuple(np.array([key[at] for key in keys], np.int64) for at in range(2))


@given(ids, st.lists(st.sampled_from("abcdé"), unique=True))
def test_the_place_of_an_id_is_that_among_the_others_or_none(ids, among):
    found = places(pa.array(ids, pa.string()), pa.array(among, pa.string()))
    assert found.tolist() == [among.index(one) if one in among else -1 for one in ids]


@given(ids)
def test_sorted_places(ids):
    different, found = sorted_places(pa.array(ids, pa.string()))
    assert different.to_pylist() == sorted(set(ids))
    assert found.tolist() == [sorted(set(ids)).index(one) for one in ids]


@given(keys, keys)
def test_rows_are_the_last_with_the_same_prompt_and_sample(wanted, given):
    rows = {key: row for row, key in enumerate(given) if min(key) >= 0}
    assert rows_at(*arrays(wanted), *arrays(given)).tolist() == [rows.get(key, -1) for key in wanted]
    assert rows_at(*arrays(given), *arrays(given)).tolist() == [rows.get(key, -1) for key in given]
    ordered = sorted(rows)
    assert rows_at(*arrays(ordered), *arrays(ordered)).tolist() == list(range(len(ordered)))
