import os
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Puts a squeue in the place of SLURM's, which prints these lines, and a scancel, which writes down its words."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def prints(*lines, error=""):
        (folder / "lines").write_text("".join(f"{line}\n" for line in lines))
        fails = f"echo '{error}' >&2; exit 1" if error else "exit 0"
        for name, script in (("squeue", f"cat {folder}/lines; {fails}"), ("scancel", f'echo "$@" > {folder}/ended')):
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        return folder / "ended"

    return prints


def line(results, job="7", state="RUNNING", about="rule_judge_wildcards_g1_logic", run="host-7-0123abcd"):
    tag = slurm.environment(results, run)[slurm.TAG]
    return f"{job}|{state}|1:02|10:00|n1|None|{about} {tag}:89abcdef"


def test_a_results_folders_jobs_are_found_by_their_tag_and_no_others(tmp_path, squeue):
    ours, others = tmp_path / "results/mini", tmp_path / "results/full"
    squeue(
        line(ours, about="a|b prefdelta:x"),
        line(others, job="8"),
        "9|RUNNING|0:01|10:00|n2|None|(null)",
        line(ours, job="10", state="TIMEOUT"),
    )
    running, timed_out = slurm.jobs(ours)
    assert (running.id, running.about, running.run, running.has_ended) == (
        "7", "a|b prefdelta:x", "host-7-0123abcd", False,
    )  # fmt: skip
    assert (timed_out.id, timed_out.has_ended) == ("10", True)
    assert slurm.unfinished(ours) == [running]


def test_the_same_folder_by_another_path_has_the_same_tag(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert slurm.environment(Path("results/mini"), "x") == slurm.environment(tmp_path / "results/mini", "x")


def test_jobs_are_cancelled_by_their_ids(tmp_path, squeue):
    ended = squeue(line(tmp_path, job="7"), line(tmp_path, job="8"))
    slurm.cancel(slurm.unfinished(tmp_path))
    assert ended.read_text().split() == ["7", "8"]


def test_a_slurm_that_does_not_answer_is_told(tmp_path, squeue):
    squeue(error="Unable to contact slurm controller")
    with pytest.raises(StudyError, match=r"squeue.*failed: Unable to contact slurm controller"):
        slurm.jobs(tmp_path)


def test_a_line_that_a_kill_cut_is_left_out_of_what_was_submitted(tmp_path):
    path = tmp_path / slurm.FILE
    path.parent.mkdir(parents=True)
    path.write_text('{"id": "7", "run": "r", "target": "judge:", "log": "l", "at": 1.0}\n{"id": "8", "ru')
    assert [job.id for job in slurm.submitted(tmp_path)] == ["7"]
