"""A command in a fork behaves as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import forking
from once import make_once

LIBRARIES = ("sched",)  # a small one, that nothing imports by itself
TELLS = """
import json, os, sys
print(json.dumps([sys.argv, os.getcwd(), os.environ.get("NOTE"), sys.path[:2], "sched" in sys.modules]))
print("aside", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


def start(*words: str, **more: object) -> "subprocess.Popen[str]":
    command = [str(forking.python(LIBRARIES)), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload, no-any-return]


def test_it_has_its_words_folder_environment_streams_and_exit_code_and_the_libraries(tmp_path: Path) -> None:
    env = {"NOTE": "mine", "PYTHONPATH": str(tmp_path)}
    process = start("-c", TELLS, "7", "x y", cwd=tmp_path, env=env)
    output, errors = process.communicate(timeout=60)
    assert json.loads(output) == [["-c", "7", "x y"], str(tmp_path), "mine", ["", str(tmp_path)], True]
    assert (process.returncode, errors) == (7, "aside\n")


def test_a_module_is_found_where_the_command_is_started_and_an_error_has_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "lost.py").write_text("import sys\nassert __name__ == '__main__'\nprint(sys.argv[1:])\n1 / 0\n")
    process = start("-u", "-m", "lost", "word", cwd=tmp_path)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "['word']\n")
    assert errors.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    process = start("-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    assert process.stdout is not None
    fork = int(process.stdout.readline())
    assert fork != process.pid
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == -number
    ended = os.pidfd_open(fork) if Path(f"/proc/{fork}").exists() else None
    assert ended is None or forking.select.select([ended], [], [], 10)[0]


def test_the_signal_that_a_fork_dies_of_is_the_one_its_command_dies_of() -> None:
    process = start("-c", "import os; os.kill(os.getpid(), 9)")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def test_a_run_is_told_as_subprocess_tells_it_and_ends_in_time(tmp_path: Path) -> None:
    code = "import sys; print('out', flush=True); print('aside', file=sys.stderr); sys.exit(3)"
    done = forking.run([sys.executable, "-c", code], tmp_path, os.environ, 60)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "aside\n")
    done = forking.run([sys.executable, "-c", code], tmp_path, os.environ, 60, joined=True)
    assert (done.stdout, done.stderr) == ("out\naside\n", None)
    with pytest.raises(subprocess.TimeoutExpired):
        forking.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, os.environ, 0.5)


def test_what_is_made_once_is_made_once_and_again_after_a_failure(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = []

    def make(folder: Path) -> None:
        folder.mkdir()
        made.append(folder)
        if len(made) == 1:
            raise OSError("no room")

    name = f"made-{os.getpid()}"
    with pytest.raises(OSError, match="no room"):
        make_once(tmp_path_factory, name, make)
    folders = {make_once(tmp_path_factory, name, make) for _ in range(2)}
    assert len(made) == 2
    assert folders == {made[1]}
