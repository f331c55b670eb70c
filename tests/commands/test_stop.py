"""`prefdelta stop` without SLURM; with jobs in the queue of a real one: tests/slurm/test_commands.py."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from prefdelta.commands import stop
from prefdelta.commands.main import main
from prefdelta.scheduler import slurm
from prefdelta.workflow import orphans, run_file

from .made import CONFIG, RESULTS, dead_pid, write_text

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
about = {"id": "x", "host": socket.gethostname(), "pid": os.getpid(), "started": "2026-01-02 03:04:05 UTC"}
file.write(json.dumps({**about, "command": " ".join(sys.argv), "ended": None, **json.loads(sys.argv[3])}))
file.flush()
print("ready", flush=True)
time.sleep(60)
"""


@contextmanager
def a_run(kind, **more):
    command = [sys.executable, "-c", _RUN, str(RESULTS / "run.json"), kind, json.dumps(more)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def started_by_the_run(script):
    """Something that the run started, and that outlives it."""
    environment = os.environ | {run_file.VARIABLE: "x"}
    with subprocess.Popen(["sh", "-c", f"echo ready; {script}"], env=environment, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def queue(checkout, monkeypatch):
    """SLURM's queue, a file of the test's; of our jobs nothing is written down."""
    write_text(RESULTS / "slurm/submitted.jsonl", "")
    write_text(Path("bin/squeue"), f"#!/bin/sh\ncat {checkout}/bin/queue\n")
    write_text(Path("bin/scancel"), f"#!/bin/sh\necho $@ >> {checkout}/bin/cancelled\n: > {checkout}/bin/queue\n")
    tag = slurm.environment(RESULTS, "x")[slurm.TAG]
    write_text(Path("bin/job"), f"7|PENDING|0:00|1:00|n1|None|rule_judge {tag}:0\n")
    write_text(Path("bin/queue"), "")
    for name in ("squeue", "scancel"):
        Path("bin", name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{checkout}/bin", prepend=os.pathsep)
    return Path("bin/queue")


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


def test_also_where_its_lock_is_seen_from_here(capsys):
    with a_run("hears", host="elsewhere") as process:
        code, told = stopped(capsys)
        assert (code, process.poll()) == (2, None)
    assert "started on another machine: host elsewhere" in told
    assert "is to end" not in told


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"before": ""}, "another command is at work"),
        ({"ended": "2026-01-02 04:00:00 UTC"}, "begins or ends"),
        ({"pid": dead_pid()}, "begins or ends"),
    ],
)
def test_a_process_that_is_no_run_or_not_known_is_left_alone(more, says, capsys):
    with a_run("hears", **more) as process:
        code, told = stopped(capsys)
        assert (code, process.poll()) == (2, None)
    assert says in told


def test_where_files_cannot_be_locked_the_run_file_tells(capsys, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with a_run("hears", command="snakemake of somebody else") as process:
        assert "no run goes on here" in stopped(capsys)[1]
        assert (run_file.current(RESULTS), process.poll()) == (None, None)
    with a_run("hears") as process:
        assert f"pid {process.pid}" in str(run_file.current(RESULTS))
        assert stopped(capsys)[0] == 0
        assert process.wait(5) == -signal.SIGINT
    assert run_file.current(RESULTS) is None


def test_a_job_that_is_asked_for_meanwhile_is_cancelled(capsys, queue):
    with started_by_the_run("sleep 1; cp bin/job bin/queue"), a_run("hears"):
        assert stopped(capsys)[0] == 0
    assert (Path("bin/cancelled").read_text(), queue.read_text()) == ("7\n", "")


def test_what_a_dead_run_left_is_ended(capsys, monkeypatch):
    monkeypatch.setattr(orphans, "PROCESS_SECONDS", 0.2)
    with a_run("hears") as process:
        process.kill()
    with started_by_the_run("sleep 60; true") as process:
        assert f"process {process.pid}, which a run left" in stopped(capsys, "--dry-run")[1]
        assert process.poll() is None
        assert stopped(capsys)[0] == 0
        assert process.wait(5) == -signal.SIGKILL


def test_slurm_is_asked_more_and_more_rarely(capsys, queue, monkeypatch):
    pauses = []
    queue.write_text(Path("bin/job").read_text())
    write_text(Path("bin/scancel"), "#!/bin/sh\n")  # it takes its time

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 8:
            queue.write_text("")

    monkeypatch.setattr(slurm, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    assert stopped(capsys)[0] == 0
    assert pauses == [0.5, 1, 2, 4, 8, 16, 20, 20]


def test_the_command_that_goes_on_is_that_of_the_run(capsys):
    with a_run("hears", command="/there/bin/snakemake --profile slurm --configfile x.yaml"):
        told = stopped(capsys)[1]
    assert told.endswith("snakemake --profile slurm --configfile x.yaml\n")
