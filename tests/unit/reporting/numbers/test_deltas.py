from dataclasses import replace

import pytest

from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.store import tables
from unit.rows import delta, pair


def pairings(folder, pairs):
    """Of deltas 0, 1, 2, ..."""
    paths = {name: folder / f"results/tiny/{name}.parquet" for name in ("pair/r1~weak", "delta/r1~weak/clarity")}
    tables.write(paths["pair/r1~weak"], Pair, pairs)
    deltas = [delta(row.pair_id, number) for number, row in enumerate(pairs)]
    tables.write(paths["delta/r1~weak/clarity"], Delta, deltas)
    return Pairings([paths["pair/r1~weak"]], [paths["delta/r1~weak/clarity"]], "tiny", ["clarity"])


def test_lengths_of_traces_that_a_data_set_ships_are_shown_in_characters(tmp_path):
    counted = [
        pair(f"q{n}", prompt_id=f"p{n}", chosen_tokens=10 + n, chosen_characters=50 - n, rejected_characters=30)
        for n in range(5)
    ]
    (line,) = pairings(tmp_path, counted).lengths()
    assert (line.unit, line.difference.value, line.difference.n) == ("tokens", 8.0, 5)
    shipped = pairings(tmp_path, [replace(row, chosen_tokens=None) for row in counted])
    (line,) = shipped.lengths()
    assert (line.unit, line.difference.value, line.longer.value, line.difference.n) == ("characters", 18.0, 1.0, 5)
    (of_delta,) = shipped.lines()
    assert (of_delta.with_length.value, of_delta.with_length.n) == (pytest.approx(-1.0), 5)
