"""workflow/bin/sbatch, in front of an sbatch of ours that answers as SLURM's does."""

import os
import subprocess
from pathlib import Path
from socket import gethostname

import pytest

from prefdelta.scheduler import slurm

BIN = Path(__file__).parents[3] / "workflow/bin"
AWAY = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
WRONG = "sbatch: error: invalid partition specified: gqu"
TOO_MANY = (
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates "
    "accounting/QOS policy (job submit limit, user's size and/or time limits)"
)
TOO_LONG = TOO_MANY.replace("QOSMaxSubmitJobPerUserLimit", "QOSMaxWallDurationPerJobLimit")
GONE = "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received"
LOST = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
WORDS = ["--parsable", "--comment", "rule_judge_wildcards_g1_logic", "--output", "logs/judge/%j.log"]
COMMAND = "--wrap=python -m snakemake --target-jobs 'judge:generator=g1,form=logic' --more"


class Sbatch:
    """SLURM's sbatch and squeue, as the test wants them, and what they were called with."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.results = folder / "results/mini"
        self.answers([])
        self.write("squeue", "true")

    def write(self, name: str, script: str) -> None:
        path = self._folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ncd {self._folder}\n{script}\n")
        path.chmod(0o755)

    def answers(self, errors: list[str], job: str = "41") -> None:
        """It fails with each of these, then accepts."""
        for number, error in enumerate(errors, start=1):
            (self._folder / f"error-{number}").write_text(f"{error}\n")
        self.write(
            "sbatch",
            'for word in "$@"; do echo "$word" >> words.txt; done; echo . >> calls.txt\n'
            'number=$(wc -l < calls.txt)\nif [ -f "error-$number" ]; then cat "error-$number" >&2; exit 1; fi\n'
            f"cat > stdin.txt; echo {job}",
        )

    def run(
        self, *words: str, patience: str = "60", tagged: bool = True, by: str = "host-7-0123abcd"
    ) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(BIN), str(self._folder / "bin"), os.environ["PATH"]])
        tag = slurm.environment(self.results, by) if tagged else {}
        return subprocess.run(
            ["sbatch", *words],
            env={"PATH": path, "PREFDELTA_SBATCH_PATIENCE": patience, **tag},
            input="the script",
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> int:
        return len((self._folder / "calls.txt").read_text().splitlines())

    @property
    def words(self) -> list[str]:
        return (self._folder / "words.txt").read_text().splitlines()


@pytest.fixture
def sbatch(tmp_path: Path) -> Sbatch:
    return Sbatch(tmp_path)


def test_an_accepted_job_is_tagged_and_remembered(sbatch: Sbatch) -> None:
    done = sbatch.run(*WORDS, COMMAND)
    assert (done.returncode, done.stdout, done.stderr) == (0, "41\n", "")
    comment = sbatch.words[sbatch.words.index("--comment") + 1]
    about, tag = comment.split()
    assert about == "rule_judge_wildcards_g1_logic"
    assert tag.startswith(f"{slurm.environment(sbatch.results, 'host-7-0123abcd')[slurm.TAG]}:")
    assert COMMAND in sbatch.words
    (job,) = slurm.submitted(sbatch.results)
    assert (job.id, job.run, job.target, job.log) == (
        "41", "host-7-0123abcd", "judge:generator=g1,form=logic", "logs/judge/41.log",
    )  # fmt: skip


@pytest.mark.parametrize("error", [AWAY, TOO_MANY, LOST, GONE])
def test_a_refusal_that_passes_is_tried_again_and_told(sbatch: Sbatch, error: str) -> None:
    sbatch.answers([error])
    done = sbatch.run(*WORDS, COMMAND)
    assert (done.returncode, done.stdout, sbatch.calls) == (0, "41\n", 2)
    assert error.rpartition(": ")[2] in (sbatch.results / "slurm/sbatch.log").read_text()
    assert [job.id for job in slurm.submitted(sbatch.results)] == ["41"]


@pytest.mark.parametrize(("error", "patience"), [(WRONG, "60"), (TOO_LONG, "60"), (AWAY, "1")])
def test_any_other_refusal_and_one_that_lasts_are_passed_on(sbatch: Sbatch, error: str, patience: str) -> None:
    sbatch.answers([error])
    done = sbatch.run(*WORDS, COMMAND, patience=patience)
    assert (done.returncode, done.stdout, done.stderr, sbatch.calls) == (1, "", f"{error}\n", 1)
    assert slurm.submitted(sbatch.results) == []


@pytest.mark.parametrize("error", [LOST, GONE])
@pytest.mark.parametrize("patience", ["60", "1"])
def test_a_job_whose_acceptance_got_lost_is_not_asked_for_again(sbatch: Sbatch, error: str, patience: str) -> None:
    sbatch.answers([error])
    # squeue lists it with the comment that sbatch was given.
    sbatch.write("squeue", 'echo "77 $(grep prefdelta: words.txt)"')
    done = sbatch.run(*WORDS, COMMAND, patience=patience)
    assert (done.returncode, done.stdout, sbatch.calls) == (0, "77\n", 1)
    assert [job.id for job in slurm.submitted(sbatch.results)] == ["77"]


def test_nothing_is_asked_for_again_before_the_queue_can_be_seen(sbatch: Sbatch, tmp_path: Path) -> None:
    sbatch.answers([LOST])
    sbatch.write("squeue", "echo . >> looks.txt; [ $(wc -l < looks.txt) -gt 1 ]")  # the controller is away at first
    done = sbatch.run(*WORDS, COMMAND)
    assert (done.returncode, done.stdout, sbatch.calls) == (0, "41\n", 2)
    assert len((tmp_path / "looks.txt").read_text().splitlines()) == 2


def test_nothing_is_asked_for_when_the_run_is_gone(sbatch: Sbatch) -> None:
    with subprocess.Popen(["true"]) as main:
        pass
    sbatch.answers([AWAY])
    done = sbatch.run(*WORDS, COMMAND, by=f"{gethostname()}-{main.pid}-0123abcd")
    assert (done.returncode, done.stdout, sbatch.calls) == (1, "", 1)
    assert slurm.was_used(sbatch.results)
    assert slurm.submitted(sbatch.results) == []


def test_a_script_on_the_standard_input_is_given_again(sbatch: Sbatch, tmp_path: Path) -> None:
    sbatch.answers([AWAY])
    assert sbatch.run(*WORDS, "/dev/stdin").returncode == 0
    assert (tmp_path / "stdin.txt").read_text() == "the script"


def test_what_others_say_is_kept_and_a_comment_is_added_where_there_is_none(sbatch: Sbatch) -> None:
    sbatch.answers([], job="Submitted batch job 12")
    assert sbatch.run("train.sh").stdout == "Submitted batch job 12\n"  # as submitit reads it
    assert sbatch.words[0].startswith("--comment=prefdelta prefdelta:")
    assert [job.id for job in slurm.submitted(sbatch.results)] == ["12"]


def test_without_a_run_it_is_plain_sbatch(sbatch: Sbatch) -> None:
    assert sbatch.run(*WORDS, tagged=False).stdout == "41\n"
    assert sbatch.words == WORDS
    assert not sbatch.results.exists()
