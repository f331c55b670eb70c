"""The environment in which libraries run, set before any of them is imported; child processes inherit it."""

import faulthandler
import os

# Libraries that would tell others of each run. A user who wants that sets the variable otherwise, and it stays so.
SILENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # also of TRL, which tells of each trainer that is made
    "VLLM_NO_USAGE_STATS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def silence() -> None:
    """Have libraries tell nothing to anybody."""
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)


def prepare() -> None:
    """Silence libraries, and have this process and its children show where they were when they crash.

    Of a crash in C (SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL) the stacks of all threads go to stderr.
    """
    silence()
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")
    faulthandler.enable()
