"""How processes end: with their parent, and within seconds of a signal, with their work on disk."""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from prefdelta.system.instance import Instance
from prefdelta.system.log import say

GRACE_SECONDS = 3.0  # from a signal until the process ends, whatever it is doing
# That end is delayed by at most this to save work: the rest of a step, a snapshot. SLURM kills 30 s after its signal.
SAVE_SECONDS = 25.0
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_POLL_SECONDS = 0.05  # between two checks whether work is still being saved

_at_stop: list[Callable[[], object]] = []
_received: list[int] = []
_deferred = False
_asked = False  # whether work that wants to save itself has asked if a signal came
_parent: int | None = None  # the process with which this one is to end


def die_with_parent(parent: int, run: str = "") -> None:
    """Have the kernel send SIGTERM to this process when its parent dies (Linux; elsewhere nothing happens).

    If the parent has died already, this process ends at once. parent: the process id that `os.getppid()` is expected to
    return. run: the `Instance` of the workflow's main process, as text, if that must be alive, too: if the parent died
    while this process was loading, another process has adopted it and looks like the parent.
    """
    global _parent
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _parent = parent
    if _is_orphan() or _is_dead(run):
        os.kill(os.getpid(), signal.SIGTERM)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def describe_exit_code(code: int) -> str:
    """An exit code for a person, with its signal's name if it stands for one (negative, or 128 + the number)."""
    try:
        return f"exit code {code} ({signal.Signals(-code if code < 0 else code - 128).name})"
    except ValueError:
        return f"exit code {code}"


def stop_on_signals() -> None:
    """Have SIGTERM and SIGINT end this process with exit code 128 + signal, at the latest after GRACE_SECONDS.

    The main thread unwinds. If it cannot (a long call into C holds it), the process ends without unwinding, after
    another thread has carried out the actions of `at_stop`. Further signals do not disturb the flushing.

    GRACE_SECONDS begin later, by SAVE_SECONDS at most, while work asks in `stop_deferred` whether to save; but not if
    the parent has died, because the same work may have been started again.
    """
    watched, written = socket.socketpair()
    written.setblocking(False)
    signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    for number in _STOPPING:
        signal.signal(number, _stop)
    threading.Thread(target=_end_in_time, args=(watched, written), daemon=True).start()


@contextmanager
def at_stop(action: Callable[[], object]) -> Iterator[None]:
    """Within the context, a signal makes another thread run `action` at once."""
    _at_stop.append(action)
    try:
        yield
    finally:
        _at_stop.remove(action)


@contextmanager
def stop_deferred() -> Iterator[Callable[[], bool]]:
    """Within the context a signal does not unwind the main thread. Yields a function: whether one came.

    If so, the work is to be saved before `stop_now`. After the function's first call there is time to finish a step and
    to save it (`stop_on_signals`).
    """
    global _deferred, _asked
    before, _deferred = _deferred, True
    try:
        yield _has_come
    finally:
        _deferred, _asked = before, _asked and before


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within the context a signal waits, and unwinds the main thread at the end. In other threads this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = len(_received)
    with stop_deferred():
        yield
    if len(_received) > before and not _deferred:
        stop_now()


def stop_now() -> None:
    """End with the exit code of the signal that came."""
    sys.exit(128 + _received[0])


def _has_come() -> bool:
    global _asked
    _asked = True
    return bool(_received)


def _stop(number: int, _: FrameType | None) -> None:
    first = not _received
    _received.append(number)
    if first and not _deferred:
        stop_now()


def _end_in_time(watched: socket.socket, _: socket.socket) -> None:
    """Wait for a signal: Python writes its number to the socket even while the main thread is held in C.

    The socket's other end is a parameter only so that it stays open.
    """
    number = 0
    while number not in _STOPPING:
        number = watched.recv(1)[0]
    came = begins = time.monotonic()
    for action in list(reversed(_at_stop)):  # the innermost first, as it is nearest to the work
        try:
            action()
        except Exception as error:  # a full disk, for example: the process ends all the same
            say(f"error: at the end: {error}")
    while True:
        now = time.monotonic()
        if _asked and not _is_orphan():
            begins = min(now, came + SAVE_SECONDS)
        if now >= begins + GRACE_SECONDS:
            os._exit(128 + number)
        time.sleep(_POLL_SECONDS)


def _is_orphan() -> bool:
    """Whether the parent has died."""
    return _parent is not None and os.getppid() != _parent


def _is_dead(run: str) -> bool:
    """Whether the main process of a run is known to be dead. For a run on another machine that is never known."""
    instance = Instance.parse(run)
    return instance is not None and instance.is_alive() is False
