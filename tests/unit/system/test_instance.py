import os
import subprocess
import sys
import time

import pytest

from prefdelta.system import instance
from prefdelta.system.instance import INSTANCE, Instance, command_of, is_alive, is_at_work


@pytest.fixture
def host(monkeypatch):
    """This machine's name, with a dash and dots."""
    name = "login-1.cluster.org"
    monkeypatch.setattr(instance, "gethostname", lambda: name)
    return name


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_name_is_parsed_back_whatever_the_host_is_called():
    for host in ("node1", "login-1.cluster.org", "a-7-0123abcd"):
        one = Instance(host, 12, "0123abcd")
        assert Instance.parse(str(one)) == one
    assert Instance.parse(f"{INSTANCE}\n") == INSTANCE


def test_a_fork_is_another_instance():
    reading, writing = os.pipe()
    if (process := os.fork()) == 0:
        os.write(writing, str(INSTANCE).encode())
        os._exit(0)
    os.waitpid(process, 0)
    forked = Instance.parse(os.read(reading, 1000).decode())
    for end in (reading, writing):
        os.close(end)
    assert (forked.host, forked.pid) == (INSTANCE.host, process)
    assert forked.token != INSTANCE.token


@pytest.mark.parametrize("text", ["", "x", "node1", "node1-12", "node1-12-0123abc", "node1-x-0123abcd", "-12-0123abcd"])
def test_other_texts_are_no_instances(text):
    assert Instance.parse(text) is None


@pytest.mark.parametrize("pattern", [".{}.staged", ".a.parquet.{}.tmp", ".{}.probe", ".1-2.parquet.{}.tmp"])
def test_a_file_name_tells_this_machines_instance_from_what_stands_before_it(host, pattern):
    ours = Instance(host, 12, "0123abcd")
    assert Instance.in_file_name(pattern.format(ours)) == ours
    theirs = Instance.in_file_name(pattern.format(Instance("other", 12, "0123abcd")))
    assert (theirs.pid, theirs.is_here) == (12, False)


def test_a_machine_whose_name_only_ends_as_this_ones_is_another(host):
    assert not Instance.in_file_name(f".x{host}-12-0123abcd.staged").is_here


@pytest.mark.parametrize("name", [".a.tmp", "a.parquet", ".a.parquet.tmp", ".a-12-0123abcd"])
def test_a_file_name_without_an_instance_has_none(name):
    assert Instance.in_file_name(name) is None


def test_who_is_alive_is_known_on_this_machine_only(dead):
    assert INSTANCE.is_alive() is True
    assert Instance(INSTANCE.host, dead, "0123abcd").is_alive() is False
    assert Instance("elsewhere", dead, "0123abcd").is_alive() is None
    assert Instance("elsewhere", dead, "0123abcd").is_at_work() is None


def test_at_work_is_only_another_process_of_this_package(dead):
    assert not is_at_work(os.getpid())
    assert not is_at_work(dead)
    for words, ours in ((["prefdelta.stages.judge"], True), ([], False)):
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *words], cwd="/") as process:
            ends = time.monotonic() + 10
            while command_of(process.pid)[3:] != words and time.monotonic() < ends:  # it has to become Python first
                time.sleep(0.01)
            assert is_alive(process.pid)
            # The interpreter's own path may hold the package's name.
            assert is_at_work(process.pid) == (ours or "prefdelta" in sys.executable)
            process.kill()


def test_a_process_that_is_gone_has_no_command_line(dead):
    assert command_of(dead) == []
