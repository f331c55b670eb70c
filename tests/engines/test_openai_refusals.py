"""What providers mean by refusing a request: the words of real ones, and what the engine makes of them."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web

from prefdelta.core.asking.requests import Failure, Reply
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.refusals import refusal_of, refused_in

from .scripted import Behaviour, ScriptedServer, Seen, answer, body, silence, status
from .test_openai import KEY, ask, ask_until_error, assert_all_answered, engine_for, questions


def error(**body: Any) -> dict[str, Any]:
    return {"error": body}


def extra(name: str) -> dict[str, Any]:
    """As Mistral refuses a parameter."""
    detail = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted", "input": 64}
    return {"object": "error", "message": {"detail": [detail]}, "type": "invalid_request_error", "code": None}


QUOTA = "You exceeded your current quota, please check your plan and billing details."
SENT = dict.fromkeys(["model", "messages", "temperature", "max_completion_tokens", "seed", "response_format"])

# The forms are those of public reports and of the providers' documents; ids and names are invented.
ACCOUNT = {
    "OpenRouter, 402": (402, error(message="Insufficient credits", code=402)),
    "DeepSeek, 402 as text": (402, "Insufficient Balance"),
    "402 without a word": (402, ""),
    "OpenAI, 429": (429, error(message=QUOTA, type="insufficient_quota", param=None, code="insufficient_quota")),
    "OpenAI, 429 without a code": (429, error(message=QUOTA, type="insufficient_quota", code=None)),
    "OpenAI, 429, the message alone": (429, error(message=QUOTA)),
    "OpenAI, 400": (400, error(message="Billing hard limit has been reached", code="billing_hard_limit_reached")),
    "OpenAI, 429, not active": (429, error(message="Your account is not active", code="billing_not_active")),
    "Perplexity, 401": (401, error(message=QUOTA, type="insufficient_quota", code=401)),
    "Anthropic, 400": (
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            },
        },
    ),
    "Anthropic, 400, limit": (400, error(message="You have reached your specified API usage limits.")),
    "xAI, 403": (
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your team t has either used all available credits or reached its monthly spending limit.",
        },
    ),
    "xAI, 429 as text": (429, "Your team t has either used all available credits or reached its spending limit."),
    "Fireworks, 412": (412, error(message="Account a is suspended, possibly due to failure to pay past invoices.")),
    "OpenRouter, 403": (403, error(message="Key limit exceeded (total limit).", code=403)),
    "Moonshot, 429": (429, error(type="exceeded_current_quota_error", message="Your account a is not active.")),
    "Alibaba, 400": (400, error(code="Arrearage", message="Access denied.")),
    "Zhipu, 429": (429, error(code="1113", message="余额不足或无可用资源包,请充值。")),
    "SiliconFlow, 403": (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}),
    "LiteLLM, 400": (400, error(message="Budget has been exceeded! Current cost: 0.1", type="budget_exceeded")),
    "a quota of the month, 403": (403, error(message="Monthly quota exceeded")),
    "a trial, 400": (400, error(message="Your trial has expired")),
    "LiteLLM, 402 inside a 400": (400, error(message='{"error": {"message": "Insufficient credits", "code": 402}}')),
}
PASSING = {
    "Gemini, 429 by the minute": (
        429,
        [error(code=429, message=f"{QUOTA}\nPlease retry in 17.3s.", status="RESOURCE_EXHAUSTED")],
    ),
    "OpenRouter, 429": (429, error(message="Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000")),
    "Groq, 429": (
        429,
        error(
            message="Rate limit reached on tokens per day (TPD). Please try again in 20m. Upgrade at /settings/billing",
            code="rate_limit_exceeded",
        ),
    ),
    "Groq, 498": (498, error(message="Flex tier capacity exceeded", code="capacity_exceeded")),
    "423": (423, "Locked"),
    "424": (424, error(message="a dependency failed")),
    "499": (499, ""),
    "Anthropic, 529": (529, error(type="overloaded_error", message="Overloaded")),
    "Hugging Face, 503": (503, {"error": "Model m is currently loading", "estimated_time": 20.0}),
    "llama.cpp, 503": (503, error(code=503, message="Loading model", type="unavailable_error")),
    "Gemini, 429 without a time": (429, [error(code=429, message="Resource has been exhausted (e.g. check quota).")]),
    "400 that loads": (400, {"error": "model is loading"}),
    "Bedrock, 400": (400, {"message": "ThrottlingException: Too many requests, please wait."}),
    "500 of the billing": (500, error(message="the billing service did not answer")),
}
THIS_OR_ALL = {
    "OpenRouter, 403": (403, error(message="your input was flagged", metadata={"reasons": ["violence"]})),
    "vLLM, 404": (404, {"object": "error", "message": "The model `m` does not exist.", "code": 404}),
    "a page, 405": (405, "<html>Method Not Allowed</html>"),
    "Mistral, 422": (422, extra("max_completion_tokens")),
    "FastAPI, 422": (422, {"detail": "extra inputs: max_completion_tokens"}),
    "OpenAI, 400": (400, error(message="'temperature' does not support 0.6", param="temperature")),
    "Anthropic, 400": (400, error(message="schema: For 'integer' type, property 'minimum' is not supported")),
}
REQUEST = {
    "OpenAI, 400": (
        400,
        error(message="maximum context length is 8 tokens. Please reduce the length of the messages."),
    ),
    "vLLM, 400": (
        400,
        error(message="'max_completion_tokens' is too large: 64. This model's maximum context length is 4096 tokens"),
    ),
    "Azure, 400": (400, error(message="The prompt triggered the content management policy", code="content_filter")),
    "DeepSeek, 400": (400, error(message="Content Exists Risk")),
    "413": (413, ""),
    "a prompt that is repeated in the error": (
        422,
        {
            "detail": [
                {"loc": ["body", "messages"], "msg": "too long", "input": "billing, temperature, model is loading"}
            ]
        },
    ),
}
TABLE = {"account": ACCOUNT, "passing": PASSING, "this_or_all": THIS_OR_ALL, "request": REQUEST}


@pytest.mark.parametrize(
    ("meaning", "code", "body"),
    [
        pytest.param(meaning, *case, id=f"{meaning}: {name}")
        for meaning, cases in TABLE.items()
        for name, case in cases.items()
    ],
)
def test_what_a_refusal_means(meaning: str, code: int, body: Any) -> None:
    assert refusal_of(code, body, SENT).meaning == meaning


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        ("Insufficient credits. Top up.", "account"),
        ("Your account is suspended", "account"),
        ("Too many requests per minute. Upgrade your billing plan.", "passing"),
        ("The upstream has failed", "passing"),
    ],
)
def test_what_an_error_means_that_came_without_a_status(body: str, meaning: str) -> None:
    assert refused_in({"message": body}, SENT, "key").meaning == meaning


@pytest.mark.parametrize(
    ("code", "body", "failure", "words"),
    [
        (403, THIS_OR_ALL["OpenRouter, 403"][1], "flagged", "your input was flagged (reasons: violence)"),
        (404, error(message="No endpoints found"), "refused_by_provider", "No endpoints found"),
        (400, REQUEST["Azure, 400"][1], "flagged", "The prompt triggered the content management policy"),
        (400, REQUEST["OpenAI, 400"][1], "rejected", REQUEST["OpenAI, 400"][1]["error"]["message"]),
        (
            403,
            "<html><head><style>a {}</style></head><p>Access denied</p></html>",
            "refused_by_provider",
            "Access denied",
        ),
        (422, extra("seed"), "rejected", "body.seed: Extra inputs are not permitted"),
    ],
)
def test_a_refused_request_has_a_kind_and_the_providers_own_words(
    code: int, body: Any, failure: str, words: str
) -> None:
    refusal = refusal_of(code, body, SENT)
    assert (refusal.failure, refusal.message) == (failure, f"HTTP {code}: {words}")


# --- in a run ---


def saying(code: int, body: Any) -> Behaviour:
    async def refuse(request: web.Request, seen: Seen) -> web.StreamResponse:
        return web.json_response(body, status=code)

    return refuse


def only(which: set[int], behaviour: Behaviour, others: Behaviour = answer) -> Behaviour:
    """These questions meet a behaviour."""

    async def choose(request: web.Request, seen: Seen) -> web.StreamResponse:
        met = seen.question in {f"question {i}" for i in which}
        return await (behaviour if met else others)(request, seen)

    return choose


@pytest.mark.parametrize("in_flight", [1, 4, 16])
@pytest.mark.parametrize("name", ["OpenRouter, 402", "OpenAI, 429", "Anthropic, 400", "xAI, 403", "OpenAI, 400"])
def test_an_account_without_money_ends_the_run_at_once_and_fails_no_request(name: str, in_flight: int) -> None:
    left = 4

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        nonlocal left
        left -= 1
        return await (answer if left >= 0 else saying(*ACCOUNT[name]))(request, seen)

    with ScriptedServer(behaviour) as server:
        results, raised = ask_until_error(engine_for(server, in_flight=in_flight), 40)
        assert len(server.seen) <= 4 + in_flight
    assert len(results) == 4
    assert all(isinstance(result, Reply) for result in results)
    words = refusal_of(*ACCOUNT[name], SENT).words
    for fact in (server.base_url, words, "nothing is recorded as failed", "Top up", "the same command"):
        assert fact in str(raised)


def test_what_is_in_flight_when_the_money_ends_is_received() -> None:
    async def slow(request: web.Request, seen: Seen) -> web.StreamResponse:
        await asyncio.sleep(1.0)
        return await answer(request, seen)

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        while len(server.seen) < 8:
            await asyncio.sleep(0.01)
        return await only({5}, status(402), slow)(request, seen)

    with ScriptedServer(behaviour) as server:
        results, _ = ask_until_error(engine_for(server), 40)
        assert len(server.seen) == 8
    assert len(results) == 7


def test_a_request_that_waits_for_its_next_try_does_not_hold_up_the_end() -> None:
    started = time.monotonic()
    refused = only({1}, status(402), only({0}, status(503, Retry_After="30"), silence))
    with ScriptedServer(refused) as server:
        ask_until_error(engine_for(server, in_flight=2, deadline_s=60.0), 2)
        assert sum(seen.question == "question 0" for seen in server.seen) == 1
    assert time.monotonic() - started < 10


def test_an_account_error_under_status_200_is_one_too() -> None:
    with ScriptedServer(body(error(code=402, message="Insufficient credits"))) as server:
        results, raised = ask_until_error(engine_for(server, in_flight=1), 5)
        assert len(server.seen) == 1
    assert results == []
    assert "HTTP 402: Insufficient credits" in str(raised)


@pytest.mark.parametrize("name", ["423", "424", "499", "Groq, 498", "400 that loads", "Hugging Face, 503"])
def test_load_is_waited_out_and_then_stops_the_run_with_the_servers_words(name: str) -> None:
    def fault(seen: Seen) -> Behaviour:
        return saying(*PASSING[name]) if seen.attempt < 2 else answer

    async def passing(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await fault(seen)(request, seen)

    with ScriptedServer(passing) as server:
        assert_all_answered(ask(engine_for(server, back_off_s=0.005), questions(6)), 6)
    with ScriptedServer(saying(*PASSING[name])) as server:
        results, raised = ask_until_error(engine_for(server, deadline_s=0.5, back_off_s=0.1), 60)
    assert not any(isinstance(result, Reply) or result.permanent for result in results)
    assert refusal_of(*PASSING[name], SENT).message in str(raised)


@pytest.mark.parametrize("in_flight", [1, 16])
def test_a_server_that_asks_to_wait_for_hours_is_not_asked_for_each_request(in_flight: int) -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (answer if len(server.seen) <= 3 else status(429, Retry_After="7200"))(request, seen)

    with ScriptedServer(behaviour) as server:
        results, raised = ask_until_error(engine_for(server, in_flight=in_flight), 100)
        assert len(server.seen) <= 3 + 5 + in_flight
    assert len([result for result in results if isinstance(result, Reply)]) == 3
    assert all(isinstance(result, Reply) or not result.permanent for result in results)
    for fact in ("HTTP 429: scripted 429", "7,200 s", "The same command"):
        assert fact in str(raised)


def test_the_reason_of_a_429_is_told_once_and_not_per_request(capsys: pytest.CaptureFixture[str]) -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        words = f"Rate limit reached for tokens: used {len(server.seen)}00. Visit /limits"
        return await (saying(429, error(message=words)) if seen.attempt < 2 else answer)(request, seen)

    with ScriptedServer(behaviour) as server:
        ask(engine_for(server, back_off_s=0.005), questions(12))
    lines = [line for line in capsys.readouterr().err.splitlines() if "Rate limit reached" in line]
    assert len(lines) == 1
    assert server.base_url in lines[0]


def test_a_key_that_a_server_repeats_is_not_told() -> None:
    with ScriptedServer(saying(401, error(message=f"Incorrect key {KEY}"))) as server:
        _, raised = ask_until_error(engine_for(server), 3)
    assert "Incorrect key" in str(raised)
    assert KEY not in str(raised)


# --- refused for one of many ---


@pytest.mark.parametrize("in_flight", [1, 3, 16])
@pytest.mark.parametrize("which", [{0}, {7}, {15}, {3, 4, 5}, {0, 1, 2, 3}], ids=str)
@pytest.mark.parametrize(
    ("code", "body", "failure"),
    [
        (403, error(message="your input was flagged"), "flagged"),
        (404, error(message="No endpoints found"), "refused_by_provider"),
    ],
)
def test_a_refusal_of_one_of_many_is_its_own_failure(
    code: int, body: Any, failure: str, which: set[int], in_flight: int
) -> None:
    async def slow(request: web.Request, seen: Seen) -> web.StreamResponse:
        await asyncio.sleep(0.05)  # refusals come first
        return await answer(request, seen)

    with ScriptedServer(only(which, saying(code, body), slow)) as server:
        found = ask(engine_for(server, in_flight=in_flight), questions(16))
        assert len(server.seen) == 16
    failures = {key: result for key, result in found.items() if isinstance(result, Failure)}
    assert failures.keys() == {f"key {i}" for i in which}
    for result in failures.values():
        assert (result.kind, result.permanent) == (failure, True)
        assert result.detail == f"HTTP {code}: {body['error']['message']}"
    assert len(found) == 16


@pytest.mark.parametrize("in_flight", [1, 4, 32])
@pytest.mark.parametrize("case", [(403, error(message="your input was flagged")), (404, ""), (410, "Gone")])
def test_what_all_requests_are_refused_with_fails_none_of_them(case: tuple[int, Any], in_flight: int) -> None:
    with ScriptedServer(saying(*case)) as server:
        results, raised = ask_until_error(engine_for(server, in_flight=in_flight), 40)
        assert len(server.seen) <= max(in_flight, 5) + 1, "more than one was asked to find out"
    assert results == []
    assert refusal_of(*case, SENT).message.rstrip(".") in str(raised)


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("code", [400, 403, 404, 422])
def test_what_all_are_refused_with_from_the_middle_on_fails_no_request(code: int, in_flight: int) -> None:
    # A key that is revoked; or no money, in words that nobody knew.
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (answer if len(server.seen) <= 10 else saying(code, error(message="a pity")))(request, seen)

    with ScriptedServer(behaviour) as server:
        results, raised = ask_until_error(engine_for(server, in_flight=in_flight), 60)
        assert len(server.seen) <= 10 + max(in_flight, 5) + 1, "more than one was asked to find out"
    assert len(results) == 10
    assert "a pity" in str(raised)


@pytest.mark.parametrize("in_flight", [1, 4])
def test_many_that_are_refused_for_their_own_sake_are_failures_though_the_words_are_not_known(in_flight: int) -> None:
    odd = set(range(4, 14))
    with ScriptedServer(only(odd, saying(400, error(message="no carets, please")))) as server:
        found = ask(engine_for(server, in_flight=in_flight), questions(20))
        assert len(server.seen) <= 20 + 3
    failures = {key: result for key, result in found.items() if isinstance(result, Failure)}
    assert failures.keys() == {f"key {i}" for i in odd}
    assert {failure.kind for failure in failures.values()} == {"rejected"}
    assert len(found) == 20


@pytest.mark.parametrize("start", [0, 4])
def test_many_flagged_in_a_row_are_told_from_a_wrong_key_by_a_harmless_text(start: int) -> None:
    flagged = set(range(start, 14))
    with ScriptedServer(only(flagged, saying(403, error(message="flagged")))) as server:
        found = ask(engine_for(server, in_flight=1), questions(20))
        harmless = [seen for seen in server.seen if not seen.question.startswith("question")]
    assert {key for key, result in found.items() if isinstance(result, Failure)} == {f"key {i}" for i in flagged}
    assert 1 <= len(harmless) <= 3
    assert harmless[0].body.keys() == server.seen[0].body.keys()


@pytest.mark.parametrize("others", [answer, saying(403, error(message="flagged"))], ids=["answers", "refuses"])
def test_the_one_that_an_earlier_run_left_is_found_out_by_a_harmless_text(others: Behaviour) -> None:
    plan = questions(16)
    with ScriptedServer(only({3}, saying(403, error(message="flagged")), others)) as server:
        results = engine_for(server).run(plan, {"key 3"})
        if others is answer:
            (failure,) = results
            assert isinstance(failure, Failure)
            assert failure.kind == "flagged"
        else:
            with pytest.raises(StudyError, match="flagged"):
                list(results)
    assert len(server.seen) == 2


# --- a parameter that a provider does not take ---


@pytest.mark.parametrize(
    ("body", "setting"),
    [
        (extra("max_completion_tokens"), "engine.rename: {max_completion_tokens: max_tokens}"),
        (extra("seed"), "engine.omit: [seed]"),
        (error(message="Unsupported value: 'top_p' does not support 0.9"), "engine.omit: [top_p]"),
    ],
)
def test_a_parameter_that_is_refused_ends_the_run_with_the_setting_to_use(body: Any, setting: str) -> None:
    with ScriptedServer(saying(422, body)) as server:
        results, raised = ask_until_error(engine_for(server), 40)
    assert results == []
    assert setting in str(raised)
