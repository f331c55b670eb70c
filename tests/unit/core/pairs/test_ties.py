"""Pairs of equal delta: their order is drawn by dimension and by order, and a selection counts what was drawn."""

from random import Random

import pytest

from prefdelta.core.pairs.selections import KINDS, parse_selection
from prefdelta.records.details.filter import TieCounts
from unit.pair_tables import count_ties, select
from unit.rows import delta, pair

N, K, TIED = 2000, 500, 0.8


def taken(name, deltas, order=0, pairs=None, tie_seed=0):
    pairs = [pair(pair_id) for pair_id in deltas] if pairs is None else pairs
    rows = {pair_id: delta(pair_id, value) for pair_id, value in deltas.items()}
    return [row.pair_id for row in select(parse_selection(name), pairs, rows, tie_seed, order=order)]


def independent_deltas(seed):
    """Whole numbers from -4 to 4, of which four in five are 0."""
    random = Random(seed)
    values = [0 if random.random() < TIED else random.choice([-4, -3, -2, -1, 1, 2, 3, 4]) for _ in range(N)]
    return {f"pair{number:04d}": value for number, value in enumerate(values)}


@pytest.mark.parametrize("study", range(5))
def test_top_sets_of_independent_dimensions_share_no_more_pairs_than_by_chance(study):
    # Of 2,000 pairs, 500 in both sets by chance: 125 with a standard deviation of 8.4.
    first, second = (independent_deltas(2 * study + side) for side in (0, 1))
    shared = set(taken(f"top-logic-{K}", first)) & set(taken(f"top-brevity-{K}", second))
    assert 125 - 4 * 8.4 < len(shared) < 125 + 4 * 8.4


@pytest.mark.parametrize("kind", ["bottom", "matched-length"])
def test_the_other_selections_by_delta_draw_by_dimension_too(kind):
    pairs = [pair(name, chosen_tokens=5, rejected_tokens=5) for name in independent_deltas(0)]
    first, second = (
        set(taken(f"{kind}-{dimension}-{K}", dict.fromkeys(independent_deltas(0), 0), pairs=pairs))
        for dimension in ("logic", "brevity")
    )
    assert 125 - 4 * 8.4 < len(first & second) < 125 + 4 * 8.4


@pytest.mark.parametrize("kind", ["top", "bottom", "matched-length"])
def test_another_order_draws_other_pairs_of_the_tie_and_the_same_beyond_it(kind):
    deltas = independent_deltas(0)
    pairs = [pair(name, chosen_tokens=5, rejected_tokens=5) for name in deltas]
    orders = [set(taken(f"{kind}-logic-{K}", deltas, order, pairs)) for order in (0, 1, 1)]
    assert orders[0] != orders[1] == orders[2]
    if kind != "matched-length":  # whose pairs are drawn whole
        beyond = {name for name, value in deltas.items() if (value > 0 if kind == "top" else value < 0)}
        assert orders[0] & orders[1] > beyond


def test_only_selections_by_delta_or_score_break_ties_between_pairs():
    drawing = {kind.FORM.partition("-<")[0] for kind in KINDS if kind.DRAWS_TIES}
    assert drawing == {"top", "bottom", "top-chosen", "low-rejected", "matched"}


# 3 | 2 2 | 0 0 0 0 | -1, of which i has no delta and j is not eligible.
DELTAS = {"a": 3, "b": 2, "c": 2, "d": 0, "e": 0, "f": 0, "g": 0, "h": -1, "i": None, "j": 4}
PAIRS = [pair(name, eligible=name != "j") for name in DELTAS]


@pytest.mark.parametrize(
    ("name", "cut", "above", "tied", "drawn"),
    [
        ("top-mean-1", 3, 0, 1, 0),
        ("top-mean-2", 2, 1, 2, 1),
        ("top-mean-3", 2, 1, 2, 0),  # all that tie are taken: no lottery
        ("top-mean-5", 0, 3, 4, 2),
        ("top-mean-7", 0, 3, 4, 0),
        ("top-mean-8", -1, 7, 1, 0),
        ("bottom-mean-1", -1, 0, 1, 0),
        ("bottom-mean-4", 0, 1, 4, 3),
        ("bottom-mean-6", 2, 5, 2, 1),
        ("matched-length-mean-4", 0, 3, 4, 1),  # of the top set that it matches
    ],
)
def test_a_selection_by_delta_counts_what_is_beyond_its_cut_what_ties_at_it_and_what_was_drawn(
    name, cut, above, tied, drawn
):
    selection = parse_selection(name)
    counts = count_ties(selection, PAIRS, {key: delta(key, value) for key, value in DELTAS.items()})
    assert counts == TieCounts(selection.k, cut, above, tied, drawn)
    assert counts.drawn_share == drawn / selection.k


@pytest.mark.parametrize("name", ["all", "swapped", "random-2-s0", "common-scaling", "cell-right-right"])
def test_other_selections_have_no_ties_to_count(name):
    cells = [pair(cell, cell=cell, pool=False) for cell in ("right-right", "right-wrong", "wrong-right", "wrong-wrong")]
    assert count_ties(parse_selection(name), [*PAIRS, *cells], {}, common=["p1"]) is None
