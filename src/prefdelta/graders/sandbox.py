"""A jail for code that a model wrote (the candidate): its access, its limits, and who decides whether it is right.

Access. bubblewrap gives the candidate namespaces of its own (processes, network, mounts, IPC), a read-only system with
the Python interpreter and /usr but no /etc, /home, /proc or /sys, a private /tmp of limited size, and no environment
variables. The candidate has no capabilities and cannot get any (no_new_privs). A system call filter (sandbox_seccomp)
refuses ptrace, mounts, namespaces, sockets except local ones, and memory that no limit would count. There is no weaker
mode: without this arrangement nothing runs.

Limits. Each run is a fresh process under `Limits`: CPU seconds, wall seconds, bytes of memory and of files per process,
number of processes, bytes of output. The reader limits the output, not the writer.

Verdict. Process 1 of the jail (sandbox_harness) starts the candidate's processes. Even if these have the same user id,
they cannot kill process 1 (the kernel protects it within its own namespace), trace it, or change its limits (the
filter), nor write to its output (they do not have the file). The code outside the jail decides whether an output is
right:
- script, call: the expected output never enters the jail. A candidate that ends early, prints a verdict, patches
  modules or raises SystemExit has given an output, which is compared like any other.
- check: assertions contain the expected results, so they run in a process of their own, which asks the candidate's
  process for one result after the other. Results are plain data, never objects, so no `__eq__` of the candidate is
  called. Only the process with the assertions can say "passed"; a candidate that kills it has failed.

Speed. Each candidate has a jail in which no other has been. The thread's next jails start while one works: when they
are needed, their interpreter has imported what programs import, and waits for the code.

Clean-up. Process 1 kills all others after each run. It ends when this process ends, for whatever reason, and the kernel
then ends all processes in the jail.

Users. An ordinary user runs the jail in a user namespace of its own. For root this would not limit the number of
processes: the kernel would take them for root's, and does not count those (RLIMIT_NPROC). So root's jail has no user
namespace. Process 1 stays root, but may only change its user and kill, and each of its children becomes a user that
nobody else is before it runs anything.

Not covered: memory is limited per process, so a jail may use `processes` x `memory_bytes`.
"""

import importlib.util
import json
import marshal
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Self

from prefdelta.core.answers.code_tests import MOST_DIGITS
from prefdelta.core.answers.grading import GradingError
from prefdelta.core.errors import StudyError
from prefdelta.graders import sandbox_harness, sandbox_seccomp
from prefdelta.graders.sandbox_harness import BROKEN, ENDED, PASSED
from prefdelta.graders.sandbox_process import SPARE_SECONDS, JailProcess

BWRAP_VERSION = (0, 8)  # --size, --perms, --clearenv, --as-pid-1
KERNEL_VERSION = (5, 14)  # since then RLIMIT_NPROC counts per user namespace, not all processes of the user
NOBODY = 65534
# User ids that no account and no container has (systemd's table of user ids). Each jail gets one, so that no jail uses
# up another's share of processes.
_UNUSED_IDS, _N_UNUSED_IDS = 0x70000000, 2**27
_PYTHON, _PACKAGES, _HARNESS = "/python", "/packages", "/harness.pyc"  # paths in the jail


@dataclass(frozen=True)
class Limits:
    """What one run of a candidate may use. Seconds of CPU, memory and file size are per process."""

    # LiveCodeBench gives a test 6 s of wall time. A busy machine must not decide a grade, so here CPU time counts; the
    # limit on wall time is only for programs that wait.
    wall_s: float = 12.0
    cpu_s: int = 6
    memory_bytes: int = 2 * 2**30
    output_bytes: int = 8 * 2**20
    processes: int = 8  # with threads and process 1 of the jail
    file_bytes: int = 16 * 2**20  # also the size of /tmp
    digits: int = MOST_DIGITS  # of a whole number that is read or written; a candidate may raise this for itself


@dataclass(frozen=True)
class Run:
    """A finished run. well: it ended by itself, without an uncaught exception, within all limits."""

    well: bool
    output: bytes


class Jail:
    """A jail for one candidate's code; any number of runs, or one check. Raises GradingError("error") if it breaks."""

    def __init__(self, code: str, limits: Limits | None = None) -> None:
        self._code = code
        self._limits = limits or Limits()

    def __enter__(self) -> Self:
        require()
        self._process = _unused(self._limits)
        try:
            self._process.wait_until_ready()
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._process.stop()

    def script(self, stdin: str) -> Run:
        """Run the code as a program; the output is its standard output."""
        return self._run({"do": "script", "code": self._code, "stdin": stdin})

    def call(self, function: str, arguments: list[str]) -> Run:
        """Call a function of the code, or a method of its class `Solution`; arguments and output are JSON."""
        return self._run({"do": "call", "code": self._code, "function": function, "arguments": arguments})

    def check(self, setup: str, function: str, program: str) -> bool:
        """Whether the assertions in `program` hold. They call `function`; `setup` runs before them and the code.

        This must be the jail's last run, because the assertions have been in it.
        """
        run = self._run({"do": "check", "code": self._code, "setup": setup, "function": function}, {"program": program})
        if run.output.startswith(BROKEN):
            raise GradingError("error", f"assertions cannot be run: {run.output.decode(errors='replace')}")
        return run.output == PASSED

    def _run(self, *messages: dict[str, object]) -> Run:
        for message in messages:
            self._process.send(json.dumps(message).encode())
        answer = self._process.receive(self._limits.wall_s + SPARE_SECONDS)
        return Run(answer[:1] == ENDED, answer[1:])


_AHEAD = 2  # jails that start while a thread uses one
_of_thread = threading.local()


def _unused(limits: Limits) -> JailProcess:
    """A jail in which nothing has run yet. Of the default limits, the thread's next ones start at the same time."""
    if limits != Limits():
        return _started(limits)
    waiting: list[JailProcess] = [process for process in getattr(_of_thread, "waiting", []) if process.usable()]
    while len(waiting) <= _AHEAD:
        waiting.append(_started(limits))
    _of_thread.waiting = waiting[1:]
    return waiting[0]


def _started(limits: Limits) -> JailProcess:
    files = sandbox_seccomp.filter_program(platform.machine()), _compiled_harness()
    return JailProcess(partial(_command, limits), files)


@cache
def _compiled_harness() -> bytes:
    """The harness as a .pyc file. Its name in tracebacks is that in the jail."""
    source = Path(sandbox_harness.__file__).read_bytes()
    code = compile(source, _HARNESS, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)  # no flags, no date, no size


def require() -> None:
    """Check that code can be jailed here. Raises StudyError, which says what to do, if not."""
    machine, kernel = platform.machine(), platform.release()
    if sys.platform != "linux" or machine not in sandbox_seccomp.MACHINES:
        raise StudyError(
            f"Code is graded in a sandbox only, and there is none for {sys.platform} on {machine}: "
            f"use Linux on {' or '.join(sandbox_seccomp.MACHINES)}."
        )
    if not _is_real_root() and _version(kernel) < KERNEL_VERSION:
        raise StudyError(
            f"Code is graded in a sandbox only, and Linux {kernel} cannot limit its processes for an ordinary user: "
            f"use Linux {KERNEL_VERSION[0]}.{KERNEL_VERSION[1]} or newer."
        )
    _see_bwrap()
    _try_out()


@cache
def _see_bwrap() -> str:
    """The path of bubblewrap."""
    path = shutil.which("bwrap")
    needed = ".".join(map(str, BWRAP_VERSION))
    install = f"install bubblewrap {needed} or newer (Debian, Ubuntu: apt-get install bubblewrap)"
    if path is None:
        raise StudyError(f"Code is graded in a sandbox only, and bwrap is not on PATH: {install}.")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if _version(version) < BWRAP_VERSION:
        raise StudyError(f"Code is graded in a sandbox only, and {path} is {version or 'of no version'}: {install}.")
    return path


@cache
def _try_out() -> None:
    process = _started(Limits())
    try:
        process.wait_until_ready()
    except GradingError as error:
        raise StudyError(
            f"Code is graded in a sandbox only, and bubblewrap could not start one here: {error}. "
            "An ordinary user needs user namespaces, which an administrator allows: user.max_user_namespaces > 0; on "
            "Debian kernel.unprivileged_userns_clone=1; on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0. "
            "In a container they, or for root the capability SYS_ADMIN, have to be allowed from outside."
        ) from None
    finally:
        process.stop()


def _version(text: str) -> tuple[int, ...]:
    """The first version number in a text: "bubblewrap 0.8.0" is (0, 8, 0)."""
    match = re.search(r"\d+(\.\d+)+", text)
    return tuple(map(int, match[0].split("."))) if match else ()


@cache
def _is_real_root() -> bool:
    """Whether this process is root to the kernel, not only inside a container of an ordinary user."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text().split() == ["0", "0", str(2**32 - 1)]


def _command(limits: Limits, filter_file: int, harness_file: int) -> list[str]:
    root = _is_real_root()
    packages = _packages()
    uid = _UNUSED_IDS + secrets.randbelow(_N_UNUSED_IDS) if root else None
    settings = {"packages": [_PACKAGES] if packages else [], "limits": {**asdict(limits), "uid": uid}}
    python, interpreter = _interpreter()
    return [
        _see_bwrap(),
        *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
        *("--hostname", "jail", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv", "--cap-drop", "ALL"),
        *(
            ("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_KILL")
            if root
            else ("--unshare-user", "--disable-userns", "--uid", str(NOBODY), "--gid", str(NOBODY))
        ),
        *("--setenv", "PATH", "/usr/bin", "--setenv", "LANG", "C.UTF-8", "--setenv", "HOME", "/tmp"),
        *("--setenv", "LD_LIBRARY_PATH", f"{_PYTHON}/lib"),  # libraries of the interpreter, wherever it is installed
        *("--setenv", "PYTHONHASHSEED", "0"),  # a grade must not depend on the order of a set
        *("--setenv", "OPENBLAS_NUM_THREADS", "1"),  # numpy's threads would use up the processes
        # Made here, because parent folders that bubblewrap makes are accessible only to their owner.
        *(
            part
            for folder in (_PYTHON, f"{_PYTHON}/bin", _PACKAGES, "/dev")
            for part in ("--perms", "0755", "--dir", folder)
        ),
        *_system(),
        *interpreter,
        *(part for path in packages for part in ("--ro-bind", str(path), f"{_PACKAGES}/{path.name}")),
        *("--perms", "0444", "--ro-bind-data", str(harness_file), _HARNESS),
        *(part for name in ("null", "zero", "urandom") for part in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")),
        *("--perms", "1777", "--size", str(limits.file_bytes), "--tmpfs", "/tmp", "--chdir", "/tmp"),
        *("--remount-ro", "/", "--seccomp", str(filter_file), "--"),
        *(python, "-S", "-P", "-s", "-B", "-X", "utf8", _HARNESS, json.dumps(settings)),
    ]


def _system() -> Iterator[str]:
    """Options of bubblewrap that show the system's libraries, read-only."""
    yield from ("--ro-bind", "/usr", "/usr")
    for name in ("/bin", "/lib", "/lib64"):
        if Path(name).is_symlink():
            yield from ("--symlink", str(Path(name).readlink()), name)
        elif Path(name).is_dir():
            yield from ("--ro-bind", name, name)


def _interpreter() -> tuple[str, list[str]]:
    """(the path, within the jail, of the Python that runs this; the options that show it in the jail)."""
    name = f"bin/python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    if base.is_relative_to("/usr"):
        return str(base / name), []
    options = [part for path in (name, "lib") for part in ("--ro-bind", str(base / path), f"{_PYTHON}/{path}")]
    return f"{_PYTHON}/{name}", options


@cache
def _packages() -> tuple[Path, ...]:
    """The folders of numpy, if it is installed: LiveCodeBench's candidates can import it."""
    numpy = importlib.util.find_spec("numpy")
    if numpy is None or numpy.origin is None:
        return ()
    folder = Path(numpy.origin).parent
    return tuple(path for path in (folder, folder.with_name("numpy.libs")) if path.is_dir())
