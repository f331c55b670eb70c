"""A judge behind vLLM's own server, through the engine and the record that the judge stage uses."""

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.asking.engine_options import OpenAIOptions, VLLMServer
from prefdelta.core.asking.requests import Endpoint, Request, Sampling
from prefdelta.core.asking.template_settings import PLAIN
from prefdelta.core.asking.verdicts import read_verdict, verdict_schema
from prefdelta.engines.openai.engine import OpenAIEngine
from prefdelta.records.call import Call
from prefdelta.servers import vllm
from prefdelta.servers.process import serve
from prefdelta.store import calls
from prefdelta.store.record import Record
from servers.posting import post

from .conftest import DIMENSIONS

MODEL = "little-judge"
SETTINGS = VLLMServer(name="vllm", dtype="float32", max_length=512, gpu_memory_share=0.3)


@dataclass
class Served:
    endpoint: Endpoint
    log: Path

    def engine(self) -> OpenAIEngine:
        options = OpenAIOptions(name="openai", model=MODEL, in_flight=16, deadline_s=120)
        return OpenAIEngine(options, lambda: nullcontext(self.endpoint), vllm.identity(SETTINGS, "weights"))


@pytest.fixture(scope="module")
def served(judge: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("server") / "log"
    with pytest.MonkeyPatch.context() as patch, log.open("w") as stream:
        patch.setattr("sys.stderr", stream)
        with serve(partial(vllm.command, SETTINGS, judge, MODEL, PLAIN), MODEL, start_s=400) as endpoint:
            patch.undo()
            yield Served(endpoint, log)


def command_lines() -> list[str]:
    """Of all processes: anyone on the machine can read them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_text(errors="replace").replace("\0", " "))
    return found


def requests(n: int, **more: Any) -> list[Request]:
    sampling = Sampling(temperature=0.6, max_tokens=120)
    return [Request((("user", f"How good is trace {i}?"),), sampling, seed=i, **more) for i in range(n)]


def test_verdicts_come_in_the_schema_and_are_recorded_once(served: Served, tmp_path: Path) -> None:
    asked = requests(40, response_schema=verdict_schema(DIMENSIONS))
    answers = calls.ask_missing(served.engine(), asked, Record(tmp_path, Call), "judge")
    assert answers.asked == 40
    verdicts = [read_verdict(call.text, call.finish_reason, DIMENSIONS) for call in answers.calls]
    assert len({tuple(verdict.values()) for verdict in verdicts}) > 5, "seeds make no difference"
    assert all((call.n_tokens or 0) > 20 for call in answers.calls)
    assert {call.model for call in answers.calls} == {MODEL}
    again = calls.ask_missing(served.engine(), asked, Record(tmp_path, Call), "judge")
    assert (again.asked, again.calls) == (0, answers.calls)


def test_the_same_seed_gives_the_same_reply(served: Served) -> None:
    plan = [(str(request.seed), request) for request in requests(10, response_schema=verdict_schema(DIMENSIONS))]
    first, second = (
        {result.key: getattr(result, "text", None) for result in served.engine().run(plan, {key for key, _ in plan})}
        for _ in range(2)
    )
    assert first == second
    assert None not in first.values()


def test_without_the_key_nothing_is_answered_and_the_key_is_nowhere_to_be_seen(served: Served) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "max_completion_tokens": 4}
    assert post(served.endpoint.base_url, "another", body)[0] == 401
    assert post(served.endpoint.base_url, served.endpoint.api_key, body)[0] == 200
    lines = [line for line in command_lines() if MODEL in line]
    assert lines
    assert not any(served.endpoint.api_key in line for line in lines)
    assert served.endpoint.api_key not in served.log.read_text()


def test_a_prompt_that_does_not_fit_is_a_permanent_failure(served: Served) -> None:
    request = Request((("user", "much too long " * 60),), Sampling(temperature=0.6, max_tokens=9), seed=0)
    (result,) = served.engine().run([("key", request)], {"key"})
    assert getattr(result, "permanent", False), result


def test_the_reasoning_parser_that_gpt_oss_needs_is_one_that_vllm_knows() -> None:
    from vllm.reasoning import ReasoningParserManager

    assert ReasoningParserManager.get_reasoning_parser("openai_gptoss")
