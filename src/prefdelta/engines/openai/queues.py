"""The requests of one run, and their results on the way to the caller."""

import asyncio
from collections import deque

from prefdelta.core.asking.requests import Failure, Reply, Request, ServerStoppedError
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.names import NameWatch
from prefdelta.engines.openai.refusal_quarantine import RefusalQuarantine
from prefdelta.system.log import say

MOST_CRASHES = 20  # most crashes, in one run, of a server that this job started


class RequestQueue:
    """The requests of one run, whatever number of servers it needs.

    wanted: key -> request. recorded: how many others of the plan are answered already.
    """

    def __init__(self, wanted: dict[str, Request], recorded: int, names: NameWatch) -> None:
        self.answered = recorded  # requests of the plan, with recorded ones
        self.names = names
        self.waiting = deque(wanted.items())
        self.suspects = deque[tuple[str, Request]]()  # open when a server crashed: asked first, each alone
        self.open: dict[str, Request] = {}
        self.quarantine = RefusalQuarantine(recorded)
        self._suspected: set[str] = set()
        self._crashes = 0

    def __len__(self) -> int:
        """How many requests are not yet asked."""
        return len(self.suspects) + len(self.waiting)

    def rest(self) -> list[Request]:
        """The requests that are not yet asked."""
        return [request for _, request in (*self.suspects, *self.waiting)]

    def server_stopped(self, error: ServerStoppedError) -> None:
        """After a crash: open requests become suspects, to be asked alone. A suspect that was open is blamed.

        Raises StudyError if it is of no use to start the server again.
        """
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


class ResultQueue:
    """Results that are not handed over to the caller yet."""

    def __init__(self) -> None:
        self._results = deque[Reply | Failure]()
        self._woken = asyncio.Event()

    def add(self, result: Reply | Failure) -> None:
        self._results.append(result)
        self.wake()

    def wake(self) -> None:
        """Wake the caller of `wait`: there is a new result, or there will be no more."""
        self._woken.set()

    async def wait(self) -> None:
        """Wait to be woken."""
        await self._woken.wait()
        self._woken.clear()

    def take(self) -> Reply | Failure | None:
        """Remove the first result and return it; None if there is none."""
        return self._results.popleft() if self._results else None
