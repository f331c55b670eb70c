import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engines.scripted import ScriptedServer, Seen, answer, body, completion, first, status
from prefdelta.core.errors import StudyError
from prefdelta.core.options import OpenAIOptions, RulesServer
from prefdelta.records.judgement import Judgement
from prefdelta.records.trace import Trace
from prefdelta.stages import judge
from prefdelta.tables import read, write

from .conftest import ITEMS, Made, judge_inputs, judge_settings
from .running import (
    DIMENSIONS,
    RUBRICS,
    RULES_JUDGE,
    assert_adds_up,
    files_in,
    read_checked,
    recorded,
    run,
    trace_of,
)

KEY = "sk-never-to-be-recorded"
VERDICT = body(completion(content='{"computational_precision": 4, "signal_to_noise": 2}'))


@pytest.fixture(scope="module")
def inputs(train_prompts: Made, traces: dict[str, Path]) -> dict[str, Path | list[Path]]:
    return judge_inputs(train_prompts.path, traces["weak"])


def by_name(path: Path) -> dict[str, list[Judgement]]:
    rows = read_checked(path, Judgement)
    return {name: [row for row in rows if row.dimension == name] for name in DIMENSIONS}


# --- with mini's own judge ---


def test_every_trace_has_a_row_per_dimension_with_a_score_or_a_reason(judgements: dict[str, Made]) -> None:
    # strong: 0 truncated, 1 empty, 2 failed; the others are clean.
    for rows in by_name(judgements["strong"].path).values():
        assert [row.score for row in rows] == [None] * 3 + [5] * 13
        assert [row.failure for row in rows] == ["unusable_trace"] * 3 + [None] * 13
        assert [row.attempts for row in rows] == [0] * 3 + [1] * 13
        assert [row.call_key is None for row in rows] == [True] * 3 + [False] * 13
    assert_adds_up(judgements["strong"].outcome, 2 * ITEMS, 26)
    assert judgements["strong"].outcome.details["requests"] == 13


def test_scores_tell_miscalculations_from_filler(judgements: dict[str, Made]) -> None:
    scores = {name: [row.score for row in rows] for name, rows in by_name(judgements["weak"].path).items()}
    # Its one step is miscalculated: no share of it is right, a 1. Filler in half of the parts is a 3.
    # 3 and 4 are clean as far as they go, 0, 8 and 12 have filler.
    assert scores["computational_precision"] == [5, 1, 1, 5, 5, 1, 1, 1, 5, 1, 1, 1, 5, 1, 1, 1]
    assert scores["signal_to_noise"] == [3, 5, 5, 5, 5, 5, 5, 5, 3, 5, 5, 5, 3, 5, 5, 5]


@pytest.mark.usefixtures("no_model_is_asked")
def test_a_second_run_starts_no_server_and_gives_the_same_bytes(
    judgements: dict[str, Made], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    before = files_in(record)
    outcome = run(judge, judge_settings(), inputs, {"judgements": tmp_path / "j.parquet"}, record)
    assert (tmp_path / "j.parquet").read_bytes() == judgements["weak"].path.read_bytes()
    assert outcome == replace(judgements["weak"].outcome, computed={"calls": 0})
    assert files_in(record) == before


@pytest.mark.usefixtures("judgements")
def test_an_edited_rubric_is_judged_afresh(inputs: dict[str, Any], record: Path, tmp_path: Path) -> None:
    rubrics = shutil.copytree(RUBRICS, tmp_path / "rubrics")
    with (rubrics / "signal_to_noise.md").open("a") as stream:
        stream.write("4: nearly all of it does.\n")
    before = len(recorded(record / "calls/judge/logic~weak"))
    edited = {**inputs, "rubrics": [rubrics / f"{name}.md" for name in DIMENSIONS]}
    run(judge, judge_settings(), edited, {"judgements": tmp_path / "j.parquet"}, record)
    assert len(recorded(record / "calls/judge/logic~weak")) == before + ITEMS


def test_a_table_without_a_usable_trace_starts_no_server(
    inputs: dict[str, Any], problems: list[Any], record: Path, tmp_path: Path, no_model_is_asked: None
) -> None:
    rows = [trace_of(problem.prompt_id, "weak", None, None, failure="too_long") for problem in problems]
    write(tmp_path / "t.parquet", Trace, rows)
    outcome = run(
        judge,
        judge_settings(),
        {**inputs, "traces": tmp_path / "t.parquet"},
        {"judgements": tmp_path / "j.parquet"},
        record,
    )
    assert outcome.failures == {"unusable_trace": 2 * ITEMS}
    assert len(read_checked(tmp_path / "j.parquet", Judgement)) == 2 * ITEMS


# --- rubrics ---


@pytest.mark.parametrize("fault", ["missing", "empty", "blank", "not UTF-8", "a folder"])
@pytest.mark.usefixtures("no_model_is_asked")
def test_an_unreadable_rubric_is_an_error_that_names_it_before_anything_is_asked(
    inputs: dict[str, Any], tmp_path: Path, fault: str
) -> None:
    rubrics = shutil.copytree(RUBRICS, tmp_path / "rubrics")
    path = rubrics / "signal_to_noise.md"
    path.unlink()
    match fault:
        case "empty":
            path.write_bytes(b"")
        case "blank":
            path.write_bytes(b" \n\n")
        case "not UTF-8":
            path.write_bytes(b"Is it pr\xe9cis?")
        case "a folder":
            path.mkdir()
    broken = {**inputs, "rubrics": [rubrics / f"{name}.md" for name in DIMENSIONS]}
    with pytest.raises(StudyError, match=f"{path}: .* must hold the rubric of signal_to_noise"):
        run(judge, judge_settings(), broken, {"judgements": tmp_path / "out/j.parquet"}, tmp_path / "record")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "record").exists()


# --- with a judge that misbehaves ---


@pytest.fixture
def key_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)


def asking(server: ScriptedServer, **changes: Any) -> judge.JudgeSettings:
    engine = OpenAIOptions(
        name="openai", model="m", base_url=server.base_url, api_key_env="SCRIPTED_KEY", in_flight=8, deadline_s=20.0
    )
    return judge_settings(engine=engine, **changes)


@pytest.mark.usefixtures("key_in_environment")
def test_a_reply_that_does_not_parse_is_asked_for_again_with_another_seed_and_kept(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    with ScriptedServer(first(1, body(completion(content="Sure! I give it a 4.")), VERDICT)) as server:
        outcome = run(judge, asking(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    found = by_name(tmp_path / "j.parquet")
    assert {(row.score, row.attempts, row.failure) for row in found["signal_to_noise"]} == {(2, 2, None)}
    assert {row.score for row in found["computational_precision"]} == {4}
    assert_adds_up(outcome, 2 * ITEMS, 2 * ITEMS)
    assert outcome.details["requests"] == 2 * ITEMS
    for question in {seen.question for seen in server.seen}:
        one, two = (seen.body["seed"] for seen in server.seen if seen.question == question)
        assert two == one + 1
    texts = [call.text for call in recorded(tmp_path / "record/calls/judge/logic~weak")]
    assert texts.count("Sure! I give it a 4.") == ITEMS


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        pytest.param(completion(content="5"), "not_an_object", id="a bare number"),
        pytest.param(completion(content='{"signal_to_noise": 5}'), "missing_dimension", id="a dimension less"),
        pytest.param(
            completion(content='{"computational_precision": 6, "signal_to_noise": 5}'), "out_of_range", id="a 6"
        ),
        pytest.param(completion(refusal="No."), "refusal", id="refusal"),
        pytest.param(completion(), "null_content", id="null"),
    ],
)
@pytest.mark.usefixtures("key_in_environment")
def test_a_judge_that_never_gives_a_verdict_stops_the_stage_after_its_attempts(
    inputs: dict[str, Any], tmp_path: Path, reply: dict[str, Any], failure: str
) -> None:
    outputs = {"judgements": tmp_path / "j.parquet"}
    with ScriptedServer(body(reply)) as server:
        with pytest.raises(StudyError, match=rf"16 {failure}\).*judge\.max_failure_share allows 50\.0%"):
            run(judge, asking(server, attempts=2, max_failure_share=0.5), inputs, outputs, tmp_path / "record")
        assert not (tmp_path / "j.parquet").exists()
        assert len(server.seen) == 2 * ITEMS
        # With a larger share the failures are rows, never numbers; and nothing is asked again.
        outcome = run(judge, asking(server, attempts=2, max_failure_share=1.0), inputs, outputs, tmp_path / "record")
        assert len(server.seen) == 2 * ITEMS
    rows = read_checked(tmp_path / "j.parquet", Judgement)
    assert {(row.score, row.failure, row.attempts) for row in rows} == {(None, failure, 2)}
    assert_adds_up(outcome, 2 * ITEMS, 0)


@pytest.mark.usefixtures("key_in_environment")
def test_what_the_server_refuses_for_good_is_asked_once(inputs: dict[str, Any], tmp_path: Path) -> None:
    # Too long for it, for example: another attempt would be refused too, and a prompt that kills servers kills again.
    with ScriptedServer(status(400)) as server:
        run(
            judge,
            asking(server, attempts=3, max_failure_share=1.0),
            inputs,
            {"judgements": tmp_path / "j.parquet"},
            tmp_path / "record",
        )
        assert len(server.seen) == ITEMS
    rows = read_checked(tmp_path / "j.parquet", Judgement)
    assert {(row.score, row.failure, row.attempts) for row in rows} == {(None, "rejected", 1)}


@pytest.mark.usefixtures("key_in_environment")
def test_only_the_first_samples_are_judged(inputs: dict[str, Any], traces: dict[str, Path], tmp_path: Path) -> None:
    rows = read(traces["weak"], Trace)
    more = [trace_of(row.prompt_id, "weak", "1+1=2;A:2", sample=sample) for row in rows for sample in (1, 2)]
    write(tmp_path / "t.parquet", Trace, [*rows, *more])
    with ScriptedServer(VERDICT) as server:
        run(
            judge,
            asking(server, samples=2),
            {**inputs, "traces": tmp_path / "t.parquet"},
            {"judgements": tmp_path / "j.parquet"},
            tmp_path / "record",
        )
    assert sorted({row.sample for row in read_checked(tmp_path / "j.parquet", Judgement)}) == [0, 1]
    assert len(server.seen) == 2 * ITEMS


@pytest.mark.usefixtures("key_in_environment")
def test_what_a_broken_off_run_got_is_not_asked_for_again(inputs: dict[str, Any], tmp_path: Path) -> None:
    mended = False

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (VERDICT if mended or len(server.seen) <= 10 else status(401))(request, seen)

    outputs = {"judgements": tmp_path / "j.parquet"}
    with ScriptedServer(behaviour) as server:
        with pytest.raises(StudyError, match="HTTP 401"):
            run(judge, asking(server), inputs, outputs, tmp_path / "record")
        assert list(tmp_path.glob("*.parquet")) == []
        kept = recorded(tmp_path / "record/calls/judge/logic~weak")
        assert 0 < len(kept) <= 10
        asked, mended = len(server.seen), True
        run(judge, asking(server), inputs, outputs, tmp_path / "record")
        assert len(server.seen) - asked == ITEMS - len(kept)
    rows = read_checked(tmp_path / "j.parquet", Judgement)
    assert {call.key for call in kept} < {row.call_key for row in rows}


def test_a_missing_key_is_an_error_that_names_the_variable_not_the_value(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCRIPTED_KEY", raising=False)
    with ScriptedServer(answer) as server, pytest.raises(StudyError, match="SCRIPTED_KEY"):
        run(judge, asking(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    assert server.seen == []


@pytest.mark.usefixtures("key_in_environment")
def test_the_key_is_in_nothing_that_is_written(
    inputs: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(VERDICT) as server:
        run(judge, asking(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2
    assert all(KEY.encode() not in path.read_bytes() for path in written)
    assert KEY not in "".join(capsys.readouterr())


def test_noise_is_part_of_what_the_judge_is() -> None:
    noisy = RULES_JUDGE.model_copy(update={"server": RulesServer(name="rules", noise=0.2)})
    assert judge._server_identity(noisy) != judge._server_identity(RULES_JUDGE)
