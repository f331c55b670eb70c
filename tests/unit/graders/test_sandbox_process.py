"""Jails that start while others work."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from prefdelta.graders import sandbox
from prefdelta.graders.sandbox import Jail, Run
from prefdelta.system.instance import is_alive

LEAVES_A_MARK = """
import os
print(os.path.exists('/tmp/mark'))
open('/tmp/mark', 'w').close()
"""


def _waiting() -> list[int]:
    """The process ids of this thread's jails in which nothing has run yet."""
    return [jail._process.pid for jail in sandbox._of_thread.waiting]


def _run(program: str = "print(1)") -> Run:
    with Jail(program) as jail:
        return jail.script("")


def _ends(process: int, seconds: float = 10.0) -> bool:
    until = time.monotonic() + seconds
    while is_alive(process) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(process)


def test_each_program_has_a_jail_in_which_no_other_was():
    assert [_run(LEAVES_A_MARK).output for _ in range(5)] == [b"False\n"] * 5
    with Jail(LEAVES_A_MARK) as jail:  # within one jail the mark is seen, so the test can fail
        assert [jail.script("").output for _ in range(2)] == [b"False\n", b"True\n"]


def test_the_next_jails_wait_and_each_is_used_once():
    _run()
    waiting = _waiting()
    assert waiting
    with Jail("print(1)") as jail:
        assert jail._process._process.pid == waiting[0]
        assert waiting[0] not in _waiting()
    assert _ends(waiting[0])


def test_a_waiting_jail_that_has_ended_is_not_used():
    _run()
    for process in _waiting():
        os.kill(process, signal.SIGKILL)
        assert _ends(process)
    assert _run() == Run(True, b"1\n")


def test_waiting_jails_end_with_their_thread():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_run).result()
        waiting = pool.submit(_waiting).result()
    assert waiting
    assert all(map(_ends, waiting))


def test_waiting_jails_end_when_the_grader_is_killed():
    program = """
import time
from prefdelta.graders import sandbox
with sandbox.Jail("print(1)") as jail:
    jail.script("")
print(*[jail._process.pid for jail in sandbox._of_thread.waiting], flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as grader:
        waiting = [int(process) for process in grader.stdout.readline().split()]
        assert waiting
        assert all(map(is_alive, waiting))
        grader.kill()
    assert all(map(_ends, waiting))


def test_a_fork_does_not_use_its_parents_jails():
    _run()
    waiting = _waiting()
    child = os.fork()
    if child == 0:
        used = sandbox._unused(sandbox.Limits())
        os._exit(int(used._process.pid in waiting))
    assert os.waitpid(child, 0)[1] == 0
    assert _waiting() == waiting
    assert all(map(is_alive, waiting))
    assert _run() == Run(True, b"1\n")
