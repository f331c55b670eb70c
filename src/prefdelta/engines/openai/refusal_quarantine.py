"""Refusals that may be about one request or about all: held back until it is known which."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from prefdelta.core.asking.requests import CrashQuarantine, Failure, Reply, Request
from prefdelta.core.errors import StudyError

REFUSED_IN_A_ROW = 5  # if this many prompts are refused with no answer in between, all may be
LOOK_S = 0.1  # between two looks at the other requests of a run


class RunOverError(StudyError):
    """No more requests are to be sent in this run: the provider would answer none."""


class RefusalQuarantine(CrashQuarantine):
    """The refused requests of one run, besides those that crashed the engine.

    If one of many requests gets a 403 or 404, it is about that request: a filter of contents, for example. If all get
    it, it is about the model's name, the address or the rights of the key, and must not leave a permanent failure
    behind for each. A 400 in unknown words may be about all, too, for example about an account without money. So such
    a refusal counts only when another request is answered after it. Until then no further request is sent while others
    are open, because one of them may be answered.
    """

    def __init__(self, recorded: int) -> None:
        super().__init__()
        self.answered_before = recorded > 0  # in an earlier run
        self.answered_now = False
        self.asking = 0  # requests that are at the provider, not waiting for their next try
        self.put_off = 0  # requests since the last answer whose Retry-After is later than their deadline
        self.over: RunOverError | None = None  # why no more requests are to be sent
        self.last: tuple[Request, Failure] | None = None  # the last refused request
        self.likely = False  # whether that refusal is likely about the request itself
        self._unproven: dict[str, Request] = {}  # key -> request refused since the last answer
        self._waiting: dict[str, Failure] = {}  # key -> failure that `settle` holds back

    @property
    def in_a_row(self) -> int:
        """How many prompts were refused since the last answer. Several samples of a prompt count once."""
        return len({request.messages for request in self._unproven.values()})

    @contextmanager
    def at_provider(self) -> Iterator[None]:
        """Within the context, a request is at the provider."""
        self.asking += 1
        try:
            yield
        finally:
            self.asking -= 1

    async def turn(self) -> None:
        """Wait until another request may be sent."""
        while self.over or (self.in_a_row and self.asking):
            await asyncio.sleep(LOOK_S)

    async def drained(self, limit_s: float) -> None:
        """Wait for the requests that are at the provider: they may be paid for."""
        end = monotonic() + limit_s
        while self.asking and monotonic() < end:
            await asyncio.sleep(LOOK_S)

    @property
    def flagged(self) -> bool:
        """Whether the provider says that a filter of contents refused the last request."""
        return self.last is not None and self.last[1].kind == "flagged"

    def refused(self, failure: Failure, request: Request, likely: bool) -> Failure:
        """Hold a request's failure back. likely: its status says that it is about the request."""
        self._unproven[failure.key] = request
        self.last, self.likely = (request, failure), likely
        return failure

    def answered(self) -> None:
        """Take note of an answer: the key, the model and the address are right."""
        self.answered_now, self.put_off = True, 0
        self.proven()

    def proven(self) -> None:
        """Count all refusals up to now as being about the requests themselves."""
        self._unproven.clear()

    def settle(self, result: Reply | Failure) -> list[Reply | Failure]:
        """As in `CrashQuarantine`; the failure of a refused request is held back until it is proven."""
        if isinstance(result, Failure) and result.key in self._unproven:
            self._waiting[result.key] = result
            return []
        return [*super().settle(result), *self._released()]

    def rest(self) -> list[Failure]:
        return [*super().rest(), *self._released()]

    def _released(self) -> list[Failure]:
        return [self._waiting.pop(key) for key in [*self._waiting] if key not in self._unproven]
