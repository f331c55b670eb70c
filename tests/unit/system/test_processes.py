import os
import signal
import subprocess
import sys
import time
from socket import gethostname

import pytest

from prefdelta.system.instance import is_alive


def test_a_process_that_has_ended_is_not_alive_even_if_nobody_waited_for_it():
    assert is_alive(os.getpid())
    process = subprocess.Popen(["sleep", "60"])
    try:
        ends = time.monotonic() + 5
        while not is_alive(process.pid) and time.monotonic() < ends:  # it has to become `sleep` first
            time.sleep(0.01)
        assert is_alive(process.pid)
    finally:
        process.kill()
    ends = time.monotonic() + 5
    while is_alive(process.pid) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not is_alive(process.pid)
    assert process.wait() == -9  # only now is its id free
    assert not is_alive(process.pid)


# --- parents that die -------------------------------------------------------------------------------------------------

# Starts a process that dies with it, and is killed while that one is still being loaded, if it is to be.
PARENT = """
import os, signal, subprocess, sys
run, parent, child = sys.argv[1:]
pid = str(os.getpid())
process = subprocess.Popen([sys.executable, "-c", child, run.replace("PID", pid), parent, pid])
if parent == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
process.wait()
"""
CHILD = """
import os, sys, time
while sys.argv[2] == "dies" and os.getppid() == int(sys.argv[3]):
    time.sleep(0.01)
from prefdelta.system.processes import die_with_parent
die_with_parent(os.getppid(), sys.argv[1])
open("went on", "w").close()
"""


@pytest.mark.parametrize(
    ("run", "parent", "goes_on"),
    [
        pytest.param(f"{gethostname()}-PID-0123abcd", "dies", False, id="dead"),
        pytest.param(f"{gethostname()}-PID-0123abcd", "lives", True, id="alive"),
        pytest.param("another-machine-PID-0123abcd", "dies", True, id="on another machine"),
        pytest.param("", "dies", True, id="no run"),
    ],
)
def test_a_process_whose_run_died_while_it_was_being_loaded_does_not_go_on(tmp_path, run, parent, goes_on):
    command = [sys.executable, "-c", PARENT, run, parent, CHILD]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout.read() == b""  # its end: the child, which has it, too, has ended
    assert (tmp_path / "went on").exists() == goes_on


# --- saving at a signal -----------------------------------------------------------------------------------------------

SAVES = """
import sys, time
from prefdelta.system import processes
processes.GRACE_SECONDS, processes.SAVE_SECONDS = 0.5, float(sys.argv[1])
processes.stop_on_signals()
with processes.stop_deferred() as stopping:
    while not stopping():
        print("ready", flush=True)
        time.sleep(0.05)
    time.sleep(1.5)  # the rest of a step, and saving
    open("saved", "w").close()
    try:
        processes.stop_now()
    finally:
        time.sleep(0.3)  # tidying up
        open("tidied", "w").close()
"""


def told_to_stop(script, folder, *words):
    """Exit code of a process that got SIGTERM when it was ready."""
    command = [sys.executable, "-c", script, *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=20)


def test_work_that_saves_itself_at_a_signal_has_the_time_that_it_takes(tmp_path):
    assert told_to_stop(SAVES, tmp_path, "20") == 143
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved", "tidied"]


def test_it_does_not_have_more_than_slurm_allows(tmp_path):
    assert told_to_stop(SAVES, tmp_path, "0.2") == 143
    assert list(tmp_path.iterdir()) == []


def test_it_does_not_have_it_once_its_parent_has_died(tmp_path):
    orphaned = SAVES.replace("sys.argv[1]", "20").replace(
        "with processes", "import os; processes.die_with_parent(os.getppid())\nwith processes"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {orphaned!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.stdout.read()  # to its end: the child has ended
    assert list(tmp_path.iterdir()) == []
