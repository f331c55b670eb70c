"""How much of the machine a job has used so far, with all processes it has started: servers, graders, ranks."""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    cpu_seconds: float  # by this process and all its descendants, ended or not
    peak_mib: int  # the most memory that any one of these processes has held


def resource_usage() -> ResourceUsage:
    """The usage so far: from this process's counters, those of its ended children, and /proc for the others.

    A process's ru_maxrss starts from that of its program before exec, so the kernel is asked for VmHWM. For ended
    children only ru_maxrss is known; it starts from this process's at most.
    """
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    peaks = [_peak("self") or own.ru_maxrss, ended.ru_maxrss]
    for pid, used_by in _below(os.getpid()):
        seconds += used_by
        peaks.append(_peak(str(pid)) or 0)
    return ResourceUsage(seconds, max(peaks) // 1024)


def _peak(pid: str) -> int | None:
    """The most memory that a process has held since its program began (KiB); None if the kernel does not say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc", pid, "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return None


def _below(root: int) -> Iterator[tuple[int, float]]:
    """(process id, CPU seconds with those of its ended children) of every process below `root` that is alive."""
    processes: dict[int, tuple[int, float]] = {}  # pid -> (parent, seconds)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            # <proc_pid_stat(5)>: the name, in brackets, may hold anything; behind it are the state (field 3), the
            # parent (4), and at 14 to 17 utime and stime of the process and of its ended children.
            fields = path.read_bytes().rpartition(b")")[2].split()
            processes[int(path.parent.name)] = int(fields[1]), sum(map(int, fields[11:15])) / _TICKS
    below, new = {root}, {root}
    while new:
        new = {pid for pid, (parent, _) in processes.items() if parent in new} - below
        below |= new
        yield from ((pid, processes[pid][1]) for pid in sorted(new))
