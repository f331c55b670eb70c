"""A report of the full study's size: 150 arms on nine benchmarks."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .full_study import BENCHMARKS, KS, experiments, make

ROOT = Path(__file__).parents[3]
# In a process of its own, so that its time and memory are those of the report alone.
RUN = """
import pickle, resource, sys
from prefdelta.stages import report
report.run(pickle.load(open(sys.argv[1], "rb")))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(CPU seconds, MiB, folder of the report)."""
    folder = tmp_path_factory.mktemp("full")
    job = make(folder, scale=0.02)
    (folder / "job.pkl").write_bytes(pickle.dumps(job))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder / "job.pkl")], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    seconds, mib = map(float, done.stdout.split())
    return seconds, mib, folder / "results/full/report"


def test_it_takes_less_than_a_minute_and_two_gigabytes(made):
    assert len({arm for one in experiments().values() for arm in one.arms}) >= 140
    assert made[0] < 60
    assert made[1] < 2000


def test_every_experiment_is_a_figure_and_every_benchmark_a_table(made):
    assert {path.stem for path in (made[2] / "figures").iterdir()} >= set(experiments())
    page = (made[2] / "index.html").read_text(encoding="utf-8")
    for bench in BENCHMARKS.values():
        assert f"<summary>{bench.title}</summary>" in page
    assert page.count("avg@16: the mean over 16 draws of each problem") == 3
    assert not re.search(r"\bnan\b", re.sub(r"<[^>]*>", " ", page), flags=re.IGNORECASE)


def test_several_sizes_are_drawn_along_an_axis(made):
    page = (made[2] / "index.html").read_text(encoding="utf-8")
    for k in KS:
        assert f">{k:,}</text>" in page
    assert ">step_coherence</text>" in page


def test_what_a_data_set_ships_is_marked(made):
    page = (made[2] / "index.html").read_text(encoding="utf-8")
    assert page.count("A confounded point.") == 3  # methods, with LoRA too, and scaling
    assert "<td>9,100</td><td>1,900</td><td>240</td><td>410</td>" in page
