from pathlib import Path

import pytest

from prefdelta import tables
from prefdelta.core.errors import StudyError
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.stages import pair

from .conftest import ITEMS, Made, pair_inputs
from .running import assert_adds_up, read_checked, run

SETTINGS = pair.PairSettings(chosen="strong", rejected="weak", max_failure_share=0.3)


def test_every_prompt_has_a_pair_or_the_reason_why_not(pairs: Made, problems: list[Prompt]) -> None:
    rows = {row.prompt_id: row for row in read_checked(pairs.path, Pair)}
    assert [rows[problem.prompt_id].reason for problem in problems] == [
        "chosen_truncated",
        "chosen_empty",
        "chosen_failed",
        "identical",
        *[None] * 12,
    ]
    assert all(row.eligible == (row.reason is None) for row in rows.values())
    assert_adds_up(pairs.outcome, ITEMS, 12)


def test_a_pair_carries_what_the_traces_and_their_grades_say(pairs: Made, problems: list[Prompt]) -> None:
    rows = {row.prompt_id: row for row in read_checked(pairs.path, Pair)}
    in_order = [rows[problem.prompt_id] for problem in problems]
    # weak has no answer on 4, filler but the right answer on 8 and 12, and miscalculates all the rest.
    assert [row.cell for row in in_order[4:]] == [
        None, *["right-wrong"] * 3, "right-right", *["right-wrong"] * 3, "right-right", *["right-wrong"] * 3
    ]  # fmt: skip
    # Characters and end-of-sequence: 3+4=7;A:7 has 9 characters, and the filler adds 3.
    assert (in_order[8].chosen_tokens, in_order[8].rejected_tokens) == (10, 13)


def test_a_second_run_gives_the_same_bytes(
    pairs: Made, train_prompts: Made, traces: dict[str, Path], grades: dict[str, Made], record: Path, tmp_path: Path
) -> None:
    run(pair, SETTINGS, pair_inputs(train_prompts, traces, grades), {"pairs": tmp_path / "p.parquet"}, record)
    assert (tmp_path / "p.parquet").read_bytes() == pairs.path.read_bytes()


def test_too_many_prompts_without_a_pair_stop_the_stage_without_a_table(
    train_prompts: Made, traces: dict[str, Path], grades: dict[str, Made], record: Path, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"max_failure_share": 0.2})
    inputs = pair_inputs(train_prompts, traces, grades)
    with pytest.raises(StudyError, match=r"25\.0% of 16 rows failed.*pair\.max_failure_share"):
        run(pair, settings, inputs, {"pairs": tmp_path / "p.parquet"}, record)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "of another type"])
def test_a_damaged_table_is_an_error_that_names_it(
    train_prompts: Made,
    traces: dict[str, Path],
    grades: dict[str, Made],
    record: Path,
    tmp_path: Path,
    damage: str,
) -> None:
    path = tmp_path / "traces.parquet"
    content = traces["weak"].read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "of another type":
            path.write_bytes(grades["weak"].path.read_bytes())
    inputs = {**pair_inputs(train_prompts, traces, grades), "rejected_traces": path}
    with pytest.raises(StudyError, match=f"{path}: "):
        run(pair, SETTINGS, inputs, {"pairs": tmp_path / "p.parquet"}, record)
    assert not (tmp_path / "p.parquet").exists()


def test_a_generator_against_itself_faces_even_with_odd_samples(
    train_prompts: Made, problems: list[Prompt], grades: dict[str, Made], record: Path, tmp_path: Path
) -> None:
    from .running import trace_of

    rows = [trace_of(p.prompt_id, "weak", f"1+1={n};A:{n}", sample=n) for p in problems for n in range(4)]
    tables.write(tmp_path / "t.parquet", Trace, rows)
    inputs = pair_inputs(train_prompts, dict.fromkeys(("strong", "weak"), tmp_path / "t.parquet"), grades)
    settings = SETTINGS.model_copy(update={"chosen": "weak"})
    run(pair, settings, inputs, {"pairs": tmp_path / "p.parquet"}, record)
    assert {(row.chosen_sample, row.rejected_sample) for row in read_checked(tmp_path / "p.parquet", Pair)} == {(0, 1)}
