"""Whether an engine is dead: it answers no request any more, not even a tiny one, the canary."""

import asyncio
from time import monotonic
from typing import NoReturn

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request, Sampling, canary
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.body import provider_body, read_completion
from prefdelta.engines.openai.connection import StatusError, connected, description_of
from prefdelta.engines.openai.refusals import refused_with
from prefdelta.system.log import say


class CanaryWatch:
    """Watches one server: when it last answered, and the results of canaries since then."""

    def __init__(self, endpoint: Endpoint, options: OpenAIOptions, spending: Spending) -> None:
        self._endpoint, self._options, self._spending = endpoint, options, spending
        self._answered_at = monotonic()
        self._out_of_time = 0  # requests since the last answer that ran out of time
        self._last_timeout = ""  # the fault that the last of them met
        self._suspicion: str | None = None  # the fault that the last canary since the last answer met

    def note(self, result: Reply | Failure) -> None:
        """Take note of a request's result: it shows whether the server answers."""
        if isinstance(result, Failure) and not result.permanent:
            self._out_of_time += 1
            self._last_timeout = result.detail
        else:
            self._answered_at, self._out_of_time, self._suspicion = monotonic(), 0, None

    async def watch(self) -> NoReturn:
        """Send a canary whenever no request was answered for quiet_s.

        If the canary fails, too, the engine is dead. Raises StudyError if this job started the server. Another server
        may be mended in time, so there it is a warning.
        """
        limit = self._options.quiet_s
        sent_at = self._answered_at
        while True:
            time_left = max(self._answered_at, sent_at) + limit - monotonic()
            if time_left > 0:
                await asyncio.sleep(time_left)
                continue
            sent_at, answered_at = monotonic(), self._answered_at
            fault = await self._send_canary()
            if self._answered_at != answered_at:
                continue  # a request was answered meanwhile, and the canary may have had to wait
            if fault is not None:
                self._report(fault)
            self._suspicion = fault

    def stop_if_hopeless(self) -> None:
        """Raise StudyError if each of the remaining requests would run into its own deadline.

        As long as canaries are answered, a single request that met its deadline may itself be to blame.
        """
        if self._silent_s() >= self._options.deadline_s and (self._suspicion or self._out_of_time > 1):
            causes = f" The last request met: {self._last_timeout.rstrip('.')}." if self._last_timeout else ""
            causes += f" A canary met: {self._suspicion}." if self._suspicion else ""
            raise StudyError(
                f"{self._endpoint.base_url}: no request was answered for {self._options.deadline_s:g} s (deadline_s)."
                f"{causes} What was answered before is recorded. When the server works again, the same command asks "
                "for the rest."
            )

    def _silent_s(self) -> float:
        return monotonic() - self._answered_at

    def _report(self, fault: str) -> None:
        self._endpoint.check()
        silence = f"no request was answered for {self._silent_s():.3g} s, nor a canary ({fault})"
        message = f"{self._endpoint.base_url}: {silence}."
        if self._endpoint.ours:
            raise StudyError(
                f"{message} The engine of the server that this job started is dead, and does not heal by itself. What "
                "was answered is recorded. See the server's output above; the same command starts it again and asks "
                f"for the rest. If it was only slow, raise quiet_s (now {self._options.quiet_s:g} s)."
            )
        if self._suspicion is None:
            say(
                f"warning: {message} It is asked again until nothing was answered for {self._options.deadline_s:g} s "
                "(deadline_s)."
            )

    async def _send_canary(self) -> str | None:
        """What is wrong with the engine; None if it answers a tiny completion. The request has its own connection."""
        import aiohttp

        limit = self._options.quiet_s
        body = canary(self._options.model)
        messages = tuple((message["role"], message["content"]) for message in body["messages"])
        sampling = Sampling(temperature=0.0, max_tokens=body["max_completion_tokens"])
        if self._spending.reserve(self._spending.worst(Request(messages, sampling, seed=0))) is None:
            return None
        try:
            async with asyncio.timeout(limit), connected(self._endpoint) as connection:
                read_completion(await connection.post(provider_body(self._options, body)))
        except TimeoutError:
            return f"silence for {limit:g} s"
        except StatusError as error:
            return refused_with(error.status, error.text, body, self._endpoint.api_key).message
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return description_of(error)
        return None
