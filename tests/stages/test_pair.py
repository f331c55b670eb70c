from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.stages import grade, pair
from prefdelta.store import tables
from prefdelta.workflow.job import Outcome

from .conftest import ITEMS, Made, pair_inputs
from .running import assert_adds_up, read_checked, run

SETTINGS = pair.PairSettings(chosen="strong", rejected="weak", judged={"strong": 1, "weak": 1}, max_failure_share=0.3)


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


def test_cells_come_after_the_pool_and_prompts_in_are_still_pool_pairs_out(
    train_prompts: Made, problems: list[Prompt], record: Path, tmp_path: Path
) -> None:
    from .running import trace_of

    # Two samples each: right and wrong on both sides, but for the first prompt, where weak is never right.
    texts, paths = {"strong": (0, 1), "weak": (1, 0)}, {}
    for name, offsets in texts.items():
        rows = [
            trace_of(p.prompt_id, name, f"{name[0]};A:{(int(p.answers[0]) + offset) % 10}", sample=n)
            for place, p in enumerate(problems)
            for n, offset in enumerate((1, 2) if (place, name) == (0, "weak") else offsets)
        ]
        paths[name] = tmp_path / f"traces/{name}.parquet"
        tables.write(paths[name], Trace, rows)
    graded = {}
    for name, path in paths.items():
        graded[name] = Made(tmp_path / f"grades/{name}.parquet", Outcome(0, {}))
        settings = grade.GradeSettings(grader="marker", max_failure_share=0.0)
        run(grade, settings, {"prompts": train_prompts.path, "traces": path}, {"grades": graded[name].path}, record)
    outcome = run(pair, SETTINGS, pair_inputs(train_prompts, paths, graded), {"pairs": tmp_path / "p.parquet"}, record)
    pairs = read_checked(tmp_path / "p.parquet", Pair)
    assert sorted(row.prompt_id for row in pairs if row.pool) == sorted(problem.prompt_id for problem in problems)
    cells = [{row.cell for row in pairs if row.prompt_id == problem.prompt_id} for problem in problems]
    assert cells[0] == {"right-wrong"}
    assert cells[1:] == [{"right-right", "right-wrong", "wrong-right", "wrong-wrong"}] * (ITEMS - 1)
    # The pool pair takes the first samples, and is no cell's second row.
    assert {row.cell for row in pairs if row.pool} == {"right-wrong"}
    assert len(pairs) == 1 + 4 * (ITEMS - 1)
    assert_adds_up(outcome, len(pairs), sum(row.eligible for row in pairs))


def test_a_generator_against_itself_faces_even_with_odd_samples(
    train_prompts: Made, problems: list[Prompt], grades: dict[str, Made], record: Path, tmp_path: Path
) -> None:
    from .running import trace_of

    rows = [trace_of(p.prompt_id, "weak", f"1+1={n};A:{n}", sample=n) for p in problems for n in range(4)]
    tables.write(tmp_path / "t.parquet", Trace, rows)
    inputs = pair_inputs(train_prompts, dict.fromkeys(("strong", "weak"), tmp_path / "t.parquet"), grades)
    settings = SETTINGS.model_copy(update={"chosen": "weak", "judged": {"weak": 2}})
    run(pair, settings, inputs, {"pairs": tmp_path / "p.parquet"}, record)
    assert {(row.chosen_sample, row.rejected_sample) for row in read_checked(tmp_path / "p.parquet", Pair)} == {(0, 1)}
