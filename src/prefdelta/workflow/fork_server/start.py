"""Starts the fork server of a run whose jobs run on this machine."""

import atexit
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from prefdelta.workflow.fork_server import client

SWITCH = "PREFDELTA_FORKED_JOBS"  # `no` in the environment: every job is started as a plain process
# A GPU's driver must not have been touched before a fork, and what runs on GPUs is long beside its imports.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_SECONDS = 5.0  # for the server to end by itself
_WAITING = 128  # clients whose connection the server has not accepted yet


def start(programs: Path) -> None:
    """Start the server, and have the jobs of this process find it.

    Nothing happens on a machine with a GPU, and elsewhere than on Linux 5.3 or later. The server ends with this
    process, however that ends. If it ends by itself, it waits for the server: so its CPU time with that of its children
    is that of all jobs, as without a server. Call this from the main thread.

    programs: the folder of the `python` that precedes the interpreter on the PATH of jobs.
    """
    if os.environ.get(SWITCH) == "no" or any(map(os.path.exists, _GPU_DEVICES)) or not _kernel_fits():
        return
    name = f"prefdelta-{uuid4().hex}"
    its_end, lifeline = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")  # in Linux's abstract name space: no file is left behind
        listener.listen(_WAITING)
        server = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.server", str(os.getpid()), str(its_end)],
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,
            pass_fds=[its_end],
        )
    os.close(its_end)
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner:  # not a fork of it
            os.close(lifeline)
            with suppress(subprocess.TimeoutExpired):
                server.wait(_SECONDS)

    atexit.register(end)
    os.environ[client.SERVER] = name
    os.environ[client.CLIENT] = str(Path(client.__file__).resolve())
    os.environ["PATH"] = os.pathsep.join([str(programs), os.environ["PATH"]])


def _kernel_fits() -> bool:
    """Whether the system has what server, zygotes and clients need; `pidfd_open` is the youngest of it.

    A Python that was built for old systems (conda-forge's, some of uv's) leaves these calls out.
    """
    needed = ((os, "pidfd_open"), (os, "memfd_create"), (signal, "pidfd_send_signal"))
    if sys.platform != "linux" or not all(hasattr(module, name) for module, name in needed):
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True
