"""Engine `openai`: any server that speaks the OpenAI chat-completions protocol, through the openai package.

The package's own retries (two of them, ten minutes each) are off. Each request has one deadline for all its tries,
waits with full jitter between them, and honours Retry-After. A request that the server refuses for good is a permanent
failure; one that runs out of time is a transient failure, which is not recorded.

Two faults concern the server and not one request. A dead engine: nothing is answered any more; a canary tells this
from slow work (`_watch`). A crash: a server that this job started has stopped; it is started again, and the requests
that were open are asked one at a time, so that the one to blame shows itself (`_Work`).
"""

import asyncio
import random
import resource
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any

from prefdelta.core.errors import StudyError
from prefdelta.core.options import OpenAIOptions
from prefdelta.core.requests import Endpoint, Failure, Quarantine, Reply, Request, ServerStoppedError, canary
from prefdelta.files import say

if TYPE_CHECKING:
    import openai
    from openai.types.chat import ChatCompletion

VERSION = 1  # raise it when the same request would get another reply
LONGEST_WAIT_S = 30.0
MOST_CRASHES = 20  # of a server that this job started, in one run
OTHER_FILES = 64  # open files that are left for all but the requests


class _Work:
    """The requests of one run, over all the servers that it takes."""

    def __init__(self, wanted: dict[str, Request]) -> None:
        self.waiting = deque(wanted.items())
        self.suspects = deque[tuple[str, Request]]()  # open when a server crashed: asked first, each alone
        self.open: dict[str, Request] = {}
        self.quarantine = Quarantine()
        self._suspected: set[str] = set()
        self._crashes = 0

    def __len__(self) -> int:
        """How many are not yet asked."""
        return len(self.suspects) + len(self.waiting)

    def server_stopped(self, error: ServerStoppedError) -> None:
        """Find whom to suspect and whom to blame. Raises StudyError if starting the server again is of no use."""
        self._crashes += 1
        suspects = [(key, request) for key, request in self.open.items() if key not in self._suspected]
        for key in self.open.keys() & self._suspected:  # one at most: a suspect is asked alone
            self.quarantine.blame(key, self.open[key], str(error))
        self.open.clear()
        if self._crashes > MOST_CRASHES:
            raise StudyError(
                f"{error} It stopped {self._crashes} times in this job, and {MOST_CRASHES} are allowed. What was "
                "answered is recorded. Mend the cause; the same command then asks for the rest."
            )
        self._suspected.update(key for key, _ in suspects)
        self.suspects.extend(suspects)
        say(f"warning: {error} It is started again; then {len(self.suspects):,} requests are asked one at a time.")


class _Pulse:
    """When a server last answered a request: the sign of life."""

    def __init__(self) -> None:
        self.answered_at = monotonic()
        self.out_of_time = 0  # requests since then that met their deadline
        self.suspicion: str | None = None  # what the last canary since then met

    def note(self, result: Reply | Failure) -> None:
        if isinstance(result, Failure) and not result.permanent:
            self.out_of_time += 1
        else:
            self.answered_at, self.out_of_time, self.suspicion = monotonic(), 0, None

    def silent_s(self) -> float:
        return monotonic() - self.answered_at


class OpenAIEngine:
    """Asks the server that `serve` opens; nothing is opened before the first missing request.

    server_identity: what determines the server's replies besides the model's name (its code, its settings).
    """

    def __init__(
        self,
        options: OpenAIOptions,
        serve: Callable[[], AbstractContextManager[Endpoint]],
        server_identity: dict[str, Any],
    ) -> None:
        self._options, self._serve, self._server_identity = options, serve, server_identity

    def identity(self) -> dict[str, Any]:
        return {
            "engine": "openai",
            "version": VERSION,
            "model": self._options.model,
            "server": self._server_identity,
        }

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        work = _Work({key: request for key, request in plan if key in missing})
        while work:
            yield from self._ask_one_server(work)
        yield from work.quarantine.rest()

    @cached_property
    def _in_flight(self) -> int:
        return _limited_by_open_files(self._options.in_flight)

    def _ask_one_server(self, work: _Work) -> Iterator[Reply | Failure]:
        """Ask until all is asked, or the server has stopped."""
        in_flight = self._in_flight  # before the server starts, which inherits the limit of open files
        with self._serve() as endpoint, asyncio.Runner() as runner:
            results = self._ask_all(endpoint, work, in_flight)

            async def following() -> Reply | Failure | None:
                return await anext(results, None)

            # Ending early (the caller stops, SIGTERM) leaves `runner`, which cancels what is open and closes `results`.
            try:
                while (result := runner.run(following())) is not None:
                    yield from work.quarantine.settle(result)
            except ServerStoppedError as error:
                work.server_stopped(error)

    async def _ask_all(self, endpoint: Endpoint, work: _Work, in_flight: int) -> AsyncGenerator[Reply | Failure]:
        """Results as they come. An error is raised after all results that came before it."""
        results: asyncio.Queue[Reply | Failure | Exception] = asyncio.Queue()
        wanted = len(work)
        none_suspected = asyncio.Event()

        async def report(task: Coroutine[Any, Any, None]) -> None:
            try:
                await task
            except Exception as error:
                results.put_nowait(error)

        async def ask(requests: deque[tuple[str, Request]]) -> None:
            while requests:
                endpoint.check()  # so that no request is blamed for an earlier crash
                key, request = requests.popleft()
                work.open[key] = request
                result = await self._ask(client, endpoint, key, request)
                del work.open[key]
                results.put_nowait(result)
                pulse.note(result)
                if work:
                    self._stop_if_hopeless(endpoint, pulse)

        async def ask_suspects() -> None:
            await ask(work.suspects)
            none_suspected.set()

        async def ask_waiting() -> None:
            await none_suspected.wait()
            await ask(work.waiting)

        async with self._client(endpoint, self._options.deadline_s) as client:
            pulse = _Pulse()
            jobs = [self._watch(endpoint, pulse), ask_suspects(), *(ask_waiting() for _ in range(in_flight))]
            tasks = [asyncio.create_task(report(job)) for job in jobs]
            error: Exception | None = None
            try:
                for _ in range(wanted):
                    result = await results.get()
                    if isinstance(result, Exception):
                        error = result
                        break
                    yield result
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if error is not None:
                while not results.empty():  # what was answered while the error was on its way
                    if not isinstance(late := results.get_nowait(), Exception):
                        yield late
                raise error

    def _client(self, endpoint: Endpoint, timeout_s: float) -> "openai.AsyncOpenAI":
        import openai

        return openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            max_retries=0,
            timeout=timeout_s,
            http_client=openai.DefaultAioHttpClient(),
        )

    async def _watch(self, endpoint: Endpoint, pulse: _Pulse) -> None:
        """Send a canary whenever nothing was answered for quiet_s.

        If it fails too, the engine is dead: this ends the run if the server is ours, and is told if it is not, because
        somebody else may mend that one in time.
        """
        limit = self._options.quiet_s
        sent_at = pulse.answered_at
        while True:
            time_left = max(pulse.answered_at, sent_at) + limit - monotonic()
            if time_left > 0:
                await asyncio.sleep(time_left)
                continue
            sent_at, answered_at = monotonic(), pulse.answered_at
            found = await self._send_canary(endpoint)
            if pulse.answered_at != answered_at:
                continue  # the canary may have waited its turn behind that answer
            if found is not None:
                endpoint.check()
                silent = f"no request was answered for {pulse.silent_s():.3g} s, nor a canary ({found})"
                told = f"{endpoint.base_url}: {silent}."
                if endpoint.ours:
                    raise StudyError(
                        f"{told} The engine of the server that this job started is dead, and does not heal by itself. "
                        "What was answered is recorded. See the server's output above; the same command starts it "
                        f"again and asks for the rest. If it was only slow, raise quiet_s (now {limit:g} s)."
                    )
                if pulse.suspicion is None:
                    say(
                        f"warning: {told} It is asked again until nothing was answered for "
                        f"{self._options.deadline_s:g} s (deadline_s)."
                    )
            pulse.suspicion = found

    async def _send_canary(self, endpoint: Endpoint) -> str | None:
        """What is wrong with the engine; None if it answers a tiny completion. Over a connection of its own."""
        import openai

        limit = self._options.quiet_s
        try:
            async with asyncio.timeout(limit), self._client(endpoint, limit) as client:
                await _complete(client, canary(self._options.model))
        except TimeoutError:
            return f"silence for {limit:g} s"
        except (openai.OpenAIError, ValueError) as error:
            return _described(error)
        return None

    def _stop_if_hopeless(self, endpoint: Endpoint, pulse: _Pulse) -> None:
        """Do not let each of the remaining requests run into its own deadline.

        A single request that met its deadline may be to blame itself, as long as canaries are answered.
        """
        if pulse.silent_s() >= self._options.deadline_s and (pulse.suspicion or pulse.out_of_time > 1):
            told = f" A canary met: {pulse.suspicion}." if pulse.suspicion else ""
            raise StudyError(
                f"{endpoint.base_url}: no request was answered for {self._options.deadline_s:g} s (deadline_s).{told} "
                "What was answered before is recorded. When the server works again, the same command asks for the rest."
            )

    async def _ask(
        self, client: "openai.AsyncOpenAI", endpoint: Endpoint, key: str, request: Request
    ) -> Reply | Failure:
        """Try until there is a reply, a refusal, or no time left."""
        import openai

        started = monotonic()
        deadline = started + self._options.deadline_s
        mean_wait = self._options.back_off_s
        detail = ""
        while (time_left := deadline - monotonic()) > 0:
            told_to_wait = 0.0
            try:
                async with asyncio.timeout(time_left):
                    return await self._ask_once(client, key, request, started)
            except openai.APIStatusError as error:
                if error.status_code in (401, 403, 404):
                    raise StudyError(
                        f"{endpoint.base_url} refused with HTTP {error.status_code}: {error.message}. Check the model's"
                        f" name ({self._options.model!r}), the address, and the key in the environment."
                    ) from None
                if error.status_code not in (408, 409, 429) and error.status_code < 500:
                    return Failure(key, "rejected", permanent=True, detail=error.message)
                told_to_wait = _retry_after(error.response.headers.get("retry-after"))
                detail = f"HTTP {error.status_code}"
            except TimeoutError:
                detail = f"after {self._options.deadline_s:g} s"
                break
            except (openai.APIConnectionError, openai.APIResponseValidationError, ValueError) as error:
                detail = _described(error)
            endpoint.check()
            time_left = deadline - monotonic()
            if told_to_wait >= time_left:
                break
            # Up to the deadline and no further: a request that gave up early would let the next one start too early.
            await asyncio.sleep(min(max(told_to_wait, random.uniform(0, 2 * mean_wait)), time_left))
            mean_wait = min(2 * mean_wait, LONGEST_WAIT_S)
        return Failure(key, "deadline", permanent=False, detail=detail)

    async def _ask_once(
        self, client: "openai.AsyncOpenAI", key: str, request: Request, started: float
    ) -> Reply | Failure:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._options.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_completion_tokens": sampling.max_tokens,
            "seed": request.seed + request.attempt,
        }
        if sampling.reasoning_effort is not None:
            body["reasoning_effort"] = sampling.reasoning_effort
        if request.response_schema is not None:
            schema = {"name": "verdict", "schema": request.response_schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        reply = await _complete(client, body)
        choice = reply.choices[0]
        tokens = reply.usage.completion_tokens if reply.usage else None
        text = choice.message.content
        if text is None and choice.message.refusal:
            return Failure(key, "refusal", permanent=True, detail=choice.message.refusal)
        return Reply(key, text, choice.finish_reason, tokens, reply.model, monotonic() - started)


async def _complete(client: "openai.AsyncOpenAI", body: dict[str, Any]) -> "ChatCompletion":
    """A completion with a message. Raises ValueError if the server answers HTTP 200 with anything else."""
    from openai.types.chat import ChatCompletion

    reply = await client.chat.completions.create(**body)
    if not isinstance(reply, ChatCompletion):  # a proxy's page, for example: the package lets other bodies through
        raise ValueError(f"the reply is no chat completion: {str(reply)[:80]!r}")
    # Some gateways answer a passing fault with HTTP 200 and no choice, or one without a message.
    if not reply.choices or reply.choices[0].message is None:
        raise ValueError(f"the reply has no choice: {str(reply)[:80]!r}")
    return reply


def _described(error: Exception) -> str:
    """In words that help: the package calls a refused connection a time-out, but its cause tells the truth."""
    return f"{type(error).__name__}: {error.__cause__ or error}".rstrip(".")


def _limited_by_open_files(in_flight: int) -> int:
    """How many requests can be open at once: each holds a connection, and a connection is an open file."""
    needed = in_flight + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return in_flight
    if soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    allowed = max(1, min(in_flight, soft - OTHER_FILES))
    if allowed < in_flight:
        say(
            f"warning: {allowed} requests are in flight instead of {in_flight}: this job may open {soft} files (ulimit "
            f"-Hn), and each request needs one. Raise the limit to {needed} for all of them."
        )
    return allowed


def _retry_after(header: str | None) -> float:
    """Seconds a server asks to wait, as a number or until a date; 0 if it says neither."""
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(str(header))
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date either, or one without a zone
        return 0.0
