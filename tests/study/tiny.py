"""The tiny study: every rule and stage of mini, with sizes that take a minute."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

import forking
from small import small

ROOT = Path(__file__).parents[2]
MODELS = ["pa", "g3"]  # the policy, which writes the rejected traces too, and a generator
BENCHMARKS = ["mini_maths_easy", "mini_code"]
DIMENSIONS = ["computational_precision", "signal_to_noise"]
PROMPTS, ITEMS = 40, 20  # training prompts, items of a benchmark
ARMS = [
    "pa/g3~g1/all/dpo/s0",
    "pa/g3~g1/swapped/dpo/s0",
    "pa/g3~g1/top-mean-4/dpo/s0",
    "pa/g3~g1/all/kto/s0",
    "pa/g3~g1/all/sft/s0",
]


def shrunk() -> dict[str, Any]:
    """Mini with fewer and smaller models, prompts, items and arms; what it does with them stays."""
    study = small()
    study["models"] = {name: study["models"][name] for name in MODELS}
    for model in study["models"].values():
        # Long enough to write whole traces of one step, not to be good at it; so no windows.
        model["ladder"] |= {"width": 32, "layers": 1, "heads": 2, "steps": 60, "batch_size": 16, "windows": []}
        model["ladder"]["corpora"] = [{"family": "maths", "operations": [1, 2]}]
    study["ladder"]["warmup_steps"] = 5
    study["generators"] = {"g3": {"model": "g3", "samples": 2}, "g1": {"model": "pa"}}
    study["policies"] = ["pa"]
    study["benchmarks"] = BENCHMARKS
    study["dimensions"] = DIMENSIONS
    study["delta"]["composites"] = {"mean": DIMENSIONS}
    study["judge"]["forms"] = {"both": DIMENSIONS}
    study["prompts"]["train"] |= {"operations": [1, 2], "items": PROMPTS}
    one = {"title": "One pairing", "policies": ["pa"], "pairings": ["g3~g1"], "seeds": [0]}
    study["experiments"] = {
        "selections": one | {"selections": ["all", "swapped", "top-mean-4"], "recipes": ["dpo"]},
        "methods": one | {"selections": ["all"], "recipes": ["dpo", "kto", "sft"]},
    }
    study["filter"]["sets"] = {}
    study["train"]["recipes"] = {name: study["train"]["recipes"][name] for name in ("dpo", "kto", "sft")}
    (group,) = (group for group in study["evaluate"]["groups"].values() if group.get("primary", True))
    study["evaluate"]["groups"] = {"sampled": group | {"benchmarks": BENCHMARKS}}
    for stage in ("generate", "grade", "judge", "pair", "evaluate"):
        study[stage]["max_failure_share"] = 1.0
    study["report"] |= {"resamples": 200, "worlds": 1, "overlap": {"pairing": "g3~g1", "k": [2, 4]}}
    return study


def started(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a checkout, with the source that lies in it, or else the project's."""
    return subprocess.run(
        words, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False, timeout=900
    )


def snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the workflow in a checkout, in forks: it and its jobs find their libraries imported."""
    return forking.run(_command(*words), folder, environment(folder), 900, forked_jobs=True)


def started_snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The same, in processes as a user has them."""
    return started(folder, *_command(*words))


def _command(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("snakemake")), "--profile", "mini", *words]


def environment(folder: Path) -> dict[str, str]:
    source = folder / "src" if (folder / "src").is_dir() else ROOT / "src"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPATH": str(source), "HOME": str(folder), "CUDA_VISIBLE_DEVICES": ""}


def make_checkout(folder: Path, study: dict[str, Any]) -> None:
    """What a run needs, in `folder`: links to the project, and copies of the resources, with this study for mini's."""
    for name in ("Snakefile", "workflow", "profiles", "mini", "docs"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "resources", folder / "resources")
    write_study(folder, study)
    for path in (folder / "resources/benchmarks").iterdir():
        benchmark = yaml.safe_load(path.read_text())
        if "items" in benchmark["source"]:
            benchmark["source"]["items"] = ITEMS
        path.write_text(yaml.safe_dump(benchmark))


def write_study(folder: Path, study: dict[str, Any]) -> None:
    (folder / "resources/studies/mini.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
