"""Commands of Python without their imports: a server that has imported the libraries forks for each command.

The fork runs the command in the directory, environment and streams that it would have as a process of its own, and
ends as that process would. Only the imports of the libraries are saved: half of what a dry run costs. The package
itself is imported by the fork, so a checkout may hold source of its own. Tests of processes, signals, start-up or
imports start real processes.
"""

import atexit
import gc
import importlib
import json
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

# What a dry run of Snakemake imports, apart from the package and what these import themselves.
LIBRARIES = (
    "snakemake.cli",
    "snakemake.api",
    "snakemake.executors.dryrun",
    "snakemake.executors.local",
    "snakemake.executors.touch",
    "pandas",
    "pydantic",
    "yaml",
)
_MESSAGE = 2**18  # bytes of a command with its environment, at most


def run(
    words: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float, *, joined: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command in a fork and return what `subprocess.run(..., text=True)` would.

    words: `python -c CODE ...`, `python -m MODULE ...`, or a script of the environment, as `.venv/bin/snakemake ...`.
    timeout: seconds. joined: stderr goes to stdout.

    Raises subprocess.TimeoutExpired.
    """
    control = _server()
    replies, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    message = json.dumps({"words": list(map(str, words)), "cwd": str(cwd), "env": dict(env)}).encode()
    assert len(message) < _MESSAGE
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, replies, remote:
        streams = [output.fileno(), (output if joined else errors).fileno()]
        socket.send_fds(control, [message], [remote.fileno(), *streams])
        remote.close()
        replies.settimeout(timeout)
        process = int(replies.recv(64))
        try:
            code = replies.recv(64)
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout) from None
        assert code, "the server of forks ended"
        printed = [_read(stream) for stream in (output, errors)]
    return subprocess.CompletedProcess(words, int(code), printed[0], None if joined else printed[1])


def _read(stream: "tempfile._TemporaryFileWrapper[bytes]") -> str:
    stream.seek(0)
    return stream.read().decode()


@cache
def _server() -> socket.socket:
    """The server of this process, and the socket that takes its commands. It ends when the socket is closed."""
    control, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        # -P: this file's folder is not on the path of what it runs.
        [sys.executable, "-P", __file__, str(remote.fileno())],
        pass_fds=[remote.fileno()],
        env={name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    remote.close()
    atexit.register(lambda: (control.close(), process.wait()))
    return control


# --- in the server ----------------------------------------------------------------------------------------------------


def _serve(control: socket.socket) -> None:
    """Fork for every command until nobody can send one."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()
    while True:
        message, descriptors, *_ = socket.recv_fds(control, _MESSAGE, 3)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            _keep(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(command: dict[str, object], reply: int, output: int, errors: int) -> None:
    """Run a command in a fork of its own, and tell its process id and its exit code."""
    process = os.fork()
    if process == 0:
        os.close(reply)
        for descriptor, stream in ((output, 1), (errors, 2)):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        _become(**command)
        sys.exit()
    os.write(reply, str(process).encode())
    _, status = os.waitpid(process, 0)
    os.write(reply, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(words: list[str], cwd: str, env: dict[str, str]) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    random.seed()
    program, *rest = words
    added = [str(Path(part).resolve()) for part in env.get("PYTHONPATH", "").split(os.pathsep) if part]
    if Path(program).name.startswith("python"):
        kind, code, *arguments = rest
        sys.argv = ["-c" if kind == "-c" else code, *arguments]
        sys.path[:0] = ["" if kind == "-c" else cwd, *added]
        if kind == "-m":
            runpy.run_module(code, run_name="__main__", alter_sys=True)
        else:
            assert kind == "-c"
            exec(code, {"__name__": "__main__"})
    else:
        sys.argv = words
        sys.path[:0] = [str(Path(program).parent), *added]
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
