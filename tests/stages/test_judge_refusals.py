"""Stage judge with a provider that refuses: money, moderation, parameters. What counts is what the server saw."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engines.scripted import Behaviour, ScriptedServer, Seen, body, completion
from engines.scripted_batches import BatchServer, Line, ScriptedBatch, answered, responded
from prefdelta.core.asking.engine_options import BatchOptions, OpenAIOptions
from prefdelta.core.errors import StudyError
from prefdelta.records.judgement import Judgement
from prefdelta.stages import judge

from .conftest import ITEMS, Made, judge_inputs, judge_settings
from .running import assert_adds_up, read_checked, recorded, run

VERDICT_TEXT = '{"computational_precision": 4, "signal_to_noise": 2}'
VERDICT = body(completion(content=VERDICT_TEXT))
PARTITION = "record/calls/judge/logic~weak"


@pytest.fixture(scope="module")
def inputs(train_prompts: Made, traces: dict[str, Path]) -> dict[str, Path | list[Path]]:
    return judge_inputs(train_prompts.path, traces["weak"])


@pytest.fixture(autouse=True)
def key_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", "sk-never-to-be-recorded")


def judging(server: ScriptedServer, share: float = 0.0, **options: Any) -> judge.JudgeSettings:
    given: dict[str, Any] = {"in_flight": 8, "deadline_s": 20.0, "back_off_s": 0.02, **options}
    engine = OpenAIOptions(
        name="openai", model="scripted", base_url=server.base_url, api_key_env="SCRIPTED_KEY", **given
    )
    return judge_settings(engine=engine, max_failure_share=share)


def saying(status: int, message: str, **more: Any) -> Behaviour:
    async def refuse(request: web.Request, seen: Seen) -> web.StreamResponse:
        return web.json_response({"error": {"message": message, **more}}, status=status)

    return refuse


def only(wanted: Any, behaviour: Behaviour, others: Behaviour = VERDICT) -> Behaviour:
    """Requests of which `wanted` is true meet a behaviour."""

    async def choose(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (behaviour if wanted(seen) else others)(request, seen)

    return choose


NO_MONEY = saying(402, "Insufficient credits")
FLAGGED = saying(403, "your input was flagged", code=403)


@pytest.mark.parametrize("answered_before", [4, 14])
@pytest.mark.parametrize("in_flight", [1, 8])
def test_a_provider_that_runs_out_of_money_is_topped_up_and_flags_one_prompt(
    inputs: dict[str, Any], tmp_path: Path, in_flight: int, answered_before: int
) -> None:
    topped_up, questions = False, list[str]()

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        if not topped_up:
            return await (VERDICT if len(server.seen) <= answered_before else NO_MONEY)(request, seen)
        if not questions:
            questions.append(seen.question)
        return await (FLAGGED if seen.question == questions[0] else VERDICT)(request, seen)

    outputs = {"judgements": tmp_path / "j.parquet"}
    with ScriptedServer(behaviour) as server:
        settings = judging(server, share=0.5, in_flight=in_flight)
        with pytest.raises(StudyError, match=r"Insufficient credits.*the same command"):
            run(judge, settings, inputs, outputs, tmp_path / "record")
        assert not (tmp_path / "j.parquet").exists()
        assert [call.failure for call in recorded(tmp_path / PARTITION)] == [None] * answered_before
        topped_up = True
        outcome = run(judge, settings, inputs, outputs, tmp_path / "record")
        assert len(server.seen) <= ITEMS + in_flight
        seen, table = len(server.seen), (tmp_path / "j.parquet").read_bytes()
        assert run(judge, settings, inputs, outputs, tmp_path / "record").computed["calls"] == 0
        assert len(server.seen) == seen
        assert (tmp_path / "j.parquet").read_bytes() == table
    assert outcome.failures == {"flagged": 2}  # one trace, two dimensions
    assert_adds_up(outcome, 2 * ITEMS, 2 * (ITEMS - 1))
    (failed,) = [call for call in recorded(tmp_path / PARTITION) if call.failure]
    assert (failed.failure, failed.detail) == ("flagged", "HTTP 403: your input was flagged")
    rows = [row for row in read_checked(tmp_path / "j.parquet", Judgement) if row.failure]
    assert {(row.score, *row.call_keys, row.attempts) for row in rows} == {(None, failed.key, 1)}


def test_the_same_through_a_batch_api(inputs: dict[str, Any], tmp_path: Path) -> None:
    money = {"until": 4}

    def outcome_of(line: Line, batch: ScriptedBatch) -> Line:
        place = batch.lines.index(line)
        if batch.number == 0 and place >= money["until"]:
            return responded(line, 429, {"error": {"message": "exceeded", "code": "insufficient_quota"}})
        if batch.number == 1 and place == 0:
            return responded(line, 403, {"error": {"message": "your input was flagged"}})
        return answered(line, content=VERDICT_TEXT)

    outputs = {"judgements": tmp_path / "j.parquet"}
    with BatchServer(outcome_of) as server:
        settings = judging(server, share=0.5, batch=BatchOptions(poll_s=0.02))
        with pytest.raises(StudyError, match=r"HTTP 429: exceeded.*the same command"):
            run(judge, settings, inputs, outputs, tmp_path / "record")
        assert [call.failure for call in recorded(tmp_path / PARTITION)] == [None] * 4
        outcome = run(judge, settings, inputs, outputs, tmp_path / "record")
        assert run(judge, settings, inputs, outputs, tmp_path / "record").computed["calls"] == 0
    assert outcome.failures == {"flagged": 2}
    assert [len(batch.lines) for batch in server.batches] == [ITEMS, ITEMS - 4]


@pytest.mark.parametrize("refused", [FLAGGED, saying(404, "No endpoints found")], ids=["403", "404"])
def test_one_prompt_that_is_refused_each_time_is_asked_once(
    inputs: dict[str, Any], tmp_path: Path, refused: Behaviour
) -> None:
    first = list[str]()

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        first.append(seen.question)
        return await (refused if seen.question == first[0] else VERDICT)(request, seen)

    with ScriptedServer(behaviour) as server:
        for _ in range(4):
            run(judge, judging(server, share=0.5), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
        assert len(server.seen) == ITEMS


def test_a_quota_that_is_used_up_ends_the_stage_at_once_with_the_providers_words(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    words = "You exceeded your current quota, please check your plan and billing details."
    with ScriptedServer(saying(429, words, code="insufficient_quota")) as server:
        with pytest.raises(StudyError) as raised:
            run(
                judge,
                judging(server, deadline_s=600.0),
                inputs,
                {"judgements": tmp_path / "j.parquet"},
                tmp_path / "record",
            )
        assert len(server.seen) <= 8
    assert words in str(raised.value)
    assert recorded(tmp_path / PARTITION) == []


def test_where_all_were_rejected_the_message_has_the_servers_words_and_says_how_to_ask_again(
    inputs: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(saying(400, "messages must not hold carets")) as server, pytest.raises(StudyError) as raised:
        run(judge, judging(server), inputs, {"judgements": tmp_path / "j.parquet"}, tmp_path / "record")
    for told in (
        "100.0% of 16 rows failed (16 rejected)",
        "Of one rejected: HTTP 400: messages must not hold carets.",
        "prefdelta retry --stage judge",
    ):
        assert told in str(raised.value)
    assert capsys.readouterr().err.count("messages must not hold carets") == 1


# --- providers that take other parameters ---


def takes_no(*names: str) -> Behaviour:
    """As FastAPI servers refuse what they do not know."""

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        unknown = [name for name in seen.body if name in names]
        told = {"detail": f"extra inputs: {', '.join(unknown)}"}
        return web.json_response(told, status=422) if unknown else await VERDICT(request, seen)

    return behaviour


@pytest.mark.parametrize(
    ("names", "settings", "sent"),
    [
        (["max_completion_tokens"], {"rename": {"max_completion_tokens": "max_tokens"}}, {"max_tokens": 64}),
        (["seed"], {"rename": {"seed": "random_seed"}}, {"max_completion_tokens": 64}),
        (["top_p", "seed"], {"omit": ["seed", "top_p"]}, {"max_completion_tokens": 64}),
        (["max_completion_tokens"], {"omit": ["max_completion_tokens"]}, {}),
        (["response_format"], {"omit": ["response_format"]}, {}),
        ([], {"response_format": "json_object"}, {"response_format": {"type": "json_object"}}),
    ],
    ids=str,
)
def test_a_provider_that_takes_other_parameters_can_be_asked(
    inputs: dict[str, Any], tmp_path: Path, names: list[str], settings: dict[str, Any], sent: dict[str, Any]
) -> None:
    outputs = {"judgements": tmp_path / "j.parquet"}
    with ScriptedServer(takes_no(*names)) as server:
        if names:
            with pytest.raises(StudyError, match=rf"extra inputs: .*engine\.omit: \[{', '.join(names)}\]"):
                run(judge, judging(server), inputs, outputs, tmp_path / "record")
            assert recorded(tmp_path / PARTITION) == []
        outcome = run(judge, judging(server, **settings), inputs, outputs, tmp_path / "record")
        assert_adds_up(outcome, 2 * ITEMS, 2 * ITEMS)
        for name, value in sent.items():
            assert server.seen[-1].body[name] == value


def test_a_provider_that_takes_no_range_in_a_schema_gets_a_list(inputs: dict[str, Any], tmp_path: Path) -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        if "minimum" not in str(seen.body["response_format"]):
            return await VERDICT(request, seen)
        return await saying(400, "For 'integer' type, properties maximum, minimum are not supported")(request, seen)

    outputs = {"judgements": tmp_path / "j.parquet"}
    with ScriptedServer(behaviour) as server:
        with pytest.raises(StudyError, match=r"engine\.response_format: json_schema_enum"):
            run(judge, judging(server), inputs, outputs, tmp_path / "record")
        run(judge, judging(server, response_format="json_schema_enum"), inputs, outputs, tmp_path / "record")
        score = server.seen[-1].body["response_format"]["json_schema"]["schema"]["properties"]["signal_to_noise"]
    assert score == {"type": "integer", "enum": [1, 2, 3, 4, 5]}
