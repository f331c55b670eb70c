"""A server of the job's own that dies while requests are open: which requests are to blame, and when it is given up."""

import sys
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.asking import requests
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import CRASHES_IN_A_ROW, Failure, Reply, Request, Sampling
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai import queues
from prefdelta.engines.openai.engine import OpenAIEngine
from prefdelta.servers.process import serve

PROGRAM = [sys.executable, "-IS", str(Path(__file__).with_name("mortal.py"))]  # -IS: the standard library is enough
Plan = list[tuple[str, Request]]


class Judge:
    """An engine whose server dies of questions that hold `dies_of`, and the server's diary."""

    def __init__(self, folder: Path, dies_of: str = "poison", after: int = 0, **options: Any) -> None:
        self._diary = folder / "diary"
        settings: dict[str, Any] = {"in_flight": 8, "deadline_s": 60.0, "back_off_s": 0.02, **options}
        more = ["--dies-of", dies_of, "--after", str(after), "--diary", str(self._diary)]

        def command(port: int) -> list[str]:
            return [*PROGRAM, "--port", str(port), *more]

        asked = OpenAIOptions(name="openai", model="mortal", **settings)
        self.engine = OpenAIEngine(asked, lambda: serve(command, "mortal", start_s=30), {})

    def diary(self) -> list[str]:
        return self._diary.read_text(encoding="utf-8").splitlines()

    def starts(self) -> int:
        return self.diary().count("started")


def plan_of(texts: list[str]) -> Plan:
    sampling = Sampling(temperature=0.0, max_tokens=9)
    return [(f"key {i}", Request((("user", text),), sampling, seed=i)) for i, text in enumerate(texts)]


def questions(n: int, poison: set[int]) -> Plan:
    return plan_of([f"question {i}, poison" if i in poison else f"question {i}" for i in range(n)])


def ask(judge: Judge, plan: Plan) -> dict[str, Reply | Failure]:
    results = list(judge.engine.run(plan, {key for key, _ in plan}))
    by_key = {result.key: result for result in results}
    assert len(by_key) == len(results), "a request was answered twice"
    return by_key


def ask_until_error(engine: OpenAIEngine, plan: Plan) -> tuple[list[Reply | Failure], StudyError]:
    results: list[Reply | Failure] = []
    with pytest.raises(StudyError) as raised:
        results.extend(engine.run(plan, {key for key, _ in plan}))
    return results, raised.value


def assert_only_these_crashed(results: dict[str, Reply | Failure], plan: Plan, crashed: set[str]) -> None:
    assert results.keys() == {key for key, _ in plan}
    for key, request in plan:
        result = results[key]
        if key in crashed:
            assert isinstance(result, Failure)
            assert (result.kind, result.permanent) == ("crashed_engine", True)
            assert "exit code 7" in result.detail
        else:
            assert isinstance(result, Reply)
            assert result.text == f"re: {request.messages[-1][1]}"


@pytest.mark.parametrize("in_flight", [1, 8])
def test_a_prompt_that_crashes_the_server_is_quarantined_after_two_crashes_and_the_rest_finish(
    tmp_path: Path, in_flight: int
) -> None:
    judge = Judge(tmp_path, in_flight=in_flight)
    plan = questions(40, poison={5})
    assert_only_these_crashed(ask(judge, plan), plan, {"key 5"})
    diary = judge.diary()
    assert diary.count("asked question 5, poison") == 2
    assert judge.starts() == 3
    second_server = diary[diary.index("started", 1) + 1 : len(diary) - 1 - diary[::-1].index("started")]
    assert second_server[-1] == "asked question 5, poison"
    before = second_server[:-1]
    assert [line.split(" ", 1)[0] for line in before] == ["asked", "answered"] * (len(before) // 2), "not asked alone"


def test_several_prompts_that_crash_the_server_are_each_found(tmp_path: Path) -> None:
    judge = Judge(tmp_path)
    plan = questions(40, poison={2, 4, 30})
    assert_only_these_crashed(ask(judge, plan), plan, {"key 2", "key 4", "key 30"})


def test_many_samples_of_one_prompt_that_crashes_the_server_do_not_pass_for_a_broken_engine(tmp_path: Path) -> None:
    n = CRASHES_IN_A_ROW + 1
    plan = plan_of([f"question {i}" for i in range(5)] + ["question 5, poison"] * n)
    assert_only_these_crashed(ask(Judge(tmp_path), plan), plan, {f"key {i}" for i in range(5, 5 + n)})


def test_a_prompt_that_is_asked_alone_from_the_start_and_crashes_the_server_is_quarantined(tmp_path: Path) -> None:
    # A resumed job may have nothing else to ask; the canary has shown that the server is well.
    judge = Judge(tmp_path)
    plan = questions(1, poison={0})
    assert_only_these_crashed(ask(judge, plan), plan, {"key 0"})
    assert judge.starts() == 2


@pytest.mark.parametrize(("n", "in_flight"), [(2, 1), (2, 8), (30, 8)])
def test_a_server_that_dies_of_every_request_is_an_error_and_no_request_is_blamed(
    tmp_path: Path, n: int, in_flight: int
) -> None:
    judge = Judge(tmp_path, dies_of="question", in_flight=in_flight)
    results, error = ask_until_error(judge.engine, questions(n, poison=set()))
    assert results == []
    for fact in ("engine is to blame", "exit code 7", "the same command"):
        assert fact in str(error)
    assert judge.starts() <= 2 * CRASHES_IN_A_ROW, "it was started again and again"


def test_a_server_that_breaks_for_good_in_the_middle_is_an_error_and_keeps_what_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "CRASHES_IN_A_ROW", 2)
    judge = Judge(tmp_path, dies_of="question 3", in_flight=1)  # of question 3, and of all from 30 on
    results, error = ask_until_error(judge.engine, questions(40, poison=set()))
    assert sorted(result.key for result in results if isinstance(result, Reply)) == sorted(
        f"key {i}" for i in range(30) if i != 3
    )
    assert [result.key for result in results if isinstance(result, Failure)] == ["key 3"]
    assert "engine is to blame" in str(error)
    assert judge.starts() == 2 + 2 * 2


def test_a_server_that_keeps_dying_with_nobody_to_blame_is_given_up_after_so_many_crashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "MOST_CRASHES", 4)
    # Each server answers three questions, whichever they are.
    judge = Judge(tmp_path, dies_of="question", after=3, in_flight=1)
    results, error = ask_until_error(judge.engine, questions(200, poison=set()))
    assert judge.starts() == 5
    assert [result.key for result in results if isinstance(result, Reply)] == [f"key {i}" for i in range(5 * 3)]
    assert len(results) == 5 * 3
    for fact in ("5 times", "4 are allowed", "is recorded", "the same command"):
        assert fact in str(error)


def test_a_server_that_cannot_be_started_again_is_an_error_and_keeps_what_was_answered(tmp_path: Path) -> None:
    lives = iter([[*PROGRAM, "--dies-of", "poison", "--diary", str(tmp_path / "diary")]])

    def command(port: int) -> list[str]:
        again = [sys.executable, "-c", "raise SystemExit(3)"]
        return [*next(lives, again), "--port", str(port)]

    options = OpenAIOptions(name="openai", model="mortal", in_flight=1, back_off_s=0.02)
    engine = OpenAIEngine(options, lambda: serve(command, "mortal", start_s=30), {})
    results, error = ask_until_error(engine, questions(20, poison={9}))
    assert [result.key for result in results] == [f"key {i}" for i in range(9)]
    assert "exit code 3" in str(error)


def test_what_happened_is_told_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ask(Judge(tmp_path, in_flight=1), questions(4, poison={2}))
    warnings = [line for line in capfd.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 2
    assert all("exit code 7" in line and "started again" in line for line in warnings)
