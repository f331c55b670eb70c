"""How the server and its zygotes end: only with their parents, and at once."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def ignore_stops() -> None:
    """Ignore what stops a run's processes as a group (Ctrl-C): jobs then save their work, and need their parent."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Have the kernel send a signal to this process when its parent dies; if it has died already, end now."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(128 + number)
