"""The judge's client: 3,000 calls of 14 KB, answered after half a second, 512 in flight, each reply read as a verdict.

PYTHONPATH=benchmarks python -m bench.judge_client        some 80 s with three rounds, on two idle cores

The server is a process of its own that does almost nothing: it reads a number from the prompt, waits on a timer, and
sends the verdict that belongs to the number. `theirs` is, in this order, openai.AsyncOpenAI as its documents set it up;
the same over aiohttp (openai.DefaultAioHttpClient); aiohttp alone, without retries, deadlines, refusals and types,
which is the limit; and for the last line the CPU that a call may cost. All read verdicts with the same function.
"""

import asyncio
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Reply, Request, Sampling
from prefdelta.core.asking.verdicts import read_verdict, verdict_schema
from prefdelta.engines.openai.engine import OpenAIEngine

from .side_by_side import ROUNDS, at_most, line

Client = TypeVar("Client")
Scores = dict[int, dict[str, int]]  # number of a call -> its verdict

CALLS, IN_FLIGHT, LATENCY_S, PROMPT_BYTES = 3_000, 512, 0.5, 14_336
DIMENSIONS = ["factuality", "strategy_coherence", "step_coherence", "computational_precision"]
MOST_MS = 1.0  # CPU of a call
OPEN_FILES = 1_024
KEY = "key"
_NUMBER = re.compile(rb"Trace (\d+):")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def request(number: int) -> Request:
    """The request of a call: a long trace, and a schema of its own, as the judge stage makes it."""
    head = f"Trace {number}:\n"
    step = 'So "x" = 3 * 4 + 5, which is 17.\n'
    text = head + step * ((PROMPT_BYTES - len(head)) // len(step))
    sampling = Sampling(temperature=0.6, max_tokens=256, reasoning_effort="medium")
    return Request((("user", text),), sampling, number, response_schema=verdict_schema(DIMENSIONS))


def expected(number: int) -> dict[str, int]:
    """The verdict that the server gives to a call."""
    return {name: 1 + (number + place) % 5 for place, name in enumerate(DIMENSIONS)}


def by_engine(base_url: str, numbers: range) -> Scores:
    """The study's engine."""
    options = OpenAIOptions(name="openai", model="judge", base_url=base_url, in_flight=IN_FLIGHT)
    engine = OpenAIEngine(options, lambda: nullcontext(Endpoint(base_url, KEY, lambda: None)), {})
    plan = [(str(number), request(number)) for number in numbers]
    return {
        int(reply.key): read_verdict(reply.text, reply.finish_reason, DIMENSIONS)
        for reply in engine.run(plan, {key for key, _ in plan})
        if isinstance(reply, Reply)
    }


def by_openai(base_url: str, numbers: range, over_aiohttp: bool = False) -> Scores:
    """The openai package's own client."""
    import openai

    async def ask(client: openai.AsyncOpenAI, number: int) -> tuple[str | None, str]:
        completion = await client.chat.completions.create(**body_of(number))
        return completion.choices[0].message.content, completion.choices[0].finish_reason

    transport = openai.DefaultAioHttpClient if over_aiohttp else lambda: None
    return gathered(lambda: openai.AsyncOpenAI(base_url=base_url, api_key=KEY, http_client=transport()), ask, numbers)


def by_aiohttp(base_url: str, numbers: range) -> Scores:
    """The aiohttp package alone."""
    import aiohttp

    async def ask(session: aiohttp.ClientSession, number: int) -> tuple[str | None, str]:
        async with session.post(f"{base_url}/chat/completions", json=body_of(number)) as reply:
            choice = (await reply.json())["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]

    def session() -> aiohttp.ClientSession:
        headers = {"Authorization": f"Bearer {KEY}"}
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT), headers=headers)

    return gathered(session, ask, numbers)


def gathered(
    opened: Callable[[], AbstractAsyncContextManager[Client]],
    ask: Callable[[Client, int], Awaitable[tuple[str | None, str]]],
    numbers: range,
) -> Scores:
    """The verdicts of all calls, as a user would ask for them: one task per call, and a semaphore."""

    async def all_of_them() -> Scores:
        room = asyncio.Semaphore(IN_FLIGHT)
        async with opened() as client:

            async def one(number: int) -> tuple[int, dict[str, int]]:
                async with room:
                    text, finish_reason = await ask(client, number)
                return number, read_verdict(text, finish_reason, DIMENSIONS)

            return dict(await asyncio.gather(*map(one, numbers)))

    return asyncio.run(all_of_them())


def body_of(number: int) -> dict[str, Any]:
    asked = request(number)
    schema = {"name": "verdict", "schema": asked.response_schema, "strict": True}
    return {
        "model": "judge",
        "messages": [{"role": role, "content": content} for role, content in asked.messages],
        "temperature": asked.sampling.temperature,
        "top_p": asked.sampling.top_p,
        "max_completion_tokens": asked.sampling.max_tokens,
        "seed": asked.seed,
        "reasoning_effort": asked.sampling.reasoning_effort,
        "response_format": {"type": "json_schema", "json_schema": schema},
    }


class _Judge(asyncio.Protocol):
    """One connection of the server. It knows HTTP only as far as the clients here use it."""

    def __init__(self) -> None:
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(self._received, 0, head) if head >= 4 else None
        if length is None or len(self._received) < head + int(length[1]):
            return
        number = _NUMBER.search(self._received, head)
        assert number is not None
        asyncio.get_running_loop().call_later(LATENCY_S, self._answer, int(number[1]))
        self._received.clear()

    def _answer(self, number: int) -> None:
        message = {"role": "assistant", "content": json.dumps(expected(number))}
        completion = {
            "id": f"call-{number}",
            "object": "chat.completion",
            "created": 1,
            "model": "judge",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3_500, "completion_tokens": 40, "total_tokens": 3_540},
        }
        content = json.dumps(completion).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._transport.write(head.encode() + content)


async def serve() -> None:
    """Serve until the process ends; the port is printed."""
    server = await asyncio.get_running_loop().create_server(_Judge, "127.0.0.1", 0, backlog=2 * IN_FLIGHT)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def served() -> Iterator[str]:
    """The address of a server that runs within the context."""
    command = [sys.executable, "-m", "bench.judge_client", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


WAYS: dict[str, Callable[[str, range], Scores]] = {
    "ours": by_engine,
    "openai": by_openai,
    "openai-aiohttp": lambda base_url, numbers: by_openai(base_url, numbers, over_aiohttp=True),
    "aiohttp": by_aiohttp,
}


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))
    wall, cpu = defaultdict[str, list[float]](list), list[float]()
    with served() as base_url:
        for way in WAYS.values():
            way(base_url, range(IN_FLIGHT // 4))  # imports
        for _ in range(ROUNDS):
            for name, way in WAYS.items():
                started, cpu_before = time.perf_counter(), time.process_time()
                scores = way(base_url, range(CALLS))
                wall[name].append(time.perf_counter() - started)
                if name == "ours":
                    cpu.append((time.process_time() - cpu_before) / CALLS * 1_000)
                if scores != {number: expected(number) for number in range(CALLS)}:
                    sys.exit(f"{name}: the verdicts are not those of the server")
    for name in ("openai", "openai-aiohttp", "aiohttp"):
        ratio = statistics.median(theirs / ours for ours, theirs in zip(wall["ours"], wall[name], strict=True))
        line(f"judge-client-{name}", ratio, statistics.median(wall["ours"]), statistics.median(wall[name]), "s")
    at_most("judge-client-cpu", statistics.median(cpu), MOST_MS, "ms")


if __name__ == "__main__":
    asyncio.run(serve()) if sys.argv[1:] == ["serve"] else main()
