"""Refusals that may be about one request or about all: held back until it is known which."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from prefdelta.core.asking.requests import CrashQuarantine, Failure, Reply, Request
from prefdelta.core.errors import StudyError

REFUSED_IN_A_ROW = 5  # so many prompts, with no answer in between, may as well all be refused
LOOK_S = 0.1  # between two looks at what the other requests of a run came to


class RunOverError(StudyError):
    """Nothing more is to be asked in this run: the provider would answer nothing."""


class RefusalQuarantine(CrashQuarantine):
    """The refused requests of one run, besides those that crashed the engine.

    A 403 or 404 for one of many requests is about that request: a filter of contents, for example. For all of them it
    is about the model's name, the address or what the key may do, and must not leave a permanent failure behind for
    each. A 400 in words that are not known may be about all, too: as that of an account without money. So such a
    refusal counts once another request is answered after it. Until then no further request is sent while others are
    open, for theirs may be that answer.
    """

    def __init__(self, recorded: int) -> None:
        super().__init__()
        self.answered_before = recorded > 0  # in an earlier run
        self.answered_now = False
        self.asking = 0  # requests that are at the provider, and do not wait for their next try
        self.put_off = 0  # requests since the last answer that were told to come back after their deadline
        self.over: RunOverError | None = None  # why nothing more is to be asked
        self.last: tuple[Request, Failure] | None = None  # what was refused last
        self.likely = False  # whether that was refused for its own sake
        self._unproven: dict[str, Request] = {}  # by key: refused since the last answer
        self._waiting: dict[str, Failure] = {}  # by key: what `settle` keeps back

    @property
    def in_a_row(self) -> int:
        """How many prompts were refused since the last answer. Samples of one prompt prove no more than one."""
        return len({request.messages for request in self._unproven.values()})

    @contextmanager
    def at_provider(self) -> Iterator[None]:
        """While a request is at the provider."""
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
        """Whether the last was refused by a filter of contents, as the provider says."""
        return self.last is not None and self.last[1].kind == "flagged"

    def refused(self, failure: Failure, request: Request, likely: bool) -> Failure:
        """Hold a request's failure back. likely: its status says that it is about the request."""
        self._unproven[failure.key] = request
        self.last, self.likely = (request, failure), likely
        return failure

    def answered(self) -> None:
        """A request was answered, so the key, the model and the address are right."""
        self.answered_now, self.put_off = True, 0
        self.proven()

    def proven(self) -> None:
        """Take all requests that were refused up to now as refused for their own sake."""
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
