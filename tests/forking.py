"""Commands of Python without their imports: a server that has imported the libraries forks for each command.

The fork runs the command in the directory, environment and streams that it would have as a process of its own, and
ends as that process would. Only the imports of libraries are saved: half of what a dry run costs, and most of what a
small training does. The package itself is imported by the fork, so a checkout may hold source of its own. Tests of
processes, signals, start-up or imports start real processes.
"""

import array
import atexit
import gc
import importlib
import json
import os
import random
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

# What a dry run of Snakemake imports, apart from the package and what these import themselves.
SNAKEMAKE = (
    "snakemake.cli",
    "snakemake.api",
    "snakemake.executors.dryrun",
    "snakemake.executors.local",
    "snakemake.executors.touch",
    "snakemake.profiles",
    "snakemake.report.html_reporter",
    "snakemake.storage",
    "docutils.core",
    "pandas",
    "pydantic",
    "smart_open",
    "yaml",
)
# What stages that ask or train a model import.
MODELS = (
    "datasets",
    "numpy",
    "openai",
    "peft",
    "pyarrow.parquet",
    "pydantic",
    "scipy.stats",
    "torch",
    "transformers.models.llama.modeling_llama",
    "trl.trainer.dpo_trainer",
    "trl.trainer.kto_trainer",
    "trl.trainer.sft_trainer",
)
_MESSAGE = 2**18  # bytes of a command with its environment, at most
_PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def run(
    words: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    timeout: float,
    *,
    joined: bool = False,
    forked_jobs: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a fork that has Snakemake imported, and return what `subprocess.run(..., text=True)` would.

    words: `python -c CODE ...`, `python -m MODULE ...`, or a script of the environment, as `.venv/bin/snakemake ...`.
    timeout: seconds. joined: stderr goes to stdout. forked_jobs: jobs of a workflow are forks too, with MODELS.

    Raises subprocess.TimeoutExpired.
    """
    interpreter = str(python(MODELS)) if forked_jobs else sys.executable
    if forked_jobs:
        env = {**env, "PREFDELTA_FORKED_JOBS": "no"}  # the run's own way of forking them
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, open(os.devnull) as nothing:  # noqa: PTH123
        streams = [nothing.fileno(), output.fileno(), (output if joined else errors).fileno()]
        with _ask(_server(SNAKEMAKE), words, str(cwd), env, streams, interpreter) as replies:
            replies.settimeout(timeout)
            process = int(replies.recv(64))
            try:
                code = int(replies.recv(64))
            except TimeoutError:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(words, timeout) from None
        for stream in (output, errors):
            stream.seek(0)
        return subprocess.CompletedProcess(
            words, code, output.read().decode(), None if joined else errors.read().decode()
        )


@cache
def python(libraries: tuple[str, ...]) -> Path:
    """A program that is called and behaves as `python`, and has these libraries imported."""
    address = _server(libraries)
    program = address.with_name("python")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {__file__} ask {address} "$@"\n')
    program.chmod(0o755)
    return program


@cache
def _server(libraries: tuple[str, ...]) -> Path:
    """The address of this process's server. It ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="forking-"))
    reading, lifeline = os.pipe()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(folder / "socket"))
    listener.listen(64)
    process = subprocess.Popen(
        # -P: this file's folder is not on the path of what it runs.
        [sys.executable, "-P", __file__, "serve", str(reading), str(listener.fileno()), *libraries],
        pass_fds=[reading, listener.fileno()],
        # Libraries read some of it when they are imported.
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    os.close(reading)
    listener.close()
    owner = os.getpid()

    def end() -> None:
        if os.getpid() != owner:  # a fork of the owner, by a test
            return
        os.close(lifeline)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return folder / "socket"


def _ask(
    address: Path, words: Sequence[str], cwd: str, env: Mapping[str, str], streams: Sequence[int], interpreter: str
) -> socket.socket:
    """The connection on which a server tells the process id of a command, and then its exit code."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(str(address))
    command = {"words": list(map(str, words)), "cwd": cwd, "env": dict(env), "interpreter": interpreter}
    message = json.dumps(command).encode()
    assert len(message) < _MESSAGE
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _MESSAGE)
    connection.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))])
    return connection


def _stand_for(address: Path, words: Sequence[str]) -> None:
    """Run a command in a fork, pass signals on to it, and end as it does."""
    words = [sys.executable, *words]
    with _ask(address, words, os.getcwd(), os.environ, [0, 1, 2], sys.executable) as replies:  # noqa: PTH109
        process = int(replies.recv(64))
        for number in _PASSED_ON:
            signal.signal(number, lambda number, _: os.kill(process, number))
        code = int(replies.recv(64))
    if code < 0:
        with suppress(OSError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


# --- in the server ----------------------------------------------------------------------------------------------------


def _serve(lifeline: int, listener: socket.socket, libraries: Sequence[str]) -> None:
    """Fork for every command, until the process that started the server has ended."""
    for name in libraries:
        importlib.import_module(name)
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # a sixth of a dry run's time is spent on looking for garbage
    while True:
        ready, _, _ = select.select([lifeline, listener], [], [])
        if lifeline in ready:
            return
        connection, _ = listener.accept()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads of libraries, which have nothing to do yet
            keeper = os.fork()
        if keeper == 0:
            os.close(lifeline)
            listener.close()
            _keep(connection)
        connection.close()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(connection: socket.socket) -> None:
    """Run a command in a fork of its own. Kill it if nobody waits for it any more."""
    message, streams, *_ = socket.recv_fds(connection, _MESSAGE, 3)
    process = os.fork()
    if process == 0:
        connection.close()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        _become(**json.loads(message))
        sys.exit()
    for stream in streams:
        os.close(stream)
    connection.send(str(process).encode())
    ended = os.pidfd_open(process)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    with suppress(BrokenPipeError):
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(words: list[str], cwd: str, env: dict[str, str], interpreter: str) -> None:
    """Do what Python does for a command line once it has started."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.executable = interpreter
    random.seed()
    path = [str(Path(part).resolve()) for part in env.get("PYTHONPATH", "").split(os.pathsep) if part]
    program, *rest = words
    if not Path(program).name.startswith("python"):
        sys.argv = words
        sys.path[:0] = [str(Path(program).parent), *path]
        runpy.run_path(program, run_name="__main__")
        return
    while rest[0] not in ("-c", "-m"):  # -u and the like
        rest.pop(0)
    kind, what, *arguments = rest
    sys.argv = ["-c" if kind == "-c" else what, *arguments]
    sys.path[:0] = ["" if kind == "-c" else cwd, *path]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(int(sys.argv[2]), socket.socket(fileno=int(sys.argv[3])), sys.argv[4:])
    else:
        _stand_for(Path(sys.argv[2]), sys.argv[3:])
