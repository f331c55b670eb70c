"""Engine `openai` through a provider's batch API, played by a real HTTP server."""

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from prefdelta.core.asking.costs import ModelPrices
from prefdelta.core.asking.engine_options import BatchOptions, OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request, Sampling
from prefdelta.core.asking.verdicts import verdict_schema
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai import batch
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.engine import OpenAIEngine

from .scripted import ScriptedServer, answer, completion
from .scripted_batches import BatchServer, Line, ScriptedBatch, answered, expired, refused, responded

KEY = "sk-never-to-be-recorded"
Plan = list[tuple[str, Request]]


def engine_for(server: ScriptedServer, spending: Spending | None = None, **batch: Any) -> OpenAIEngine:
    options = OpenAIOptions(
        name="openai",
        model="some-judge",
        base_url=server.base_url,
        deadline_s=1.0,
        back_off_s=0.02,
        batch=BatchOptions(poll_s=0.02, **batch),
    )
    return OpenAIEngine(options, lambda: nullcontext(Endpoint(server.base_url, KEY, lambda: None)), {}, spending)


def questions(n: int, start: int = 0) -> Plan:
    sampling = Sampling(temperature=0.6, top_p=0.9, max_tokens=64)
    requests = [Request((("user", f"question {i}"),), sampling, seed=1000 + i) for i in range(start, start + n)]
    return [(request.key({}), request) for request in requests]


def ask(engine: OpenAIEngine, plan: Plan, missing: set[str] | None = None) -> dict[str, Reply | Failure]:
    results = list(engine.run(plan, {key for key, _ in plan} if missing is None else missing))
    by_key = {result.key: result for result in results}
    assert len(by_key) == len(results), "a request was answered twice"
    return by_key


def assert_all_answered(results: dict[str, Reply | Failure], plan: Plan) -> None:
    assert {key: result.text for key, result in results.items() if isinstance(result, Reply)} == {
        key: f"re: {request.messages[-1][1]}" for key, request in plan
    }


def stopped_while_it_waits(engine: OpenAIEngine, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until the first wait, and end there as by a signal."""

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batch, "sleep", stop)
        with pytest.raises(KeyboardInterrupt):
            ask(engine, plan)


# --- what is sent, and what comes back ---


def test_each_missing_request_gets_its_own_reply_whatever_the_order_of_the_file() -> None:
    plan = questions(40)
    missing = {key for key, _ in plan[5:]}
    with BatchServer() as server:
        assert_all_answered(ask(engine_for(server), plan, missing), plan[5:])
    (batch,) = server.batches
    assert batch.keys == missing
    assert batch.window == "24h"
    assert server.seen == [], "something was asked one at a time too"


def test_a_batch_sends_the_same_bodies_as_one_request_at_a_time_and_is_recorded_as_the_same() -> None:
    sampling = Sampling(temperature=0.6, max_tokens=64, reasoning_effort="medium")
    request = Request((("user", "rate"),), sampling, seed=7, attempt=2, response_schema=verdict_schema(["factuality"]))
    plan = [(request.key({}), request)]
    with BatchServer() as server:
        batched = engine_for(server)
        live = OpenAIEngine(
            OpenAIOptions(name="openai", model="some-judge", base_url="http://elsewhere/v1"),
            lambda: nullcontext(Endpoint(server.base_url, KEY, lambda: None)),
            {},
        )
        (reply,) = ask(batched, plan).values()
        ask(live, plan)
    assert server.batches[0].lines[0]["body"] == server.seen[0].body
    assert batched.identity() == live.identity()
    assert isinstance(reply, Reply)
    assert (reply.finish_reason, reply.n_tokens, reply.model) == ("stop", 7, "some-judge")


@pytest.mark.parametrize(("requests", "sizes"), [(50, [10]), (4, [4, 4, 2])])
def test_batches_are_no_larger_than_allowed(requests: int, sizes: list[int]) -> None:
    plan = questions(10)
    with BatchServer() as server:
        assert_all_answered(ask(engine_for(server, requests=requests), plan), plan)
    assert [len(batch.lines) for batch in server.batches] == sizes


def test_files_are_no_larger_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = questions(10)
    monkeypatch.setattr(batch, "MOST_BYTES", 1000)
    with BatchServer() as server:
        assert_all_answered(ask(engine_for(server), plan), plan)
        uploads = [content for content in server.files.values() if b'"method"' in content]
    assert len(uploads) == len(server.batches) > 2
    assert max(map(len, uploads)) <= 1000


# --- what an earlier run began ---


def test_a_stopped_run_pays_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = questions(12)
    with BatchServer(looks=3) as server:
        stopped_while_it_waits(engine_for(server), plan, monkeypatch)
        assert_all_answered(ask(engine_for(server), plan), plan)
        # And again when it had ended and a part of it was recorded.
        assert_all_answered(ask(engine_for(server), plan, {plan[3][0]}), [plan[3]])
    assert len(server.batches) == 1


def test_of_a_plan_that_changed_only_what_no_batch_holds_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = questions(60), questions(60, start=20)
    with BatchServer(looks=2) as server:
        stopped_while_it_waits(engine_for(server), before, monkeypatch)
        assert_all_answered(ask(engine_for(server), after), after)
    assert [len(batch.lines) for batch in server.batches] == [60, 20]


def test_batches_of_others_and_old_ones_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = questions(5)
    with BatchServer() as server:
        stopped_while_it_waits(engine_for(server), plan, monkeypatch)
        stranger = {**server._shown(server.batches[0]), "metadata": None}
        server.others = [{**stranger, "id": f"other_{i}"} for i in range(250)]
        server.batches[0].created_at = time.time() - 40 * 86_400
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert len(server.batches) == 2


def test_a_batch_far_down_the_list_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = questions(5)
    with BatchServer() as server:
        stopped_while_it_waits(engine_for(server), plan, monkeypatch)
        mine = server.batches[0]
        server.others = [{**server._shown(mine), "id": mine.id}]
        server.others += [{**server._shown(mine), "metadata": {}, "id": f"other_{i}"} for i in range(250)]
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert len(server.batches) == 1


def test_a_batch_whose_creation_got_no_answer_is_found_by_the_next_run() -> None:
    plan = questions(5)
    with BatchServer() as server:
        server.drop_after_create = True
        with pytest.raises(StudyError, match="not known whether a batch of 5 requests was created"):
            ask(engine_for(server), plan)
        server.drop_after_create = False
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert len(server.batches) == 1


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_was_refused_in_an_earlier_run_is_asked_again_and_what_was_paid_for_is_not(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = questions(6)
    bad = plan[2][0]
    with BatchServer(
        lambda line, batch: refused(line, status) if line["custom_id"] == bad and batch.number == 0 else answered(line),
    ) as server:
        stopped_while_it_waits(engine_for(server), plan, monkeypatch)
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert [len(batch.lines) for batch in server.batches] == [6, 1]


def test_an_earlier_batch_that_turns_out_to_be_refused_as_a_whole_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = questions(6)
    with BatchServer(looks=2) as server:
        server.ends_as = lambda batch: "failed" if batch.number == 0 else "completed"
        stopped_while_it_waits(engine_for(server), plan, monkeypatch)
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert len(server.batches) == 2


def test_what_a_lost_file_held_is_asked_again() -> None:
    plan = questions(3)
    with BatchServer() as server:
        ask(engine_for(server), plan)
        del server.files[server.batches[0].files["output"]]
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert len(server.batches) == 2


# --- batches that do not answer everything ---


@pytest.mark.parametrize("status", ["expired", "cancelled"])
@pytest.mark.parametrize("in_error_file", [True, False])
def test_what_a_batch_did_not_come_to_goes_into_another(status: str, in_error_file: bool) -> None:
    plan = questions(10)
    late = {key for key, _ in plan[6:]}

    def outcome(line: Line, batch: ScriptedBatch) -> Line | None:
        if batch.number > 0 or line["custom_id"] not in late:
            return answered(line)
        return expired(line) if in_error_file else None

    with BatchServer(outcome) as server:
        server.ends_as = lambda batch: status if batch.number == 0 else "completed"
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert [batch.keys for batch in server.batches] == [{key for key, _ in plan}, late]


def test_what_no_batch_answers_is_a_transient_failure_after_so_many_rounds() -> None:
    plan = questions(4)
    with BatchServer(lambda line, _: answered(line) if line["custom_id"] == plan[0][0] else expired(line)) as server:
        results = ask(engine_for(server, rounds=2), plan)
    failures = [result for result in results.values() if isinstance(result, Failure)]
    assert [(failure.kind, failure.permanent) for failure in failures] == [("not_in_batch", False)] * 3
    assert all("batch_expired" in failure.detail for failure in failures)
    assert [len(batch.lines) for batch in server.batches] == [4, 3]


def test_a_batch_that_is_refused_as_a_whole_ends_the_run_and_is_no_answer_later() -> None:
    plan = questions(4)
    with BatchServer() as server:
        server.ends_as = lambda batch: "failed" if batch.number == 0 else "completed"
        with pytest.raises(StudyError) as raised:
            ask(engine_for(server), plan)
        for fact in (server.base_url, "batch_0", "token_limit_exceeded: too many are enqueued", "batch.requests"):
            assert fact in str(raised.value)
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert len(server.batches) == 2


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_refused_for_good_is_a_permanent_failure_and_asked_once(status: int) -> None:
    plan = questions(4)
    bad = plan[2][0]
    with BatchServer(lambda line, _: refused(line, status) if line["custom_id"] == bad else answered(line)) as server:
        results = ask(engine_for(server), plan)
    failure = results.pop(bad)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.permanent) == ("rejected", True)
    assert f"scripted {status}" in failure.detail
    assert_all_answered(results, [item for item in plan if item[0] != bad])
    assert len(server.batches) == 1


@pytest.mark.parametrize("status", [408, 423, 424, 429, 498, 499, 500, 503])
def test_a_request_that_met_a_passing_fault_is_asked_again(status: int) -> None:
    plan = questions(4)
    with BatchServer(lambda line, batch: answered(line) if batch.number else refused(line, status)) as server:
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert len(server.batches) == 2


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("recorded", [0, 3], ids=["others in the batch", "others before"])
def test_a_refusal_of_one_of_many_is_its_own_failure(status: int, recorded: int) -> None:
    plan = questions(4)
    bad = plan[3][0]
    with BatchServer(lambda line, _: refused(line, status) if line["custom_id"] == bad else answered(line)) as server:
        found = ask(engine_for(server), plan, {key for key, _ in plan[recorded:]})
    failure = found.pop(bad)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.permanent) == ("refused_by_provider", True)
    assert failure.detail == f"HTTP {status}: scripted {status}"
    assert_all_answered(found, plan[recorded:3])
    assert len(server.batches) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_all_requests_are_refused_with_ends_the_run_and_fails_none_of_them(status: int) -> None:
    plan = questions(4)
    with (
        BatchServer(lambda line, _: refused(line, status)) as server,
        pytest.raises(StudyError, match=rf"HTTP {status}: scripted {status}.*'some-judge'"),
    ):
        ask(engine_for(server), plan)
    assert len(server.batches) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (402, "Insufficient credits"),
        (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
        (200, {"error": {"message": "Insufficient credits", "code": 402}}),
    ],
)
def test_an_account_without_money_ends_the_run_after_what_was_answered_and_fails_no_request(
    status: int, body: Any
) -> None:
    plan = questions(6)
    late = {key for key, _ in plan[4:]}

    def outcome(line: Line, batch: ScriptedBatch) -> Line:
        return responded(line, status, body) if batch.number == 0 and line["custom_id"] in late else answered(line)

    results = list[Reply | Failure]()
    with BatchServer(outcome) as server:
        with pytest.raises(StudyError, match=r"Insufficient credits|exceeded your current quota.*the same command"):
            results.extend(engine_for(server).run(plan, {key for key, _ in plan}))
        assert_all_answered({result.key: result for result in results}, plan[:4])
        assert_all_answered(ask(engine_for(server), plan, late), plan[4:])
    assert [batch.keys for batch in server.batches] == [{key for key, _ in plan}, late]


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_an_account_that_takes_no_batch_is_told(path: str) -> None:
    with BatchServer() as server:
        server.fault = lambda request: 402 if request.method == "POST" and request.path == path else None
        with pytest.raises(StudyError, match=r"HTTP 402.*Top up"):
            ask(engine_for(server), questions(3))
        assert server.batches == []


@pytest.mark.parametrize(
    ("body", "again"),
    [
        pytest.param(completion(content="a\u2028b\u0085c\U0001f600"), False, id="marks of line ends in the text"),
        pytest.param(completion(), False, id="null content"),
        pytest.param({**completion(), "choices": []}, True, id="no choice"),
        pytest.param("<html>", True, id="no JSON"),
        pytest.param(None, True, id="nothing"),
    ],
)
def test_a_reply_is_read_as_it_is_or_asked_for_again(body: Any, again: bool) -> None:
    ((key, request),) = plan = questions(1)
    with BatchServer(lambda line, batch: answered(line) if batch.number else responded(line, 200, body)) as server:
        reply = ask(engine_for(server), plan)[key]
    assert isinstance(reply, Reply)
    assert reply.text == (f"re: {request.messages[0][1]}" if again else body["choices"][0]["message"]["content"])
    assert len(server.batches) == 1 + again


def test_a_torn_line_costs_only_its_own_request(capsys: pytest.CaptureFixture[str]) -> None:
    plan = questions(6)
    with BatchServer() as server:
        end = server._end

        def tear(batch: ScriptedBatch) -> None:
            end(batch)
            if batch.number == 0:
                server.files[batch.files["output"]] = server.files[batch.files["output"]][:-30]

        server._end = tear  # type: ignore[method-assign]
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert [len(batch.lines) for batch in server.batches] == [6, 1]
    assert "is not JSON" in capsys.readouterr().err


# --- a provider that fails for a while, or for good ---


@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches", "/v1/batches/", "/content"])
def test_a_passing_fault_of_the_provider_is_tried_again(path: str) -> None:
    plan = questions(3)
    left = {"n": 3}

    def fault(request: web.Request) -> int | None:
        reached = request.path.endswith(path) or (path.endswith("es/") and request.path.startswith(path))
        if not reached or request.method + path == "POST/v1/batches" or not left["n"]:
            return None
        left["n"] -= 1
        return 503

    with BatchServer(looks=2) as server:
        server.fault = fault
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert left["n"] == 0
    assert len(server.batches) == 1


def test_a_provider_that_stays_away_ends_the_run_after_the_deadline_and_the_next_collects() -> None:
    plan = questions(3)
    with BatchServer(looks=2) as server:
        server.fault = lambda request: 503 if request.path.startswith("/v1/batches/") else None
        started = time.monotonic()
        with pytest.raises(StudyError, match=r"HTTP 503.*the same command collects them"):
            ask(engine_for(server), plan)
        assert 0.4 < time.monotonic() - started < 5
        server.fault = lambda _: None
        assert_all_answered(ask(engine_for(server), plan), plan)
    assert len(server.batches) == 1


def test_a_server_without_a_batch_api_is_told() -> None:
    with ScriptedServer(answer) as server, pytest.raises(StudyError) as raised:
        ask(engine_for(server), questions(1))
    for fact in (server.base_url, "HTTP 404", "leave out `batch`"):
        assert fact in str(raised.value)
    assert KEY not in str(raised.value)


# --- spending ---

PRICES = ModelPrices(input=0.0, output=1_000_000 / 64, batch_discount=0.5)  # at most 0.50 USD a request
USED = 7 / 64 * 0.5  # USD: what a reply of 7 tokens costs


def test_a_batch_is_cut_until_what_it_may_cost_fits(tmp_path: Path) -> None:
    plan = questions(20)
    with BatchServer() as server:
        spending = Spending(tmp_path, PRICES, limit_usd=4.2, batch=True)
        assert_all_answered(ask(engine_for(server, spending), plan), plan)
    assert [len(batch.lines) for batch in server.batches] == [8, 7, 5]  # 4.2; 4.2 - 8 USED; 4.2 - 15 USED
    assert spending.spent() == pytest.approx(20 * USED)


def test_what_does_not_fit_any_more_is_not_submitted_and_told(tmp_path: Path) -> None:
    plan = questions(20)
    results = []
    with BatchServer() as server:
        engine = engine_for(server, Spending(tmp_path, PRICES, limit_usd=1.0, batch=True))
        with pytest.raises(StudyError) as raised:
            results.extend(engine.run(plan, {key for key, _ in plan}))
        answered_first = len(results)
        assert 1.0 - 0.5 < answered_first * USED < 1.0
        assert Spending(tmp_path, PRICES).spent() == pytest.approx(answered_first * USED)
        for fact in (f"{answered_first} requests of this job", f"{20 - answered_first} remain", "Raise limit_usd"):
            assert fact in str(raised.value)
        more = Spending(tmp_path, PRICES, limit_usd=9.0, batch=True)
        assert_all_answered(
            ask(engine_for(server, more), plan, {k for k, _ in plan} - {r.key for r in results}),
            [item for item in plan if item[0] not in {result.key for result in results}],
        )
    assert sum(len(batch.lines) for batch in server.batches) == 20


def test_a_stopped_run_counts_at_worst_until_its_batch_is_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = questions(10)

    def account() -> Spending:
        return Spending(tmp_path, PRICES, limit_usd=6.0, batch=True)

    with BatchServer(looks=3) as server:
        stopped_while_it_waits(engine_for(server, account()), plan, monkeypatch)
        assert account().spent() == pytest.approx(5.0)
        ask(engine_for(server, account()), plan)
        assert account().spent() == pytest.approx(10 * USED)
        ask(engine_for(server, account()), plan)  # the same batch once more
        assert account().spent() == pytest.approx(10 * USED)


def test_a_batch_with_a_reply_that_does_not_say_its_cost_stays_at_worst(tmp_path: Path) -> None:
    plan = questions(10)

    def outcome(line: Line, _: ScriptedBatch) -> Line:
        found = answered(line)
        if line["custom_id"] == plan[0][0]:
            del found["response"]["body"]["usage"]
        return found

    spending = Spending(tmp_path, PRICES, batch=True)
    with BatchServer(outcome) as server:
        assert_all_answered(ask(engine_for(server, spending), plan), plan)
    assert spending.spent() == pytest.approx(5.0)


def test_what_was_refused_or_not_begun_costs_nothing(tmp_path: Path) -> None:
    plan = questions(10)
    refusals = {key: i for i, (key, _) in enumerate(plan)}

    def outcome(line: Line, _: ScriptedBatch) -> Line | None:
        return [answered, expired, lambda line: refused(line, 400), lambda _: None][refusals[line["custom_id"]] % 4](
            line
        )

    spending = Spending(tmp_path, PRICES, batch=True)
    with BatchServer(outcome) as server:
        ask(engine_for(server, spending, rounds=1), plan)
    assert spending.spent() == pytest.approx(3 * USED)
