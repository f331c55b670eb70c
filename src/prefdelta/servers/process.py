"""A model server as a child process: started on a free loopback port, proven by a real completion, watched, stopped."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from prefdelta.core.asking.requests import Endpoint, ServerStoppedError, canary
from prefdelta.core.errors import StudyError
from prefdelta.servers.supervisor import STOP_SECONDS
from prefdelta.system.environment import SILENT
from prefdelta.system.processes import describe_exit_code, die_with_parent

KEY_VARIABLE = "PREFDELTA_SERVER_KEY"  # holds the key that requests to our own server must carry
VLLM_KEY_VARIABLE = "VLLM_API_KEY"  # the same for vLLM's server
_STOP_SECONDS = STOP_SECONDS + 2.0  # the supervisor ends after that


@contextmanager
def serve(
    command: Callable[[int], list[str]], model: str, start_s: float, environment: Mapping[str, str] | None = None
) -> Iterator[Endpoint]:
    """Run `command(port)` and yield it as an endpoint once it has answered a completion (not merely a health check).

    environment: variables for the server's process, besides those of this process. The key is made for this run and
    passed only in the environment. When the context is left, or the job or the server is killed, nothing is left of
    the server's process group (`prefdelta.servers.supervisor`). Raises ServerStoppedError if the server stops, and
    StudyError if it gives no completion within start_s seconds. After either error it may be called again.
    """
    port, key = _free_port(), secrets.token_urlsafe(24)
    process = subprocess.Popen(
        [sys.executable, "-m", "prefdelta.servers.supervisor", *command(port)],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        env={**SILENT, **os.environ, KEY_VARIABLE: key, VLLM_KEY_VARIABLE: key, **(environment or {})},
        preexec_fn=partial(die_with_parent, os.getpid()),
    )

    def check() -> None:
        if (code := process.poll()) is not None:
            raise ServerStoppedError(
                f"the judge's server stopped with {describe_exit_code(code)}; its output is above in this log."
            )

    endpoint = Endpoint(f"http://127.0.0.1:{port}/v1", key, check, ours=True)
    try:
        _wait_for_completion(endpoint, model, start_s)
        yield endpoint
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_completion(endpoint: Endpoint, model: str, start_s: float) -> None:
    """Send the canary until it is answered."""
    deadline = time.monotonic() + start_s
    while True:
        endpoint.check()
        time_left = max(deadline - time.monotonic(), 0.1)
        try:
            # The time-out is for a server that accepts the request but does not answer.
            if (fault := _fault_of(endpoint, model, timeout_s=min(time_left, 10.0))) is None:
                return
            pause = 1.0  # a server that listens and fails writes the reason to the log
        except (OSError, HTTPException) as error:
            fault, pause = str(error) or type(error).__name__, 0.1
        if time.monotonic() > deadline:
            raise StudyError(
                f"the judge's server gave no completion within {start_s:g} s ({fault}); its output is above."
            )
        time.sleep(pause)


def _fault_of(endpoint: Endpoint, model: str, timeout_s: float) -> str | None:
    """What is wrong with a server that answers; None if it answers with a completion. Raises if it does not answer."""
    address = urlsplit(endpoint.base_url)
    headers = {"Authorization": f"Bearer {endpoint.api_key}", "Content-Type": "application/json"}
    with closing(HTTPConnection(str(address.hostname), address.port, timeout=timeout_s)) as connection:
        connection.request("POST", f"{address.path}/chat/completions", json.dumps(canary(model)), headers)
        reply = connection.getresponse()
        text = reply.read().decode(errors="replace")
    return None if reply.status == 200 else f"HTTP {reply.status}: {text[:200]}"
