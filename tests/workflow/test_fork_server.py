"""Jobs as forks of a process that has imported their libraries: they end, fail and are killed as plain ones are."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prefdelta.records.prompt import Prompt
from prefdelta.store import tables
from prefdelta.system.instance import is_alive
from prefdelta.workflow import source
from prefdelta.workflow.fork_server import client, start
from study.tiny import make_checkout, shrunk, started_snakemake

ROOT = Path(__file__).parents[2]
SERVED = "results/mini/evaluate/pa/base/sampled.parquet"
MADE: dict[str, Any] = {
    "kind": "made",
    "family": "maths",
    "operations": [4, 5, 6],
    "split": "pairs",
    "grader": "marker",
}
# Stands for Snakemake: starts the server, tells the environment of its jobs, and lives until its stdin is closed.
RUN = f"""
import json, os, sys
from pathlib import Path
from prefdelta.workflow.fork_server.start import start
start(Path({str(ROOT / "workflow/bin/local")!r}))
print(json.dumps(dict(os.environ)), flush=True)
sys.stdin.read()
"""


class Run:
    """A run's main process, and the jobs that are started beside it."""

    def __init__(self, folder: Path, package: Path = ROOT / "src", **variables: str) -> None:
        self.folder, self._mark = folder, f"{os.getpid()}-{time.monotonic_ns()}"
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}  # as Snakemake sets them
        own = {"PATH": path, "PYTHONPATH": str(package), "FORK_TEST": self._mark}
        environment = {**os.environ, **threads, **own, **variables}
        self.main = subprocess.Popen(
            [sys.executable, "-c", RUN], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.main.stdout is not None
        self.environment: dict[str, str] = json.loads(self.main.stdout.readline())

    def start(self, *words: str, items: int = 9, **variables: str) -> subprocess.Popen[str]:
        """A job of the stage prompts."""
        settings = {"source": "train", "made": MADE | {"items": items}, "seed": 1, "limit": None, "ngram": None}
        command = [
            *("python", "-m", "prefdelta.stages.prompts", "--in", "lock=", "train="),
            *("--out", f"prompts={self.folder}/p.parquet", f"manifest={self.folder}/p.json"),
            *("--settings", json.dumps(settings), "--record", f"{self.folder}/record", *words),
        ]
        return subprocess.Popen(
            command, env={**self.environment, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def start_long(self) -> tuple[subprocess.Popen[str], int]:
        """A job that would go on for minutes, once it is at work; and the process that is it."""
        waiting = self.start(items=3_000_000)
        wait_until(lambda: bool(self.processes("prefdelta.stages.prompts")))
        (job,) = self.processes("prefdelta.stages.prompts")
        assert job != waiting.pid  # so it was forked
        wait_until(lambda: handles(job, signal.SIGTERM))
        return waiting, job

    def processes(self, module: str = "") -> list[int]:
        """Ids of the processes that live, but for the main one: those of `python -m <module>`, or all."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().decode().split("\0")
                ours = f"FORK_TEST={self._mark}" in (path / "environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if ours and int(path.name) != self.main.pid and (not module or words[1:3] == ["-m", module]):
                found.append(int(path.name))
        return found

    def end(self) -> None:
        self.main.communicate()


def zygotes(run: Run) -> list[int]:
    return run.processes("prefdelta.workflow.fork_server.zygote")


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of a signal."""
    status = Path("/proc", str(pid), "status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (number - 1) & 1)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.end()
    wait_until(lambda: not run.processes())


def finished(job: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = job.communicate(timeout=60)
    return job.returncode, output, errors


# --- through Snakemake ---


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The results of two runs of a part of the tiny study: with forked jobs, and with plain ones."""
    folders = tmp_path_factory.mktemp("forked"), tmp_path_factory.mktemp("plain")
    for folder in folders:
        make_checkout(folder, shrunk())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(start.SWITCH, "no" if folder is folders[1] else "yes")
            done = started_snakemake(folder, SERVED)
        assert done.returncode == 0, done.stderr
    return folders[0] / "results/mini", folders[1] / "results/mini"


def test_forked_jobs_write_the_bytes_that_plain_ones_write(twice: tuple[Path, Path]) -> None:
    def written(results: Path) -> dict[str, bytes]:
        found = {}
        for path in results.rglob("*"):
            place = path.relative_to(results)
            if path.is_file() and place.parts[0] not in ("record", "logs", "run.json", "run.plan.json"):
                if path.name.endswith("manifest.json"):
                    content = json.loads(path.read_text())
                    del content["run"]
                    found[str(place)] = json.dumps(content).encode()
                else:
                    found[str(place)] = path.read_bytes()
        return found

    forked, plain = map(written, twice)
    assert forked.keys() == plain.keys() >= {SERVED.removeprefix("results/mini/"), "ladder/pa/model.json"}
    assert {name for name in forked if forked[name] != plain[name]} == set()


def test_logs_begin_and_end_with_the_same_lines(twice: tuple[Path, Path]) -> None:
    for log in (twice[1] / "logs").rglob("*.log"):
        forked, plain = ((results / "logs" / log.relative_to(twice[1] / "logs")).read_text() for results in twice)
        assert forked.splitlines()[0] == plain.splitlines()[0]
        assert forked.splitlines()[-1] == plain.splitlines()[-1]


def test_a_manifest_counts_the_jobs_own_seconds_and_all_its_memory(twice: tuple[Path, Path]) -> None:
    forked, plain = (
        json.loads((results / "evaluate/pa/base-sampled.manifest.json").read_text())["run"] for results in twice
    )
    assert 0 < forked["cpu_seconds"] < plain["cpu_seconds"] - 1.0  # without the imports of torch and transformers
    assert forked["peak_mib"] == pytest.approx(plain["peak_mib"], rel=0.25)


# --- as a process of its own ---


def test_a_job_has_its_arguments_streams_and_exit_code(run: Run) -> None:
    code, output, errors = finished(run.start())
    assert (code, output, errors) == (0, "", "done: 9 rows, 0 of them failed\n")
    assert len(tables.read(run.folder / "p.parquet", Prompt)) == 9
    code, output, _ = finished(run.start("--help"))
    assert code == 0
    assert "python -m prefdelta.stages.prompts" in output
    code, _, errors = finished(run.start("--settings", "{"))
    assert code == 2
    assert errors.startswith("error: --settings: ")
    assert finished(run.start("--nothing"))[0] == 2


def test_other_variables_for_the_libraries_make_another_zygote(run: Run) -> None:
    for threads, number in (("1", 1), ("1", 1), ("2", 2)):
        assert finished(run.start(OMP_NUM_THREADS=threads))[0] == 0
        assert len(zygotes(run)) == number


def test_where_a_library_starts_threads_jobs_are_plain(run: Run) -> None:
    for _ in range(2):
        assert finished(run.start(OPENBLAS_NUM_THREADS="2"))[0] == 0
    wait_until(lambda: zygotes(run) == [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_process_that_stands_for_it_ends_a_job_in_time(run: Run, number: signal.Signals) -> None:
    waiting, job = run.start_long()
    waiting.send_signal(number)
    assert finished(waiting)[0] == 128 + number
    assert not is_alive(job)
    assert sorted(path.name for path in run.folder.iterdir()) in ([], ["record"])


def test_a_job_dies_with_the_process_that_stands_for_it(run: Run) -> None:
    waiting, _ = run.start_long()
    waiting.kill()
    waiting.wait()
    wait_until(lambda: not run.processes("prefdelta.stages.prompts"))
    assert finished(run.start())[0] == 0


def test_the_process_that_stands_for_a_job_ends_by_the_jobs_signal(run: Run) -> None:
    waiting, job = run.start_long()
    os.kill(job, signal.SIGKILL)
    assert finished(waiting)[0] == -signal.SIGKILL


@pytest.mark.parametrize("module", ["server", "zygote"])
def test_jobs_end_with_what_forked_them_and_later_ones_are_plain(run: Run, module: str) -> None:
    waiting, job = run.start_long()
    (killed,) = run.processes(f"prefdelta.workflow.fork_server.{module}")
    os.kill(killed, signal.SIGKILL)
    assert finished(waiting)[0] == 128 + signal.SIGTERM
    assert not is_alive(job)
    assert finished(run.start()) == (0, "", "done: 9 rows, 0 of them failed\n")
    assert zygotes(run) == []


def test_the_cpu_time_of_a_run_that_ends_by_itself_is_that_of_all_its_jobs(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert finished(run.start(items=2000))[0] == 0
    counted = json.loads((tmp_path / "p.json").read_text())["run"]["cpu_seconds"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run.end()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run.processes() == []
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime > counted > 0


def test_nothing_outlives_a_killed_run(run: Run) -> None:
    waiting, _ = run.start_long()
    run.main.kill()
    assert finished(waiting)[0] == 128 + signal.SIGTERM
    wait_until(lambda: not run.processes(), 5)


def test_a_job_whose_source_was_edited_since_it_was_planned_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src/prefdelta", tmp_path / "src/prefdelta", ignore=shutil.ignore_patterns("__pycache__"))
    run = Run(tmp_path, tmp_path / "src")
    planned = ("--code", source.digest("prefdelta.stages.prompts"))
    stage = tmp_path / "src/prefdelta/stages/prompts.py"
    right = stage.read_text()
    assert finished(run.start(*planned))[0] == 0
    stage.write_text(f"{right}\n# A comment changes nothing.\n")
    assert finished(run.start(*planned))[0] == 0
    stage.write_text(right.replace("def run(", 'print("edited")\n\n\ndef run('))
    code, output, errors = finished(run.start(*planned))
    assert (code, output) == (2, "edited\n")
    assert "the source of prompts is not the one this job was planned with" in errors
    assert len(zygotes(run)) == 1
    run.end()


def test_a_switch_leaves_jobs_plain(tmp_path: Path) -> None:
    run = Run(tmp_path, **{start.SWITCH: "no"})
    assert client.SERVER not in run.environment
    assert run.processes() == []
    run.end()


def test_a_client_that_asks_for_nothing_ends_neither_the_server_nor_its_jobs(run: Run) -> None:
    waiting, job = run.start_long()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.connect(f"\0{run.environment[client.SERVER]}")
    code, _, errors = finished(run.start())
    assert code == 0, errors
    assert is_alive(job)
    waiting.terminate()
    finished(waiting)


def test_a_job_without_a_standard_input_is_a_plain_process(run: Run) -> None:
    command = ["bash", "-c", "exec python -m prefdelta.stages.prompts --help <&-"]
    done = subprocess.run(command, env=run.environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert zygotes(run) == []


def test_python_without_a_module_is_python(run: Run) -> None:
    done = subprocess.run(["python"], env=run.environment, input=b"print(6 * 7)", capture_output=True, check=True)
    assert done.stdout == b"42\n"


def test_a_python_without_the_calls_that_it_needs_starts_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    before = dict(os.environ)
    start.start(tmp_path)
    assert dict(os.environ) == before
