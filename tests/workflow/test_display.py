"""What a run shows, on a terminal and in a pipe: real runs of a workflow of a few small jobs."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import forking
from terminal import CTRL_C, Terminal

ROOT = Path(__file__).parents[2]
# Jobs named as a study's are, with logs and without tables.
SNAKEFILE = """
rule all:
    input: expand("results/toy/{stage}/{name}.manifest.json", stage=["pair", "delta"], name=["a", "b"])

rule pair:
    input: "edited.md"
    output: "results/toy/pair/{name}.manifest.json"
    log: "results/toy/logs/pair/{name}.log"
    shell: "cat {input} > {log}; PAIR; echo x > {output}"

rule delta:
    input: "results/toy/pair/{name}.manifest.json"
    output: "results/toy/delta/{name}.manifest.json"
    log: "results/toy/logs/delta/{name}.log"
    shell: "sleep 0.1 2> {log}; echo x > {output}"
"""
UNTIL_GO = "while ! test -e go; do sleep 0.05; done"  # what a job does until there is a file `go`
DISPLAY = ("--cores", "2", "--logger", "prefdelta", "--keep-going")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "true")
    (tmp_path / "edited.md").write_text("one line\n")
    return tmp_path


def write(folder: Path, pair: str) -> None:
    """pair: what the rule `pair` does."""
    (folder / "Snakefile").write_text(SNAKEFILE.replace("PAIR", pair))


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": f"{ROOT / 'src'}:{folder}"}


def run(folder: Path, *words: str, program: str | None = None) -> subprocess.CompletedProcess[str]:
    """Snakemake, its output in a pipe. program: Python source that stands for it."""
    start = [sys.executable, "-c", program] if program else [str(Path(sys.executable).with_name("snakemake"))]
    return forking.run([*start, *DISPLAY, *words], folder, environment(folder), 60, joined=True)


def on_terminal(folder: Path, *words: str) -> Terminal:
    return Terminal([str(Path(sys.executable).with_name("snakemake")), *DISPLAY, *words], folder, environment(folder))


def log_of(folder: Path) -> str:
    (path,) = (folder / ".snakemake/log").glob("*.snakemake.log")
    return path.read_text()


# --- a pipe -----------------------------------------------------------------------------------------------------------


def test_a_piped_run_is_a_line_per_job_and_snakemakes_log_has_all_of_it(folder: Path) -> None:
    done = run(folder)
    assert done.returncode == 0, done.stdout
    head, *jobs, end = done.stdout.splitlines()
    assert head == "4 jobs: pair 2, delta 2"
    assert sorted(re.sub(r" {2,}\S+ s$", "", line) for line in jobs) == ["delta/a", "delta/b", "pair/a", "pair/b"]
    assert end.startswith("4 of 4 jobs done; Snakemake's log: .snakemake/log/")
    log = log_of(folder)
    assert log.count("Finished jobid: ") == 5  # with `all`
    assert log.count("    reason: Missing output files: ") == 4
    again = run(folder)
    assert again.stdout == "Nothing to be done (all requested files are present and up to date).\n"


def test_a_failed_job_is_told_with_its_log_and_what_the_log_says_last(folder: Path) -> None:
    (folder / "edited.md").write_text("".join(f"line {n}\n" for n in range(20)) + "a \x1b[31mred\x1b[0m end\n")
    write(folder, "test {wildcards.name} = a || exit 3")
    done = run(folder)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = lines.index("pair/b failed: it ended without saying why")
    assert lines[at + 1] == "  log: results/toy/logs/pair/b.log"
    assert lines[at + 2 : at + 10] == [*(f"  | line {n}" for n in range(13, 20)), "  | a \\x1b[31mred\\x1b[0m end"]
    assert any(line.startswith("delta/a ") for line in lines), "the others go on"
    assert "3 of 4 jobs done, 1 failed; " not in done.stdout
    assert lines[-3].startswith("2 of 4 jobs done, 1 failed; Snakemake's log: ")
    assert lines[-2:] == ["  failed: pair/b", "what is done is kept: the same command does the rest"]
    assert "WorkflowError:" in lines, "Snakemake's own errors are seen"
    assert "CalledProcessError" not in done.stdout
    assert "CalledProcessError" in log_of(folder)
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", done.stdout)


def test_a_job_that_a_signal_killed_is_told_with_it(folder: Path) -> None:
    write(folder, "exec python -c 'import os; os.kill(os.getpid(), 9)' manifest={output} ")
    done = run(folder, "results/toy/pair/a.manifest.json")
    assert "pair/a failed: Killed without warning by SIGKILL: " in done.stdout


@pytest.mark.parametrize("option", ["", "-p"], ids=["ours", "snakemakes own"])
def test_a_reader_that_goes_away_stops_nothing(folder: Path, option: str) -> None:
    words = [str(Path(sys.executable).with_name("snakemake")), *DISPLAY, *option.split()]
    command = f"{' '.join(words)} 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment(folder), check=False, timeout=60)
    assert done.returncode == 0
    assert len(list((folder / "results/toy").rglob("*.manifest.json"))) == 4


# --- a terminal -------------------------------------------------------------------------------------------------------


def test_on_a_terminal_there_is_a_bottom_line_below_the_finished_jobs_and_it_goes_at_the_end(folder: Path) -> None:
    write(folder, UNTIL_GO)
    terminal = on_terminal(folder)
    terminal.until("now pair/")
    (folder / "go").touch()
    assert terminal.wait() == 0
    bottom = re.findall(r"pair  [0-9] of 4 jobs, [^\x1b]+", terminal.written)
    assert bottom[0].startswith("pair  0 of 4 jobs, time left not known yet, now pair/")
    screen = terminal.lines()
    assert screen[0] == "4 jobs: pair 2, delta 2"
    assert sorted(line.split()[0] for line in screen[1:5]) == ["delta/a", "delta/b", "pair/a", "pair/b"]
    assert screen[5].startswith("4 of 4 jobs done; ")
    assert screen[6:] == [""]
    assert terminal.written.rindex("\x1b[?25h") > terminal.written.rindex("\x1b[?25l"), "the cursor is there"


def test_ctrl_c_says_that_the_same_command_goes_on_and_it_does(folder: Path) -> None:
    write(folder, UNTIL_GO)
    terminal = on_terminal(folder)
    terminal.until("now pair/")
    terminal.press(CTRL_C)
    assert terminal.wait() == 1
    told = [line for line in terminal.lines() if line]
    assert [line.removeprefix("^C") for line in told[1:-1]] == ["stopping; the same command goes on where it stopped"]
    assert told[-1].startswith("0 of 4 jobs done, stopped; ")
    write(folder, "true")
    assert run(folder, "--rerun-incomplete").returncode == 0


# --- a dry run --------------------------------------------------------------------------------------------------------


def test_a_dry_run_is_a_line_per_stage_and_cause_and_p_shows_each_job(folder: Path) -> None:
    assert run(folder).returncode == 0
    later = time.time() + 5
    (folder / "edited.md").write_text("another line\n")
    os.utime(folder / "edited.md", (later, later))
    (folder / "results/toy/delta/b.manifest.json").unlink()
    done = run(folder, "-n")
    assert done.stdout.splitlines()[:4] == [
        "4 jobs would run:",
        "  pair           2  updated input files: edited.md",
        "  delta          1  input files updated by another job",
        "  delta          1  missing output files",
    ]
    assert done.stdout.count("\n") == 6
    assert "prefdelta plan" in done.stdout
    each = run(folder, "-n", "-p").stdout
    assert each.count("    reason: ") == 5
    assert each.count("Shell command: ") == 5


@pytest.mark.parametrize(
    ("quiet", "shown"),
    [
        (["rules"], ["4 jobs: pair 2, delta 2", "4 of 4 jobs done"]),
        (["progress"], []),
        (["all"], []),
    ],
)
def test_quiet_leaves_lines_out(folder: Path, quiet: list[str], shown: list[str]) -> None:
    done = run(folder, "--quiet", *quiet)
    assert done.returncode == 0
    assert sorted(line.partition(";")[0].partition("  ")[0] for line in done.stdout.splitlines()) == sorted(shown)


def test_a_failure_is_shown_however_quiet_it_is(folder: Path) -> None:
    write(folder, "exit 3")
    assert "pair/a failed: " in run(folder, "--quiet", "all").stdout


def test_verbose_is_snakemakes_own(folder: Path) -> None:
    done = run(folder, "--verbose")
    assert "4 of 5 steps (80%) done" in done.stdout
    assert "jobs done" not in done.stdout


# --- nothing that goes wrong in it stops a run ------------------------------------------------------------------------

_BROKEN = """
import sys
from snakemake_logger_plugin_prefdelta.display import Display
def broken(self, *given):
    raise ValueError("broken")
Display.NAME = broken
from snakemake.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("name", ["__init__", "show", "_finish", "close"])
def test_a_display_that_fails_leaves_the_run_to_snakemakes_own_lines(folder: Path, name: str) -> None:
    done = run(folder, program=_BROKEN.replace("NAME", name))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("the display of the run failed (ValueError('broken')); Snakemake's own lines follow") == 1
    assert ("5 of 5 steps (100%) done" in done.stdout) == (name != "close")
    assert len(list((folder / "results/toy").rglob("*.manifest.json"))) == 4


_ANOTHER = """
from logging import StreamHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase

class LogHandler(LogHandlerBase):
    writes_to_stream = property(lambda self: {writes})
    writes_to_file = has_filter = has_formatter = needs_rulegraph = False
    def emit(self, record):
        open("other.txt", "a").write("seen\\n")
        {writes} and print("other", flush=True)
"""


@pytest.mark.parametrize("writes", [True, False])
def test_beside_another_logger_that_writes_to_the_terminal_it_is_silent(folder: Path, writes: bool) -> None:
    other = folder / "snakemake_logger_plugin_other/__init__.py"
    other.parent.mkdir()
    other.write_text(_ANOTHER.format(writes=writes))
    done = run(folder, "--logger", "prefdelta", "other")
    assert done.returncode == 0, done.stdout
    assert (folder / "other.txt").read_text().count("seen") > 8
    assert ("4 of 4 jobs done" in done.stdout) is not writes
    assert ("other" in done.stdout.splitlines()) is writes


def test_sigterm_says_that_running_jobs_finish(folder: Path) -> None:
    write(folder, UNTIL_GO)
    terminal = on_terminal(folder)
    terminal.until("now pair/")
    terminal.process.send_signal(signal.SIGTERM)
    terminal.until("Will exit after finishing currently running jobs")
    (folder / "go").touch()
    assert terminal.wait() != 0
