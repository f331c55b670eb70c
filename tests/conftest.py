"""How tests run on all cores (`make test`, with pytest-xdist): in how many processes, and which files come first."""

import gc
import math
import os
from contextlib import suppress
from pathlib import Path

import pytest

MOST_WORKERS = 8  # each takes seconds to collect all tests, and up to a gigabyte
# The files that take longest, so that no process is left alone with one of them at the end. A file that is not here
# comes after these, in the order of its path.
LONGEST_FIRST = (
    "faults/test_chains.py",
    "study/test_reruns.py",
    "study/test_miniature.py",
    "faults/test_runs.py",
    "workflow/test_edits.py",
    "unit/training/processes/test_launcher.py",
    "commands/test_plan.py",
    "commands/test_preview.py",
    "unit/reporting/worlds/test_ledger.py",
    "engines/test_openai.py",
    "unit/training/test_resume.py",
    "stages/test_report.py",
    "stages/test_judge_killed.py",
    "stages/test_train.py",
    "study/test_full_data.py",
    "stages/test_command_line.py",
    "servers/test_process.py",
    "unit/scheduler/test_sbatch.py",
    "workflow/test_fork_server.py",
    "study/test_tiny_study.py",
    "study/test_run_by_hand.py",
    "workflow/test_display.py",
    "study/test_display.py",
)
_PLACES = {f"tests/{name}": place for place, name in enumerate(LONGEST_FIRST)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With several processes the longest files come first; each file's tests keep their order."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _PLACES.get(item.nodeid.partition("::")[0], len(_PLACES)))


def pytest_collection_finish() -> None:
    """What is there now stays until the end: from now on nobody looks for garbage in it."""
    gc.freeze()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Three for two cores, since tests wait for servers and processes a part of their time.

    The cores are those that this process may use, by its affinity and its control group.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no limit is the word `max`
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        cores = min(cores, math.ceil(quota / period))
    return min(cores + cores // 2, MOST_WORKERS)
