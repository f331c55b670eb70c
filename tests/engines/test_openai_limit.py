"""Engine `openai` with a limit on spending, asking one request at a time."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from prefdelta.core.asking.costs import ModelPrices
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request, Sampling
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.engine import OpenAIEngine

from .scripted import Behaviour, ScriptedServer, Seen, answer, body, completion, cut, drop, first, is_canary, status

PRICES = ModelPrices(input=0.0, output=1_000_000 / 64)
WORST, USED = 1.0, 7 / 64  # USD: a reply of 64 tokens, and one as the server gives it


def account(folder: Path, limit_usd: float | None) -> Spending:
    return Spending(folder, PRICES, limit_usd)


def engine_for(server: ScriptedServer, spending: Spending, **options: Any) -> OpenAIEngine:
    settings: dict[str, Any] = {"in_flight": 8, "deadline_s": 20.0, "back_off_s": 0.01, **options}
    asked = OpenAIOptions(name="openai", model="some-judge", base_url=server.base_url, **settings)
    return OpenAIEngine(asked, lambda: nullcontext(Endpoint(server.base_url, "key", lambda: None)), {}, spending)


def questions(n: int) -> list[tuple[str, Request]]:
    sampling = Sampling(temperature=0.6, max_tokens=64)
    return [(f"key {i}", Request((("user", f"question {i}"),), sampling, seed=i)) for i in range(n)]


def ask(engine: OpenAIEngine, n: int, missing: set[str] | None = None) -> tuple[list[Reply | Failure], str]:
    """What came back, and the error that ended the run, if one did."""
    plan = questions(n)
    results: list[Reply | Failure] = []
    try:
        results.extend(engine.run(plan, {key for key, _ in plan} if missing is None else missing))
    except StudyError as error:
        return results, str(error)
    return results, ""


async def _slow(request: web.Request, seen: Seen) -> web.StreamResponse:
    await asyncio.sleep(0.02)
    return await answer(request, seen)


@pytest.mark.parametrize("limit_usd", [1.0, 3.5, 6.0])
def test_nothing_is_sent_that_might_exceed_the_limit_and_all_that_was_sent_is_received(
    tmp_path: Path, limit_usd: float
) -> None:
    most_at_stake = 0.0

    async def watched(request: web.Request, seen: Seen) -> web.StreamResponse:
        nonlocal most_at_stake
        at_stake = server.open * WORST + (len(server.seen) - server.open) * USED
        most_at_stake = max(most_at_stake, at_stake)
        return await _slow(request, seen)

    with ScriptedServer(watched) as server:
        results, error = ask(engine_for(server, account(tmp_path, limit_usd)), 100)
    assert most_at_stake <= limit_usd
    assert len(results) == len(server.seen)
    assert all(isinstance(result, Reply) for result in results)
    spent = len(results) * USED
    assert limit_usd - WORST < spent <= limit_usd
    assert account(tmp_path, None).spent() == pytest.approx(spent)
    for fact in (
        f"limit_usd ({limit_usd:.4f} USD for the whole study)",
        f"{spent:.4f} USD are spent",
        "may cost 1.0000 USD",
        f"{len(results)} requests of this job are answered",
        f"{100 - len(results)} remain",
        "Raise limit_usd",
        "the same command",
    ):
        assert fact in error


def test_with_a_higher_limit_the_rest_is_asked(tmp_path: Path) -> None:
    with ScriptedServer(answer) as server:
        results, error = ask(engine_for(server, account(tmp_path, 3.0)), 60)
        assert error
        rest = {f"key {i}" for i in range(60)} - {result.key for result in results}
        more, error = ask(engine_for(server, account(tmp_path, 9.0)), 60, rest)
    assert not error
    assert {result.key for result in more} == rest
    assert len(server.seen) == 60
    assert account(tmp_path, None).spent() == pytest.approx(60 * USED)


def test_a_limit_below_one_request_asks_nothing(tmp_path: Path) -> None:
    with ScriptedServer(answer) as server:
        results, error = ask(engine_for(server, account(tmp_path, 0.9)), 5)
    assert (results, server.seen) == ([], [])
    assert "0 requests of this job are answered and recorded; 5 remain" in error


def test_what_is_about_to_be_spent_is_said_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(answer) as server:
        ask(engine_for(server, account(tmp_path, 50.0)), 10)
    assert "spending: 10 requests, estimated at 10.0000 USD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("behaviour", "usd"),
    [
        pytest.param(first(2, status(429)), USED, id="refused for now: costs nothing"),
        pytest.param(first(2, status(503)), USED, id="a server's error: costs nothing"),
        pytest.param(status(400), 0.0, id="refused for good: costs nothing"),
        pytest.param(first(2, drop), 2 * WORST + USED, id="broken off: may have been charged for"),
        pytest.param(first(1, cut), WORST + USED, id="cut: may have been charged for"),
        pytest.param(first(1, body([1])), WORST + USED, id="no completion: may have been charged for"),
        pytest.param(body({**completion(content="x"), "usage": None}), WORST, id="no usage: at worst"),
    ],
)
def test_a_try_counts_unless_the_server_refused_it(tmp_path: Path, behaviour: Behaviour, usd: float) -> None:
    with ScriptedServer(behaviour) as server:
        ask(engine_for(server, account(tmp_path, 100.0)), 3)
    assert account(tmp_path, None).spent() == pytest.approx(3 * usd)


def test_tries_at_a_server_that_is_not_there_cost_nothing(tmp_path: Path) -> None:
    with ScriptedServer(answer) as server:
        pass  # its port is free again: connections are refused
    ask(engine_for(server, account(tmp_path, 500.0), deadline_s=0.5, in_flight=4), 20)
    # Only of the tries that the deadline ended is it not known that they were never sent.
    assert account(tmp_path, None).spent() <= 4 * WORST


def test_tries_that_break_off_end_at_the_limit_too(tmp_path: Path) -> None:
    with ScriptedServer(drop) as server:
        results, error = ask(engine_for(server, account(tmp_path, 5.0), in_flight=2), 20)
    assert len(server.seen) == 5
    assert "limit_usd" in error
    assert {(result.kind, result.permanent) for result in results if isinstance(result, Failure)} == {
        ("limit_usd", False)
    }


def test_a_stopped_run_leaves_what_was_in_flight_at_its_worst(tmp_path: Path) -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        if seen.question != "question 0":
            await asyncio.Event().wait()
        while server.open < 4:  # answered earlier, the others may be on the way
            await asyncio.sleep(0.01)
        return await answer(request, seen)

    with ScriptedServer(behaviour) as server:
        results = engine_for(server, account(tmp_path, 100.0), in_flight=4).run(
            plan := questions(20), {key for key, _ in plan}
        )
        next(results)
        results.close()
        sent = len(server.seen)
    assert account(tmp_path, None).spent() == pytest.approx((sent - 1) * WORST + USED, abs=WORST)


def test_canaries_are_paid_for_too(tmp_path: Path) -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        if not is_canary(seen):
            await asyncio.sleep(1.0)
        return await answer(request, seen)

    with ScriptedServer(behaviour) as server:
        ask(engine_for(server, account(tmp_path, 100.0), quiet_s=0.3), 2)
    canaries = sum(map(is_canary, server.seen))
    assert canaries > 0
    assert account(tmp_path, None).spent() == pytest.approx(2 * USED + canaries * 16 / 64)


@pytest.mark.parametrize(
    "refused",
    [status(402), status(403), status(401), status(429, Retry_After="7200")],
    ids=["no money", "all refused alike", "a wrong key", "hours to wait"],
)
def test_a_run_that_the_provider_ends_leaves_nothing_set_aside(tmp_path: Path, refused: Behaviour) -> None:
    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (answer if len(server.seen) <= 4 else refused)(request, seen)

    spending = account(tmp_path, 1000.0)
    with ScriptedServer(behaviour) as server:
        results, error = ask(engine_for(server, spending, in_flight=1), 40)
    assert "refused" in error
    assert sum(isinstance(result, Reply) for result in results) == 4
    assert spending.spent() == pytest.approx(4 * USED)
