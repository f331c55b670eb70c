"""Starts the fork server of a run whose jobs run on this machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from prefdelta.workflow.fork_server import client

SWITCH = "PREFDELTA_FORKED_JOBS"  # `no` in the environment: every job is started as a plain process
# A GPU's driver must not have been touched before a fork, and what runs on GPUs is long beside its imports.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
_WAITING = 128  # clients whose connection the server has not accepted yet


def start(programs: Path) -> None:
    """Start the server, and have the jobs of this process find it (Linux without GPUs; elsewhere nothing happens).

    The server ends with this process, however that ends. Call it from the main thread.

    programs: the folder of the `python` that precedes the interpreter on the PATH of jobs.
    """
    if sys.platform != "linux" or os.environ.get(SWITCH) == "no" or any(map(os.path.exists, _GPU_DEVICES)):
        return
    name = f"prefdelta-{uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")  # in Linux's abstract name space: no file is left behind
        listener.listen(_WAITING)
        subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.server", str(os.getpid())],
            stdin=listener.fileno(),
            stdout=subprocess.DEVNULL,
        )
    os.environ[client.SERVER] = name
    os.environ[client.CLIENT] = str(Path(client.__file__).resolve())
    os.environ["PATH"] = os.pathsep.join([str(programs), os.environ["PATH"]])
