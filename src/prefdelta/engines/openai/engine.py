"""Engine `openai`: any server that speaks the OpenAI chat-completions protocol.

Each request has one deadline for all its tries,
waits with full jitter between them, and honours Retry-After. A request that the server refuses for good is a permanent
failure; a request that runs out of time is a transient failure, which is not recorded. A refusal that is about the
account ends the run and fails no request (`refusals`); a refusal that may be about all requests is held back until that
is known (`refusal_quarantine`).

Two faults concern the server and not one request. A dead engine answers nothing any more; a canary tells it from a slow
one (`canaries`). A server that this job started can crash; it is started again, and the requests that were open are
asked one at a time, to find the one to blame (`queues`).

With a limit on spending, a request waits until the most that it may cost is below what the limit leaves. If no request
is in flight any more and the cost is still above it, the run stops: replies that are paid for are always received.

The option `batch` sends the same requests through the provider's batch API instead (`batch`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request, ServerStoppedError
from prefdelta.engines.openai import batch
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.asker import Asker, RefusalLog
from prefdelta.engines.openai.body import identity_of
from prefdelta.engines.openai.canaries import CanaryWatch
from prefdelta.engines.openai.connection import connected
from prefdelta.engines.openai.names import NameWatch
from prefdelta.engines.openai.open_files import limited_by_open_files
from prefdelta.engines.openai.queues import RequestQueue, ResultQueue
from prefdelta.system.processes import at_stop, uninterrupted

ROOM_S = 0.1  # between two checks whether the limit on spending has room for a request


class OpenAIEngine:
    """Asks the server that `serve` opens. Nothing is opened before the first missing request.

    server_identity: all that determines the server's replies besides the model's name (its code, its settings).
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
        self._refusal_log = RefusalLog()

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
        queue = RequestQueue(wanted, len(dict(plan)) - len(wanted), names)
        while queue:
            yield from self._ask_one_server(queue)
        yield from queue.quarantine.rest()

    @cached_property
    def _in_flight(self) -> int:
        return limited_by_open_files(self._options.in_flight)

    def _ask_one_server(self, queue: RequestQueue) -> Iterator[Reply | Failure]:
        """Ask until all is asked, or the server has stopped. Results that came before an error are yielded first."""
        in_flight = self._in_flight  # before the server starts, which inherits the limit of open files
        with self._serve() as endpoint, asyncio.Runner() as runner:
            loop, results = runner.get_loop(), ResultQueue()
            # An early end (the caller stops, a signal) leaves the context of `runner`, which cancels open requests.
            asking = loop.create_task(self._ask_all(endpoint, queue, in_flight, results))
            asking.add_done_callback(lambda _: results.wake())
            with at_stop(lambda: loop.call_soon_threadsafe(results.wake)):
                while not asking.done():
                    # The loop stands still until the caller has taken all results, so the caller never falls behind a
                    # fast server. A signal waits as long, so that no result is lost.
                    with uninterrupted():
                        try:
                            runner.run(results.wait())
                        finally:
                            while result := results.take():
                                yield from queue.quarantine.settle(result)
            try:
                asking.result()
            except ServerStoppedError as error:
                queue.server_stopped(error)

    async def _ask_all(self, endpoint: Endpoint, queue: RequestQueue, in_flight: int, results: ResultQueue) -> None:
        """Ask until all is asked, or the first error."""
        none_suspected = asyncio.Event()
        first_in_line = asyncio.Lock()  # held while a request waits for room below the limit on spending

        async def ask(requests: deque[tuple[str, Request]]) -> None:
            while requests and queue.names.error is None:
                endpoint.check()  # so that no request is blamed for an earlier crash
                async with first_in_line:
                    if not requests or queue.names.error:
                        break
                    reserved = await self._reserve(requests[0][1], queue)
                    key, request = requests.popleft()
                    queue.open[key] = request
                result = await asker.ask(key, request, reserved)
                del queue.open[key]
                queue.answered += isinstance(result, Reply) or result.permanent
                results.add(result)
                canaries.note(result)
                queue.names.look(result)
                if queue:  # otherwise no request is left to save from its deadline
                    canaries.stop_if_hopeless()

        async def ask_suspects() -> None:
            await ask(queue.suspects)
            none_suspected.set()

        async def ask_waiting() -> None:
            await none_suspected.wait()
            await ask(queue.waiting)

        async def ask_all() -> None:
            await asyncio.gather(*workers)
            if queue.names.error:  # requests in flight were waited for: they are paid
                raise queue.names.error

        async with connected(endpoint) as connection:
            asker = Asker(connection, endpoint, self._options, self._spending, queue, self._refusal_log)
            canaries = CanaryWatch(endpoint, self._options, self._spending)
            workers = [asyncio.create_task(job) for job in (ask_suspects(), *(ask_waiting() for _ in range(in_flight)))]
            ends = [asyncio.create_task(job) for job in (ask_all(), canaries.watch())]
            try:
                ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            finally:
                for task in (*ends, *workers):
                    task.cancel()
                await asyncio.gather(*ends, *workers, return_exceptions=True)

    async def _reserve(self, request: Request, queue: RequestQueue) -> str:
        """Set aside what a request may cost, as soon as there is room for it."""
        usd = self._spending.worst(request)
        while (reserved := self._spending.reserve(usd)) is None:
            if not queue.open:
                raise self._spending.at_limit(usd, queue.answered, queue.rest())
            await asyncio.sleep(ROOM_S)
        return reserved
