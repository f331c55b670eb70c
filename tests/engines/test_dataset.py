"""The traces that OpenR1-Math ships, from a folder in its true format."""

import json
from pathlib import Path

import pytest
from pyarrow import parquet

from prefdelta.core.asking.requests import Failure, Reply, Request, Sampling
from prefdelta.core.data.items import read_items
from prefdelta.core.data.sources import DataSource, Fields, TraceFields
from prefdelta.core.errors import StudyError
from prefdelta.engines.dataset import DatasetEngine
from prefdelta.models.data_sets import dataset_rows
from prefdelta.records.call import Call
from prefdelta.records.prompt import Prompt
from prefdelta.store import calls
from prefdelta.store.record import Record
from study.formats import OPENR1_NUMBERS, write_all

TRACES = TraceFields(
    generations="generations",
    complete="is_reasoning_complete",
    finish="finish_reasons",
    correct="correctness_math_verify",
)
SAMPLING = Sampling(temperature=0.0, max_tokens=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    folder = write_all(tmp_path_factory.mktemp("data"))["open-r1/OpenR1-Math-220k"]
    fields = Fields(problem="problem", answer="answer")
    return DataSource(dataset=str(folder), config="default", split="train", fields=fields, grader="maths")


@pytest.fixture(scope="module")
def prompts(source: DataSource) -> dict[int, Prompt]:
    """Number of the row in study/formats.py -> its prompt."""
    rows = dataset_rows(source.dataset, None, source.config, source.split)
    found = zip(OPENR1_NUMBERS, read_items(rows, source, "train"), strict=True)
    return {number: prompt for number, (_, prompt) in found if isinstance(prompt, Prompt)}


def request(prompt: Prompt, sample: int) -> Request:
    return Request((("user", prompt.text),), SAMPLING, seed=1, sample=sample, prompt_id=prompt.prompt_id)


def answers(engine: DatasetEngine, requests: list[Request]) -> list[Reply | Failure]:
    """In the order of the requests."""
    plan = [(one.key(engine.identity()), one) for one in requests]
    found = {result.key: result for result in engine.run(plan, [key for key, _ in plan])}
    return [found[key] for key, _ in plan]


def test_a_sample_is_the_trace_at_its_place_with_the_data_set_s_own_judgement(source, prompts):
    first, second = answers(DatasetEngine(source, TRACES), [request(prompts[0], sample) for sample in (0, 1)])
    assert first.text.endswith("The answer is $\\boxed{6}$.")
    assert second.text.endswith("The answer is $\\boxed{7}$.")
    assert (first.source_correct, second.source_correct) == (True, False)
    assert (first.finish_reason, second.finish_reason) == ("stop", "stop")
    assert first.n_tokens is None


@pytest.mark.parametrize("number", [4, 9], ids=["with finish_reasons", "without"])
def test_a_trace_whose_reasoning_is_not_whole_was_cut(source, prompts, number):
    whole, cut = answers(DatasetEngine(source, TRACES), [request(prompts[number], sample) for sample in (0, 1)])
    assert (whole.finish_reason, cut.finish_reason) == ("stop", "length")


def test_a_trace_whose_answer_was_cut_behind_whole_reasoning_was_cut_too(source, prompts):
    only_finish = TRACES.model_copy(update={"complete": None})
    reply = answers(DatasetEngine(source, only_finish), [request(prompts[4], 1)])
    assert reply[0].finish_reason == "length"


def test_a_trace_that_there_is_not_is_a_permanent_failure(source, prompts):
    stranger = Prompt("0123456789abcdef", "train", "No such problem", ["1"])
    found = answers(
        DatasetEngine(source, TRACES), [request(prompts[6], 0), request(prompts[6], 1), request(stranger, 0)]
    )
    assert isinstance(found[0], Reply)
    assert [(one.kind, one.permanent) for one in found[1:]] == [("no_trace", True)] * 2


def test_several_rows_of_one_problem_give_several_samples_in_their_order(source, prompts):
    found = answers(DatasetEngine(source, TRACES), [request(prompts[0], sample) for sample in (3, 2, 1, 0)])
    assert found[0].detail == "the data set has 3 traces of the problem"
    assert [one.text[-10:] for one in found[1:]] == ["boxed{6}$.", "boxed{7}$.", "boxed{6}$."]


def test_only_what_is_missing_is_looked_up(source, prompts):
    engine = DatasetEngine(source, TRACES)
    plan = [(str(number), request(prompt, 0)) for number, prompt in prompts.items()]
    assert [result.key for result in engine.run(plan, {"3", "5"})] == ["3", "5"]


def test_rows_in_another_order_give_the_same_traces(source, prompts, tmp_path):
    """By the problem's text, never by the row's place."""
    paths = sorted((Path(source.dataset) / "data").glob("*.parquet"))
    for number, path in enumerate(reversed(paths)):
        table = parquet.read_table(path)
        (tmp_path / "data").mkdir(exist_ok=True)
        backwards = table.take(list(range(table.num_rows))[::-1])
        parquet.write_table(backwards, tmp_path / f"data/train-{number:05d}-of-{len(paths):05d}.parquet")
    (tmp_path / "README.md").write_text((Path(source.dataset) / "README.md").read_text())
    moved = source.model_copy(update={"dataset": str(tmp_path)})
    # Number 0 is left out: two rows hold its problem, and its traces come in the order of the rows.
    requests = [request(prompts[number], 0) for number in (1, 2, 20, 100)]
    texts = [[reply.text for reply in answers(DatasetEngine(at, TRACES), requests)] for at in (source, moved)]
    assert texts[0] == texts[1]


def test_the_record_keeps_what_the_data_set_says_and_a_second_run_looks_up_nothing(source, prompts, tmp_path):
    record, engine = Record(tmp_path / "calls", Call), DatasetEngine(source, TRACES)
    requests = [request(prompts[number], sample) for number in (0, 6) for sample in (0, 1)]
    first = calls.ask_missing(engine, requests, record, "generate r1")
    again = calls.ask_missing(engine, requests, record, "generate r1")
    assert (first.asked, again.asked) == (4, 0)
    assert again.calls == first.calls
    assert [call.failure for call in first.calls] == [None, None, None, "no_trace"]
    assert [call.source_correct for call in first.calls] == [True, False, True, None]


def test_other_content_or_columns_are_another_engine_and_the_grader_is_no_part_of_it(source, tmp_path):
    identity = DatasetEngine(source, TRACES).identity()
    json.dumps(identity)
    other_grader = source.model_copy(update={"grader": "marker"})
    assert DatasetEngine(other_grader, TRACES).identity() == identity
    with_id = source.model_copy(update={"fields": source.fields.model_copy(update={"id": "uuid"})})
    assert DatasetEngine(with_id, TRACES).identity() == identity
    other_traces = TRACES.model_copy(update={"correct": None})
    assert DatasetEngine(source, other_traces).identity() != identity
    folder = write_all(tmp_path)["open-r1/OpenR1-Math-220k"]
    assert DatasetEngine(source.model_copy(update={"dataset": str(folder)}), TRACES).identity() == identity
    with (folder / "data/more.jsonl").open("w") as file:
        file.write("{}\n")
    assert DatasetEngine(source.model_copy(update={"dataset": str(folder)}), TRACES).identity() != identity


def test_a_column_of_traces_that_is_not_there_is_told(source, prompts):
    engine = DatasetEngine(source, TRACES.model_copy(update={"correct": "correctness"}))
    with pytest.raises(StudyError, match=r"there is no column 'correctness' for its traces\. It has: problem, "):
        answers(engine, [request(prompts[0], 0)])


# --- other data sets --------------------------------------------------------------------------------------------------


def shipped(folder: Path, rows: list[dict[str, object]], samples: int, **columns: str) -> list[Reply | Failure]:
    """The traces of the first row's problem, from rows in a file."""
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = Fields(problem="problem", answer="answer")
    source = DataSource(dataset=str(folder), split="train", fields=fields, grader="maths")
    ((_, prompt),) = read_items([rows[0]], source, "train")
    assert isinstance(prompt, Prompt)
    requests = [request(prompt, sample) for sample in range(samples)]
    return answers(DatasetEngine(source, TraceFields(**columns)), requests)


PROBLEM = {"problem": "What is 2+3?", "answer": "5"}
SOLUTION = "<think>\n2+3\n</think>\n\nThe answer is \\boxed{5}."


def test_a_column_of_texts_has_one_trace_per_row_and_rows_of_one_problem_add_up(tmp_path):
    rows = [
        {**PROBLEM, "solution": SOLUTION, "finish": "length", "ok": "False"},
        {"problem": "What is 2+4?", "answer": "6", "solution": "Six.", "finish": "stop", "ok": "True"},
        {**PROBLEM, "solution": "Five.", "finish": "stop", "ok": "yes"},
        {**PROBLEM, "solution": "Refused.", "finish": "content_filter", "ok": None},
        {**PROBLEM, "solution": None, "finish": None, "ok": None},
    ]
    found = shipped(tmp_path, rows, 4, generations="solution", finish="finish", correct="ok")
    assert [one.text for one in found] == [SOLUTION, "Five.", "Refused.", None]
    assert [(one.finish_reason, one.source_correct) for one in found[:2]] == [("length", False), ("stop", True)]
    assert [(one.kind, one.detail) for one in found[2:]] == [
        ("ended_otherwise", "content_filter"),
        ("no_trace", "the data set has 3 traces of the problem"),
    ]


def test_what_is_no_trace_is_told_with_column_and_row(tmp_path):
    message = {"role": "assistant", "content": "5"}
    rows = [{**PROBLEM, "solution": [message]}]
    with pytest.raises(StudyError, match="row 1: column 'solution' holds a list of dict"):
        shipped(tmp_path, rows, 1, generations="solution")
