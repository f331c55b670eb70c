"""A row per kind of selection: how its names read, in which order it takes equal pairs, and when it refuses."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import fraction
from prefdelta.core.pairs.selection_kinds.alike import Alike, RightOverWrong
from prefdelta.core.pairs.selection_kinds.all import All
from prefdelta.core.pairs.selection_kinds.bottom import Bottom
from prefdelta.core.pairs.selection_kinds.by_score import LowRejected, TopChosen
from prefdelta.core.pairs.selection_kinds.cell import CorrectnessCell
from prefdelta.core.pairs.selection_kinds.common import Common
from prefdelta.core.pairs.selection_kinds.likely_rejected import LikelyRejected, UnlikelyRejected
from prefdelta.core.pairs.selection_kinds.matched import Matched
from prefdelta.core.pairs.selection_kinds.random import RandomPairs
from prefdelta.core.pairs.selection_kinds.selection import Selection
from prefdelta.core.pairs.selection_kinds.swapped import Swapped, SwappedCommon
from prefdelta.core.pairs.selection_kinds.top import Top
from prefdelta.core.pairs.selections import KINDS, parse_selection
from prefdelta.records.pair import Pair
from unit.pair_tables import select
from unit.rows import delta, pair

EXTENDING = Path(__file__).parents[4] / "docs/extending.md"
TIE_SEED = 7
CELLS = ["right-right", "right-wrong", "wrong-right", "wrong-wrong"]
PROMPTS = [f"prompt{n:02d}" for n in range(12)]


def by_pair(*seed: str | int) -> Callable[[Pair], float]:
    return lambda row: fraction(*seed, row.pair_id)


by_tie = by_pair("ties", TIE_SEED)
ORDER = 2  # of equal pairs


def outside_of_the_top(k: int, order: Callable[[Pair], float]) -> Callable[[Pair], float]:
    """The k pairs that come first among ties are the top set, so they come last."""
    top = sorted(PROMPTS, key=lambda prompt_id: fraction(*_TOP, f"{prompt_id} {CELLS[0]}"))[:k]
    return lambda row: order(row) + (row.prompt_id in top)


_TOP = ("ties", "signal_to_noise", TIE_SEED, ORDER)


def by_prompt(row: Pair) -> float:
    return fraction("ties", TIE_SEED, row.prompt_id)


@dataclass(frozen=True)
class Row:
    kind: type[Selection]
    names: Mapping[str, Mapping[str, str | int]]  # name -> its parts
    wrong_names: Sequence[str] = ()
    order: Callable[[Pair], float] = by_tie  # of pairs that differ in nothing but their ids
    cell: str = CELLS[0]
    family: str | None = None  # of the first name, where it is not the name
    label: str | None = None  # the same
    errors: Mapping[str, str] = field(default_factory=dict)  # name -> what is said of a study of 12 prompts


ROWS = [
    Row(All, {"all": {}}, ["all-5", "all-s0"]),
    Row(Swapped, {"swapped": {}}, ["swapped-5"]),
    Row(
        Top,
        {
            "top-mean-5": {"dimension": "mean", "k": 5},
            "top-step_coherence-1": {"dimension": "step_coherence", "k": 1},
            "top-d2-10": {"dimension": "d2", "k": 10},
            "top-mean@second-5": {"dimension": "mean@second", "k": 5},
        },
        [
            "top-mean@-5",
            "top-@second-5",
            "top-mean@second@third-5",
            "top-mean",
            "top-mean-0",
            "top-mean--5",
            "top-mean-05",
            "top-mean-5.0",
            "top-Mean-5",
            "top--5",
            "top-5",
            "top-mean-5-s0",
        ],
        order=by_pair("ties", "mean", TIE_SEED, ORDER),
        errors={"top-mean-13": "only 12 are eligible and judged"},
    ),
    Row(
        Bottom,
        {"bottom-mean-5": {"dimension": "mean", "k": 5}},
        ["bottom-mean", "bottom-mean-0"],
        order=by_pair("ties", "mean", TIE_SEED, ORDER),
        errors={"bottom-mean-13": "only 12 are eligible and judged"},
    ),
    Row(
        TopChosen,
        {"top-chosen-mean-5": {"dimension": "mean", "k": 5}},
        ["top-chosen-mean", "top-chosen-mean-0", "top-rejected-mean-5"],
        order=by_pair("ties", "top-chosen", "mean", TIE_SEED, ORDER),
        errors={"top-chosen-mean-13": "only 12 are eligible and judged"},
    ),
    Row(
        LowRejected,
        {"low-rejected-mean-5": {"dimension": "mean", "k": 5}},
        ["low-rejected-mean", "low-chosen-mean-5"],
        order=by_pair("ties", "low-rejected", "mean", TIE_SEED, ORDER),
        errors={"low-rejected-mean-13": "only 12 are eligible and judged"},
    ),
    Row(
        Matched,
        {
            "matched-length-signal_to_noise-5": {"on": "length", "dimension": "signal_to_noise", "k": 5},
            "matched-all-mean-5": {"on": "all", "dimension": "mean", "k": 5},
            "matched-difficulty-mean-1": {"on": "difficulty", "dimension": "mean", "k": 1},
            "matched-correctness-mean-1": {"on": "correctness", "dimension": "mean", "k": 1},
        },
        [
            "matched-mean-5",
            "matched-length-5",
            "matched-length-mean-5-s0",
            "matched-style-mean-5",
            "length-matched-mean-5",
        ],
        order=outside_of_the_top(5, by_pair("matched", "length", "signal_to_noise", TIE_SEED, ORDER)),
        errors={
            "matched-length-mean-13": "only 12 are eligible and judged",
            "matched-length-mean-7": "asks for 7 pairs outside of the top 7, but of 12 eligible",
        },
    ),
    Row(
        LikelyRejected,
        {
            "likely-rejected-pa-5": {"policy": "pa", "k": 5},
            "likely-rejected-Qwen3-1.7B-5": {"policy": "Qwen3-1.7B", "k": 5},
        },
        ["likely-rejected-5", "likely-rejected-pa", "likely-rejected--pa-5", "likely-chosen-pa-5"],
        order=by_pair("ties", "likely-rejected", "pa", TIE_SEED, ORDER),
        errors={"likely-rejected-pa-13": "only 12 are eligible and have a log-probability under pa"},
    ),
    Row(
        UnlikelyRejected,
        {"unlikely-rejected-pa-5": {"policy": "pa", "k": 5}},
        ["unlikely-rejected-pa", "un-likely-rejected-pa-5"],
        order=by_pair("ties", "unlikely-rejected", "pa", TIE_SEED, ORDER),
    ),
    Row(
        Alike,
        {"alike-5": {"k": 5}},
        ["alike", "alike-0", "alike-mean-5", "alike-5-s0"],
        order=by_tie,
        errors={"alike-13": "only 12 are eligible"},
    ),
    Row(
        RightOverWrong,
        {"right-over-wrong-5": {"k": 5}},
        ["right-over-wrong", "right-over-right-5", "wrong-over-right-5"],
        cell=CELLS[0],
    ),
    Row(
        RandomPairs,
        {
            "random-5-s3": {"k": 5, "seed": 3},
            "random-7-s12": {"k": 7, "seed": 12},
            "random-12-s0": {"k": 12, "seed": 0},
        },
        ["random-5", "random-5-0", "random-0-s0", "random-5-s", "random-5-s01", "random-5-s-1", "random-٥-s0"],
        order=by_pair("random", 3),
        family="random-5",
        label="random-5",
        errors={"random-13-s0": "only 12 are eligible."},
    ),
    Row(
        CorrectnessCell,
        {f"cell-{cell}": {"cell": cell} for cell in ("wrong-right", "right-right", "wrong-wrong")},
        ["cell-right", "cell-right-wrong-5", "cell-right-maybe"],
        order=by_prompt,
        cell="wrong-right",
        label="wrong over right",
    ),
    Row(
        Common,
        {"common-scaling": {"set": "scaling"}},
        ["common", "common-", "common-Scaling", "common-two-words"],
        order=by_prompt,
    ),
    Row(
        SwappedCommon,
        {"swapped-scaling": {"set": "scaling"}},
        ["swapped-", "swapped-Scaling", "swapped-two-words"],
        order=by_prompt,
    ),
]


def study() -> list[Pair]:
    """Pairs that differ in nothing but prompt and cell; of each prompt, the first is the pool's."""
    return [
        pair(f"{prompt_id} {cell}", prompt_id=prompt_id, cell=cell, pool=place == 0)
        for prompt_id in PROMPTS
        for place, cell in enumerate(CELLS)
    ]


def taken(name: str, pairs: Sequence[Pair]) -> list[str]:
    if name.startswith("alike"):  # which takes no pairs of a right and a wrong side
        pairs = [replace(row, rejected_correct=row.chosen_correct) for row in pairs]
    deltas = {row.pair_id: delta(row.pair_id, 1) for row in pairs}
    known = {"pass_rates": dict.fromkeys(PROMPTS, 0.5), "logps": dict.fromkeys(deltas, -1.0)}
    rows = select(parse_selection(name), pairs, deltas, TIE_SEED, PROMPTS, order=ORDER, **known)
    return [row.pair_id for row in rows]


by_kind = pytest.mark.parametrize("row", ROWS, ids=[row.kind.FORM for row in ROWS])


def test_each_kind_has_a_row() -> None:
    assert [row.kind for row in ROWS] == list(KINDS)


@by_kind
def test_a_name_and_its_parts_give_each_other(row: Row) -> None:
    for name, parts in row.names.items():
        assert parse_selection(name) == row.kind(name, **parts)  # type: ignore[arg-type]
        assert row.kind.of(**parts).name == name


@by_kind
def test_a_name_has_the_form_of_one_kind_only(row: Row) -> None:
    for name in row.names:
        assert [kind for kind in KINDS if kind.parse(name)] == [row.kind]


@by_kind
def test_a_name_that_is_not_quite_of_the_form_is_refused(row: Row) -> None:
    for name in row.wrong_names:
        with pytest.raises(StudyError, match=re.escape(repr(name))):
            parse_selection(name)


@by_kind
def test_parts_that_give_no_name_of_the_form_are_refused(row: Row) -> None:
    if "<" in row.kind.FORM:
        with pytest.raises(ValueError, match=re.escape(row.kind.FORM)):
            row.kind.of()


@by_kind
def test_equal_pairs_are_taken_in_the_stated_order_whatever_that_of_the_file(row: Row) -> None:
    name, parts = next(iter(row.names.items()))
    equals = [pair for pair in study() if pair.cell == row.cell]
    expected = [pair.pair_id for pair in sorted(equals, key=row.order)][: parts.get("k")]  # type: ignore[misc]
    assert taken(name, study()) == expected
    assert taken(name, study()[::-1]) == expected


@by_kind
def test_pairs_that_are_not_eligible_are_not_taken(row: Row) -> None:
    with pytest.raises(StudyError, match="has no pairs"):
        taken(next(iter(row.names)), [pair("a", cell=row.cell, eligible=False)])


@by_kind
def test_an_error_says_what_is_missing(row: Row) -> None:
    for name, message in row.errors.items():
        with pytest.raises(StudyError, match=re.escape(message)):
            taken(name, study())


@by_kind
def test_only_swapped_ones_exchange_the_sides(row: Row) -> None:
    assert (row.kind in (Swapped, SwappedCommon)) == row.kind.SWAPS


@by_kind
def test_families_and_labels_are_names_where_nothing_else_is_said(row: Row) -> None:
    name = next(iter(row.names))
    selection = parse_selection(name)
    assert (selection.family, selection.label) == (row.family or name, row.label or name)


@by_kind
def test_the_documentation_says_what_the_kind_takes(row: Row) -> None:
    assert f"- `{row.kind.FORM}`: {row.kind.ABOUT}" in EXTENDING.read_text(encoding="utf-8")
