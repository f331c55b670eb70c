"""A small study whose results are made by hand: real tables, a real record, no model."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import asdict
from functools import cache
from pathlib import Path
from socket import gethostname
from typing import Any

import yaml

from prefdelta.core.stage_names import STAGES
from prefdelta.records.call import Call
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.logps import RecordedLogps
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.store.record import Record
from prefdelta.store.snapshots import seal
from prefdelta.study.study import Study
from small import small

ROOT = Path(__file__).parents[2]
CONFIG = "resources/studies/mini.yaml"
RESULTS = Path("results/mini")
RECORD = RESULTS / "record"
DIMENSIONS = ["computational_precision", "signal_to_noise"]
PROMPTS = [f"p{i}" for i in range(6)]
BENCHMARK = "mini_code"
ALL, SWAPPED, TOP = (f"pa/g3~g1/{selection}/dpo/s0" for selection in ("all", "swapped", "top-mean-4"))
SFT = "pa/g3~g1/all/sft/s0"
# `all` and `top-mean-4` come to the same pairs, so to the same policy.
POLICIES = {ALL: "policy-all", TOP: "policy-all", SWAPPED: "policy-swapped", SFT: "policy-sft"}
MODELS = {"pa": "model-pa", "g3": "model-g3"}
REJECTED = "model-pa-rejected"
UNUSABLE = {("g1", "p4"): "truncated", ("g1", "p5"): "too_long"}


def small_study() -> dict[str, Any]:
    """Mini with two models, two generators, one form, four arms."""
    study = small()
    study["models"] = {name: study["models"][name] for name in MODELS}
    study["generators"] = {"g3": {"model": "g3"}, "g1": {"model": "pa"}}
    study["policies"], study["benchmarks"], study["dimensions"] = ["pa"], [BENCHMARK], DIMENSIONS
    study["delta"]["composites"] = {"mean": DIMENSIONS}
    study["judge"]["forms"] = {"both": DIMENSIONS}
    one = {"title": "One pairing", "policies": ["pa"], "pairings": ["g3~g1"], "seeds": [0]}
    study["experiments"] = {
        "selections": one | {"selections": ["all", "swapped", "top-mean-4"], "recipes": ["dpo"]},
        "methods": one | {"selections": ["all"], "recipes": ["sft"]},
    }
    study["filter"]["sets"] = {}
    study["train"]["recipes"] = {name: study["train"]["recipes"][name] for name in ("dpo", "sft")}
    study["evaluate"]["groups"] = {"sampled": study["evaluate"]["groups"]["sampled"] | {"benchmarks": [BENCHMARK]}}
    study["report"] |= {"overlap": {"pairing": "g3~g1", "k": [2, 4]}}
    return study


def judge_in_batches() -> None:
    """Let the study in the working directory ask a hosted judge, through a batch API."""
    study = yaml.safe_load(Path(CONFIG).read_text())
    engine = {"name": "openai", "model": "gpt-oss-120b", "base_url": "https://judge.example/v1"}
    study["judge"]["engine"] = engine | {"batch": {}}
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))


def make_checkout(folder: Path) -> Path:
    """A folder with the study's config and its results, all of them there."""
    shutil.copytree(ROOT / "resources", folder / "resources")
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / CONFIG).write_text(yaml.safe_dump(small_study(), sort_keys=False))
    return folder


def study_here() -> Study:
    return Study(yaml.safe_load(Path(CONFIG).read_text()), CONFIG, [CONFIG])


def make_results() -> None:
    """Write the results of the study in the working directory, with the record that they rest on."""
    study = study_here()
    for stage in STAGES:
        for job in study.jobs(stage):
            for path in map(Path, job.outputs):
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.suffix:
                    path.mkdir()
                    (path / "scaling.svg").write_text("<svg/>")
                elif stage not in ("ladder", "train", "evaluate", "generate", "judge", "reference", "grade"):
                    path.write_text(f"what {path} holds\n")
            write_text(Path(job.manifest), json.dumps({"stage": stage, "details": {}, "outputs": {}}))
            write_text(Path(job.log), "done\n")
    for model, key in MODELS.items():
        add_checkpoint("models", key, RESULTS / f"ladder/{model}/model.json")
        record_calls(f"ladder/{key}", [call(f"measure-{key}")])
    add_checkpoint("models", REJECTED)
    record_calls(f"ladder/{REJECTED}", [call(f"measure-{REJECTED}")])
    told = {"stage": "ladder", "details": {"rejected": [{"seed": 11, "key": REJECTED}, {"seed": 12}]}, "outputs": {}}
    (RESULTS / "ladder/pa/model.manifest.json").write_text(json.dumps(told))
    for generator in ("g3", "g1"):
        make_traces(generator)
        make_judgements(generator, "both")
        make_reference(generator)
    for arm, key in {"pa/base": "model-pa", **POLICIES}.items():
        if arm in POLICIES:
            add_checkpoint("policies", key, RESULTS / f"train/{arm}/policy.json")
        make_scores(arm, key)


def make_traces(generator: str) -> None:
    traces, grades = [], []
    for prompt in PROMPTS:
        unusable = UNUSABLE.get((generator, prompt))
        cut, failure = unusable == "truncated", unusable if unusable == "too_long" else None
        reason = None if failure else "length" if cut else "stop"
        text = None if failure else "A:1"
        traces.append(Trace(prompt, generator, 0, text, reason, 4, 7, f"trace-{generator}-{prompt}", failure))
        grades.append(Grade(prompt, generator, 0, None, None if unusable else True, unusable))
    tables.write(RESULTS / f"generate/{generator}.parquet", Trace, traces)
    tables.write(RESULTS / f"grade/{generator}.parquet", Grade, grades)
    record_calls(f"generate/{generator}", [call(trace.call_key) for trace in traces])


def make_judgements(generator: str, form: str) -> None:
    """p1 needs a second attempt; p2 fails after three; the traces for p3 are the same text, and so one question."""
    rows, calls = [], []
    for prompt in PROMPTS:
        question = "verdict-of-all-p3" if prompt == "p3" else f"verdict-{generator}-{prompt}"
        attempts = {"p1": 2, "p2": 3}.get(prompt, 1)
        keys = [question, *(f"{question}-{attempt}" for attempt in range(1, attempts))]
        failure = "not_json" if prompt == "p2" else None
        if (generator, prompt) in UNUSABLE:
            attempts, keys, failure = 0, [], "unusable_trace"
        for dimension in DIMENSIONS:
            score = None if failure else 3
            votes = 0 if failure else 1
            rows.append(Judgement(prompt, generator, 0, dimension, score, votes, attempts, keys[-1:], failure))
        calls += [call(key, question, attempt) for attempt, key in enumerate(keys)]
    tables.write(RESULTS / f"judge/{generator}/{form}.parquet", Judgement, rows)
    record_calls(f"judge/{form}", calls)


def make_reference(generator: str) -> None:
    rows, sums = [], []
    for prompt in PROMPTS:
        key, failure = f"sum-{generator}-{prompt}", "too_long" if prompt == "p0" else None
        if (generator, prompt) in UNUSABLE:
            rows.append(ReferenceLogps(prompt, generator, 0, None, None, None, "unusable_trace"))
            continue
        logps = None if failure else -1.0
        rows.append(ReferenceLogps(prompt, generator, 0, logps, 4, key, failure))
        sums.append(RecordedLogps(key, logps, 4, failure))
    tables.write(RESULTS / f"reference/pa/{generator}.parquet", ReferenceLogps, rows)
    record_sums(MODELS["pa"], sums)


def make_scores(arm: str, policy: str) -> None:
    """One item of `swapped` crashed the engine; one of the base was truncated."""
    rows = []
    for prompt in PROMPTS:
        failure, reason = None, "stop"
        if (arm, prompt) == (SWAPPED, "p0"):
            failure, reason = "crashed_engine", None
        if (arm, prompt) == ("pa/base", "p0"):
            failure, reason = "truncated", "length"
        correct = None if failure else True
        rows.append(Score(BENCHMARK, prompt, 0, None, correct, reason, 4, f"answer-{policy}-{prompt}", failure))
    path = RESULTS / f"evaluate/{arm}/sampled.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write(path, Score, rows)
    record_calls(f"evaluate/{policy}", [call(row.call_key) for row in rows])


# --- what nothing refers to -------------------------------------------------------------------------------------------


def add_garbage() -> None:
    """What a removed generator, arm and model left, and what dead processes did."""
    for path in (
        "generate/gx.parquet", "generate/gx.manifest.json", "logs/generate/gx.log",
        "logs/generate/gx.events.jsonl", "judge/gx/both.parquet",
        "judge/gx/both.manifest.json", "filter/gx~g1/all/t0.parquet", "train/pa/gx~g1/dpo-s0-0.manifest.json",
        "evaluate/pa/gx~g1/all/dpo/s0/sampled.parquet",
    ):  # fmt: skip
        write_text(RESULTS / path, "of a generator that was removed\n")
    add_checkpoint("policies", "policy-gx", RESULTS / "train/pa/gx~g1/all/dpo/s0/policy.json")
    add_checkpoint("models", "model-gx", RESULTS / "ladder/gx/model.json")
    record_calls("ladder/model-gx", [call("measure-gx")])
    record_calls("generate/gx", [call("trace-gx-p0"), call("trace-gx-p1")])
    record_calls("judge/both", [call("verdict-gx-p0"), call("verdict-gx-p0-1", "verdict-gx-p0", 1)])
    record_calls("judge/old", [call("verdict-old")])
    record_calls("generate/g1", [call("trace-g1-p0-at-another-temperature")])
    record_calls("evaluate/policy-gx", [call("answer-gx")])
    record_calls("evaluate/model-pa", [call("answer-of-a-removed-benchmark")])
    record_sums("model-gx", [RecordedLogps("sum-gx", -1.0, 4, None)])
    record_sums("model-pa", [RecordedLogps("sum-gx-p0", -1.0, 4, None)])
    left = f"{gethostname()}-{dead_pid()}-0123abcd"
    write_text(RESULTS / "judge/g1/both.parquet.damaged", "damaged\n")
    write_text(RECORD / "calls/generate/g1/1-host-1-0123abcd.parquet.damaged", "damaged\n")
    write_text(RECORD / "policies/policy-all.damaged/config.json", "damaged\n")
    write_text(RESULTS / f"judge/g1/.both.parquet.{left}.tmp", "half\n")
    write_text(RESULTS / f"judge/g1/.{left}.staged/both.parquet", "half\n")
    write_text(RECORD / "policies/.policy-gone.0123abcd.work/snapshots/checkpoint-3/state.pt", "half\n")
    write_text(RECORD / "claims/00ff", left)
    write_text(RESULTS / "train/notes.txt", "a researcher's own\n")


@cache
def dead_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


# --- the record -------------------------------------------------------------------------------------------------------


def call(key: str, question: str | None = None, attempt: int = 0) -> Call:
    return Call(key, question or key, attempt, "a reply", "stop", 4, None, None, 0.1, 1.0, "host")


def record_calls(partition: str, calls: list[Call]) -> None:
    _record(RECORD / "calls" / partition, Call, calls)


def record_sums(model: str, sums: list[RecordedLogps]) -> None:
    _record(RECORD / "reference" / model, RecordedLogps, sums)


def _record(folder: Path, row_type: Any, rows: list[Any]) -> None:
    """Several segments, so that attempts at one question lie in different ones."""
    with Record(folder, row_type, flush_rows=4) as record:
        for row in rows:
            record.append(row)


def add_checkpoint(kind: str, key: str, manifest: Path | None = None) -> None:
    write_text(RECORD / kind / key / "model.safetensors", f"the weights of {key}\n")
    write_text(RECORD / kind / key / "training.json", "{}\n")
    seal(RECORD / kind / key)
    if manifest is not None:
        write_text(manifest, json.dumps(asdict(Checkpoint(key, f"weights of {key}", f"{kind}/{key}"))))


def keys_in(partition: str) -> set[str]:
    """The keys in a partition of the record, e.g. `calls/judge/both`."""
    row_type = RecordedLogps if partition.startswith("reference") else Call
    segments = (RECORD / partition).glob("*.parquet")
    return {key for path in segments for key in tables.read_arrow(path, row_type, ["key"]).column("key").to_pylist()}


def all_keys() -> dict[str, set[str]]:
    """Partition -> keys, of the whole record."""
    folders = {path.parent.relative_to(RECORD).as_posix() for path in RECORD.rglob("*.parquet")}
    return {folder: keys_in(folder) for folder in sorted(folders)}


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def snapshot(folder: Path = RESULTS, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Every path below a folder with a hash of its content (and when it was written), without files called `but`."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name not in but:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            found[path.as_posix()] = content
    return found
