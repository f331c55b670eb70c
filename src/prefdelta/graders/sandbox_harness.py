"""The program that runs in the jail, as its process 1, and starts every other process there.

It reads jobs from its standard input, runs each in a fresh process under limits, kills all remaining processes, and
writes the result to its standard output. A message is its length (8 bytes, big-endian) and its bytes.
  in:  JSON, the fields that `_script`, `_call` and `_check` name
  out: READY once; then for each job the letter of its end, and its output
It uses only the standard library: this package is not in the jail.
"""

import atexit
import fcntl
import gc
import json
import os
import resource
import select
import signal
import site
import struct
import sys
import time
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

READY = b"ready"
# How a job ended: by itself and well; by itself and not well, or killed by a limit; too late; with too much output.
ENDED, FAILED, LATE, FLOODED = b"e", b"f", b"l", b"o"
# The output of a check.
PASSED, BROKEN = b"passed", b"broken: "

# Imports that LiveCodeBench puts before every program (`import_string` in lcb_runner/evaluation/testing_util.py).
_MODULES = """
    string re datetime collections heapq bisect copy math random statistics itertools functools operator io sys json
"""
_RECURSION = 50_000
PRELUDE = "\n".join(
    [
        *(f"from {name} import *" for name in [*_MODULES.split(), "builtins", "typing"]),
        *(f"import {name}" for name in _MODULES.split()),
        f"sys.setrecursionlimit({_RECURSION})",
    ]
)

_prelude = types.ModuleType("prelude")  # with the names of PRELUDE: imported once, all later processes inherit it

_STACK_BYTES = 64 * 2**20
_OPEN_FILES = 64
_FIRST_FREE = 64  # a file descriptor above all that the jail uses
_CONTROL = 0


def main(settings: dict[str, Any]) -> None:
    """settings: `packages`, folders to import from; `limits`, the fields of sandbox.Limits and `uid`.

    uid: the user of every process but this one; None if this process has the right user already.
    """
    # From within its own namespace, process 1 can be killed only by signals that it handles: it must not handle any.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.argv[1:] = []
    sys.set_int_max_str_digits(settings["limits"]["digits"])  # holds in all later processes
    site.setquit()  # exit and quit: with the interpreter's option -S, site does not define them
    sys.path += settings["packages"]
    exec(PRELUDE, _prelude.__dict__)
    gc.freeze()  # a collection in a later process would write to, and so copy, all that it inherits
    jobs: dict[str, Callable[..., tuple[bytes, bytes]]] = {"script": _script, "call": _call, "check": _check}
    _send(1, READY)
    while True:
        job = json.loads(_receive(_CONTROL))
        ending, output = jobs[job.pop("do")](settings["limits"], **job)
        _send(1, ending + output)


def _script(limits: dict[str, Any], code: str, stdin: str) -> tuple[bytes, bytes]:
    """Run `code` as a program; its output is its standard output."""
    source, feed = os.pipe()
    sink, target = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    process = _start(limits, [source, target, null], lambda: _run_script(code))
    _close(source, target, null)
    return _watch(limits, process, sink, feed, stdin.encode(errors="surrogatepass"))


def _run_script(code: str) -> NoReturn:
    """Run a program. It ends like any other: its threads end, its exit functions run, its output is flushed."""
    names = _module_with_prelude("__main__")
    status = 1

    def end() -> None:
        """Called last, because it is registered first. It skips the interpreter's clean-up, which is slow."""
        names.clear()  # closes files
        for stream in (sys.stdout, sys.__stdout__):
            if stream:
                stream.flush()
        os._exit(status)

    atexit.register(end)
    try:
        exec(compile(code, "<candidate>", "exec", dont_inherit=True), names)
        status = 0
    except SystemExit:
        status = 0
    except BaseException:
        status = 1
    sys.exit(status)


def _call(limits: dict[str, Any], code: str, function: str, arguments: list[str]) -> tuple[bytes, bytes]:
    """Call one function, or the method of that name of `Solution`. Arguments and output are JSON."""
    sink, target = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    process = _start(limits, [null, null, null, target], lambda: _run_call(code, function, arguments))
    _close(target, null)
    return _watch(limits, process, sink)


def _run_call(code: str, function: str, arguments: list[str]) -> NoReturn:
    try:
        values = [json.loads(argument) for argument in arguments]
        names = _module_with_prelude("candidate")
        exec(compile(code, "<candidate>", "exec", dont_inherit=True), names)
        callee = getattr(names["Solution"](), function) if "class Solution" in code else names[function]
        _write(3, json.dumps(callee(*values), default=lambda number: number.item()).encode())
    except BaseException:
        os._exit(1)
    os._exit(0)


def _check(limits: dict[str, Any], code: str, setup: str, function: str) -> tuple[bytes, bytes]:
    """Run assertions that call one function of `code`; the output is PASSED, BROKEN and why, or nothing.

    There are two processes: one has the candidate's code and gives results; the other has the assertions, and only it
    can say PASSED. The assertions come in a second message, `{"program": …}`, which is read after the candidate's
    process was made, so that its memory has no copy of them.
    """
    asked, asking = os.pipe()
    answers, answering = os.pipe()
    sink, target = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    _start(limits, [null, null, null, asked, answering], lambda: _serve(code, setup, function))
    program = json.loads(_receive(_CONTROL))["program"]
    cap = limits["output_bytes"]
    process = _start(
        limits, [null, null, null, answers, asking, target], lambda: _assert(program, setup, function, cap)
    )
    _close(asked, asking, answers, answering, target, null)
    return _watch(limits, process, sink)


def _serve(code: str, setup: str, function: str) -> NoReturn:
    """Runs in the candidate's process: answer calls (file 3) with results (file 4) until there are no more."""
    try:
        names = _new_module("candidate")
        exec(setup, names)
        exec(compile(code, "<candidate>", "exec", dont_inherit=True), names)
        while True:
            arguments, named = _unpacked(json.loads(_receive(3)))
            try:
                answer = {"value": _packed(names[function](*arguments, **named))}
            except BaseException:
                answer = {}
            _send(4, json.dumps(answer).encode())
    except BaseException:
        os._exit(1)


def _assert(program: str, setup: str, function: str, cap: int) -> NoReturn:
    """Runs in the assertions' process: run them with a stand-in for the candidate's function; say PASSED (file 5)."""

    def candidate(*arguments: Any, **named: Any) -> Any:
        _send(4, json.dumps(_packed([list(arguments), named])).encode())
        answer = json.loads(_receive(3, cap))
        return _unpacked(answer["value"])

    try:
        names = _new_module("assertions")
        exec(setup, names)
        names[function] = candidate
        compiled = compile(program, "<assertions>", "exec", dont_inherit=True)
    except BaseException as error:
        _write(5, BROKEN + repr(error).encode(errors="replace"))
        os._exit(1)
    try:
        exec(compiled, names)
        _write(5, PASSED)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _packed(value: Any) -> Any:
    """A value as JSON that keeps the types of containers apart. Raises an error for anything but plain data."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return {kind.__name__: [_packed(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[_packed(key), _packed(item)] for key, item in value.items()]}
    if isinstance(value, bytes):
        return {"bytes": list(value)}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    return _packed(value.tolist())  # a value of numpy


def _unpacked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, items),) = value.items()
    if kind == "dict":
        return {_unpacked(key): _unpacked(item) for key, item in items}
    if kind == "complex":
        return complex(*items)
    makers: dict[str, Callable[[Any], Any]] = {
        "list": list,
        "tuple": tuple,
        "set": set,
        "frozenset": frozenset,
        "bytes": bytes,
    }
    return makers[kind](_unpacked(item) for item in items)


def _new_module(name: str) -> dict[str, Any]:
    """The namespace of a new module, which is in sys.modules like an imported one."""
    sys.modules[name] = types.ModuleType(name)
    return sys.modules[name].__dict__


def _module_with_prelude(name: str) -> dict[str, Any]:
    """The namespace of the module that has run PRELUDE. A process takes it once, and no other process sees that."""
    _prelude.__name__ = name
    sys.modules[name] = _prelude
    return _prelude.__dict__


def _start(limits: dict[str, Any], files: list[int], body: Callable[[], NoReturn]) -> int:
    """A new process, under the limits, in which `body` runs with `files` as its files 0, 1, 2, … and no others."""
    process = os.fork()
    if not process:
        _confine(limits, files)
        body()
    return process


def _confine(limits: dict[str, Any], files: list[int]) -> None:
    for number, copy in enumerate([fcntl.fcntl(file, fcntl.F_DUPFD, _FIRST_FREE) for file in files]):
        os.dup2(copy, number)
    os.closerange(len(files), 2 * _FIRST_FREE)
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    stack = _STACK_BYTES if hard == resource.RLIM_INFINITY else min(hard, _STACK_BYTES)
    for what, limit in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_STACK, stack),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    if limits["uid"] is not None:  # capabilities are lost with root
        os.setgroups([])
        os.setresgid(*[limits["uid"]] * 3)
        os.setresuid(*[limits["uid"]] * 3)


def _watch(
    limits: dict[str, Any], process: int, sink: int, feed: int | None = None, data: bytes = b""
) -> tuple[bytes, bytes]:
    """(how `process` ended, what came out of `sink`). Gives `data` to `feed`. No other process is left afterwards."""
    ends = time.monotonic() + limits["wall_s"]
    ended = os.pidfd_open(process)
    poller = select.poll()
    poller.register(_CONTROL, 0)  # it ends if the grader is gone
    poller.register(ended, select.POLLIN)
    poller.register(sink, select.POLLIN)
    os.set_blocking(sink, False)
    if feed is not None:
        os.set_blocking(feed, False)
        poller.register(feed, select.POLLOUT)
    output, left = bytearray(), memoryview(data)
    ending = b""
    while not ending:
        ready = dict(poller.poll(max(0.0, ends - time.monotonic()) * 1000))
        if _CONTROL in ready:
            os._exit(1)
        if feed is not None and feed in ready:
            left = left[_feed(feed, left) :]
            if not left:
                poller.unregister(feed)
                _close(feed)
                feed = None
        if sink in ready:
            output += (chunk := os.read(sink, 2**16))
            if not chunk:
                poller.unregister(sink)
        if len(output) > limits["output_bytes"]:
            ending = FLOODED
        elif ended in ready:
            ending = ENDED
        elif time.monotonic() >= ends:
            ending = LATE
    status = _end_all(process)
    if ending == ENDED:
        while chunk := os.read(sink, 2**16):  # there is no writer any more, so reading ends
            output += chunk
        ending = FLOODED if len(output) > limits["output_bytes"] else FAILED if status else ENDED
    _close(sink, ended, *([] if feed is None else [feed]))
    return ending, bytes(output[: limits["output_bytes"]])


def _feed(feed: int, data: memoryview) -> int:
    """How many bytes of `data` are done with: the process took them, or does not want them."""
    try:
        return os.write(feed, data[: 2**16])
    except BrokenPipeError:  # it closed its standard input
        return len(data)


def _end_all(process: int) -> int:
    """Kill all processes in the jail but this one. Returns the wait status of `process`."""
    status = 0
    with suppress(ProcessLookupError):  # there is none
        os.kill(-1, signal.SIGKILL)
    try:
        while True:
            ended, its_status = os.wait()
            status = its_status if ended == process else status
    except ChildProcessError:
        return status


def _send(file: int, message: bytes) -> None:
    _write(file, struct.pack(">Q", len(message)) + message)


def _receive(file: int, cap: int | None = None) -> bytes:
    """One message of at most `cap` bytes."""
    (length,) = struct.unpack(">Q", _read(file, 8))
    if cap is not None and length > cap:
        raise EOFError(f"a message of {length} bytes")
    return _read(file, length)


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def _read(file: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        chunk = os.read(file, min(length - len(data), 2**20))
        if not chunk:
            raise EOFError
        data += chunk
    return bytes(data)


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except EOFError:  # the grader is done
        os._exit(0)
