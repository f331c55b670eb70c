"""The chain of the full study in small, for a machine with a GPU: vLLM writes traces, a vLLM server judges them, DPO
trains a policy on them, vLLM evaluates it. On rungs of mini's ladder and a little judge, so nothing is downloaded.

python tests/gpu/chain.py [FOLDER]        with the environment of `make setup-gpu`; FOLDER (new) keeps the results
python tests/gpu/chain.py [FOLDER] --cpu  the same with vLLM in a build for CPUs (`make test-vllm`)

It ends with exit code 0 if every stage did what it should, and says what it found.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from gpu.little_judge import make_judge
from prefdelta.records.call import Call
from prefdelta.records.judgement import Judgement
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from study.tiny import DIMENSIONS, ITEMS, PROMPTS, ROOT, make_checkout, shrunk

ARM = "pa/g3~g1/top-mean-8/dpo/s0"  # so that what the judge says decides what DPO trains on
BENCHMARK = "mini_maths_easy"
GENERATORS = ("g3", "g1")
SAMPLES = {"g3": 2, "g1": 1}
JUDGE = "little-judge"


def study(dtype: str) -> dict[str, Any]:
    """Tiny mini, with vLLM wherever a model is asked. vLLM's kernels want attention heads that are 64 wide."""
    content = shrunk()
    for model in content["models"].values():
        model["ladder"] |= {"width": 128, "heads": 2}
    content["models"]["judge"] = {"hub": "./judge"}
    engine = {"name": "vllm", "dtype": dtype, "max_length": 256, "gpu_memory_share": 0.3}
    content["generate"]["engine"] = content["evaluate"]["engine"] = engine
    content["judge"]["model"] = "judge"
    content["judge"]["engine"] = {
        "name": "openai",
        "model": JUDGE,
        "server": {"name": "vllm", "dtype": dtype, "max_length": 8192, "gpu_memory_share": 0.3},
        "start_s": 900,
    }
    content["judge"]["sampling"].pop("reasoning_effort", None)
    content["benchmarks"] = [BENCHMARK]
    (group,) = content["evaluate"]["groups"].values()
    group["benchmarks"] = [BENCHMARK]
    one = {"title": "One arm", "policies": ["pa"], "pairings": ["g3~g1"], "seeds": [0]}
    content["experiments"] = {"chain": one | {"selections": ["top-mean-8"], "recipes": ["dpo"]}}
    return content


def run(folder: Path, on_cpu: bool) -> None:
    """One job after the other: they share the GPU."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(ROOT / "src")}
    if on_cpu:
        environment |= {"CUDA_VISIBLE_DEVICES": "", "VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1"}
    snakemake = Path(sys.executable).with_name("snakemake")
    scores = [f"results/mini/evaluate/{arm}/sampled.parquet" for arm in (ARM, "pa/base")]
    subprocess.run([snakemake, "--profile", "mini", "--cores", "1", *scores], cwd=folder, env=environment, check=True)


def check(folder: Path) -> None:
    """What each stage left, and that vLLM was what it asked. Raises AssertionError."""
    results = folder / "results/mini"
    for name in GENERATORS:
        traces = tables.read(results / f"generate/{name}.parquet", Trace)
        assert len(traces) == PROMPTS * SAMPLES[name]
        assert {trace.failure for trace in traces} == {None}
        reasons = Counter(trace.finish_reason for trace in traces)
        assert reasons.keys() <= {"stop", "length"}
        judgements = tables.read(results / f"judge/{name}/both.parquet", Judgement)
        scores = Counter(row.score for row in judgements)
        found = {reason: count for reason, count in Counter(row.failure for row in judgements).items() if reason}
        assert len(judgements) == PROMPTS * len(DIMENSIONS)
        assert any(scores[score] for score in range(1, 6)), f"no verdict: {found}"
        say(f"{name}: traces {dict(reasons)}, scores {dict(scores)}, without {found}")
    calls = [call for path in (results / "record/calls/judge").rglob("*.parquet") for call in tables.read(path, Call)]
    assert {call.model for call in calls} == {JUDGE}
    policy = results / f"train/{ARM}/policy.json"
    assert policy.is_file()
    for arm in (ARM, "pa/base"):
        rows = tables.read(results / f"evaluate/{arm}/sampled.parquet", Score)
        assert len(rows) == ITEMS
        assert {row.failure for row in rows} <= {None, "truncated", "no_answer"}
        say(f"{arm}: {sum(bool(row.correct) for row in rows)} of {len(rows)} right")


def say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where to run; new or empty")
    parser.add_argument("--cpu", action="store_true", help="without a GPU")
    arguments = parser.parse_args()
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="chain-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    say(f"the chain runs in {folder}")
    started = time.monotonic()
    make_checkout(folder, study("float32" if arguments.cpu else "bfloat16"))
    make_judge(folder / "judge", DIMENSIONS)
    run(folder, arguments.cpu)
    check(folder)
    say(f"all right, after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
