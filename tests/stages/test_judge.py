import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engines.scripted import ScriptedServer, Seen, answer, body, completion, first, status
from engines.scripted_batches import BatchServer, Line, ScriptedBatch, answered, responded
from prefdelta.core.asking.engine_options import BatchOptions, OpenAIOptions, RulesServer, VLLMServer
from prefdelta.core.asking.template_settings import TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.models.weights import Weights
from prefdelta.records.judgement import Judgement
from prefdelta.records.trace import Trace
from prefdelta.stages import judge
from prefdelta.store.tables import read, write

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
from .starting import start

KEY = "sk-never-to-be-recorded"
VERDICT_TEXT = '{"computational_precision": 4, "signal_to_noise": 2}'
VERDICT = body(completion(content=VERDICT_TEXT))


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
        assert [len(row.call_keys) for row in rows] == [0] * 3 + [1] * 13
    assert_adds_up(judgements["strong"].outcome, 2 * ITEMS, 26)
    assert judgements["strong"].outcome.details.requests == 13


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
    assert outcome == replace(judgements["weak"].outcome, computed={"calls": 0, "tokens": 0})
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

TWO_CHOICES = completion(content=VERDICT_TEXT)
TWO_CHOICES["choices"] *= 2
CUT = completion(content=VERDICT_TEXT)
CUT["choices"] = [{**CUT["choices"][0], "finish_reason": "length"}]


@pytest.fixture
def key_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)


def asking(server: ScriptedServer, **changes: Any) -> judge.JudgeSettings:
    return judge_settings(engine=hosted(server), **changes)


def hosted(server: ScriptedServer, **options: Any) -> OpenAIOptions:
    return OpenAIOptions(
        name="openai",
        model="scripted",
        base_url=server.base_url,
        api_key_env="SCRIPTED_KEY",
        in_flight=8,
        deadline_s=20.0,
        **options,
    )


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"content": "Sure! I give it a 4."}, id="prose"),
        pytest.param({"content": None}, id="null"),
        pytest.param({"content": None, "reasoning_content": VERDICT_TEXT}, id="all of it is reasoning"),
        pytest.param({"content": None, "reasoning": VERDICT_TEXT}, id="all of it is reasoning, as vLLM names it"),
    ],
)
@pytest.mark.usefixtures("key_in_environment")
def test_a_reply_that_does_not_parse_is_asked_for_again_with_another_seed_and_kept(
    inputs: dict[str, Any], tmp_path: Path, message: dict[str, Any]
) -> None:
    with ScriptedServer(first(1, body(completion(**message)), VERDICT)) as server:
        outcome = run(judge, asking(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    found = by_name(tmp_path / "j.parquet")
    assert {(row.score, row.attempts, row.failure) for row in found["signal_to_noise"]} == {(2, 2, None)}
    assert {row.score for row in found["computational_precision"]} == {4}
    assert_adds_up(outcome, 2 * ITEMS, 2 * ITEMS)
    assert outcome.details.requests == 2 * ITEMS
    for question in {seen.question for seen in server.seen}:
        one, two = (seen.body["seed"] for seen in server.seen if seen.question == question)
        assert two == one + 1
    texts = [call.text for call in recorded(tmp_path / "record/calls/judge/logic~weak")]
    assert texts.count(message["content"]) == ITEMS


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
        pytest.param(completion(reasoning_content=VERDICT_TEXT), "null_content", id="all of it is reasoning"),
        pytest.param(completion(content=f"```json\n{VERDICT_TEXT}\n```"), "not_json", id="a fence"),
        pytest.param(completion(content=VERDICT_TEXT * 2), "not_json", id="two objects"),
        pytest.param(
            completion(content=VERDICT_TEXT.replace("}", ', "overall": 4}')), "extra_dimension", id="a dimension more"
        ),
        pytest.param(completion(content=VERDICT_TEXT.replace("4", "4.0")), "not_an_integer", id="a float"),
        pytest.param(completion(content=VERDICT_TEXT.replace("4", '"4/5"')), "not_an_integer", id="4/5"),
        pytest.param(completion(content=VERDICT_TEXT.replace("4", "true")), "not_an_integer", id="a boolean"),
        pytest.param(completion(content=VERDICT_TEXT.replace("4", "NaN")), "not_an_integer", id="NaN"),
        pytest.param(completion(content=VERDICT_TEXT.replace("4", "1e999")), "not_an_integer", id="1e999"),
        pytest.param(
            completion(content=VERDICT_TEXT.replace("}", ', "signal_to_noise": 2}')), "duplicate_key", id="a key twice"
        ),
        pytest.param(completion(content=[{"type": "text", "text": VERDICT_TEXT}]), "not_text", id="parts for a text"),
        pytest.param(completion(content={"signal_to_noise": 2}), "not_text", id="an object for a text"),
        pytest.param(TWO_CHOICES, "several_choices", id="two choices"),
        pytest.param(CUT, "cut_by_length", id="cut by length"),
        pytest.param(completion(content=f"<think>\n{VERDICT_TEXT}"), "not_json", id="reasoning that does not end"),
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
    assert {call.key for call in kept} < {key for row in rows for key in row.call_keys}


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


# --- a hosted judge: where it is, what it costs, its batch API ---


@pytest.mark.usefixtures("key_in_environment")
def test_another_address_asks_nothing_again_and_another_provider_everything(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    outputs, record = {"judgements": tmp_path / "j.parquet"}, tmp_path / "record"
    with ScriptedServer(VERDICT) as here, ScriptedServer(VERDICT) as there:
        run(judge, asking(here), inputs, outputs, record)
        outcome = run(judge, asking(there), inputs, outputs, record)
        assert outcome.computed == {"calls": 0, "tokens": 0}
        assert there.seen == []
        run(judge, judge_settings(engine=hosted(there, provider="quantised")), inputs, outputs, record)
        assert len(there.seen) == ITEMS


def verdict_of(model: str) -> dict[str, Any]:
    return {**completion(content=VERDICT_TEXT), "model": model}


@pytest.mark.parametrize("replies_as", ["real-8b", ["other-8b", "real-8b"], "any"])
@pytest.mark.usefixtures("key_in_environment")
def test_another_model_stops_the_stage_at_once_until_the_config_accepts_its_name(
    inputs: dict[str, Any], tmp_path: Path, replies_as: Any
) -> None:
    outputs, record = {"judgements": tmp_path / "j.parquet"}, tmp_path / "record"
    rows = read(inputs["traces"], Trace)
    write(tmp_path / "t.parquet", Trace, [replace(row, sample=sample) for row in rows for sample in range(3)])
    inputs = {**inputs, "traces": tmp_path / "t.parquet"}
    with ScriptedServer(body(verdict_of("owner/Real-8B-0613"))) as server:
        for run_number in (1, 2):  # another run pays no more
            with pytest.raises(StudyError, match=r"asked for the model 'scripted'.*'owner/Real-8B-0613'.*replies_as"):
                run(judge, asking(server, samples=3), inputs, outputs, record)
            assert len(server.seen) <= run_number * (3 + 8)
        settings = judge_settings(engine=hosted(server, replies_as=replies_as), samples=3)
        kept = len(recorded(record / "calls/judge/logic~weak"))
        assert kept >= 3
        outcome = run(judge, settings, inputs, outputs, record)
        assert outcome.computed["calls"] == 3 * ITEMS - kept
    assert outcome.failures == {}
    assert outcome.details.models == {"owner/Real-8B-0613": 3 * ITEMS}
    calls = recorded(record / "calls/judge/logic~weak")
    assert {(call.asked_model, call.model) for call in calls} == {("scripted", "owner/Real-8B-0613")}


@pytest.mark.parametrize(
    "name", ["scripted:free", "scripted@20250101", "scripted-latest", "scripted-fp8", "SCRIPTED-2024-08-06", ""]
)
@pytest.mark.usefixtures("key_in_environment")
def test_other_names_of_the_model_that_was_asked_are_accepted(
    inputs: dict[str, Any], tmp_path: Path, name: str
) -> None:
    with ScriptedServer(body(verdict_of(name))) as server:
        outcome = run(judge, asking(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    assert outcome.failures == {}
    assert len(server.seen) == ITEMS


@pytest.mark.usefixtures("key_in_environment")
def test_a_few_traces_that_another_model_judged_are_not_paid_for_again(
    inputs: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = read(inputs["traces"], Trace)[:2]
    write(tmp_path / "t.parquet", Trace, rows)
    inputs = {**inputs, "traces": tmp_path / "t.parquet"}
    with ScriptedServer(body(verdict_of("other-8b"))) as server:
        settings = asking(server, max_failure_share=1.0)
        outcome = run(judge, settings, inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    assert len(server.seen) == len(rows)
    assert outcome.failures == {"another_model": 2 * len(rows)}
    assert "2 of 2 replies name another model than 'scripted': 'other-8b'" in capsys.readouterr().err


@pytest.mark.usefixtures("key_in_environment")
def test_where_another_model_helps_out_now_and_then_the_right_one_is_asked_again(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        helped = seen.attempt == 0 and len(server.seen) % 4 == 0
        return await (body(verdict_of("other-8b")) if helped else VERDICT)(request, seen)

    with ScriptedServer(behaviour) as server:
        outcome = run(judge, asking(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    assert outcome.failures == {}
    assert outcome.details.models == {"other-8b": ITEMS // 4, "scripted": ITEMS}


@pytest.mark.usefixtures("key_in_environment")
def test_a_batch_that_another_model_answered_is_the_last(inputs: dict[str, Any], tmp_path: Path) -> None:
    with BatchServer(lambda line, _: responded(line, 200, verdict_of("other-8b"))) as server:
        engine = hosted(server, batch=BatchOptions(poll_s=0.02))
        with pytest.raises(StudyError, match="'other-8b'"):
            run(judge, judge_settings(engine=engine), inputs, {"judgements": tmp_path / "j"}, tmp_path / "record")
    assert len(server.batches) == 1
    assert len(recorded(tmp_path / "record/calls/judge/logic~weak")) == ITEMS


# --- reasoning ---


@pytest.mark.parametrize(
    "text", ["<think>\nA {{hm}}.\n</think>\n\n{}", "<think></think>{}", "Hm: {{4}}?\n</think>\n{}"]
)
@pytest.mark.usefixtures("key_in_environment")
def test_a_verdict_after_reasoning_is_read_and_the_whole_reply_kept(
    inputs: dict[str, Any], tmp_path: Path, text: str
) -> None:
    text = text.format(VERDICT_TEXT)
    with ScriptedServer(body(completion(content=text))) as server:
        outcome = run(judge, asking(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    assert outcome.failures == {}
    assert len(server.seen) == ITEMS
    assert {row.score for row in by_name(tmp_path / "j.parquet")["signal_to_noise"]} == {2}
    assert {call.text for call in recorded(tmp_path / "record/calls/judge/logic~weak")} == {text}


USAGE = {"prompt_tokens": 900, "completion_tokens": 70, "total_tokens": 970}


@pytest.mark.parametrize(
    ("message", "choice", "usage", "kept"),
    [
        pytest.param(
            {"reasoning_content": "So: 4."},
            {},
            {"prompt_cache_hit_tokens": 512, "prompt_cache_miss_tokens": 388},
            ("So: 4.", 900, 512, None, None),
            id="as DeepSeek",
        ),
        pytest.param(
            {"reasoning": "So: 4.", "reasoning_details": [{"type": "reasoning.text", "text": "So: 4."}]},
            {"native_finish_reason": "end_turn"},
            {"prompt_tokens_details": {"cached_tokens": 12}, "completion_tokens_details": {"reasoning_tokens": 61}},
            ("So: 4.", 900, 12, 61, "end_turn"),
            id="as OpenRouter",
        ),
        pytest.param(
            {"reasoning": None, "reasoning_content": None},
            {"stop_reason": 200002},
            {"prompt_tokens_details": None},
            (None, 900, None, None, "200002"),
            id="as vLLM",
        ),
        pytest.param(
            {"reasoning": "\ud800"},
            {"stop_reason": None},
            {"prompt_tokens": "many", "completion_tokens": 2**70, "prompt_tokens_details": [1]},
            ("\\ud800", None, None, None, None),
            id="nonsense",
        ),
        pytest.param({}, {}, "none", (None, None, None, None, None), id="a text for the usage"),
    ],
)
@pytest.mark.usefixtures("key_in_environment")
def test_what_a_provider_says_of_a_reply_is_recorded(
    inputs: dict[str, Any], tmp_path: Path, message: Any, choice: Any, usage: Any, kept: Any
) -> None:
    reply = completion(content=VERDICT_TEXT, **message)
    reply["choices"] = [{**reply["choices"][0], **choice}]
    reply["usage"] = {**USAGE, **usage} if isinstance(usage, dict) else usage
    with ScriptedServer(body(reply)) as server:
        outcome = run(judge, asking(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    assert outcome.failures == {}
    found = {
        (call.reasoning, call.prompt_tokens, call.cached_tokens, call.reasoning_tokens, call.native_finish)
        for call in recorded(tmp_path / "record/calls/judge/logic~weak")
    }
    assert found == {kept}


def prices(folder: Path) -> str:
    """At most 1 USD a request (64 tokens), 7/64 for each reply as the scripted server gives it."""
    path = folder / "prices.yaml"
    path.write_text("models: {scripted: {input: 0, output: 15625, batch_discount: 0.5}}")
    return str(path)


@pytest.mark.usefixtures("key_in_environment")
def test_the_limit_holds_for_the_study_and_what_it_left_is_asked_when_it_is_raised(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    outputs, record = {"judgements": tmp_path / "j.parquet"}, tmp_path / "record"

    def asked(generator: str, limit_usd: float) -> None:
        engine = hosted(server, prices=prices(tmp_path), limit_usd=limit_usd)
        run(judge, judge_settings(engine=engine, generator=generator), inputs, outputs, record)

    with ScriptedServer(VERDICT) as server:
        asked("weak", 3.0)  # 16 replies, 1.75 USD
        with pytest.raises(StudyError, match=r"limit_usd \(3\.0000 USD for the whole study\) is reached"):
            asked("strong", 3.0)
        kept = recorded(record / "calls/judge/logic~strong")
        assert len(server.seen) == ITEMS + len(kept)
        assert 0 < len(kept) < ITEMS
        asked("strong", 5.0)
        assert len(server.seen) == 2 * ITEMS


@pytest.mark.usefixtures("key_in_environment")
def test_a_model_without_prices_asks_nothing(inputs: dict[str, Any], tmp_path: Path) -> None:
    with ScriptedServer(VERDICT) as server:
        engine = hosted(server, prices=prices(tmp_path), limit_usd=1.0).model_copy(update={"model": "script"})
        with pytest.raises(StudyError, match=r"no prices of the model 'script'; did you mean 'scripted'\?"):
            run(judge, judge_settings(engine=engine), inputs, {"judgements": tmp_path / "j"}, tmp_path / "record")
    assert server.seen == []


def judged(line: Line, batch: ScriptedBatch) -> Line:
    """Every third request of the first batch gets null for a verdict."""
    null = batch.number == 0 and int(line["custom_id"], 16) % 3 == 0
    return answered(line, content=None if null else VERDICT_TEXT)


@pytest.mark.usefixtures("key_in_environment")
def test_a_batch_gives_the_same_table_as_one_request_at_a_time(inputs: dict[str, Any], tmp_path: Path) -> None:
    with BatchServer(judged) as server:
        engine = hosted(server, batch=BatchOptions(poll_s=0.02), prices=prices(tmp_path), limit_usd=16.0)
        settings = judge_settings(engine=engine)
        outcome = run(judge, settings, inputs, {"judgements": tmp_path / "b.parquet"}, tmp_path / "record")
    assert_adds_up(outcome, 2 * ITEMS, 2 * ITEMS)
    assert server.seen == []
    first_round, second_round = (len(batch.lines) for batch in server.batches)
    assert first_round == ITEMS
    assert 0 < second_round < ITEMS
    assert outcome.computed["calls"] == first_round + second_round
    # How it was asked is no part of what was asked: nothing is asked again without the batch API.
    with ScriptedServer(VERDICT) as live:
        run(judge, asking(live), inputs, {"judgements": tmp_path / "l.parquet"}, tmp_path / "record")
    assert live.seen == []
    assert (tmp_path / "l.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.usefixtures("key_in_environment")
def test_sigterm_while_a_batch_runs_ends_in_seconds_and_the_next_run_collects_it(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    outputs, record = {"judgements": tmp_path / "j.parquet"}, tmp_path / "record"
    with BatchServer(lambda line, _: answered(line, content=VERDICT_TEXT), looks=1_000_000) as server:
        engine = hosted(server, batch=BatchOptions(poll_s=0.1))
        process = start("judge", judge_settings(engine=engine), inputs, outputs, record)
        waits_until = time.monotonic() + 60
        while not (server.batches and server.batches[0].looks):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < waits_until
            time.sleep(0.05)
        stopped_at = time.monotonic()
        process.terminate()
        _, log = process.communicate(timeout=20)
        assert time.monotonic() - stopped_at < 5
        assert process.returncode == 143, log
        assert "the same command then collects it" in log
        assert KEY not in log
        assert not outputs["judgements"].exists()
        server.looks = 1
        run(judge, judge_settings(engine=engine), inputs, outputs, record)
    assert len(server.batches) == 1
    assert {row.score for row in read_checked(outputs["judgements"], Judgement)} == {4, 2}


def test_noise_is_part_of_what_the_judge_is() -> None:
    noisy = RULES_JUDGE.model_copy(update={"server": RulesServer(name="rules", noise=0.2)})
    assert judge._server_identity(noisy) != judge._server_identity(RULES_JUDGE)


def test_a_served_model_is_known_by_its_weights_and_not_by_where_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = {
        "servers.vllm": lambda options, folder, model, rendering, port: ["serve", str(folder), model, str(port)],
        "servers.vllm.environment": lambda rendering: {"DAY": rendering.date},
        "servers.vllm.identity": lambda options, _, weights, rendering: {
            "weights": weights,
            "length": options.max_length,
            "day": rendering.date,
        },
    }
    monkeypatch.setattr(judge.plugins, "load", plugins.__getitem__)
    monkeypatch.setattr(
        judge, "serve", lambda command, model, start_s, environment: [*command(8011), environment["DAY"]]
    )
    options = RULES_JUDGE.model_copy(update={"server": VLLMServer(name="vllm", max_length=512), "model": "the-judge"})
    weights = Weights("key", "owner/judge@c0ffee", tmp_path)
    day = TemplateSettings(date="2026-03-05")
    known = {"weights": "owner/judge@c0ffee", "length": 512, "day": day.date}
    assert judge._server_identity(options, weights, day) == known
    served = ["serve", str(tmp_path), "the-judge", "8011", day.date]
    assert judge._serve(options, weights, day) == served  # type: ignore[comparison-overlap]
