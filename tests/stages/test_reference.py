from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.records.logps import RecordedLogps
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.trace import Trace
from prefdelta.stages import reference
from prefdelta.store import checkpoints, tables
from prefdelta.store.record import Record
from prefdelta.workflow.job import Outcome

from .conftest import ITEMS, Made
from .running import PROBLEM_TEMPLATE, assert_adds_up, read_checked
from .starting import computed_without_libraries

MakeReference = Callable[..., Outcome]


def test_every_trace_has_a_sum_or_the_reason_why_not(references: dict[str, Made]) -> None:
    rows = read_checked(references["strong"].path, ReferenceLogps)
    assert [row.failure for row in rows] == ["unusable_trace"] * 3 + [None] * 13
    assert all((row.logps is None) == (row.failure is not None) for row in rows)
    assert all(row.logps < 0 for row in rows if row.logps is not None)
    assert_adds_up(references["strong"].outcome, ITEMS, 13)


def test_a_sum_is_that_of_one_plain_forward_pass_over_prompt_and_completion(
    references: dict[str, Made], traces: dict[str, Path], problems: list[Prompt], model: Made, record: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _, folder = checkpoints.open_pointer(model.path, record)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    network: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts = {row.prompt_id: row.text for row in tables.read(traces["weak"], Trace)}
    rows = {row.prompt_id: row for row in read_checked(references["weak"].path, ReferenceLogps)}
    for problem in problems:
        # Written out, not rendered by the code under test: the model sees exactly this.
        prompt = f"<bos><user>{problem.text}<assistant>"
        ids = tokenizer(f"{prompt}{texts[problem.prompt_id]}<eos>", return_tensors="pt").input_ids
        start = len(tokenizer(prompt).input_ids)
        with torch.inference_mode():
            logps = network(ids).logits[0, :-1].log_softmax(-1)
        total = sum(logps[at - 1, ids[0, at]].item() for at in range(start, ids.shape[1]))
        row = rows[problem.prompt_id]
        assert row.n_tokens == ids.shape[1] - start
        assert row.logps == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 100_000])
def test_sums_do_not_depend_on_the_batches(
    references: dict[str, Made], make_reference: MakeReference, tmp_path: Path, batch_tokens: int
) -> None:
    make_reference(tmp_path / "r.parquet", "weak", batch_tokens=batch_tokens)
    found, awaited = (
        [row.logps for row in read_checked(path, ReferenceLogps)]
        for path in (tmp_path / "r.parquet", references["weak"].path)
    )
    assert found == pytest.approx(awaited, abs=1e-4)


def test_a_trace_longer_than_allowed_is_a_typed_failure_and_is_not_cut(
    references: dict[str, Made], make_reference: MakeReference, tmp_path: Path
) -> None:
    # <bos><user>Q:3+4?<assistant> has 9 tokens, 3+4=7;A:7<eos> 10; filler adds 3. So 19 fit and 22 do not.
    outcome = make_reference(tmp_path / "r.parquet", "weak", max_length=19)
    rows = read_checked(tmp_path / "r.parquet", ReferenceLogps)
    assert [index for index, row in enumerate(rows) if row.failure == "too_long"] == [0, 8, 12]
    assert_adds_up(outcome, ITEMS, 13)
    whole = read_checked(references["weak"].path, ReferenceLogps)
    for cut, full in zip(rows, whole, strict=True):
        assert cut.logps is None or cut.logps == pytest.approx(full.logps, abs=1e-4)


@pytest.mark.parametrize("text", ["2+1=3;<eos>A:3", "Ω"])
def test_where_most_traces_cannot_be_trained_on_something_else_is_to_blame(
    text: str, traces: dict[str, Path], make_reference: MakeReference, tmp_path: Path
) -> None:
    rows = [
        replace(row, text=text if at % 4 else row.text) for at, row in enumerate(tables.read(traces["weak"], Trace))
    ]
    tables.write(tmp_path / "t.parquet", Trace, rows)
    with pytest.raises(StudyError, match=r"12 of 16 traces cannot be trained on .*See to the tokenizer in"):
        make_reference(tmp_path / "r.parquet", "weak", of=tmp_path / "t.parquet")
    assert not (tmp_path / "r.parquet").exists()


def test_a_second_run_gives_the_same_bytes(
    references: dict[str, Made], make_reference: MakeReference, tmp_path: Path
) -> None:
    outcome = make_reference(tmp_path / "r.parquet", "weak")
    assert (tmp_path / "r.parquet").read_bytes() == references["weak"].path.read_bytes()
    assert outcome == replace(references["weak"].outcome, computed={"traces": 0, "tokens": 0})


def test_sums_that_are_recorded_load_no_library(
    references: dict[str, Made], traces: dict[str, Path], train_prompts: Made, model: Made, record: Path, tmp_path: Path
) -> None:
    settings = reference.ReferenceSettings(
        generator="weak", max_length=64, batch_tokens=200, dtype="float32", threads=1
    )  # as `references` has them
    inputs = {
        "prompts": train_prompts.path,
        "traces": traces["weak"],
        "template": PROBLEM_TEMPLATE,
        "weights": model.path,
    }
    made = tmp_path / "r.parquet"
    assert computed_without_libraries("reference", settings, inputs, {"reference": made}, record) == {
        "traces": 0,
        "tokens": 0,
    }
    assert made.read_bytes() == references["weak"].path.read_bytes()


def test_what_all_traces_share_is_looked_up_once(
    references: dict[str, Made], make_reference: MakeReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(name: str) -> str:
        asked.append(name)
        return version(name)

    monkeypatch.setattr(reference, "version", noted)
    make_reference(tmp_path / "r.parquet", "weak")
    assert asked == ["torch", "transformers"]


def test_sums_that_are_missing_are_computed_alone_with_the_same_bits(
    references: dict[str, Made], make_reference: MakeReference, record: Path, tmp_path: Path
) -> None:
    # The batches are those of the whole table, so a job that was killed in the middle gives the same bytes.
    rows = read_checked(references["weak"].path, ReferenceLogps)
    gone = {row.key for row in rows[::3]}
    (partition,) = (record / "reference").glob("*~weak")
    assert Record(partition, RecordedLogps).forget(lambda row: row.key in gone) == len(gone - {None})
    outcome = make_reference(tmp_path / "r.parquet", "weak")
    assert outcome.computed["traces"] == len(gone - {None})
    assert (tmp_path / "r.parquet").read_bytes() == references["weak"].path.read_bytes()


def test_a_single_trace_that_is_added_and_cannot_be_trained_on_stops_nothing(
    traces: dict[str, Path], make_reference: MakeReference, tmp_path: Path
) -> None:
    make_reference(tmp_path / "r.parquet", "weak")  # all others are recorded now
    rows = tables.read(traces["weak"], Trace)
    tables.write(tmp_path / "t.parquet", Trace, [replace(rows[0], text="1+1=2;<bos>A:2"), *rows[1:]])
    outcome = make_reference(tmp_path / "r.parquet", "weak", of=tmp_path / "t.parquet")
    assert outcome.failures == {"control_token": 1}
    assert outcome.computed["traces"] == 1
