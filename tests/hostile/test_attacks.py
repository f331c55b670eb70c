"""Each attack on the sandbox is contained, and what it did decides its own grade at most."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import prefdelta
from hostile.jailing import grades, processes_under, run, says, small_limits, tries, wait_until_gone

ADDS_ONE = "def f(x):\n    return x + 1\nif __name__ == '__main__':\n    print(f(int(input())))\n"
SYSTEM_PYTHON = Path("/usr/bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
C_LIBRARY = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def test_what_is_right_is_right():
    assert grades(ADDS_ONE) == [True, True, True]
    assert grades(ADDS_ONE.replace("x + 1", "x + 2")) == [False, False, False]


def test_infinite_loop():
    begun = time.monotonic()
    assert not run("while True:\n    pass", small_limits(cpu_s=1, wall_s=60.0)).well  # by its CPU time
    assert not run("import time\ntime.sleep(60)", small_limits(wall_s=1.0)).well  # by the wall
    assert time.monotonic() - begun < 30


def test_fork_bomb():
    limits = small_limits(wall_s=2.0)
    count = "import os, time\nn = 0\ntry:\n    while True:\n        n += 1\n        os.fork() or time.sleep(9)\n"
    assert int(says(count + "except OSError:\n    print(n)", limits)) <= limits.processes
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    assert not run(bomb, limits).well


def test_allocation_of_3_gb():
    assert says("try:\n    bytearray(3 * 10**9)\nexcept MemoryError:\n    print('refused')") == "refused"


def test_memory_that_no_process_owns():
    """Outside of a process's own memory: files in memory, shared memory of System V."""
    attempts = tries("import os\nos.memfd_create('x')", "if libc.shmget(0, 4096, 0o1600) < 0: raise OSError")
    assert says(C_LIBRARY + attempts) == ""


def test_file_of_20_mb():
    write = "open('/tmp/big', 'wb').write(bytes(20 * 10**6))"
    assert says(tries(write)) == ""
    many = "for n in range(20):\n    open(f'/tmp/{n}', 'wb').write(bytes(10**6))"
    assert says(tries(many)) == ""


def test_endless_output():
    limits = small_limits(wall_s=60.0, cpu_s=60)
    begun = time.monotonic()
    found = run("while True:\n    print('x' * 1000)", limits)
    assert (found.well, len(found.output)) == (False, limits.output_bytes)
    assert time.monotonic() - begun < 20


def test_network_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = server.getsockname()
        inet = f"import socket\nsocket.create_connection({address}, timeout=2)"
        raw = "import socket\nsocket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"
        assert says(tries(inet, inet.replace("127.0.0.1", "1.1.1.1"), raw)) == ""
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_reading_the_hosts_files(open_folder):
    secret = open_folder / "secret"
    secret.write_text("of the host")
    secret.chmod(0o644)
    paths = [str(secret), "/etc/passwd", "/etc/shadow", "/proc/self/environ", "/proc/1/root/etc/passwd", __file__]
    reads = [f"open({path!r}).read()" for path in paths]
    lists = [
        f"import os\nos.listdir({path!r})" for path in ("/home", "/root", "/proc", "/sys", "/var", str(open_folder))
    ]
    assert says(tries(*reads, *lists)) == ""
    assert says(tries("open('/harness.pyc', 'rb').read()")) != ""  # the attempts are real


def test_writing_outside_tmp():
    places = [
        "/x",
        "/usr/x",
        "/usr/lib/x",
        "/dev/x",
        "/dev/shm/x",
        "/bin/x",
        "/harness.pyc",
        "/python/x",
        "/packages/x",
    ]
    writes = [f"open({place!r}, 'a').write('x')" for place in places]
    changes = ["import os\nos.unlink('/harness.pyc')", "import os\nos.chmod('/', 0o777)", "import os\nos.mkdir('/y')"]
    assert says(tries(*writes, *changes)) == ""
    assert says(tries("open('/tmp/x', 'a').write('x')")) != ""  # the attempts are real


def test_daemon_that_outlives_its_parent():
    limits = small_limits()
    daemon = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 64)
                time.sleep(600)
            os._exit(0)
        print('gone')
    """
    assert says(daemon, limits) == "gone"  # `run` sees that no process more is there than before


def test_exit_before_the_tests():
    assert grades("import os\nos._exit(0)\n" + ADDS_ONE) == [False, False, False]
    assert grades("import atexit, os\natexit.register(os._exit, 0)\nraise ValueError") == [False, False, False]


def test_printing_the_expected_verdict():
    printing = """
        import os, struct, sys
        for verdict in (b'passed', b'e', b'ready', b'e42', b'true'):
            for file in range(3, 64):
                for message in (verdict, struct.pack('>Q', len(verdict)) + verdict):
                    try:
                        os.write(file, message)
                    except OSError:
                        pass
        for verdict in ('passed', 'True', 'OK', 'e42'):
            print(verdict)
        def f(x):
            return 'passed'
    """
    assert grades(printing) == [False, False, False]


def test_killing_its_parent():
    kill = """
import os, signal
def kill():
    for process in (os.getppid(), 1, -1, 2, 3, 4):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
            if process != os.getpid():
                try:
                    os.kill(process, number)
                except OSError:
                    pass
"""
    assert says(kill + "kill()\nprint('alive')") == "alive"  # and the jail is, too: `run` uses it again
    # Process 1 takes the output all the same. The process with the assertions can be killed; that makes nothing right.
    assert grades(kill + ADDS_ONE.replace("    return", "    kill()\n    return")) == [True, True, False]
    assert grades(kill + ADDS_ONE.replace("    return x + 1", "    kill()\n    return x + 2")) == [False, False, False]


def test_starving_its_parent():
    limit = "import resource\nresource.prlimit(1, resource.RLIMIT_{}, (0, 0))"
    slow = "import os\nos.setpriority(os.PRIO_PROCESS, 1, 19)"
    idle = "import os\nos.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))"
    assert says(tries(limit.format("NOFILE"), limit.format("AS"), slow, idle)) == ""


def test_ptrace():
    attempts = """
        print(libc.ptrace(16, 1, 0, 0), ctypes.get_errno())  # PTRACE_ATTACH
        print(libc.ptrace(0, 0, 0, 0), ctypes.get_errno())  # PTRACE_TRACEME
        print(libc.process_vm_readv(1, None, 0, None, 0, 0), ctypes.get_errno())
    """
    refused = f"-1 {errno.EPERM}"
    assert says(C_LIBRARY + "\n".join(line.strip() for line in attempts.splitlines())).splitlines() == [refused] * 3


def test_new_user_namespace():
    new_user = 0x10000000
    clone = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
    attempts = f"""
print(libc.unshare({new_user}), ctypes.get_errno())
print(libc.syscall({clone}, {new_user} | 17, 0, 0, 0, 0), ctypes.get_errno())
print(libc.syscall(435, None, 0), ctypes.get_errno())  # clone3
print(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), ctypes.get_errno())
"""
    refused, absent = f"-1 {errno.EPERM}", f"-1 {errno.ENOSYS}"
    assert says(C_LIBRARY + attempts).splitlines() == [refused, refused, absent, refused]


def test_monkey_patching_the_harness():
    patches = """
        import builtins, json, os, sys
        class Same(int):
            __eq__ = lambda self, other: True
            __ne__ = lambda self, other: False
            __hash__ = int.__hash__
            __repr__ = lambda self: '42'
        for module in list(sys.modules.values()):
            for name in ('_write', '_send', '_watch', '_end_all', 'PASSED', '_assert'):
                if hasattr(module, name):
                    setattr(module, name, lambda *a, **k: Same())
        builtins.AssertionError = ValueError
        builtins.compile = lambda *a, **k: (lambda: None).__code__
        json.loads = lambda *a, **k: {'value': 42}
        sys.exit = os._exit = lambda *a: None
        def f(x):
            return Same()
    """
    assert grades(patches) == [False, False, False]


def test_looking_for_what_is_expected():
    """The assertions are nowhere in the memory of the candidate's process; what is there is found."""
    look = """
        import gc, sys
        CONTROL = 'here to be found'
        def texts():
            for thing in gc.get_objects():
                yield from (str(part) for part in gc.get_referents(thing) if isinstance(part, (str, bytes)))
            frame = sys._getframe()
            while frame:
                yield from (str(value) for value in frame.f_locals.values())
                frame = frame.f_back
        def found(backwards):
            return any(backwards in text[::-1] for text in texts())
        def f(x):
            return 42 if found('dnuof eb ot ereh') and not found('etadidnac tressa') else 0
    """
    assert grades(look)[2] is True
    assert grades(look.replace("etadidnac tressa", "dnuof eb ot ereh"))[2] is False


def test_system_exit_in_a_test():
    raising = "def f(x):\n    raise SystemExit(0)\n"
    assert grades(raising) == [False, False, False]
    assert grades("raise SystemExit(0)") == [False, False, False]


def test_recursion_to_a_c_stack_overflow():
    overflow = """
        import sys
        sys.setrecursionlimit(10**9)
        def down(_):
            return max([1], key=down)
        down(0)
    """
    assert not run(overflow).well


def test_reading_environment_variables(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret-of-the-host")
    seen = says("import os\nprint(dict(os.environ))")
    assert "PATH" in seen
    assert "secret-of-the-host" not in seen
    assert "HF_TOKEN" not in seen


def test_nothing_is_left_when_the_grader_is_killed():
    limits = small_limits(wall_s=600.0, cpu_s=600)
    grader = f"""
from prefdelta.graders.sandbox import Jail, Limits
with Jail("import os\\nos.fork()\\nwhile True: pass", Limits(**{vars(limits)!r})) as jail:
    jail.script("")
"""
    process = subprocess.Popen([sys.executable, "-c", grader])
    ends = time.monotonic() + 30
    while len(processes_under(limits)) < 4 and time.monotonic() < ends:  # bubblewrap, process 1, two of the candidate
        time.sleep(0.02)
    assert len(processes_under(limits)) >= 4
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_until_gone(limits)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user")
@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason=f"needs {SYSTEM_PYTHON}, which any user can start")
def test_an_ordinary_user_has_the_same_jail(open_folder):
    """As root the jail is made in another way (see sandbox.py); here it is an ordinary user's."""
    program = """
import os, resource, socket
from contextlib import suppress
print(os.getuid())
made = 0
with suppress(OSError):
    while True:
        made += 1
        os.fork() or os.execv("/usr/bin/sleep", ["sleep", "60"])
print(made < 8)
for attempt in (
    lambda: socket.socket(),
    lambda: open("/x", "w"),
    lambda: open("/etc/passwd"),
    lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0)),
):
    with suppress(OSError):
        attempt()
        print("done")
os.kill(1, 9)
"""
    grader = f"""
from prefdelta.graders.sandbox import Jail
with Jail({program!r}) as jail:
    print(jail.script("").output.decode())
with Jail("def f(x): return x + 1") as jail:
    print(jail.check("", "f", "assert f(1) == 2"))
"""
    shutil.copytree(Path(prefdelta.__file__).parent, open_folder / "prefdelta")
    found = subprocess.run(
        [SYSTEM_PYTHON, "-c", grader],
        user=65534,
        group=65534,
        extra_groups=[],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(open_folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.split() == ["65534", "True", "True"], found.stderr
