"""The environment in which libraries run, set before any of them is imported; child processes inherit it."""

import faulthandler
import os

# Switches off libraries' telemetry. A variable that the user has set stays as it is.
SILENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # also TRL's, which reports each new trainer
    "VLLM_NO_USAGE_STATS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def silence() -> None:
    """Switch off the telemetry of libraries."""
    for name, value in SILENT.items():
        os.environ.setdefault(name, value)


def prepare() -> None:
    """Silence libraries, and have this process and its children write the stacks of all threads when they crash.

    A crash is one in C (SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL). The stacks go to stderr.
    """
    silence()
    os.environ.setdefault("PYTHONFAULTHANDLER", "1")
    faulthandler.enable()
