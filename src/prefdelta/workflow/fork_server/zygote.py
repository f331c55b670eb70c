"""Imports the libraries of a stage, and forks its jobs: `python -m ...`, with the server's connection as stdin.

A fork does what `python -m prefdelta.stages.<stage> ...` does once the libraries are imported: same directory,
environment, streams, handlers of signals, process group and limits; random generators begin anew. The package's
modules are imported here, too; if a file of the package was written since, the job imports all of them anew, so that it
always runs, and checks, the source as it is on disk. Its CPU seconds count from the fork, and its memory begins with
that of the libraries.

No thread may run before a fork, as it would be missing in the job with all that it holds. If a library has started one,
no more jobs are forked, and their clients become plain processes (numpy's OpenBLAS does, where it may use several).
"""

import atexit
import ctypes
import gc
import importlib
import io
import os
import random
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from prefdelta.system import environment
from prefdelta.workflow import source
from prefdelta.workflow.fork_server.endings import die_with_parent, release_stops
from prefdelta.workflow.fork_server.libraries import kind_of, libraries
from prefdelta.workflow.fork_server.request import JobRequest

_FILES = 5  # with a request: stdin, stdout, stderr, the request, the client's connection
# An allocator that pyarrow brings along, and does not use by default, starts a thread when it is loaded.
_WITHOUT_THREAD = ("JE_ARROW_MALLOC_CONF", "background_thread:false")

_ended: list[SystemExit] = []  # how the job wants to end


def main() -> None:
    atexit.register(_leave)  # the first to be registered is the last to be called
    die_with_parent(os.getppid(), signal.SIGKILL)
    environment.silence()
    os.environ.setdefault(*_WITHOUT_THREAD)
    zygote = _Parent(socket.socket(fileno=os.dup(0)))
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    while (asked := zygote.next()) is None:
        pass
    _become(*asked)


class _Parent:
    """The jobs that are running, and what is to be seen of them."""

    def __init__(self, server: socket.socket) -> None:
        self._stages: set[str] = set()  # whose modules are imported
        self._source = _signature()
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._selector.register(server, selectors.EVENT_READ)
        self._jobs: dict[int, tuple[int, socket.socket]] = {}  # file of the process -> (process id, its client)
        self._clients: dict[socket.socket, int] = {}  # the other way round

    def next(self) -> tuple[JobRequest, list[int]] | None:
        """Do what comes next. In a fork: the job that it shall be, with its streams."""
        event, _ = self._selector.select()[0]
        if event.fileobj is self._server:
            return self._fork()
        if isinstance(event.fileobj, socket.socket):
            self._hear(event.fileobj)
        else:
            self._end(event.fd)
        return None

    def _fork(self) -> tuple[JobRequest, list[int]] | None:
        message, files, *_ = socket.recv_fds(self._server, 16, _FILES)
        if not message:  # the run is over
            os._exit(0)
        if len(files) != _FILES:  # the system has dropped some
            for number in files:
                os.close(number)
            return None
        *streams, file, number = files
        client = socket.socket(fileno=number)
        request = JobRequest.read(file)
        os.close(file)
        parent = os.getpid()
        try:
            self._prepare(request)
            process = os.fork()
        except Exception:  # the client becomes the plain process, which tells what is wrong with its imports, or here
            for number in (*streams, client.detach()):
                os.close(number)
            if not self._stages:
                sys.exit()
            return None
        if process == 0:
            die_with_parent(parent, signal.SIGTERM)
            release_stops()
            self._close()
            client.close()
            if _signature() != self._source:
                _forget_source()
            return request, streams
        for stream in streams:
            os.close(stream)
        watched = os.pidfd_open(process)
        self._jobs[watched], self._clients[client] = (process, client), watched
        self._selector.register(watched, selectors.EVENT_READ)
        self._selector.register(client, selectors.EVENT_READ)
        _tell(client, process)
        return None

    def _prepare(self, request: JobRequest) -> None:
        """Import what a job needs. Raises RuntimeError if a thread runs, and whatever an import raises."""
        if request.stage not in self._stages:
            for name in (request.module, *libraries(kind_of(request.stage))):
                importlib.import_module(name)
            source.digest(request.module)  # which remembers what it has read
            gc.collect()
            gc.freeze()  # a job's search for garbage must not copy what is here
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            raise RuntimeError("a library has started a thread")
        self._stages.add(request.stage)

    def _hear(self, client: socket.socket) -> None:
        """Pass a signal on to a client's job; kill the job if the client is dead."""
        watched = self._clients[client]
        try:
            message = client.recv(16)
        except ConnectionError:
            message = b""
        signal.pidfd_send_signal(watched, int(message) if message else signal.SIGKILL)
        if not message:
            self._selector.unregister(client)

    def _end(self, watched: int) -> None:
        """Tell a client how its job has ended."""
        process, client = self._jobs.pop(watched)
        _, status = os.waitpid(process, 0)
        _tell(client, os.waitstatus_to_exitcode(status))
        for key in (watched, client):
            with suppress(KeyError):
                self._selector.unregister(key)
        del self._clients[client]
        client.close()
        os.close(watched)

    def _close(self) -> None:
        """Close what a fork must not hold open: other jobs' clients would wait for it."""
        self._selector.close()
        self._server.close()
        for watched, (_, client) in self._jobs.items():
            os.close(watched)
            client.close()


def _tell(client: socket.socket, number: int) -> None:
    with suppress(OSError):  # the client is dead
        client.send(str(number).encode())


def _become(request: JobRequest, streams: list[int]) -> NoReturn:
    """Do what Python does for a command once it has started."""
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    for name in os.environ.keys() - request.environment.keys():
        del os.environ[name]
    os.environ.update(request.environment)
    _seed()
    with suppress(OSError, ValueError, IndexError):  # a /proc that does not tell
        _show(request.module)
    sys.argv = request.words[1:]
    sys.modules.pop(request.module, None)
    try:
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)
        sys.exit()
    except SystemExit as ended:
        _ended.append(ended)
        raise


def _leave() -> None:
    """After all else that is to be done at the exit: end without taking apart what is shared with the zygote."""
    if _ended and isinstance(code := _ended[0].code or 0, int):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it, or it is closed
                stream.flush()
        os._exit(code)


def _signature() -> frozenset[tuple[str, int, int, int]]:
    """What tells whether a file of the package was written since: path, size, and when it was written and changed."""
    found, folders = set(), [source.ROOT]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.name.endswith(".py"):
                told = entry.stat()
                found.add((entry.path, told.st_size, told.st_mtime_ns, told.st_ctime_ns))
            elif entry.is_dir() and entry.name != "__pycache__":
                folders.append(Path(entry.path))
    return frozenset(found)


def _forget_source() -> None:
    """Have the package's modules imported anew, from the files as they are now."""
    for name in [name for name in sys.modules if name.partition(".")[0] == source.PACKAGE]:
        del sys.modules[name]
    importlib.invalidate_caches()


def _seed() -> None:
    """Begin the random generators anew that a process of its own would have begun differently."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def _show(module: str) -> None:
    """Have `ps` and /proc show the job's module in place of this one, whose name is longer than that of any stage."""
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start, arg_end: <proc_pid_stat(5)>, fields 48 and 49
    words = ctypes.string_at(start, end - start)
    before = words.index(__spec__.name.encode())
    shown = (words[:before] + module.encode()).ljust(len(words), b"\0")
    if len(shown) == len(words):
        ctypes.memmove(start, shown, len(shown))


if __name__ == "__main__":
    main()
