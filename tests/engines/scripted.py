"""A real HTTP server on loopback whose behaviour a test writes: faults as they come over the wire, not mocks."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the server got it."""

    at: float  # time.monotonic()
    question: str  # content of its last message
    attempt: int  # how many requests with this question came before
    headers: dict[str, str]
    body: dict[str, Any] = field(repr=False)


# What the server does with a request; it may also break the connection.
Behaviour = Callable[[web.Request, Seen], Awaitable[web.StreamResponse]]


def completion(**message: Any) -> dict[str, Any]:
    """The body of a chat completion with this message. It names no model: `answer` and `body` name the one asked."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None, **message}}
    usage = {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}
    head = {"id": "x", "object": "chat.completion", "created": 1}
    return {**head, "choices": [choice], "usage": usage}


async def answer(request: web.Request, seen: Seen) -> web.StreamResponse:
    """A right reply, which names the question so that replies cannot be mixed up unnoticed."""
    return web.json_response({**completion(content=f"re: {seen.question}"), "model": seen.body["model"]})


def status(code: int, **headers: str) -> Behaviour:
    """An error reply with this HTTP status."""

    async def refuse(request: web.Request, seen: Seen) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response({"error": {"message": f"scripted {code}"}}, status=code, headers=named)

    return refuse


async def drop(request: web.Request, seen: Seen) -> web.StreamResponse:
    """The connection breaks before a reply."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut(request: web.Request, seen: Seen) -> web.StreamResponse:
    """The connection breaks in the middle of the reply's body."""
    whole = json.dumps(completion(content="never whole")).encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(whole))})
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


async def stall(request: web.Request, seen: Seen) -> web.StreamResponse:
    """The reply's body stops half-way; the connection stays open."""
    whole = json.dumps(completion(content="never whole")).encode()
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(whole))})
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    return await silence(request, seen)


async def silence(request: web.Request, seen: Seen) -> web.StreamResponse:
    """No reply, ever; the connection stays open."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def body(content: dict[str, Any]) -> Behaviour:
    """HTTP 200 with this JSON body."""

    async def reply(request: web.Request, seen: Seen) -> web.StreamResponse:
        return web.json_response(_named(seen, content))

    return reply


def _named(seen: Seen, content: Any) -> Any:
    """A completion that names no model gets the name that was asked."""
    is_completion = isinstance(content, dict) and content.get("object") == "chat.completion"
    return {"model": seen.body["model"], **content} if is_completion else content


def first(n: int, behaviour: Behaviour, then: Behaviour = answer) -> Behaviour:
    """The first n requests of each question meet `behaviour`, later ones `then`."""

    async def switch(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (behaviour if seen.attempt < n else then)(request, seen)

    return switch


def is_canary(seen: Seen) -> bool:
    """The one question that no test asks itself."""
    return seen.question == "Say OK."


class ScriptedServer:
    """Serves in a thread of its own while the context is open. `/health` is always fine."""

    def __init__(self, behaviour: Behaviour, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self.open = 0  # requests being served now
        self.most_open = 0
        self._behaviour, self._port = behaviour, port
        self._loop = asyncio.new_event_loop()
        # A daemon, or pytest would not end after a test in which this did not end.
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            content = await request.json()
            question = content["messages"][-1]["content"]
            attempt = sum(seen.question == question for seen in self.seen)
            self.seen.append(Seen(time.monotonic(), question, attempt, dict(request.headers), content))
            return await self._behaviour(request, self.seen[-1])
        finally:
            self.open -= 1

    @staticmethod
    async def _say_healthy(request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    def _routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/chat/completions", self._serve), web.get("/health", self._say_healthy)]

    async def _start(self) -> None:
        application = web.Application(client_max_size=2**28)
        application.router.add_routes(self._routes())
        # A client that goes away ends its handler, so `open` says what clients still wait for.
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(timeout=10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
