from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.records.delta import Delta
from prefdelta.records.details.filter import FilterDetails, TieCounts
from prefdelta.records.pair import Pair
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.selection import SelectedPair
from prefdelta.stages import filter as filter_stage
from prefdelta.store import tables

from .conftest import ITEMS, Made
from .running import assert_adds_up, read_checked

Select = Callable[..., Made]


def test_all_takes_the_eligible_pairs_and_no_other(select: Select, pairs: Made) -> None:
    made = select("all")
    rows = read_checked(made.path, SelectedPair)
    assert {row.pair_id for row in rows} == {row.pair_id for row in read_checked(pairs.path, Pair) if row.eligible}
    assert [row.rank for row in rows] == list(range(12))
    assert_adds_up(made.outcome, ITEMS, 12)


def test_swapped_takes_the_same_pairs_exchanged(selections: dict[str, list[SelectedPair]]) -> None:
    assert [row.pair_id for row in selections["swapped"]] == [row.pair_id for row in selections["all"]]
    assert {row.swapped for row in selections["swapped"]} == {True}
    assert {row.swapped for row in selections["all"]} == {False}


def test_top_takes_the_largest_deltas_of_its_own_dimension(select: Select, deltas: dict[str, Made]) -> None:
    noise = {row.pair_id: row.delta for row in read_checked(deltas["signal_to_noise"].path, Delta)}
    made = select("top-signal_to_noise-3", deltas["signal_to_noise"].path)
    # Two pairs have a delta of 2, all others 0.
    assert [noise[row.pair_id] for row in read_checked(made.path, SelectedPair)] == [2, 2, 0]
    assert_adds_up(made.outcome, ITEMS, 3)


def test_pairs_that_are_not_selected_are_no_failures(select: Select, deltas: dict[str, Made]) -> None:
    outcome = select("top-signal_to_noise-3", deltas["signal_to_noise"].path).outcome
    assert (outcome.rows, outcome.failures, outcome.not_selected) == (ITEMS, {}, ITEMS - 3)
    assert outcome.summary == f"3 selected of {ITEMS} rows"


def test_ties_are_ordered_by_the_seed(select: Select, deltas: dict[str, Made]) -> None:
    path = deltas["computational_precision"].path  # nine pairs have a delta of 4
    drawn = [
        tuple(row.pair_id for row in read_checked(made.path, SelectedPair))
        for made in (select("top-computational_precision-4", path, tie_seed=seed) for seed in range(6))
    ]
    assert len(set(drawn)) > 1
    ids = [row.pair_id for row in read_checked(path, Delta)]
    assert any(list(pair_ids) != sorted(pair_ids, key=ids.index) for pair_ids in drawn), "the order is the file's"


def test_another_order_draws_other_pairs_and_counts_the_same_ties(select: Select, deltas: dict[str, Made]) -> None:
    made = [select("top-computational_precision-4", deltas["computational_precision"].path, order=n) for n in range(6)]
    assert len({tuple(row.pair_id for row in read_checked(one.path, SelectedPair)) for one in made}) > 1
    # Nine pairs have a delta of 4, three have 0.
    assert {one.outcome.details for one in made} == {FilterDetails(TieCounts(k=4, cut=4.0, above=0, tied=9, drawn=4))}


def test_a_selection_that_goes_by_no_delta_has_no_ties_in_its_manifest(select: Select) -> None:
    assert select("random-5-s0").outcome.details == FilterDetails()


def test_bottom_takes_the_smallest(select: Select, deltas: dict[str, Made]) -> None:
    exact = {row.pair_id: row.delta for row in read_checked(deltas["computational_precision"].path, Delta)}
    made = select("bottom-computational_precision-4", deltas["computational_precision"].path)
    # Three pairs have a delta of 0, all others 4.
    assert [exact[row.pair_id] for row in read_checked(made.path, SelectedPair)] == [0, 0, 0, 4]


def test_matched_pairs_are_others_than_the_top_and_the_manifest_and_log_say_how_alike_they_are(
    select: Select,
    deltas: dict[str, Made],
    pairs: Made,
    grades: dict[str, Made],
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = deltas["signal_to_noise"].path
    lengths = {
        row.pair_id: row.chosen_tokens - row.rejected_tokens for row in read_checked(pairs.path, Pair) if row.eligible
    }
    top = {row.pair_id for row in read_checked(select("top-signal_to_noise-3", table).path, SelectedPair)}
    capsys.readouterr()
    made = select("matched-length-signal_to_noise-3", table, grades=[grades["weak"].path])
    matched = {row.pair_id for row in read_checked(made.path, SelectedPair)}
    assert len(matched) == 3
    assert not matched & top
    assert_adds_up(made.outcome, ITEMS, 3)
    details = made.outcome.details
    assert isinstance(details, FilterDetails)
    assert details.match is not None
    assert (details.match.k, details.match.others, details.match.unit) == (3, 9, "tokens")
    length, *rest = details.match.balance
    assert length.matched == pytest.approx(sum(lengths[name] for name in matched) / 3)
    assert length.top == pytest.approx(sum(lengths[name] for name in top) / 3)
    assert [line.covariate for line in rest] == ["chosen_right", "rejected_right", "pass_rate"]
    log = capsys.readouterr().err
    assert "matched: 3 pairs of 9 outside of the top set" in log
    assert "standardised mean difference of pass_rate (not matched): " in log


def test_likely_takes_the_rejected_traces_that_the_policy_finds_likeliest(
    select: Select, pairs: Made, references: dict[str, Made]
) -> None:
    means = {
        (row.prompt_id, row.sample): row.logps / row.n_tokens
        for row in read_checked(references["weak"].path, ReferenceLogps)
        if row.logps is not None and row.n_tokens
    }
    of_pair = {
        row.pair_id: means[row.prompt_id, row.rejected_sample]
        for row in read_checked(pairs.path, Pair)
        if row.eligible and row.pool and row.rejected_sample is not None
    }
    ranked = sorted(of_pair, key=lambda pair_id: -of_pair[pair_id])
    for kind, expected in (("likely", ranked[:4]), ("unlikely", ranked[:-5:-1])):
        made = select(f"{kind}-rejected-pa-4", reference=[references["weak"].path])
        assert [row.pair_id for row in read_checked(made.path, SelectedPair)] == expected
        assert isinstance(made.outcome.details, FilterDetails)
        assert made.outcome.details.ties == TieCounts(4, of_pair[expected[-1]], 3, 1, 0)


def test_common_takes_prompts_that_every_pairing_of_its_set_has(select: Select, pairs: Made, tmp_path: Path) -> None:
    rows = read_checked(pairs.path, Pair)
    eligible = sorted(row.prompt_id for row in rows if row.eligible)
    # Another pairing, in which three of the prompts are not eligible and the order of ids is another.
    other = [
        replace(row, pair_id=row.pair_id[::-1], eligible=row.prompt_id not in eligible[:3], reason=None) for row in rows
    ]
    tables.write(tmp_path / "other.parquet", Pair, other)
    common = [pairs.path, tmp_path / "other.parquet"]
    prompt_of = {row.pair_id: row.prompt_id for row in rows}

    def prompts(**more: Any) -> list[str]:
        return [
            prompt_of[row.pair_id]
            for row in read_checked(select("common-both", common=common, **more).path, SelectedPair)
        ]

    assert sorted(prompts()) == eligible[3:]
    assert prompts(limit=5) == prompts()[:5]
    assert prompts(limit=50) == prompts()


def test_random_takes_a_draw_of_its_own_seed(select: Select) -> None:
    zero, one = (read_checked(select(f"random-5-s{seed}").path, SelectedPair) for seed in (0, 1))
    assert len({row.pair_id for row in zero}) == len({row.pair_id for row in one}) == 5
    assert zero != one


def test_a_second_run_gives_the_same_bytes(select: Select, deltas: dict[str, Made]) -> None:
    first = select("top-mean-6", deltas["mean"].path).path.read_bytes()
    assert select("top-mean-6", deltas["mean"].path).path.read_bytes() == first


def test_more_pairs_than_there_are_is_an_error_and_leaves_no_table(select: Select, work: object) -> None:
    with pytest.raises(StudyError, match="asks for 13 pairs, but only 12 are eligible"):
        select("random-13-s0")
    assert not list((work / "filter").rglob("random-13-s0/*"))  # type: ignore[operator]


def test_settings_refuse_what_is_no_part_of_them() -> None:
    with pytest.raises(ValueError, match="extra"):
        filter_stage.FilterSettings(selection="all", tie_seed=0, order=0, limit=None, seeds=[1])  # type: ignore[call-arg]
