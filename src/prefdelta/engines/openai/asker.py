"""Asking one request: its tries, the waits between them, and the consequences of a refusal."""

import asyncio
import random
import re
from dataclasses import replace
from time import monotonic

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.body import (
    ErrorReplyError,
    body_of,
    message_about_all,
    read_completion,
    result_of,
)
from prefdelta.engines.openai.connection import (
    LONGEST_WAIT_S,
    Connection,
    StatusError,
    description_of,
    never_sent,
    retry_after,
)
from prefdelta.engines.openai.queues import RequestQueue
from prefdelta.engines.openai.refusal_quarantine import REFUSED_IN_A_ROW, RefusalQuarantine, RunOverError
from prefdelta.engines.openai.refusals import Refusal, message_about_account, refused_in, refused_with
from prefdelta.system.log import say

MOST_REASONS = 20  # of refusals in a job's log


class RefusalLog:
    """Says why a provider refuses requests, each reason once. Other numbers or ids do not make another reason."""

    def __init__(self) -> None:
        self._reasons: set[str] = set()

    def say(self, base_url: str, refusal: Refusal, deadline_s: float) -> None:
        reason = f"{refusal.status} {re.sub(r'[^ ]*[0-9][^ ]*', '#', refusal.words)}"
        if reason in self._reasons or len(self._reasons) == MOST_REASONS:
            return
        self._reasons.add(reason)
        more = f"; it is tried until {deadline_s:g} s (deadline_s)" if refusal.meaning == "passing" else ""
        say(f"{base_url} refused a request with {refusal.message}{more}")


class Asker:
    """Sends the requests of a run to one server. The caller decides how many are sent at once."""

    def __init__(
        self,
        connection: Connection,
        endpoint: Endpoint,
        options: OpenAIOptions,
        spending: Spending,
        queue: RequestQueue,
        log: RefusalLog,
    ) -> None:
        self._connection, self._endpoint, self._options = connection, endpoint, options
        self._spending, self._queue, self._log = spending, queue, log

    async def ask(self, key: str, request: Request, reserved: str | None) -> Reply | Failure:
        """Ask a request when it is its turn. Raises StudyError if no more requests are to be sent in this run.

        reserved: name of the amount that was set aside for its first try.
        """
        quarantine = self._queue.quarantine
        try:
            await quarantine.turn()
            if quarantine.in_a_row >= REFUSED_IN_A_ROW:
                await self._find_out()
        except BaseException:  # nothing was sent
            self._give_back(reserved)
            raise
        try:
            result = await self._try(key, request, reserved, quarantine)
        except RunOverError:
            if quarantine.asking:
                say(f"nothing more is sent; {quarantine.asking} requests that are in flight are waited for")
            await quarantine.drained(self._options.deadline_s)
            raise
        if quarantine.in_a_row and not self._queue and len(self._queue.open) == 1:  # the last of all
            await self._find_out()
        return result

    async def _try(
        self, key: str, request: Request, reserved: str | None, quarantine: RefusalQuarantine
    ) -> Reply | Failure:
        """Try until there is a reply, a refusal, or no time left.

        reserved: name of the amount that was set aside for the first try. A refused try costs nothing and leaves the
        amount to the next try. A try that broke off may have been charged, so the next try needs another amount.
        """
        import aiohttp

        started = monotonic()
        deadline = started + self._options.deadline_s
        mean_wait = self._options.back_off_s
        kind, detail = "deadline", ""
        body = body_of(self._options, request)
        while (time_left := deadline - monotonic()) > 0:
            asked_wait = 0.0  # seconds that the server asks to wait
            refusal: Refusal | None = None
            if reserved is None and (reserved := self._spending.reserve(self._spending.worst(request))) is None:
                kind, detail = "limit_usd", f"leaves no room for another try after {detail}"
                break
            try:
                with quarantine.at_provider():
                    async with asyncio.timeout(time_left):
                        reply = await self._connection.post(body)
                completion = read_completion(reply)
                self._spending.settle(reserved, self._spending.cost(completion.usage))
                quarantine.answered()
                return result_of(key, completion, monotonic() - started)
            except StatusError as error:
                refusal = refused_with(error.status, error.text, body, self._endpoint.api_key)
                asked_wait = retry_after(error.retry_after)
            except TimeoutError:
                reserved, detail = None, f"after {self._options.deadline_s:g} s"
                break
            except ErrorReplyError as error:
                reserved, refusal = None, refused_in(error.error, body, self._endpoint.api_key)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                reserved = reserved if never_sent(error) else None
                detail = description_of(error)
            if refusal is not None:
                if refusal.meaning != "passing":
                    self._give_back(reserved)
                detail = refusal.message
                if (failure := self._refused(key, request, refusal, quarantine)) is not None:
                    return failure
            self._endpoint.check()
            time_left = deadline - monotonic()
            if asked_wait >= time_left:
                quarantine.put_off += asked_wait > 0
                if quarantine.put_off >= REFUSED_IN_A_ROW:
                    quarantine.over = quarantine.over or self._all_put_off(quarantine.put_off, detail, asked_wait)
                break
            # Wait until the deadline at most. A request that gives up earlier would let the next one start too early.
            try:
                await asyncio.sleep(min(max(asked_wait, random.uniform(0, 2 * mean_wait)), time_left))
            except asyncio.CancelledError:
                self._give_back(reserved)
                raise
            if quarantine.over is not None:
                break
            mean_wait = min(2 * mean_wait, LONGEST_WAIT_S)
        self._give_back(reserved)
        if quarantine.over is not None:
            raise quarantine.over
        return Failure(key, kind, permanent=False, detail=detail)

    def _give_back(self, reserved: str | None) -> None:
        """Settle an amount that was set aside but not charged."""
        if reserved is not None:
            self._spending.settle(reserved, 0.0)

    def _refused(self, key: str, request: Request, refusal: Refusal, quarantine: RefusalQuarantine) -> Failure | None:
        """The failure that a refusal means for its request; None if a later try may succeed.

        Raises StudyError if the refusal is about all requests.
        """
        if refusal.meaning == "account":
            over = RunOverError(message_about_account(self._endpoint.base_url, refusal))
            quarantine.over = quarantine.over or over
            raise quarantine.over
        if refusal.meaning == "ours":
            raise StudyError(self._message_about_all(request, refusal.message))
        self._log.say(self._endpoint.base_url, refusal, self._options.deadline_s)
        if refusal.meaning == "passing":
            return None
        failure = Failure(key, refusal.failure, permanent=True, detail=refusal.message)
        if refusal.meaning == "request" and refusal.certain:
            return failure
        return quarantine.refused(failure, request, likely=refusal.meaning == "request")

    async def _find_out(self) -> None:
        """Find out whether the refusals since the last answer are about single requests. Raises StudyError if not.

        If nothing else shows this, the last refused request is sent once more with a harmless text.
        """
        quarantine = self._queue.quarantine
        assert quarantine.last is not None
        request, failure = quarantine.last
        if quarantine.answered_now and quarantine.in_a_row < REFUSED_IN_A_ROW:
            quarantine.proven()
            return
        about_all = RunOverError(self._message_about_all(request, failure.detail))
        if not (quarantine.answered_now or quarantine.answered_before or quarantine.flagged):
            if not quarantine.likely:
                raise about_all
            quarantine.proven()
            return
        harmless = replace(request, messages=(("user", "Say OK, in JSON."),))
        reserved = self._spending.reserve(self._spending.worst(harmless))
        if reserved is None:
            raise about_all
        probe = RefusalQuarantine(0)
        with quarantine.at_provider():
            await self._try("", harmless, reserved, probe)
        if not probe.answered_now:
            quarantine.over = about_all
            raise about_all
        quarantine.answered()

    def _message_about_all(self, request: Request, refused_with: str) -> str:
        body = body_of(self._options, request)
        return message_about_all(self._endpoint.base_url, refused_with, self._options, body)

    def _all_put_off(self, requests: int, refused_with: str, asked_wait: float) -> RunOverError:
        return RunOverError(
            f"{self._endpoint.base_url} refused {requests} requests in a row with {refused_with.rstrip('.')}, and asks "
            f"to wait {asked_wait:,.0f} s, longer than deadline_s ({self._options.deadline_s:g} s) allows. What was "
            "answered is recorded. The same command asks for the rest."
        )
