"""What Snakemake's main process does while jobs wait for a core: next to nothing, also with a limit on their starts."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMON = Path(__file__).parents[2] / "workflow/rules/common.smk"
# Six jobs on one core, each of which counts the main process's timers when it starts.
SNAKEFILE = """
import threading
from prefdelta.workflow import rate_limit
rule all:
    input: expand("{i}.txt", i=range(6))
rule each:
    output: "{i}.txt"
    params: timers=lambda wildcards: sum(isinstance(thread, threading.Timer) for thread in threading.enumerate())
    shell: "sleep 0.1; echo {params.timers} >> timers; touch {output}"
"""


@pytest.mark.parametrize(("words", "timers"), [((), 0), (("--max-jobs-per-timespan", "100/2s"), 1)])
def test_a_limit_that_was_asked_for_has_one_timer_and_no_limit_has_none(
    tmp_path: Path, words: tuple[str, ...], timers: int
) -> None:
    _, handler, lines = COMMON.read_text().partition("onstart:")
    commands = f"COMMANDS = Path({str(COMMON.parents[1] / 'bin')!r})\n"
    (tmp_path / "Snakefile").write_text(SNAKEFILE + commands + handler + lines)
    command = [str(Path(sys.executable).with_name("snakemake")), "--cores", "1", *words]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert max(map(int, (tmp_path / "timers").read_text().split())) == timers
