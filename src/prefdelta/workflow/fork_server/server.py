"""The process beside a run's Snakemake that brings its jobs to the zygotes: `python -m ... PARENT LIFELINE`.

PARENT is the process id of Snakemake, LIFELINE a pipe that it holds open. stdin is the socket to which clients connect.

There is one zygote for each kind of stage and each environment: libraries read variables (threads, for example) when
they are imported, and have then read those of the job. Another number of threads, or an installation into the
interpreter's folder of libraries, makes another zygote. One that has died is not replaced: its jobs start as plain
processes. All of them die at once when Snakemake does, and the kernel then sends each job SIGTERM.
"""

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prefdelta.workflow.fork_server.endings import die_with_parent, hold_stops
from prefdelta.workflow.fork_server.libraries import kind_of
from prefdelta.workflow.fork_server.request import JobRequest

_SECONDS = 5.0  # for a client that has connected to send its request, and for a zygote to have room for one
STREAMS = 4  # files of a request: stdin, stdout, stderr, and the request itself


def main(parent: int, lifeline: int) -> None:
    """Serve until the other end of the lifeline is closed."""
    hold_stops()  # zygotes inherit it
    die_with_parent(parent, signal.SIGKILL)
    zygotes: dict[Hashable, _Zygote] = {}
    listener = socket.socket(fileno=os.dup(0))
    while lifeline not in select.select([listener.fileno(), lifeline], [], [])[0]:
        # A client whose connection is closed starts as a plain process.
        with suppress(OSError, ValueError), listener.accept()[0] as connection:
            _serve(connection, zygotes)
    for zygote in zygotes.values():
        zygote.connection.close()
        zygote.process.wait()


@dataclass(frozen=True, slots=True)
class _Zygote:
    process: subprocess.Popen[bytes]
    connection: socket.socket


def _serve(connection: socket.socket, zygotes: dict[Hashable, _Zygote]) -> None:
    """Pass a client's request and connection on to its zygote."""
    connection.settimeout(_SECONDS)
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user != os.getuid():
        return
    _, files, *_ = socket.recv_fds(connection, 16, STREAMS)
    try:
        if len(files) != STREAMS:  # the client has died, or the system has dropped some
            return
        request = JobRequest.read(files[-1])
        installed = Path(sysconfig.get_path("purelib")).stat().st_mtime_ns
        key = kind_of(request.stage), request.for_imports, installed
        if key not in zygotes:
            zygotes[key] = _started(request)
        socket.send_fds(zygotes[key].connection, [b"job"], [*files, connection.fileno()])
    finally:
        for file in files:
            os.close(file)


def _started(request: JobRequest) -> _Zygote:
    """A process that forks jobs like this one."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(_SECONDS)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.zygote"],
            cwd=request.directory,
            env=request.environment,
            stdin=its.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # of what keeps it from working, the plain process tells in the job's log
        )
    return _Zygote(process, ours)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
