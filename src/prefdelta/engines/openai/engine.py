"""Engine `openai`: any server that speaks the OpenAI chat-completions protocol, through the openai package.

The package's own retries (two of them, ten minutes each) are off. Each request has one deadline for all its tries,
waits with full jitter between them, and honours Retry-After. A request that the server refuses for good is a permanent
failure; one that runs out of time is a transient failure, which is not recorded. A refusal that is about the account
ends the run and is recorded for nobody (`openai_refusals`), one that may be about all requests is held back
(`openai_held`).

Two faults concern the server and not one request. A dead engine: nothing is answered any more; a canary tells this
from slow work (`_watch`). A crash: a server that this job started has stopped; it is started again, and the requests
that were open are asked one at a time, so that the one to blame shows itself (`_Work`).

With a limit on spending, a request waits until what it may cost at most fits beside all that is in flight. When nothing
is in flight any more and it still does not fit, the run stops: what was paid for is always received.

The option `batch` sends the same requests through the provider's batch API instead (`openai_batch`).
"""

import asyncio
import random
import re
import resource
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request, Sampling, ServerStoppedError, canary
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai import batch
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.body import (
    ErrorReplyError,
    about_all,
    arguments_of,
    body_of,
    checked,
    identity_of,
    named,
    result_of,
)
from prefdelta.engines.openai.faults import LONGEST_WAIT_S, described, never_sent, retry_after
from prefdelta.engines.openai.held import REFUSED_IN_A_ROW, Held, RunOverError
from prefdelta.engines.openai.names import NameWatch
from prefdelta.engines.openai.refusals import Refusal, about_the_account, refused_in, refused_with
from prefdelta.system.files import say
from prefdelta.system.processes import at_stop, uninterrupted

if TYPE_CHECKING:
    import openai

MOST_CRASHES = 20  # of a server that this job started, in one run
MOST_TOLD = 20  # reasons of refusals in a job's log
OTHER_FILES = 64  # open files that are left for all but the requests
ROOM_S = 0.1  # between two looks whether the limit on spending has room for a request


class _Work:
    """The requests of one run, over all the servers that it takes."""

    def __init__(self, wanted: dict[str, Request], recorded: int, names: NameWatch) -> None:
        self.answered = recorded  # of the plan, those of before included
        self.names = names
        self.waiting = deque(wanted.items())
        self.suspects = deque[tuple[str, Request]]()  # open when a server crashed: asked first, each alone
        self.open: dict[str, Request] = {}
        self.quarantine = Held(recorded)
        self._suspected: set[str] = set()
        self._crashes = 0

    def __len__(self) -> int:
        """How many are not yet asked."""
        return len(self.suspects) + len(self.waiting)

    def rest(self) -> list[Request]:
        """Those that are not yet asked."""
        return [request for _, request in (*self.suspects, *self.waiting)]

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
        self.last_words = ""  # of the last request that met its deadline

    def note(self, result: Reply | Failure) -> None:
        if isinstance(result, Failure) and not result.permanent:
            self.out_of_time += 1
            self.last_words = result.detail
        else:
            self.answered_at, self.out_of_time, self.suspicion = monotonic(), 0, None

    def silent_s(self) -> float:
        return monotonic() - self.answered_at


class _Arrived:
    """Results that came and are not handed over yet."""

    def __init__(self) -> None:
        self._results = deque[Reply | Failure]()
        self._woken = asyncio.Event()

    def add(self, result: Reply | Failure) -> None:
        self._results.append(result)
        self.wake()

    def wake(self) -> None:
        """Have whoever waits look: something came, or there is an end to it."""
        self._woken.set()

    async def some(self) -> None:
        """Wait to be woken."""
        await self._woken.wait()
        self._woken.clear()

    def take(self) -> Reply | Failure | None:
        return self._results.popleft() if self._results else None


class OpenAIEngine:
    """Asks the server that `serve` opens; nothing is opened before the first missing request.

    server_identity: what determines the server's replies besides the model's name (its code, its settings).
    spending: the account that requests are charged to; none by default.
    """

    def __init__(
        self,
        options: OpenAIOptions,
        serve: Callable[[], AbstractContextManager[Endpoint]],
        server_identity: dict[str, Any],
        spending: Spending | None = None,
    ) -> None:
        self._options, self._serve, self._server_identity = options, serve, server_identity
        self._spending = spending or Spending(Path())
        self._told: set[str] = set()  # reasons of refusals

    def identity(self) -> dict[str, Any]:
        return identity_of(self._options, self._server_identity)

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        wanted = {key: request for key, request in plan if key in missing}
        self._spending.announce(wanted.values())
        names = NameWatch(self._options)
        if self._options.batch is not None:
            results = batch.run(self._options, self._options.batch, self._serve, self._spending, plan, wanted)
            yield from names.after(results)
            return
        work = _Work(wanted, len(dict(plan)) - len(wanted), names)
        while work:
            yield from self._ask_one_server(work)
        yield from work.quarantine.rest()

    @cached_property
    def _in_flight(self) -> int:
        return _limited_by_open_files(self._options.in_flight)

    def _ask_one_server(self, work: _Work) -> Iterator[Reply | Failure]:
        """Ask until all is asked, or the server has stopped. An error is raised after all that came before it."""
        in_flight = self._in_flight  # before the server starts, which inherits the limit of open files
        with self._serve() as endpoint, asyncio.Runner() as runner:
            loop, arrived = runner.get_loop(), _Arrived()
            # Ending early (the caller stops, a signal) leaves `runner`, which cancels what is open.
            asking = loop.create_task(self._ask_all(endpoint, work, in_flight, arrived))
            asking.add_done_callback(lambda _: arrived.wake())
            with at_stop(lambda: loop.call_soon_threadsafe(arrived.wake)):
                while not asking.done():
                    # The loop stands still until the caller has taken all that arrived: so the caller never falls
                    # behind a fast server. A signal waits as long, and so finds nothing that is not handed over.
                    with uninterrupted():
                        try:
                            runner.run(arrived.some())
                        finally:
                            while result := arrived.take():
                                yield from work.quarantine.settle(result)
            try:
                asking.result()
            except ServerStoppedError as error:
                work.server_stopped(error)

    async def _ask_all(self, endpoint: Endpoint, work: _Work, in_flight: int, arrived: _Arrived) -> None:
        """Ask until all is asked, or the first error."""
        none_suspected = asyncio.Event()
        first_in_line = asyncio.Lock()  # for the room that the limit on spending leaves

        async def ask(requests: deque[tuple[str, Request]]) -> None:
            while requests and work.names.error is None:
                endpoint.check()  # so that no request is blamed for an earlier crash
                async with first_in_line:
                    if not requests or work.names.error:
                        break
                    reserved = await self._reserve(requests[0][1], work)
                    key, request = requests.popleft()
                    work.open[key] = request
                result = await self._ask(client, endpoint, work, key, request, reserved)
                del work.open[key]
                work.answered += isinstance(result, Reply) or result.permanent
                arrived.add(result)
                pulse.note(result)
                work.names.look(result)
                if work:
                    self._stop_if_hopeless(endpoint, pulse)

        async def ask_suspects() -> None:
            await ask(work.suspects)
            none_suspected.set()

        async def ask_waiting() -> None:
            await none_suspected.wait()
            await ask(work.waiting)

        async def ask_all() -> None:
            await asyncio.gather(*workers)
            if work.names.error:  # what was in flight has been waited for: it is paid
                raise work.names.error

        async with self._client(endpoint, self._options.deadline_s) as client:
            pulse = _Pulse()
            workers = [asyncio.create_task(job) for job in (ask_suspects(), *(ask_waiting() for _ in range(in_flight)))]
            ends = [asyncio.create_task(job) for job in (ask_all(), self._watch(endpoint, pulse))]
            try:
                ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            finally:
                for task in (*ends, *workers):
                    task.cancel()
                await asyncio.gather(*ends, *workers, return_exceptions=True)

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
        tiny = canary(self._options.model)
        messages = tuple((message["role"], message["content"]) for message in tiny["messages"])
        sampling = Sampling(temperature=0.0, max_tokens=tiny["max_completion_tokens"])
        if self._spending.reserve(self._spending.worst(Request(messages, sampling, seed=0))) is None:
            return None
        try:
            async with asyncio.timeout(limit), self._client(endpoint, limit) as client:
                checked(await client.chat.completions.create(**arguments_of(named(self._options, tiny))))
        except TimeoutError:
            return f"silence for {limit:g} s"
        except (openai.OpenAIError, ValueError) as error:
            return described(error)
        return None

    async def _reserve(self, request: Request, work: _Work) -> str:
        """Set aside what a request may cost, as soon as there is room for it."""
        usd = self._spending.worst(request)
        while (reserved := self._spending.reserve(usd)) is None:
            if not work.open:
                raise self._spending.at_limit(usd, work.answered, work.rest())
            await asyncio.sleep(ROOM_S)
        return reserved

    def _stop_if_hopeless(self, endpoint: Endpoint, pulse: _Pulse) -> None:
        """Do not let each of the remaining requests run into its own deadline.

        A single request that met its deadline may be to blame itself, as long as canaries are answered.
        """
        if pulse.silent_s() >= self._options.deadline_s and (pulse.suspicion or pulse.out_of_time > 1):
            told = f" The last request met: {pulse.last_words.rstrip('.')}." if pulse.last_words else ""
            told += f" A canary met: {pulse.suspicion}." if pulse.suspicion else ""
            raise StudyError(
                f"{endpoint.base_url}: no request was answered for {self._options.deadline_s:g} s (deadline_s).{told} "
                "What was answered before is recorded. When the server works again, the same command asks for the rest."
            )

    async def _ask(
        self,
        client: "openai.AsyncOpenAI",
        endpoint: Endpoint,
        work: _Work,
        key: str,
        request: Request,
        reserved: str | None,
    ) -> Reply | Failure:
        """Ask when it is this request's turn.

        reserved: what was set aside for its first try.
        """
        held = work.quarantine
        try:
            await held.turn()
            if held.in_a_row >= REFUSED_IN_A_ROW:
                await self._find_out(client, endpoint, held)
        except BaseException:  # nothing was sent
            if reserved is not None:
                self._spending.settle(reserved, 0.0)
            raise
        try:
            result = await self._try(client, endpoint, held, key, request, reserved)
        except RunOverError:
            if held.asking:
                say(f"nothing more is sent; {held.asking} requests that are in flight are waited for")
            await held.drained(self._options.deadline_s)
            raise
        if held.in_a_row and not work and len(work.open) == 1:  # the last of all
            await self._find_out(client, endpoint, held)
        return result

    async def _try(
        self,
        client: "openai.AsyncOpenAI",
        endpoint: Endpoint,
        held: Held,
        key: str,
        request: Request,
        reserved: str | None,
    ) -> Reply | Failure:
        """Try until there is a reply, a refusal, or no time left.

        reserved: a try that was refused costs nothing and leaves it to the next; one that broke off may have been
        charged for, so the next needs its own.
        """
        import openai

        started = monotonic()
        deadline = started + self._options.deadline_s
        mean_wait = self._options.back_off_s
        kind, detail = "deadline", ""
        body = body_of(self._options, request)
        while (time_left := deadline - monotonic()) > 0:
            told_to_wait = 0.0
            refusal: Refusal | None = None
            if reserved is None and (reserved := self._spending.reserve(self._spending.worst(request))) is None:
                kind, detail = "limit_usd", f"leaves no room for another try after {detail}"
                break
            try:
                with held.asked():
                    async with asyncio.timeout(time_left):
                        reply = await client.chat.completions.create(**arguments_of(body))
                completion = checked(reply)
                self._spending.settle(reserved, self._spending.cost(completion.usage))
                held.answered()
                return result_of(key, completion, monotonic() - started)
            except openai.APIStatusError as error:
                refusal = refused_with(error, body, endpoint.api_key)
                told_to_wait = retry_after(error.response.headers.get("retry-after"))
            except TimeoutError:
                reserved, detail = None, f"after {self._options.deadline_s:g} s"
                break
            except ErrorReplyError as error:
                reserved, refusal = None, refused_in(error.error, body, endpoint.api_key)
            except (openai.APIConnectionError, openai.APIResponseValidationError, ValueError) as error:
                reserved = reserved if never_sent(error) else None
                detail = described(error)
            if refusal is not None:
                if refusal.meaning != "passing" and reserved is not None:
                    self._spending.settle(reserved, 0.0)
                detail = refusal.told
                if (failure := self._refused(endpoint, held, key, request, refusal)) is not None:
                    return failure
            endpoint.check()
            time_left = deadline - monotonic()
            if told_to_wait >= time_left:
                held.put_off += told_to_wait > 0
                if held.put_off >= REFUSED_IN_A_ROW:
                    held.over = held.over or RunOverError(
                        f"{endpoint.base_url} refused {held.put_off} requests in a row with {detail.rstrip('.')}, and "
                        f"asks to wait {told_to_wait:,.0f} s, longer than deadline_s ({self._options.deadline_s:g} s) "
                        "allows. What was answered is recorded. The same command asks for the rest."
                    )
                break
            # Up to the deadline and no further: a request that gave up early would let the next one start too early.
            try:
                await asyncio.sleep(min(max(told_to_wait, random.uniform(0, 2 * mean_wait)), time_left))
            except asyncio.CancelledError:
                if reserved is not None:
                    self._spending.settle(reserved, 0.0)
                raise
            if held.over is not None:
                break
            mean_wait = min(2 * mean_wait, LONGEST_WAIT_S)
        if reserved is not None:
            self._spending.settle(reserved, 0.0)
        if held.over is not None:
            raise held.over
        return Failure(key, kind, permanent=False, detail=detail)

    def _refused(self, endpoint: Endpoint, held: Held, key: str, request: Request, refusal: Refusal) -> Failure | None:
        """What a refusal makes of a request; None if it may pass. Raises StudyError if it is about all requests."""
        if refusal.meaning == "account":
            held.over = held.over or RunOverError(about_the_account(endpoint.base_url, refusal))
            raise held.over
        if refusal.meaning == "ours":
            raise StudyError(self._about_all(endpoint, request, refusal.told))
        self._tell_once(endpoint, refusal)
        if refusal.meaning == "passing":
            return None
        failure = Failure(key, refusal.failure, permanent=True, detail=refusal.told)
        if refusal.meaning == "request" and refusal.certain:
            return failure
        return held.refused(failure, request, likely=refusal.meaning == "request")

    def _tell_once(self, endpoint: Endpoint, refusal: Refusal) -> None:
        """Say what a provider says, each reason once: numbers and ids in it make no other reason."""
        reason = f"{refusal.status} {re.sub(r'[^ ]*[0-9][^ ]*', '#', refusal.words)}"
        if reason in self._told or len(self._told) == MOST_TOLD:
            return
        self._told.add(reason)
        more = (
            f"; it is tried until {self._options.deadline_s:g} s (deadline_s)" if refusal.meaning == "passing" else ""
        )
        say(f"{endpoint.base_url} refused a request with {refusal.told}{more}")

    def _about_all(self, endpoint: Endpoint, request: Request, told: str) -> str:
        """The message of a refusal that is about all requests."""
        return about_all(endpoint.base_url, told, self._options, body_of(self._options, request))

    async def _find_out(self, client: "openai.AsyncOpenAI", endpoint: Endpoint, held: Held) -> None:
        """Whether the refusals since the last answer are about their own requests. Raises StudyError if not.

        Where that may be so, and nothing else shows it, the last of them is asked once more with a harmless text.
        """
        assert held.last is not None
        request, failure = held.last
        if held.answered_now and held.in_a_row < REFUSED_IN_A_ROW:
            held.proven()
            return
        alike = RunOverError(self._about_all(endpoint, request, failure.detail))
        if not (held.answered_now or held.answered_before or held.flagged):
            if not held.likely:
                raise alike
            held.proven()
            return
        harmless = replace(request, messages=(("user", "Say OK, in JSON."),))
        reserved = self._spending.reserve(self._spending.worst(harmless))
        if reserved is None:
            raise alike
        probe = Held(0)
        with held.asked():
            await self._try(client, endpoint, probe, "", harmless, reserved)
        if not probe.answered_now:
            held.over = alike
            raise alike
        held.answered()


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
