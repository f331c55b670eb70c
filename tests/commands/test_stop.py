"""`prefdelta stop` without SLURM; with jobs in the queue of a real one: tests/slurm/test_commands.py."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from prefdelta.commands import stop
from prefdelta.commands.main import main

from .made import CONFIG, RESULTS

pytestmark = pytest.mark.usefixtures("checkout")
# As a run's main process: it holds the lock on its run file, and hears Ctrl-C or, begun by nohup, does not.
_RUN = """
import fcntl, json, os, signal, socket, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
file.write(json.dumps({"id": "x", "host": socket.gethostname(), "pid": os.getpid(), "ended": None}))
file.flush()
print("ready", flush=True)
time.sleep(60)
"""


@contextmanager
def a_run(kind):
    command = [sys.executable, "-c", _RUN, str(RESULTS / "run.json"), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def stopped(capsys, *words):
    code = main(["stop", "--configfile", CONFIG, *words])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_without_a_run_there_is_nothing_to_stop(capsys):
    code, told = stopped(capsys)
    assert code == 0
    assert "no run goes on here" in told


def test_a_run_ends_as_by_ctrl_c_and_the_command_that_goes_on_is_told(capsys):
    with a_run("hears") as process:
        assert stopped(capsys, "--dry-run")[0] == 0
        assert process.poll() is None
        code, told = stopped(capsys)
        assert (code, process.wait(5)) == (0, -signal.SIGINT)
    assert f"the run of process {process.pid} is to end" in told
    assert "To go on: " in told


def test_a_run_that_hears_nothing_is_killed_in_the_end(capsys, monkeypatch):
    monkeypatch.setattr(stop, "PATIENCE", {signal.SIGINT: 0.5, signal.SIGTERM: 0.5, signal.SIGKILL: 10.0})
    with a_run("deaf") as process:
        assert stopped(capsys)[0] == 0
        assert process.wait(5) == -signal.SIGKILL


def test_a_run_on_another_machine_is_left_alone(capsys):
    about = {"id": "x", "host": "elsewhere", "pid": 1, "started": "now", "command": "snakemake", "ended": None}
    (RESULTS / "run.json").write_text(json.dumps(about))
    code, told = stopped(capsys)
    assert code == 2
    assert "started on another machine: host elsewhere" in told
    assert "rm " in told
