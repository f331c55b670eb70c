"""The environment in which libraries run, set before any of them is imported; child processes inherit it."""

import faulthandler
import os

# Libraries that would tell others of each run. A user who wants that sets the variable otherwise, and it stays so.
SILENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # also of TRL, which tells of each trainer that is made
    "VLLM_NO_USAGE_STATS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_PREPARED = {**SILENT, "PYTHONFAULTHANDLER": "1"}


def prepare() -> None:
    """Have libraries tell nothing to anybody, and this process and its children show where they were when they crash.

    Of a crash in C (SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL) the stacks of all threads go to stderr.
    """
    for name, value in _PREPARED.items():
        os.environ.setdefault(name, value)
    faulthandler.enable()
