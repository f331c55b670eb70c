"""What dead processes leave on disk, when the next run begins."""

import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path
from socket import gethostname

import pytest

from prefdelta.scheduler import slurm
from prefdelta.system.instance import INSTANCE, Instance
from prefdelta.workflow import leftovers

RESULTS = Path("results/mini")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (RESULTS / "judge").mkdir(parents=True)


@pytest.fixture
def dead():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return Instance(gethostname(), process.pid, "0123abcd")


def leave(instance):
    (RESULTS / f"judge/.a.parquet.{instance}.tmp").write_text("half")
    (RESULTS / f"judge/.{instance}.staged").mkdir()
    (RESULTS / f"judge/.{instance}.staged/a.parquet").write_text("whole")


def names():
    return sorted(path.name for path in (RESULTS / "judge").iterdir())


def test_what_a_dead_process_of_this_machine_left_is_removed_and_no_other_file(dead):
    leave(dead)
    (RESULTS / "judge/.mine.tmp").write_text("")
    (RESULTS / "judge/a.parquet").write_text("")
    leftovers.remove(RESULTS)
    assert names() == [".mine.tmp", "a.parquet"]


def test_what_a_living_process_writes_is_left_alone():
    leave(INSTANCE)
    leftovers.remove(RESULTS)
    assert len(names()) == 2


@pytest.mark.parametrize(("unfinished", "left"), [([], 0), (["a job"], 2)])
def test_a_process_on_a_node_is_dead_once_slurm_has_no_job_of_the_study(dead, monkeypatch, unfinished, left):
    leave(Instance("node7", dead.pid, "0123abcd"))
    leftovers.remove(RESULTS)
    assert len(names()) == 2  # SLURM never had a job of this study, so nothing is known of other machines
    monkeypatch.setattr(slurm, "submitted", lambda _: ["a job"])
    monkeypatch.setattr(slurm, "is_here", lambda: True)
    monkeypatch.setattr(slurm, "unfinished", lambda _: unfinished)
    leftovers.remove(RESULTS)
    assert len(names()) == left


def test_locks_and_incomplete_outputs_of_this_study_alone_count(capsys):
    locks, incomplete = Path(".snakemake/locks"), Path(".snakemake/incomplete")
    for folder in (locks, incomplete):
        folder.mkdir(parents=True)
    for name, results in (("0.input.lock", RESULTS), ("1.output.lock", Path("results/mini2"))):
        (locks / name).write_text(f"{results}/judge/a.parquet\n")
        (incomplete / urlsafe_b64encode(f"{results}/judge/a.parquet".encode()).decode()).touch()
    leftovers.remove(RESULTS)
    assert [path.name for path in locks.iterdir()] == ["1.output.lock"]
    assert "1 outputs were being made" in capsys.readouterr().err
