"""`prefdelta run-by-hand`: the printed command makes what the workflow's job made, for every kind of job."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from once import copied
from prefdelta.commands.main import main
from prefdelta.commands.run_by_hand.job_command import HandCommand, commands_by_hand
from prefdelta.core import layout

from .tiny import environment

RESULTS = "results/mini"
STUDY = ["--configfile", "resources/studies/mini.yaml"]
# Kind of job -> one of its jobs. The tiny study has neither shares of a generator nor other temperatures of the base.
JOBS = {
    "report": "report/index",
    "browse": "browse/index",
    "prompts": "prompts/train",
    "ladder": "ladder/g3/model",
    "generate": "generate/g3",
    "grade": "grade/g3",
    "judge": "judge/g3/both",
    "pair": "pair/g3~g1",
    "delta": "delta/g3~g1/mean",
    "filter": "filter/g3~g1/top-mean-4/t0",
    "reference": "reference/pa/g1",
    "train": "train/pa/g3~g1/dpo-s0-all",
    "evaluate": "evaluate/pa/g3~g1/dpo-s0-all-sampled",
    "evaluate_base": "evaluate/pa/base-sampled",
}


@pytest.fixture(scope="module")
def checkout(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(tiny_study, tmp_path_factory.mktemp("by-hand") / "study")


@pytest.fixture(autouse=True)
def inside(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(checkout)
    for name, value in environment(checkout).items():
        monkeypatch.setenv(name, value)
    return


@pytest.fixture(scope="module")
def commands(checkout: Path) -> dict[str, HandCommand]:
    """Kind of job -> its command; one dry run for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(checkout)
        patch.setenv("PYTHONPATH", str(checkout / "src"))
        targets = {kind: f"{RESULTS}/{layout.manifest(name)}" for kind, name in JOBS.items()}
        found = commands_by_hand(["--profile", "mini"], list(targets.values()))
        return {kind: found[target] for kind, target in targets.items()}


def test_every_kind_of_job_is_here() -> None:
    assert layout.JOBS.keys() - JOBS.keys() == {"generate_shard", "evaluate_sharpened"}


@pytest.mark.parametrize("kind", JOBS)
def test_the_command_makes_the_same_bytes_without_snakemake(
    kind: str, checkout: Path, commands: dict[str, HandCommand]
) -> None:
    outputs = made_by(commands[kind].text)
    assert outputs
    before = {path: content(path) for path in outputs}
    for path in outputs:
        path.unlink()
    done = subprocess.run(["bash", "-c", commands[kind].text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {path for path in outputs if content(path) != before[path]} == set()


def content(path: Path) -> bytes:
    """The bytes of a table; of the page, which tells how fast this machine is now, all numbers and verdicts."""
    if path.suffix != ".html":
        return path.read_bytes()
    assert path.is_file()
    return json.dumps(json.loads(path.with_suffix(layout.MANIFEST).read_text())["details"]).encode()


def made_by(command: str) -> list[Path]:
    """The files that a command writes, without its manifest, which says how long it took, and the report's figures."""
    words = command.partition(" --out ")[2].partition(" --settings ")[0].replace("'", "").split()
    paths = [Path(word.rpartition("=")[2]) for word in words]
    return [path for path in paths if not path.name.endswith(layout.MANIFEST) and path.suffix]


def test_a_job_is_found_by_its_name_its_log_and_its_output(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for name in ("pair/g3~g1", f"{RESULTS}/logs/pair/g3~g1.log", f"{RESULTS}/pair/g3~g1.parquet"):
        assert main(["run-by-hand", name, *STUDY]) == 0
        told.append(capsys.readouterr().out)
    assert len(set(told)) == 1
    assert told[0].startswith("OMP_NUM_THREADS=1 ")
    assert told[0].count("\n") == 1
    assert " --code " not in told[0]


def test_a_batch_is_found_by_the_output_of_one_of_its_arms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run-by-hand", "train/pa/g3~g1/swapped/dpo/s0/policy.json", *STUDY]) == 0
    assert f"manifest={RESULTS}/{JOBS['train']}.manifest.json" in capsys.readouterr().out


def test_a_job_that_does_not_exist_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run-by-hand", "judge/g3/booth", *STUDY]) == 2
    assert "has no job of this name" in (told := capsys.readouterr().err)
    assert "judge/g3/both" in told


def test_it_runs_the_job_and_exits_as_it_does(checkout: Path) -> None:
    table = Path(RESULTS, "filter/g3~g1/all/t0.parquet")
    before = table.read_bytes()
    table.unlink()
    words = [sys.executable, "-m", "prefdelta.commands.main", "run-by-hand", "filter/g3~g1/all/t0", "--run", *STUDY]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.endswith("done: 40 rows, 0 of them failed\n")
    assert table.read_bytes() == before
    Path(RESULTS, "pair/g3~g1.parquet").unlink()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "note: what it stands on is missing or stale: pair/g3~g1." in done.stderr
