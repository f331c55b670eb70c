import fcntl
import json
import os
import sys
from dataclasses import replace
from socket import gethostname

import pytest

from prefdelta.workflow import run_file
from prefdelta.workflow.run_file import FILE, UNKNOWN, LockedRunFile, WorkflowRun


def here(**fields):
    return replace(WorkflowRun.of_this_process(), **fields)


@pytest.fixture
def lock(tmp_path):
    """The run file, locked by a process (a lock belongs to the open file, not to the process)."""
    with (tmp_path / FILE).open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def test_the_file_says_what_it_always_said():
    run = WorkflowRun("n-1-0123abcd", "n", 1, "2026-01-02 03:04:05 UTC", "snakemake -c1")
    assert json.loads(run.text()) == {
        "id": "n-1-0123abcd",
        "host": "n",
        "pid": 1,
        "started": "2026-01-02 03:04:05 UTC",
        "command": "snakemake -c1",
        "ended": None,
    }
    assert json.loads(replace(run, before="").text())["before"] == ""
    assert run.text().endswith("}\n")


def test_a_run_is_read_back():
    for run in (here(), here(before="{}\n"), here(before=""), here().ended_now()):
        assert WorkflowRun.parse(run.text()) == run


@pytest.mark.parametrize("text", ["", "{", '{"id": "x", "ho', "[]", "7", "{}", '{"host": "n", "pid": "x"}'])
def test_a_text_that_was_cut_or_is_another_says_nothing(text):
    assert WorkflowRun.parse(text) is None


def test_a_run_is_alive_while_its_process_has_the_same_arguments():
    # As Snakemake has it: sys.argv is the end of the process's command line.
    words = run_file.command_of(os.getpid())
    ours = here(command=" ".join(words[1:]))
    assert ours.is_alive() is True
    assert replace(ours, command="snakemake --profile other").is_alive() is False
    assert replace(ours, host="elsewhere").is_alive() is None
    assert ours.ended_now().is_alive() is False


def test_nobody_works_where_there_is_no_file_or_no_lock(tmp_path):
    assert run_file.current(tmp_path) is None
    assert run_file.read(tmp_path) is None
    (tmp_path / FILE).write_text(here().text())
    assert run_file.current(tmp_path) is None
    assert run_file.read(tmp_path) == here(started=run_file.read(tmp_path).started)


def test_whoever_holds_the_lock_works(tmp_path, lock):
    assert run_file.current(tmp_path) == UNKNOWN
    assert "just begun" in str(UNKNOWN)
    lock.write(here(pid=4711).text())
    lock.flush()
    assert "pid 4711" in str(run_file.current(tmp_path))


def test_a_locked_file_is_written_in_place_and_locked_until_it_is_closed(tmp_path):
    file = LockedRunFile(tmp_path)
    file.write(here().text())
    file.write("short")
    assert (file.read(), (tmp_path / FILE).read_text()) == ("short", "short")
    with pytest.raises(BlockingIOError):
        LockedRunFile(tmp_path)
    file.close()
    LockedRunFile(tmp_path).close()


def test_this_process_is_named_by_host_id_and_arguments():
    run = WorkflowRun.of_this_process()
    assert (run.host, run.pid, run.command) == (gethostname(), os.getpid(), " ".join(sys.argv))
    assert run.id.startswith(f"{run.host}-{run.pid}-")
    assert f"host {run.host}, pid {run.pid}, started {run.started}, command" in str(run)
