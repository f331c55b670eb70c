"""What a job says it has used (`prefdelta.system.usage`)."""

import json
import subprocess
import sys

import pytest

BUSY = "import time\nwhile time.process_time() < {seconds}: pass\n"
BIG = "held = bytearray({mib} * 2**20)\n"
TOLD = """
import json
from prefdelta.system.usage import resource_usage
usage = resource_usage()
print(json.dumps([usage.cpu_seconds, usage.peak_mib]))
"""
CHILD = "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', {code!r}], stdout=-1)\n"
WAITS = "child.wait()\n"
READS = "child.stdout.readline()\n"
GRANDCHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', {code!r}])\n"
SHELL = """
import subprocess, sys
subprocess.run(["sh", "-c", 'exec "$0" -c "$1"', sys.executable, {code!r}], check=True)
"""
STAYS = "print('done', flush=True)\nimport time; time.sleep(60)\n"


def told(*parts: str) -> tuple[float, int]:
    code = "".join(parts)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    seconds, mib = json.loads(done.stdout)
    return seconds, mib


@pytest.fixture(scope="module")
def idle() -> tuple[float, int]:
    return told(TOLD)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([CHILD.format(code=BUSY.format(seconds=0.6)), WAITS], id="that has ended"),
        pytest.param([CHILD.format(code=BUSY.format(seconds=0.6) + STAYS), READS], id="that is still there"),
        pytest.param(
            [CHILD.format(code=GRANDCHILD.format(code=BUSY.format(seconds=0.6)) + STAYS), READS], id="below that"
        ),
    ],
)
def test_cpu_seconds_are_those_of_children_too(idle: tuple[float, int], parts: list[str]) -> None:
    seconds, _ = told(*parts, TOLD, "child.kill()\n")
    assert idle[0] + 0.5 < seconds < idle[0] + 3


@pytest.mark.parametrize("then", [WAITS, READS], ids=["that has ended", "that is still there"])
def test_the_peak_is_that_of_the_largest_process(idle: tuple[float, int], then: str) -> None:
    code = BIG.format(mib=300) + ("" if then is WAITS else STAYS)
    _, mib = told(CHILD.format(code=code), then, TOLD, "child.kill()\n")
    assert idle[1] < 200
    assert 300 <= mib < 400


def test_the_memory_of_the_program_that_started_it_is_not_counted() -> None:
    # As Snakemake starts a job: a large process starts a shell, which becomes the job.
    _, mib = told(BIG.format(mib=300), SHELL.format(code=TOLD))
    assert mib < 200
