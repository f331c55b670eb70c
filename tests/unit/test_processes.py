import os
import subprocess
import time

from prefdelta.processes import is_alive


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
