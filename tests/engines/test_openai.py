"""Engine `openai` against a real HTTP server that misbehaves on purpose."""

import asyncio
import gc
import json
import logging
import math
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from aiohttp import web

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request, Sampling, ServerStoppedError
from prefdelta.core.asking.verdicts import verdict_schema
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai import asker
from prefdelta.engines.openai.engine import OpenAIEngine

from .scripted import (
    Behaviour,
    ScriptedServer,
    Seen,
    answer,
    body,
    completion,
    cut,
    drop,
    first,
    is_canary,
    silence,
    stall,
    status,
)

KEY = "sk-never-to-be-recorded"


def engine_for(
    server: ScriptedServer, check: Callable[[], None] = lambda: None, ours: bool = False, **options: Any
) -> OpenAIEngine:
    settings: dict[str, Any] = {"in_flight": 8, "deadline_s": 20.0, "back_off_s": 0.02, **options}
    asked = OpenAIOptions(name="openai", model="some-judge", base_url=server.base_url, **settings)
    endpoint = Endpoint(server.base_url, KEY, check, ours)
    return OpenAIEngine(asked, lambda: nullcontext(endpoint), {"code": "c0de"})


def questions(n: int, **more: Any) -> list[tuple[str, Request]]:
    sampling = Sampling(temperature=0.6, top_p=0.9, max_tokens=64)
    return [(f"key {i}", Request((("user", f"question {i}"),), sampling, seed=1000 + i, **more)) for i in range(n)]


def ask(engine: OpenAIEngine, plan: list[tuple[str, Request]]) -> dict[str, Reply | Failure]:
    results = list(engine.run(plan, {key for key, _ in plan}))
    by_key = {result.key: result for result in results}
    assert len(by_key) == len(results), "a request was answered twice"
    return by_key


def assert_all_answered(results: dict[str, Reply | Failure], n: int) -> None:
    assert {key: result.text for key, result in results.items() if isinstance(result, Reply)} == {
        f"key {i}": f"re: question {i}" for i in range(n)
    }


# --- what is sent, and what comes back ---


def test_each_missing_request_gets_its_own_reply_and_recorded_ones_are_not_sent() -> None:
    plan = questions(30)
    with ScriptedServer(answer) as server:
        results = list(engine_for(server).run(plan, {"key 3", "key 17", "key 29"}))
    assert sorted((result.key, result.text) for result in results if isinstance(result, Reply)) == [
        ("key 17", "re: question 17"),
        ("key 29", "re: question 29"),
        ("key 3", "re: question 3"),
    ]
    assert len(server.seen) == 3


def test_a_reply_carries_what_the_server_said_about_it() -> None:
    with ScriptedServer(answer) as server:
        reply = ask(engine_for(server), questions(1))["key 0"]
    assert isinstance(reply, Reply)
    assert (reply.finish_reason, reply.n_tokens, reply.model) == ("stop", 7, "some-judge")
    assert reply.seconds is not None
    assert 0 < reply.seconds < 10


def test_the_request_carries_all_that_determines_the_reply_and_the_key_as_bearer() -> None:
    schema = verdict_schema(["factuality"])
    sampling = Sampling(temperature=0.6, top_p=0.9, max_tokens=64, reasoning_effort="medium")
    messages = (("system", "be strict"), ("user", "rate {this}"))
    request = Request(messages, sampling, seed=7, attempt=2, response_schema=schema)
    with ScriptedServer(answer) as server:
        ask(engine_for(server), [("key", request)])
    (seen,) = server.seen
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.body == {
        "model": "some-judge",
        "messages": [{"role": "system", "content": "be strict"}, {"role": "user", "content": "rate {this}"}],
        "temperature": 0.6,
        "top_p": 0.9,
        "max_completion_tokens": 64,
        "seed": 9,  # seed + attempt: the same seed would give the reply that did not parse again
        "reasoning_effort": "medium",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "schema": schema, "strict": True},
        },
    }


def test_what_was_not_asked_for_is_not_sent() -> None:
    # Servers refuse parameters that they do not know, even if they are null.
    with ScriptedServer(answer) as server:
        ask(engine_for(server), questions(1))
    assert {"reasoning_effort", "response_format"}.isdisjoint(server.seen[0].body)


@pytest.mark.parametrize("ours", [False, True])
def test_a_server_of_others_is_told_the_organisation_of_the_environment_and_our_own_only_its_key(
    ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-mine")
    with ScriptedServer(answer) as server:
        assert_all_answered(ask(engine_for(server, ours=ours), questions(1)), 1)
    headers = server.seen[0].headers
    told = [headers.get(name) for name in ("OpenAI-Organization", "OpenAI-Project")]
    assert told == ([None, None] if ours else ["org-of-mine", "project-of-mine"])
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_server_of_others_is_asked_through_the_proxy_of_the_environment(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(answer) as proxy:
        proxies(monkeypatch, **{variable: proxy.base_url.removesuffix("/v1")})
        options = OpenAIOptions(name="openai", model="some-judge", base_url="http://judge.invalid/v1", deadline_s=20.0)
        endpoint = Endpoint("http://judge.invalid/v1", KEY, lambda: None)
        assert_all_answered(ask(OpenAIEngine(options, lambda: nullcontext(endpoint), {}), questions(3)), 3)
    assert {seen.headers["Host"] for seen in proxy.seen} == {"judge.invalid"}


@pytest.mark.parametrize(("ours", "without"), [(True, ""), (False, "127.0.0.1"), (False, "*")])
def test_our_own_server_and_what_the_environment_exempts_are_asked_without_a_proxy(
    ours: bool, without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies(monkeypatch, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY=without)  # nobody listens there
    with ScriptedServer(answer) as server:
        assert_all_answered(ask(engine_for(server, ours=ours), questions(1)), 1)


def proxies(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Have the environment name these proxies and no others."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


async def _moved(request: web.Request, seen: Seen) -> web.StreamResponse:
    if "moved" in request.query:
        return await answer(request, seen)
    raise web.HTTPPermanentRedirect(f"{request.path}?moved=1")


async def _zipped(request: web.Request, seen: Seen) -> web.StreamResponse:
    response = web.json_response({**completion(content=f"re: {seen.question}"), "model": "some-judge"})
    response.enable_compression(web.ContentCoding.gzip)
    return response


@pytest.mark.parametrize("way", [pytest.param(_moved, id="redirected"), pytest.param(_zipped, id="compressed")])
def test_a_gateway_may_redirect_a_request_and_compress_a_reply(way: Behaviour) -> None:
    with ScriptedServer(way) as server:
        assert_all_answered(ask(engine_for(server), questions(3)), 3)


def test_the_key_is_no_part_of_the_identity() -> None:
    with ScriptedServer(answer) as server:
        engine = engine_for(server)
        before = engine.identity()
        ask(engine, questions(1))
    assert engine.identity() == before
    assert KEY not in json.dumps(before)


def test_the_identity_changes_with_the_model_and_the_servers_code_but_not_with_limits() -> None:
    with ScriptedServer(answer) as server:
        identity = engine_for(server).identity()
        assert engine_for(server, in_flight=1, deadline_s=5.0, quiet_s=3.0, back_off_s=1.0).identity() == identity
        options = OpenAIOptions(name="openai", model="another-judge", base_url=server.base_url)
        assert OpenAIEngine(options, nullcontext, {"code": "c0de"}).identity() != identity
        options = replace_model(options, "some-judge")
        assert OpenAIEngine(options, nullcontext, {"code": "c0de"}).identity() == identity
        assert OpenAIEngine(options, nullcontext, {"code": "edited"}).identity() != identity


def test_names_and_forms_that_a_provider_needs_are_part_of_the_identity_and_the_default_is_not() -> None:
    def identity(**options: Any) -> dict[str, Any]:
        return OpenAIEngine(
            OpenAIOptions(name="openai", model="m", base_url="http://x/v1", **options), nullcontext, {}
        ).identity()

    assert identity() == {"engine": "openai", "version": 1, "model": "m", "server": {}}
    assert identity(omit=["seed", "top_p"]) == {**identity(), "omit": ["seed", "top_p"]}
    others = [
        identity(rename={"seed": "random_seed"}),
        identity(rename={"seed": "s"}),
        identity(omit=["seed"]),
        identity(response_format="json_schema_enum"),
        identity(response_format="json_object"),
    ]
    assert len({json.dumps(one) for one in [identity(), *others]}) == 6
    names = {"max_completion_tokens": "max_tokens", "seed": "s"}
    assert identity(rename=names) == identity(rename=dict(reversed(names.items())))


def test_a_canary_uses_the_names_that_requests_use() -> None:
    async def slow(request: web.Request, seen: Seen) -> web.StreamResponse:
        if not is_canary(seen):
            await asyncio.sleep(1.0)
        return await answer(request, seen)

    with ScriptedServer(slow) as server:
        rename = {"max_completion_tokens": "max_tokens"}
        assert_all_answered(ask(engine_for(server, quiet_s=0.25, rename=rename), questions(3)), 3)
    bodies = [seen.body for seen in server.seen if is_canary(seen)]
    assert bodies
    assert all(seen.keys() == {"model", "messages", "max_tokens"} for seen in bodies)


def replace_model(options: OpenAIOptions, model: str) -> OpenAIOptions:
    return options.model_copy(update={"model": model})


def test_requests_in_flight_reach_the_limit_and_never_exceed_it() -> None:
    async def slow(request: web.Request, seen: Seen) -> web.StreamResponse:
        await asyncio.sleep(0.02)
        return await answer(request, seen)

    with ScriptedServer(slow) as server:
        assert_all_answered(ask(engine_for(server, in_flight=5), questions(60)), 60)
    assert server.most_open == 5


# --- faults that pass: tried again ---


async def _half_a_json(request: web.Request, seen: Seen) -> web.StreamResponse:
    """A body cut by a proxy that then closes it properly: whole HTTP, broken JSON."""
    whole = json.dumps(completion(content="never whole"))
    return web.Response(text=whole[: len(whole) // 2], content_type="application/json")


async def _gateway_page(request: web.Request, seen: Seen) -> web.StreamResponse:
    return web.Response(text="<html>Bad gateway, but status 200</html>", content_type="text/html")


async def _nested_too_deep(request: web.Request, seen: Seen) -> web.StreamResponse:
    return web.Response(text="[" * 100_000, content_type="application/json")


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(status(500), id="internal server error"),
        pytest.param(status(503), id="unavailable"),
        pytest.param(status(429), id="too many requests"),
        pytest.param(status(408), id="server-side time-out"),
        pytest.param(drop, id="dropped connection"),
        pytest.param(cut, id="connection cut in the middle of the body"),
        pytest.param(_half_a_json, id="body cut in the middle"),
        pytest.param(_gateway_page, id="page of a proxy"),
        pytest.param(body([1, 2]), id="JSON of another shape"),
        pytest.param(body({**completion(), "choices": []}), id="no choice"),
        pytest.param(body({"error": {"message": "overloaded"}}), id="an error under status 200"),
        pytest.param(body({**completion(), "choices": [{"index": 0, "message": None}]}), id="no message"),
        pytest.param(
            body({**completion(), "choices": [{"index": 0, "message": "text"}]}), id="message of another type"
        ),
        pytest.param(body({**completion(), "choices": [None]}), id="null for a choice"),
        pytest.param(body({**completion(), "choices": {"0": {}}}), id="choices of another type"),
        pytest.param(_nested_too_deep, id="JSON too deep to read"),
    ],
)
def test_a_passing_fault_is_tried_again_until_each_request_has_its_reply(fault: Behaviour) -> None:
    with ScriptedServer(first(3, fault)) as server:
        assert_all_answered(ask(engine_for(server, back_off_s=0.005), questions(12)), 12)
    assert len(server.seen) == 12 * 4


def test_waits_double_from_try_to_try_and_are_spread() -> None:
    # Without the spread, all requests that failed together come back together and knock the server over again.
    n = 48
    with ScriptedServer(first(3, status(500))) as server:
        ask(engine_for(server, in_flight=n, back_off_s=0.1), questions(n))
    tries: dict[str, list[float]] = defaultdict(list)
    for seen in server.seen:
        tries[seen.question].append(seen.at)
    waits = [[times[k + 1] - times[k] for times in tries.values()] for k in range(3)]
    means = [statistics.fmean(found) for found in waits]
    # 0.1, 0.2 and 0.4 s are expected; with 48 draws a mean is within 25% of that (3 sigma), and serving takes its time.
    assert means[1] > 1.2 * means[0]
    assert means[2] > 1.2 * means[1]
    assert means[2] > 0.25
    assert statistics.stdev(waits[2]) > 0.12  # uniform on 0 to 0.8 s has 0.23


def test_retry_after_is_honoured() -> None:
    # The engine's own first wait would be 2 ms at most.
    with ScriptedServer(first(1, status(429, Retry_After="0.7"))) as server:
        assert_all_answered(ask(engine_for(server, back_off_s=0.001), questions(4)), 4)
    for question in {seen.question for seen in server.seen}:
        before, after = (seen.at for seen in server.seen if seen.question == question)
        assert 0.7 <= after - before < 5


def test_a_retry_after_may_be_a_date() -> None:
    # Whole seconds: a date 2 s from now is at least 1 s away.
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with ScriptedServer(first(1, status(503, Retry_After=date))) as server:
        assert_all_answered(ask(engine_for(server, back_off_s=0.001), questions(1)), 1)
    before, after = (seen.at for seen in server.seen)
    assert 0.8 <= after - before < 5


def test_a_retry_after_beyond_the_deadline_ends_at_once() -> None:
    started = time.monotonic()
    with ScriptedServer(status(429, Retry_After="3600")) as server:
        (failure,) = ask(engine_for(server, deadline_s=5.0), questions(1)).values()
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.permanent, failure.detail) == ("deadline", False, "HTTP 429: scripted 429")
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(silence, id="a server that never answers"),
        pytest.param(status(500), id="a server that only ever fails"),
        pytest.param(drop, id="a server that drops each connection"),
        pytest.param(stall, id="a server whose replies stop half-way"),
    ],
)
def test_a_lasting_fault_is_a_transient_failure_at_the_one_deadline_for_all_tries(fault: Behaviour) -> None:
    started = time.monotonic()
    with ScriptedServer(fault) as server:
        results = ask(engine_for(server, deadline_s=1.5, back_off_s=0.3), questions(8))
        took = time.monotonic() - started
    assert len(results) == 8
    for failure in results.values():
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.permanent) == ("deadline", False)
    # Two retries of the openai package's own would make it 4.5 s.
    assert took < 4


def test_a_later_try_has_only_the_time_that_is_left() -> None:
    async def slow_error(request: web.Request, seen: Seen) -> web.StreamResponse:
        await asyncio.sleep(1.5)
        return await status(500)(request, seen)

    with ScriptedServer(first(1, slow_error, silence)) as server:
        (failure,) = ask(engine_for(server, deadline_s=2.0), questions(1)).values()
        took = time.monotonic() - server.seen[0].at
    assert isinstance(failure, Failure)
    assert len(server.seen) == 2
    assert took < 3  # a full deadline for the second try would end it after 3.5 s


def test_a_silent_request_does_not_hold_up_the_others() -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (silence if seen.question == "question 0" else answer)(request, seen)

    with ScriptedServer(behaviour) as server:
        results = engine_for(server, in_flight=2, deadline_s=1.5).run(plan := questions(20), {key for key, _ in plan})
        in_order = list(results)
    assert [result.key for result in in_order if isinstance(result, Failure)] == ["key 0"]
    assert in_order[-1].key == "key 0"


# --- faults that stay: a typed failure, or the end of the run ---


@pytest.mark.parametrize(
    ("behaviour", "kind", "detail"),
    [
        pytest.param(status(400), "rejected", "scripted 400", id="bad request"),
        pytest.param(status(413), "rejected", "scripted 413", id="too large"),
    ],
)
def test_a_refused_request_is_a_permanent_failure_after_one_request(
    behaviour: Behaviour, kind: str, detail: str
) -> None:
    with ScriptedServer(behaviour) as server:
        (failure,) = ask(engine_for(server), questions(1)).values()
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.permanent) == (kind, True)
    assert detail in failure.detail
    assert (failure.text, failure.n_tokens) == (None, None)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        pytest.param(completion(refusal="I must not rate this"), "refusal", "I must not rate this", id="refusal"),
        pytest.param(completion(content=["a", {"b": 1}]), "not_text", '["a", {"b": 1}]', id="no text"),
        pytest.param(
            completion(content="5") | {"choices": [{"index": 0, "message": {"content": "5"}}, None]},
            "several_choices",
            '[{"index": 0, "message": {"content": "5"}}, null]',
            id="two choices",
        ),
    ],
)
def test_a_reply_that_is_a_failure_is_kept_with_its_tokens(reply: dict[str, Any], kind: str, text: str) -> None:
    with ScriptedServer(body(reply)) as server:
        (failure,) = ask(engine_for(server), questions(1)).values()
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.permanent) == (kind, True)
    assert (failure.text, failure.n_tokens) == (text, 7)
    assert len(server.seen) == 1


def test_one_rejected_request_does_not_stop_the_others() -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (status(400) if seen.question == "question 3" else answer)(request, seen)

    with ScriptedServer(behaviour) as server:
        results = ask(engine_for(server), questions(10))
    assert [key for key, result in results.items() if isinstance(result, Failure)] == ["key 3"]
    assert len(results) == 10


def test_null_content_is_a_reply_without_text() -> None:
    # A reasoning model that spends its tokens on reasoning answers null: whether to ask again is the stage's business.
    message = completion()
    message["choices"][0]["finish_reason"] = "length"
    with ScriptedServer(body(message)) as server:
        (reply,) = ask(engine_for(server), questions(1)).values()
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason) == (None, "length")


def test_a_fault_that_stops_the_run_does_not_wait_for_requests_in_flight() -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (status(401) if seen.question == "question 7" else silence)(request, seen)

    with ScriptedServer(behaviour) as server:
        with pytest.raises(StudyError, match="401"):
            ask(engine_for(server, deadline_s=20.0), questions(30))
        assert time.monotonic() - server.seen[0].at < 10


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_wrong_key_model_or_address_stops_the_run_and_is_named(code: int) -> None:
    with ScriptedServer(status(code)) as server, pytest.raises(StudyError) as raised:
        ask(engine_for(server), questions(50))
    assert "'some-judge'" in str(raised.value)
    assert server.base_url in str(raised.value)
    assert str(code) in str(raised.value)
    assert KEY not in str(raised.value)
    assert len(server.seen) <= 8, "the run went on after a fault that no retry can mend"


def test_the_death_of_the_server_stops_the_run_instead_of_waiting_for_the_deadline() -> None:
    def check() -> None:
        if len(server.seen) >= 6:
            raise StudyError("the server has gone away for good")

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (answer if len(server.seen) < 6 else drop)(request, seen)

    started = time.monotonic()
    with ScriptedServer(behaviour) as server, pytest.raises(StudyError, match="gone away"):
        ask(engine_for(server, check, in_flight=1, deadline_s=600.0), questions(20))
    assert len(server.seen) == 6
    assert time.monotonic() - started < 10


# --- a dead engine: nothing is answered any more ---


class Breaking:
    """Answers `after` requests and then meets them with a fault, canaries too, until so many canaries have met it."""

    def __init__(self, fault: Behaviour, after: int, until_canaries: float = math.inf) -> None:
        self._fault, self._left, self._canaries_left = fault, after, until_canaries
        self.broken_at: float | None = None

    async def __call__(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        if self._left > 0 or self._canaries_left <= 0:
            self._left -= 1
            return await answer(request, seen)
        self.broken_at = self.broken_at or time.monotonic()
        self._canaries_left -= is_canary(seen)
        return await self._fault(request, seen)


def ask_until_error(engine: OpenAIEngine, n: int) -> tuple[list[Reply | Failure], StudyError]:
    """What came back before the run stopped with an error, and the error."""
    results: list[Reply | Failure] = []
    with pytest.raises(StudyError) as raised:
        results.extend(engine.run(plan := questions(n), {key for key, _ in plan}))
    return results, raised.value


@pytest.mark.parametrize(
    "fault", [pytest.param(silence, id="silent"), pytest.param(stall, id="stalls"), pytest.param(status(500), id="5xx")]
)
def test_a_dead_engine_behind_a_healthy_health_stops_our_own_server_within_twice_the_quiet_time(
    fault: Behaviour,
) -> None:
    dead = Breaking(fault, after=20)
    with ScriptedServer(dead) as server:
        results, error = ask_until_error(engine_for(server, ours=True, quiet_s=0.5, deadline_s=600.0), 100)
        ended = time.monotonic()
        with urlopen(server.base_url.replace("/v1", "/health"), timeout=5) as health:
            assert health.status == 200
    assert dead.broken_at is not None
    assert 0.4 < ended - dead.broken_at < 2 * 0.5 + 3
    assert len({result.key for result in results if isinstance(result, Reply)}) == 20, "replies before it are kept"
    assert sum(map(is_canary, server.seen)) == 1, "the canary does not go through the back-off"
    for fact in (server.base_url, "no request was answered for", "is recorded", "the same command", "quiet_s"):
        assert fact in str(error)


def test_an_endpoint_of_others_that_fails_for_a_while_is_told_once_and_the_work_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asker, "LONGEST_WAIT_S", 0.2)
    with ScriptedServer(Breaking(status(503), after=20, until_canaries=2)) as server:
        assert_all_answered(ask(engine_for(server, quiet_s=0.5, back_off_s=0.1), questions(60)), 60)
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert server.base_url in warnings[0]
    assert "503" in warnings[0]
    assert sum(map(is_canary, server.seen)) >= 2


@pytest.mark.parametrize(
    ("fault", "quiet_s"),
    [
        pytest.param(silence, 0.3, id="silent"),
        pytest.param(status(503), 0.3, id="5xx"),
        pytest.param(drop, 30.0, id="drops, and no canary was sent yet"),
    ],
)
def test_an_endpoint_of_others_that_answers_nothing_ends_the_run_after_one_deadline_and_not_one_per_request(
    fault: Behaviour, quiet_s: float
) -> None:
    dead = Breaking(fault, after=20)
    with ScriptedServer(dead) as server:
        engine = engine_for(server, quiet_s=quiet_s, deadline_s=1.5, back_off_s=0.2)
        results, error = ask_until_error(engine, 400)
        ended = time.monotonic()
    assert dead.broken_at is not None
    assert 1.4 < ended - dead.broken_at < 5  # 400 requests, 8 at a time, would take 72 s
    assert len([result for result in results if isinstance(result, Reply)]) == 20
    asked = {seen.question for seen in server.seen if not is_canary(seen)}
    assert len(asked) <= 20 + 2 * 8, "requests were sent although nothing was answered"
    for fact in (server.base_url, "1.5 s (deadline_s)", "is recorded", "the same command"):
        assert fact in str(error)


def test_all_replicas_down_from_the_start_ends_the_run_after_one_deadline(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(answer) as server:
        pass  # its port is free again: connections are refused
    started = time.monotonic()
    results, error = ask_until_error(engine_for(server, quiet_s=0.3, deadline_s=1.5), 400)
    assert time.monotonic() - started < 6
    assert not [result for result in results if isinstance(result, Reply)]
    assert "Cannot connect" in str(error)
    assert capsys.readouterr().err.count("warning") == 1


def test_a_server_of_others_that_is_restarted_is_asked_again() -> None:
    async def slow(request: web.Request, seen: Seen) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return await answer(request, seen)

    with ScriptedServer(slow) as before:
        results = engine_for(before).run(plan := questions(60), {key for key, _ in plan})
        found = [next(results) for _ in range(20)]
    with ScriptedServer(slow, port=urlsplit(before.base_url).port or 0) as after:
        found += list(results)
    assert_all_answered({result.key: result for result in found}, 60)
    assert after.seen


@pytest.mark.parametrize("ours", [True, False])
def test_slow_work_is_no_dead_engine_as_long_as_canaries_are_answered(
    ours: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def slow(request: web.Request, seen: Seen) -> web.StreamResponse:
        if not is_canary(seen):
            await asyncio.sleep(1.0)
        return await answer(request, seen)

    with ScriptedServer(slow) as server:
        assert_all_answered(ask(engine_for(server, ours=ours, quiet_s=0.25), questions(16)), 16)
    assert sum(map(is_canary, server.seen)) >= 4
    assert "warning" not in capsys.readouterr().err


def test_a_canary_that_waits_its_turn_behind_work_that_is_answered_proves_nothing() -> None:
    # A server that takes requests in order, at its limit: a canary has to queue.
    async def queued(request: web.Request, seen: Seen) -> web.StreamResponse:
        await (silence(request, seen) if is_canary(seen) else asyncio.sleep(1.2))
        return await answer(request, seen)

    with ScriptedServer(queued) as server:
        assert_all_answered(ask(engine_for(server, ours=True, quiet_s=0.9), questions(8)), 8)
    assert any(map(is_canary, server.seen))


def test_one_stuck_request_does_not_stop_a_run_whose_engine_is_alive() -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (silence if seen.question == "question 3" else answer)(request, seen)

    with ScriptedServer(behaviour) as server:
        results = ask(engine_for(server, in_flight=1, quiet_s=0.3, deadline_s=1.0), questions(10))
    failures = [result for result in results.values() if isinstance(result, Failure)]
    assert [(failure.key, failure.kind, failure.permanent) for failure in failures] == [("key 3", "deadline", False)]
    assert any(map(is_canary, server.seen))


def test_a_server_found_dead_before_a_request_is_sent_is_blamed_on_nobody() -> None:
    starts, dead = 0, False

    def serve() -> Any:
        nonlocal starts, dead
        starts, dead = starts + 1, False
        return nullcontext(Endpoint(server.base_url, KEY, check, ours=True))

    def check() -> None:
        if dead:
            raise ServerStoppedError("it stopped with exit code 7.")

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        nonlocal dead
        if dead or (starts == 1 and seen.question == "question 3"):
            dead = True
            return await drop(request, seen)
        dead = starts == 2  # it answers its first request and dies after that
        return await answer(request, seen)

    with ScriptedServer(behaviour) as server:
        options = OpenAIOptions(name="openai", model="m", in_flight=4, back_off_s=0.02)
        assert_all_answered(ask(OpenAIEngine(options, serve, {}), questions(12)), 12)
    assert starts == 3


# --- few open files ---

_MANY_IN_FLIGHT = """
import resource, sys
from contextlib import nullcontext
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Reply, Request, Sampling
from prefdelta.engines.openai.engine import OpenAIEngine

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[3])))
options = OpenAIOptions(name="openai", model="m", base_url=sys.argv[1], in_flight=512, deadline_s=30.0)
engine = OpenAIEngine(options, lambda: nullcontext(Endpoint(sys.argv[1], "key", lambda: None)), {})
sampling = Sampling(temperature=0.0, max_tokens=9)
plan = [(f"key {i}", Request((("user", f"question {i}"),), sampling, seed=i)) for i in range(310)]
for part in (plan[:300], plan[300:]):
    results = list(engine.run(part, {key for key, _ in part}))
    print(sum(isinstance(result, Reply) for result in results))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "most_open"),
    [
        pytest.param(256, 256, 192, id="hard limit: fewer in flight, and said once"),
        pytest.param(128, 4096, 300, id="soft limit: raised"),
    ],
)
def test_concurrency_adapts_to_the_open_files_that_are_allowed(soft: int, hard: int, most_open: int) -> None:
    async def slow(request: web.Request, seen: Seen) -> web.StreamResponse:
        await asyncio.sleep(2.0)  # all requests are sent within this time
        return await answer(request, seen)

    with ScriptedServer(slow) as server:
        command = [sys.executable, "-c", _MANY_IN_FLIGHT, server.base_url, str(soft), str(hard)]
        job = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert job.stdout.split() == ["300", "10"], job.stderr
    assert len(server.seen) == 310, "some were sent more than once"
    assert 0.9 * most_open <= server.most_open <= most_open
    warnings = [line for line in job.stderr.splitlines() if "warning" in line]
    assert len(warnings) == (most_open == 192)
    assert all("192 requests are in flight instead of 512" in line for line in warnings)


# --- the end ---


@pytest.mark.filterwarnings("error")
def test_closing_early_cancels_what_is_open_and_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        if seen.question != "question 0":
            return await silence(request, seen)
        while server.open < 8:
            await asyncio.sleep(0.01)
        return await answer(request, seen)

    with ScriptedServer(behaviour) as server, caplog.at_level(logging.WARNING):
        results = engine_for(server).run(plan := questions(40), {key for key, _ in plan})
        assert next(results).key == "key 0"
        wait_until(lambda: server.open >= 7)
        results.close()
        wait_until(lambda: server.open == 0)
        gc.collect()  # asyncio and aiohttp complain about what is left when it is collected
    # 8 in flight, and perhaps the one that takes the answered one's place; none of the others were sent.
    assert len(server.seen) in (8, 9)
    assert caplog.records == []


@pytest.mark.filterwarnings("error")
def test_an_error_in_the_callers_loop_closes_the_run(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer(answer) as server, caplog.at_level(logging.WARNING):

        def stop_at_the_first() -> None:
            for _ in engine_for(server).run(plan := questions(40), {key for key, _ in plan}):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            stop_at_the_first()
        gc.collect()
        wait_until(lambda: server.open == 0)
    assert caplog.records == []


def test_the_server_is_not_opened_before_the_first_reply_is_asked_for() -> None:
    opened = []

    def serve() -> Any:
        opened.append(True)
        return nullcontext(Endpoint("http://127.0.0.1:9/v1", KEY, lambda: None))

    options = OpenAIOptions(name="openai", model="m", base_url="http://127.0.0.1:9/v1", deadline_s=0.2)
    results = OpenAIEngine(options, serve, {}).run(questions(1), {"key 0"})
    assert opened == []
    assert isinstance(next(results), Failure)
    assert opened == [True]


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
