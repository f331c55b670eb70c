import resource
from dataclasses import replace

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.training.processes.rows import StoredRows, store
from prefdelta.training.tokens import PreferenceRow

FIRST = PreferenceRow([1, 2], [3, 4, 5], [6], -1.5, -0.25)
SECOND = PreferenceRow([2**31 - 1], [0], [7, 8], None, None)


@pytest.fixture
def stored(tmp_path):
    def make(rows):
        store(tmp_path / "rows.arrow", rows)
        return StoredRows(tmp_path / "rows.arrow")

    return make


def test_rows_come_back_one_by_one_and_as_parts(stored):
    found = stored([FIRST, SECOND])
    assert len(found) == 2
    assert (found[0], found[1], found[-1]) == (FIRST, SECOND, SECOND)
    assert found[:1] == [FIRST]
    assert found[1:9] == [SECOND]
    assert all(type(token) is int for token in found[0].chosen)  # as PreferenceRow says, so lists can be joined
    with pytest.raises(IndexError):
        found[2]


def test_rows_of_many_batches_keep_their_order(stored):
    rows = [replace(FIRST, prompt=[number] * (number % 3)) for number in range(3000)]
    assert list(stored(rows)) == rows


def test_no_rows_are_no_rows(stored):
    assert list(stored([])) == []


def test_a_full_disk_is_told_as_one(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(StudyError, match="cannot be written"):
            store(tmp_path / "rows.arrow", [FIRST] * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
