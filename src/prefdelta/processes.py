"""How processes end: children with their parent, all of them within seconds of a signal and with their work on disk."""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from prefdelta.files import say

GRACE_SECONDS = 3.0  # from a signal until the process ends whatever it is doing
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_STOPPING = (signal.SIGTERM, signal.SIGINT)

_at_stop: list[Callable[[], None]] = []
_received: list[int] = []
_deferred = False


def die_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM to this process when its parent dies (Linux; elsewhere nothing happens).

    parent: the parent's process id as it should be; if it has died already, this process ends at once.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs. One that has ended and was not yet waited for does not."""
    try:
        return bool(Path("/proc", str(pid), "environ").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False
    except OSError:  # somebody else's
        return True


def stop_on_signals() -> None:
    """Have SIGTERM and SIGINT end this process with exit code 128 + signal, at the latest after GRACE_SECONDS.

    The main thread unwinds. If it cannot (a long call into C holds it), what was given to `at_stop` has been done by
    then by another thread, and the process ends without it. Further signals do not disturb the flushing.
    """
    watched, written = socket.socketpair()
    written.setblocking(False)
    signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    for number in _STOPPING:
        signal.signal(number, _stop)
    threading.Thread(target=_end_in_time, args=(watched, written), daemon=True).start()


@contextmanager
def at_stop(action: Callable[[], None]) -> Iterator[None]:
    """Within the context, a signal has `action` done at once, by another thread."""
    _at_stop.append(action)
    try:
        yield
    finally:
        _at_stop.remove(action)


@contextmanager
def stop_deferred() -> Iterator[Callable[[], bool]]:
    """Within the context a signal does not unwind the main thread. Yields whether one came: save, then `stop_now`."""
    global _deferred
    before, _deferred = _deferred, True
    try:
        yield lambda: bool(_received)
    finally:
        _deferred = before


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within the context a signal waits; where the context ends it unwinds the main thread. Others are left alone."""
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
    ends = time.monotonic() + GRACE_SECONDS
    for action in list(_at_stop):
        try:
            action()
        except Exception as error:  # a full disk, for example: the process ends all the same
            say(f"error: at the end: {error}")
    time.sleep(max(0.0, ends - time.monotonic()))
    os._exit(128 + number)
