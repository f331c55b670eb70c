"""Stands for a job that the fork server runs: `python -I -S client.py -m prefdelta.stages.<stage> ...`.

It passes SIGTERM and SIGINT on to the job and ends as the job ends; if it dies, the job is killed. If the server does
not answer, it becomes the job itself, as a plain process.

Only built-in modules are imported: with `socket` and `signal` its start would take twice as long.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import os
import select
import sys
from types import FrameType
from typing import NoReturn

SERVER = "PREFDELTA_FORK_SERVER"  # in the environment of a run's jobs: the server's address
CLIENT = "PREFDELTA_FORK_CLIENT"  # the same: the path of this file
STAGES = "prefdelta.stages."
_PASSED_ON = (_signal.SIGTERM, _signal.SIGINT)
_NUMBER = 32  # bytes, at most, of a message with a number


def main() -> NoReturn:
    words = sys.argv[1:]
    address = os.environ.pop(SERVER, "")
    os.environ.pop(CLIENT, None)
    is_job = words[:1] == ["-m"] and words[1:2] and words[1].startswith(STAGES)
    connection = _ask(address, words) if is_job else None
    # Until the job is there, a signal ends this process, and the server sees it.
    told = _told(connection) if connection else b""
    if connection is None or not told:
        os.execvp("python", ["python", *words])

    def pass_on(number: int, _: FrameType | None) -> None:
        try:  # noqa: SIM105 (contextlib is not built in)
            connection.send(str(number).encode())
        except OSError:  # the job is ending
            pass

    for number in _PASSED_ON:
        _signal.signal(number, pass_on)
    if code := _told(connection):
        _end(int(code))
    # The process that forked the job has died, and the kernel has sent the job SIGTERM.
    try:  # noqa: SIM105 (contextlib is not built in)
        select.select([os.pidfd_open(int(told))], [], [])
    except ProcessLookupError:  # it has ended
        pass
    _end(128 + _signal.SIGTERM)


def _ask(address: str, words: list[str]) -> _socket.socket | None:
    """The connection on which the job's process id comes, and then its exit code; None without a server."""
    try:
        for number in (0, 1, 2):
            os.fstat(number)  # a stream that is closed would be the connection
        environment = (b"=".join(item) for item in os.environb.items())
        head = [os.getcwdb(), str(len(words)).encode(), *map(os.fsencode, words)]  # noqa: PTH109 (pathlib neither)
        request = os.memfd_create("request")
        with open(request, "wb", closefd=False) as file:
            file.write(b"\0".join([*head, *environment]))
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        connection.connect(f"\0{address}")
        owner = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)[4:8]  # struct ucred: pid, uid, gid
        if int.from_bytes(owner, sys.byteorder) != os.getuid():
            return None
        streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2, request))
        connection.sendmsg([b"job"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    except OSError:
        return None
    return connection


def _told(connection: _socket.socket) -> bytes:
    """The next message; empty if the other side is gone."""
    try:
        return connection.recv(_NUMBER)
    except ConnectionError:
        return b""


def _end(code: int) -> NoReturn:
    """End with an exit code, or by the signal for which a negative one stands."""
    if code < 0:
        if -code not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(-code, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
