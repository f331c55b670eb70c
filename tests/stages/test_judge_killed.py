"""A judge's job that is ended in its midst: what its server answered, against what the record holds then."""

import asyncio
import random
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from engines.scripted import ScriptedServer, answer, completion
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.records.judgement import Judgement
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store.tables import write

from .conftest import judge_inputs, judge_settings
from .running import DIMENSIONS, read_checked, recorded, trace_of
from .starting import start

IN_FLIGHT = 32
WORTH_S = 5.0  # seconds of answers, besides those in flight, that a kill without warning may lose
PROGRESS = re.compile(r".+: ([\d,]+)/[\d,]+ requests, ([\d,.]+)/s, (\d+) s left")
VERDICT = completion(content='{"computational_precision": 4, "signal_to_noise": 2}')


class CountingServer(ScriptedServer):
    """Gives every question the same verdict after some seconds, and keeps what it answered and when."""

    def __init__(self, seconds: float) -> None:
        super().__init__(answer)
        self._seconds = seconds
        self.served: list[tuple[float, str]] = []  # (time.monotonic(), question)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        question = (await request.json())["messages"][-1]["content"]
        await asyncio.sleep(self._seconds)
        self.served.append((time.monotonic(), question))
        return web.json_response(VERDICT)

    def await_served(self, count: int) -> None:
        ends = time.monotonic() + 120
        while len(self.served) < count:
            assert time.monotonic() < ends, f"{len(self.served)} of {count} served"
            time.sleep(0.01)


class Job:
    """The judge's job on so many traces, started as Snakemake starts it, again and again."""

    def __init__(self, folder: Path, server: ScriptedServer, rows: int) -> None:
        prompts = [Prompt(f"p{n:05d}", "train", f"Question {n}?", ["1"]) for n in range(rows)]
        write(folder / "prompts.parquet", Prompt, prompts)
        write(
            folder / "traces.parquet", Trace, [trace_of(one.prompt_id, "weak", f"It is {one.text}") for one in prompts]
        )
        self._inputs = judge_inputs(folder / "prompts.parquet", folder / "traces.parquet")
        self._record, self.judgements = folder / "record", folder / "judgements.parquet"
        engine = OpenAIOptions(
            name="openai", model="scripted", base_url=server.base_url, api_key_env="SCRIPTED_KEY", in_flight=IN_FLIGHT
        )
        self._settings = judge_settings(engine=engine)

    def start(self) -> subprocess.Popen[str]:
        return start("judge", self._settings, self._inputs, {"judgements": self.judgements}, self._record)

    def recorded(self) -> int:
        return len(recorded(self._record / "calls/judge/logic~weak"))


@pytest.fixture(autouse=True)
def key_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", "sk-never-to-be-recorded")


@pytest.mark.parametrize(
    ("seconds", "rows"), [pytest.param(0.0, 3_000, id="fast server"), pytest.param(0.3, 700, id="slow server")]
)
def test_a_signal_at_any_moment_loses_no_answer_but_those_in_flight(tmp_path: Path, seconds: float, rows: int) -> None:
    """Three times, and the fourth run asks for the rest."""
    moments = sorted(random.sample(range(1, rows - 8 * IN_FLIGHT), 3))  # in answers
    lost = 0
    with CountingServer(seconds) as server:
        job = Job(tmp_path, server, rows)
        for number, drawn in zip(random.sample([signal.SIGINT, signal.SIGTERM] * 2, 3), moments, strict=True):
            moment = max(drawn, len(server.served) - lost + 1)  # not before it has started
            process = job.start()
            server.await_served(moment + lost)
            process.send_signal(number)
            _, log = process.communicate(timeout=30)
            assert process.returncode == 128 + number, log
            served, kept = len(server.served), job.recorded()
            assert served - kept <= lost + IN_FLIGHT, (number, served, kept)
            lost = served - kept
        process = job.start()
        _, log = process.communicate(timeout=120)
        assert process.returncode == 0, log
    assert len(server.served) == rows + lost
    assert job.recorded() == rows
    assert len(read_checked(job.judgements, Judgement)) == rows * len(DIMENSIONS)


@pytest.mark.parametrize(
    ("seconds", "rows"), [pytest.param(0.0, 80_000, id="fast server"), pytest.param(0.3, 1_500, id="slow server")]
)
def test_a_kill_loses_five_seconds_of_answers_and_progress_counts_all_that_came(
    tmp_path: Path, seconds: float, rows: int
) -> None:
    with CountingServer(seconds) as server:
        job = Job(tmp_path, server, rows)
        process = job.start()
        assert process.stderr is not None
        for line in process.stderr:
            if report := PROGRESS.fullmatch(line.rstrip("\n")):
                break
        assert report is not None
        done, per_second, seconds_left = (float(number.replace(",", "")) for number in report.groups())
        # What is told is what was answered before the line was written, a reply or two per request in flight ago.
        assert done <= len(server.served) <= done + 3 * IN_FLIGHT
        assert seconds_left == pytest.approx(
            (rows - done) / per_second, rel=0.1, abs=0.5
        )  # it is told in whole seconds
        time.sleep(random.uniform(0, WORTH_S))
        killed_at = time.monotonic()
        process.kill()
        process.communicate(timeout=30)
        kept, served = job.recorded(), len(server.served)
        assert sum(at < killed_at - WORTH_S for at, _ in server.served) <= kept + IN_FLIGHT, (served, kept)
        process = job.start()
        server.await_served(served + IN_FLIGHT)
        process.terminate()
        process.communicate(timeout=30)
        asked = Counter(question for _, question in server.served)
        assert sum(count - 1 for count in asked.values()) <= served - kept  # what is recorded is not asked again
