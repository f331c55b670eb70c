"""What a real study shows while it runs: the lines of its jobs, the bottom line, the verdicts, where the page is."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from once import copied
from terminal import COLUMNS, Terminal

from .tiny import ROOT, environment, snakemake

VERDICTS = len(yaml.safe_load((ROOT / "resources/claims.yaml").read_text())["claims"])
# Snakemake, with a picture of its terminal as the 21st job has finished: what is shown, by rich's own means.
_PICTURED = f"""
import io, re, sys
from rich.console import Console
from snakemake_logger_plugin_prefdelta.outputs import TerminalOutput

shown = []
class Pictured(TerminalOutput):
    def print(self, text):
        shown.append(text)
        super().print(text)
        if len(shown) == 22:
            console = Console(record=True, width={COLUMNS}, file=io.StringIO())
            for text in [*shown[-12:], self.bottom()]:
                console.print(text)
            drawn = console.export_svg(title="snakemake --profile mini")
            # Its fonts lie on a server of somebody else's: a terminal has one of its own.
            drawn = re.sub(r"\\s*@font-face \\{{.*?\\}}|<!-- Generated .*?-->", "", drawn, flags=re.DOTALL)
            drawn = drawn.replace("Fira Code, monospace", "monospace")
            open("run.svg", "w").write(drawn)

from snakemake_logger_plugin_prefdelta import display
display.TerminalOutput = Pictured
from snakemake.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def checkout(tiny_study: Path, tmp_path: Path) -> Path:
    return copied(tiny_study, tmp_path / "study")


def test_a_run_that_makes_the_report_ends_with_the_verdicts_and_the_page(checkout: Path) -> None:
    results = checkout / "results/mini"
    (results / "report/index.html").unlink()
    (results / "filter/g3~g1/swapped/t0.parquet").unlink()
    done = snakemake(checkout)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[1] == "5 jobs: filter 1, train 1, evaluate 1, browse 1, report 1"
    assert re.fullmatch(r"filter/g3~g1/swapped/t0 +\d\S* s   40 rows", lines[2])
    assert re.fullmatch(r"evaluate/pa/g3~g1/dpo-s0-all-sampled +\d\S* s   120 rows, \d+ of them failed", lines[4])
    assert lines[7].startswith("5 of 5 jobs done; Snakemake's log: .snakemake/log/")
    told = lines[8:]
    assert len(told) == VERDICTS + 2
    assert any(re.fullmatch(r"not run +Correctness of the final answers does not decide", line) for line in told)
    assert told[-2:] == ["the report: results/mini/report/index.html", "the pairs: results/mini/browse/index.html"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", done.stderr)


def test_on_a_terminal_jobs_leave_the_progress_to_the_bottom_line(checkout: Path) -> None:
    """The picture goes to docs/figures/run.svg if PREFDELTA_PICTURES is set."""
    shutil.rmtree(checkout / "results")
    command = [sys.executable, "-c", _PICTURED, "--profile", "mini"]
    terminal = Terminal(command, checkout, environment(checkout))
    assert terminal.wait() == 0, terminal.written
    jobs = [line for line in terminal.lines() if re.match(r"(?!the )[a-z]+/\S+ +\d", line)]
    assert len(jobs) == 29
    assert not re.search(r"\d+/\d+ (requests|steps|traces)", terminal.written)
    assert re.search(r"[a-z]+  \d+ of 29 jobs, \d+/min, ", terminal.written)
    picture = (checkout / "run.svg").read_text()
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert "of&#160;29&#160;jobs" in picture
    if os.environ.get("PREFDELTA_PICTURES"):
        (ROOT / "docs/figures/run.svg").write_text(picture)
