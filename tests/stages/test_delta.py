from pathlib import Path

from prefdelta.records.annotation import Annotation
from prefdelta.records.delta import Delta
from prefdelta.records.details.delta import DeltaDetails
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.stages import delta
from prefdelta.store import tables

from .conftest import ITEMS, Made
from .running import assert_adds_up, read_checked, run


def in_order(made: Made, pairs: Made, problems: list[Prompt]) -> list[Delta]:
    """The deltas in the order of the prompts."""
    of_pair = {row.pair_id: row for row in read_checked(made.path, Delta)}
    pair_of = {row.prompt_id: row.pair_id for row in read_checked(pairs.path, Pair)}
    return [of_pair[pair_of[problem.prompt_id]] for problem in problems]


def test_a_delta_is_the_chosen_score_less_the_rejected(
    deltas: dict[str, Made], pairs: Made, problems: list[Prompt]
) -> None:
    # strong is clean: 5 and 5. weak: a miscalculation of its one step is a 1, filler a 3 (see test_judge).
    rows = in_order(deltas["computational_precision"], pairs, problems)
    assert [row.delta for row in rows] == [None] * 4 + [0, 4, 4, 4] * 3
    rows = in_order(deltas["signal_to_noise"], pairs, problems)
    assert [row.delta for row in rows] == [None] * 4 + [0, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]
    assert [(row.chosen_score, row.rejected_score) for row in rows[7:9]] == [(5, 5), (5, 3)]


def test_a_composite_is_the_mean_of_its_dimensions(
    deltas: dict[str, Made], pairs: Made, problems: list[Prompt]
) -> None:
    rows = in_order(deltas["mean"], pairs, problems)
    assert [row.delta for row in rows] == [None] * 4 + [0, 2, 2, 2, 1, 2, 2, 2, 1, 2, 2, 2]


def test_peoples_deltas_are_of_the_means_over_those_who_scored_a_pair(
    pairs: Made, record: Path, tmp_path: Path
) -> None:
    first, second, *rest = [row for row in read_checked(pairs.path, Pair) if row.eligible]
    said = [
        Annotation("ada", first.pair_id, "logic", 5, 2, str(first.texts), None),
        Annotation("bob", first.pair_id, "logic", 4, 2, str(first.texts), None),
        Annotation("ada", second.pair_id, "logic", 1, 3, str(second.texts), None),
        Annotation("bob", second.pair_id, "logic", 5, 1, "of another draw of the traces", None),
        Annotation("ada", second.pair_id, "depth", 1, 5, str(second.texts), None),
        Annotation("ada", "of another pairing", "logic", 1, 5, "others", None),
    ]
    tables.write(tmp_path / "s-1.parquet", Annotation, said)
    settings = delta.DeltaSettings(chosen="strong", rejected="weak", components=["logic"])
    inputs = {"pairs": pairs.path, "judgements": [], "annotations": [tmp_path / "s-1.parquet"]}
    outcome = run(delta, settings, inputs, {"deltas": tmp_path / "d.parquet"}, record)
    known = {row.pair_id: row.delta for row in read_checked(tmp_path / "d.parquet", Delta) if row.delta is not None}
    assert known == {first.pair_id: 2.5, second.pair_id: -2}
    assert outcome.failures == {"not_eligible": 4, "chosen_unjudged": len(rest)}


def test_every_pair_has_a_row_and_an_ineligible_one_says_so(deltas: dict[str, Made]) -> None:
    for made in deltas.values():
        rows = read_checked(made.path, Delta)
        assert_adds_up(made.outcome, ITEMS, sum(row.delta is not None for row in rows))
        assert made.outcome.failures == {"not_eligible": 4}
    assert deltas["computational_precision"].outcome.details == DeltaDetails(3.0)


def test_a_pair_without_judgement_has_a_failure_and_no_number(
    pairs: Made, judgements: dict[str, Made], record: Path, tmp_path: Path
) -> None:
    settings = delta.DeltaSettings(chosen="strong", rejected="weak", components=["signal_to_noise"])
    inputs = {"pairs": pairs.path, "judgements": [judgements["strong"].path], "annotations": []}
    outcome = run(delta, settings, inputs, {"deltas": tmp_path / "d.parquet"}, record)
    assert outcome.failures == {"not_eligible": 4, "rejected_unjudged": 12}
    assert {row.delta for row in read_checked(tmp_path / "d.parquet", Delta)} == {None}
    assert outcome.details == DeltaDetails(None)


def test_a_second_run_gives_the_same_bytes_whatever_the_order_of_its_inputs(
    deltas: dict[str, Made], pairs: Made, judgements: dict[str, Made], record: Path, tmp_path: Path
) -> None:
    settings = delta.DeltaSettings(chosen="strong", rejected="weak", components=["signal_to_noise"])
    inputs = {
        "pairs": pairs.path,
        "judgements": [judgements["weak"].path, judgements["strong"].path],
        "annotations": [],
    }
    run(delta, settings, inputs, {"deltas": tmp_path / "d.parquet"}, record)
    assert (tmp_path / "d.parquet").read_bytes() == deltas["signal_to_noise"].path.read_bytes()
