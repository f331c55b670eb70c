"""The program `prefdelta`: which study, alone in its results, and quick to say what it does."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from socket import gethostname

import pytest

from prefdelta.commands.main import COMMANDS, main
from prefdelta.scheduler import slurm

from .made import ALL, CONFIG, RESULTS, add_garbage, dead_pid, snapshot, write_text

WORDS = {
    "gc": ["gc"],
    "retry": ["retry", "--stage", "judge", "--where", "not_json"],
    "invalidate": ["invalidate", f"{RESULTS}/train/{ALL}/policy.json"],
}
WORKING = "import sys, time; print('ready', flush=True); time.sleep(60)"

every_command = pytest.mark.parametrize("command", WORDS)
dry_or_not = pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["real", "dry"])


@pytest.mark.usefixtures("checkout")
@every_command
@dry_or_not
def test_a_run_that_goes_on_is_told_and_nothing_changed(command, dry, capsys):
    add_garbage()
    with (RESULTS / "run.json").open("w") as file:
        file.write(json.dumps({"host": "here", "pid": 4711, "command": "snakemake --profile mini", "ended": None}))
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        before = snapshot()
        assert main([*WORDS[command], "--configfile", CONFIG, *dry]) == 2
        told = capsys.readouterr().err
        assert "a run is going on" in told
        assert "pid 4711, command snakemake --profile mini" in told
        assert snapshot() == before


@pytest.mark.usefixtures("checkout")
@every_command
@dry_or_not
def test_a_job_that_is_at_work_without_a_run_is_told(command, dry, capsys):
    with subprocess.Popen(
        [sys.executable, "-c", WORKING, "prefdelta.stages.judge"], stdout=subprocess.PIPE, text=True
    ) as job:
        job.stdout.readline()
        write_text(RESULTS / "record/claims/00", f"{gethostname()}-{job.pid}-0123abcd")
        before = snapshot()
        assert main([*WORDS[command], "--configfile", CONFIG, *dry]) == 2
        assert f"process {job.pid}" in capsys.readouterr().err
        assert snapshot() == before
        job.kill()
    assert main([*WORDS[command], "--configfile", CONFIG, *dry]) == 0


@pytest.mark.usefixtures("checkout")
@every_command
@dry_or_not
def test_jobs_that_a_killed_run_left_in_slurms_queue_are_told_and_nothing_changed(
    command, dry, capsys, tmp_path, monkeypatch
):
    tag = slurm.environment(RESULTS, "host-7-0123abcd")[slurm.TAG]
    lines = [f"{job}|{state}|1:02|10:00|n1|None|rule_judge {tag}" for job, state in ((7, "RUNNING"), (8, "COMPLETED"))]
    write_text(tmp_path / "bin/squeue", "#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    (tmp_path / "bin/squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    write_text(RESULTS / slurm.FILE, "")
    before = snapshot()
    assert main([*WORDS[command], "--configfile", CONFIG, *dry]) == 2
    told = capsys.readouterr().err
    assert "SLURM still has jobs of these results: 7 (running). Nothing was changed." in told
    assert "prefdelta stop" in told
    assert snapshot() == before
    write_text(tmp_path / "bin/squeue", f"#!/bin/sh\necho '{lines[1]}'\n")  # it has ended too
    assert main([*WORDS[command], "--configfile", CONFIG, *dry]) == 0


@pytest.mark.usefixtures("checkout")
@every_command
def test_slurm_is_not_asked_if_it_had_no_job_of_these_results(command, tmp_path, monkeypatch):
    write_text(tmp_path / "bin/squeue", "#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert main([*WORDS[command], "--configfile", CONFIG]) == 0


@pytest.mark.usefixtures("checkout")
@every_command
def test_a_run_on_another_machine_that_has_not_ended_is_told(command, capsys):
    (RESULTS / "run.json").write_text(json.dumps({"host": "node7", "pid": 12, "ended": None}))
    assert main([*WORDS[command], "--configfile", CONFIG]) == 2
    assert "a run on another machine (node7, pid 12) has not ended" in capsys.readouterr().err


@pytest.mark.usefixtures("checkout")
@every_command
def test_no_run_can_start_meanwhile_and_the_run_file_is_as_before(command, monkeypatch):
    killed = json.dumps({"id": "x", "host": gethostname(), "pid": dead_pid(), "ended": None})
    (RESULTS / "run.json").write_text(killed)
    seen = []

    def look(study, *_):
        from prefdelta.workflow import run_file

        seen.append(run_file.current(Path(study.results)))
        raise KeyboardInterrupt

    monkeypatch.setattr("prefdelta.commands.gc.make_plan", look)
    monkeypatch.setattr("prefdelta.commands.retry.dependents_of", look)
    monkeypatch.setattr("prefdelta.commands.invalidate.dependents_of", look)
    assert main([*WORDS[command], "--configfile", CONFIG]) == 130
    assert seen[0].before == killed
    assert (RESULTS / "run.json").read_text() == killed


@every_command
def test_the_config_file_must_be_named_unless_there_is_config_yaml(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(WORDS[command]) == 2
    assert "there is no ./config.yaml to take instead. Name the study's, for example --configfile" in (
        capsys.readouterr().err
    )


@pytest.mark.usefixtures("checkout")
def test_config_yaml_is_taken_if_it_is_there(capsys):
    Path("config.yaml").write_text(Path(CONFIG).read_text())
    assert main(["gc", "-n"]) == 0
    assert "results/mini: nothing to remove" in capsys.readouterr().out
    assert main(["invalidate", f"{RESULTS}/grade/g1.parquet"]) == 0
    assert "snakemake --profile slurm\n" in capsys.readouterr().out


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no such file in"),
        ("a: [", "cannot be read as YAML"),
        ("- a", "is not the config of a study"),
        ("study: mini", "mistake(s)"),
    ],
)
def test_a_config_that_is_none_is_told(content, told, capsys):
    if content is not None:
        Path("wrong.yaml").write_text(content)
    assert main(["gc", "--configfile", "wrong.yaml"]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("checkout")
def test_a_study_that_was_not_run_is_told(capsys):
    RESULTS.rename("results/other")
    assert main(["gc", "--configfile", CONFIG]) == 2
    assert "results/mini: there is no such folder: the study has not been run here." in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: prefdelta {command}" in capsys.readouterr().out


def test_help_imports_nothing_heavy_and_no_command_imports_torch_or_pandas():
    light = "from prefdelta.commands.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    heavy = "from prefdelta.commands import gc, invalidate, retry"
    for code, absent in (
        (light, {"pydantic", "pyarrow", "yaml", "torch", "pandas"}),
        (heavy, {"torch", "pandas", "transformers", "trl", "snakemake"}),
    ):
        asked = f"{code}\nimport sys; sys.stderr.write(' '.join(sys.modules))"
        done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
        assert absent.isdisjoint(done.stderr.split())


def test_make_sweep_still_starts_the_same_program():
    done = subprocess.run(
        [sys.executable, "-m", "prefdelta.commands.sweep", "--help"], capture_output=True, text=True, check=True
    )
    assert "usage: prefdelta sweep" in done.stdout
