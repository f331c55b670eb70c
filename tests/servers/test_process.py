"""A server as a child process: proven, watched, stopped; with a real server and real signals."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from prefdelta.core.asking.engine_options import OpenAIOptions, RulesServer
from prefdelta.core.asking.requests import Reply, Request, Sampling
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.engine import OpenAIEngine
from prefdelta.servers import rules
from prefdelta.servers.process import KEY_VARIABLE, serve

from .posting import post

RULES = partial(rules.command, RulesServer(name="rules", noise=0.0))
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and the parent-death signal")


def port_of(base_url: str) -> int:
    return urlsplit(base_url).port or 0


def pid_of_server_on(port: int) -> int:
    """The process whose command line has `--port <port>`; not the supervisor, which has it, too."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"--port" in words and str(port).encode() in words and b"prefdelta.servers.supervisor" not in words:
                return int(folder.name)
    raise AssertionError(f"no process serves port {port}")


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while is_running(pid):
        assert time.monotonic() < end, f"process {pid} still runs"
        time.sleep(0.02)


@linux_only
def test_a_server_completes_inside_the_context_keeps_its_key_to_itself_and_is_gone_after_it() -> None:
    with serve(RULES, "rules", start_s=60) as endpoint:
        pid = pid_of_server_on(port_of(endpoint.base_url))
        endpoint.check()
        status, _ = post(endpoint.base_url, endpoint.api_key, {"messages": [{"role": "user", "content": "hello"}]})
        assert status == 200
        # Anyone on the machine can read a command line; only the same user can read an environment.
        assert endpoint.api_key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert f"{KEY_VARIABLE}={endpoint.api_key}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
        assert KEY_VARIABLE not in os.environ
    assert not is_running(pid)


@linux_only
def test_two_servers_live_side_by_side_with_keys_of_their_own() -> None:
    with serve(RULES, "rules", start_s=60) as one, serve(RULES, "rules", start_s=60) as other:
        assert one.base_url != other.base_url
        assert one.api_key != other.api_key


@linux_only
def test_an_error_inside_the_context_stops_the_server_too() -> None:
    pids = []

    def fail_inside() -> None:
        with serve(RULES, "rules", start_s=60) as endpoint:
            pids.append(pid_of_server_on(port_of(endpoint.base_url)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_inside()
    assert not is_running(pids[0])


def test_a_server_that_stops_at_start_is_an_error_with_its_exit_code() -> None:
    started = time.monotonic()
    with (
        pytest.raises(StudyError, match="exit code 7"),
        serve(lambda port: [sys.executable, "-c", "raise SystemExit(7)"], "rules", start_s=60),
    ):
        raise AssertionError("the context was entered")
    assert time.monotonic() - started < 30, "it waited for a server that is dead"


# Both listen; a health check of the port would call them alive.
_SILENT = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[2]))); time.sleep(600)"
_ERRORS = (
    "import sys; from http.server import *; "
    "HTTPServer(('127.0.0.1', int(sys.argv[2])), SimpleHTTPRequestHandler).serve_forever()"  # POST: 501
)


@linux_only
@pytest.mark.parametrize("script", [pytest.param(_SILENT, id="silent"), pytest.param(_ERRORS, id="errors")])
def test_a_server_that_listens_but_never_completes_is_an_error_in_time_and_is_stopped(script: str) -> None:
    ports = []

    def command(port: int) -> list[str]:
        ports.append(port)
        return [sys.executable, "-c", script, "--port", str(port)]

    started = time.monotonic()
    with pytest.raises(StudyError, match=r"no completion within 1\.5 s"), serve(command, "rules", start_s=1.5):
        raise AssertionError("the context was entered")
    assert 1.4 < time.monotonic() - started < 5
    with pytest.raises(AssertionError, match="no process serves"):
        pid_of_server_on(ports[0])


@linux_only
def test_a_server_killed_from_outside_during_a_run_is_started_again_and_every_request_is_answered() -> None:
    # The deadline of ten minutes must not be waited for.
    options = OpenAIOptions(name="openai", model="rules", in_flight=4, deadline_s=600.0, back_off_s=0.01)
    plan = [
        (f"key {i}", Request((("user", f"hello {i}"),), Sampling(temperature=0.0, max_tokens=9), seed=i))
        for i in range(300)
    ]
    opened = []

    def command(port: int) -> list[str]:
        opened.append(port)
        return RULES(port)

    results = OpenAIEngine(options, lambda: serve(command, "rules", start_s=60), {}).run(plan, {k for k, _ in plan})
    found = [next(results)]
    os.kill(pid_of_server_on(opened[0]), signal.SIGKILL)
    found += list(results)
    assert sorted(result.key for result in found) == sorted(key for key, _ in plan)
    assert all(isinstance(result, Reply) for result in found)
    assert len(opened) == 2


@linux_only
def test_a_server_dies_with_a_parent_that_is_killed_without_a_chance_to_clean_up() -> None:
    script = (
        "import sys, time; from functools import partial\n"
        "from prefdelta.core.asking.engine_options import RulesServer\n"
        "from prefdelta.servers import rules; from prefdelta.servers.process import serve\n"
        "with serve(partial(rules.command, RulesServer(name='rules', noise=0.0)), 'rules', 60) as endpoint:\n"
        "    print(endpoint.base_url, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = pid_of_server_on(port_of(parent.stdout.readline().strip()))
        assert is_running(pid)
        parent.kill()
        parent.wait()
    wait_until_gone(pid)


# --- servers with processes of their own ---

# Its child is not told of its death; the parent of the two listens to no SIGTERM, as vLLM while it loads a model.
_STUBBORN = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""


def started_family() -> tuple[subprocess.Popen[bytes], int, list[int]]:
    """A job that serves a stubborn server; the server, and the server with its child."""
    job = (
        "import sys; from prefdelta.system.processes import stop_on_signals\n"
        "from prefdelta.servers.process import serve\n"
        "stop_on_signals()\n"
        f"with serve(lambda port: [sys.executable, '-c', {_STUBBORN!r}, '--port', str(port)], 'rules', 600): pass"
    )
    process = subprocess.Popen([sys.executable, "-c", job], stderr=subprocess.PIPE)
    assert process.stderr is not None
    child = int(process.stderr.readline())
    server = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    return process, server, [server, child]


@linux_only
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_job_that_is_killed_while_its_server_starts_leaves_nothing_of_it(number: signal.Signals) -> None:
    job, _, family = started_family()
    assert all(map(is_running, family))
    job.send_signal(number)
    job.wait(timeout=5)
    for pid in family:
        wait_until_gone(pid)


@linux_only
def test_a_server_that_is_killed_takes_its_own_processes_with_it_and_the_job_hears_of_it() -> None:
    job, server, family = started_family()
    os.kill(server, signal.SIGKILL)
    _, stderr = job.communicate(timeout=10)
    assert b"exit code 137" in stderr
    for pid in family:
        wait_until_gone(pid)


def test_a_servers_own_processes_have_time_to_tidy_up_after_it_has_ended(tmp_path: Path) -> None:
    # vLLM's tracker of shared memory: killed at once, it would leave some hundred megabytes behind.
    tidy = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    time.sleep(0.5); pathlib.Path(sys.argv[1]).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print(flush=True); time.sleep(600)"
    )
    server = (
        "import subprocess, sys; from http.server import *\n"
        f"child = subprocess.Popen([sys.executable, '-c', {tidy!r}, {str(tmp_path / 'tidied')!r}], stdout=-1)\n"
        "child.stdout.readline(); HTTPServer(('127.0.0.1', int(sys.argv[1])), SimpleHTTPRequestHandler).serve_forever()"
    )
    with (
        pytest.raises(StudyError, match="no completion"),
        serve(lambda port: [sys.executable, "-c", server, str(port)], "rules", start_s=3),
    ):
        raise AssertionError("the context was entered")
    assert (tmp_path / "tidied").exists()
