import pytest

from prefdelta.training import columns
from prefdelta.training.columns import dataset_of


@pytest.mark.parametrize("n_rows", [1, columns._AT_ONCE, columns._AT_ONCE + 1, 3 * columns._AT_ONCE])
def test_rows_are_read_as_they_were_given(n_rows):
    rows = [{"ids": [number, 2**31 - 1], "sum": -0.5 * number, "label": number % 2 == 0} for number in range(n_rows)]
    rows[-1]["ids"] = []
    dataset = dataset_of(iter(rows))
    assert list(dataset) == rows
    assert type(dataset[0]["label"]) is bool


def test_a_token_id_takes_four_bytes():
    dataset = dataset_of({"ids": list(range(1000))} for _ in range(100))
    assert 4 * 100_000 <= dataset.data.nbytes < 4.1 * 100_000
