"""The study that is killed: that of tests/small.py cut down to a minute; its jobs last long enough to be killed in."""

import shutil
from pathlib import Path
from typing import Any

import yaml

from small import small

ROOT = Path(__file__).parents[2]
CONFIG = "resources/studies/mini.yaml"
RESULTS = "results/mini"
COPIED = ("Snakefile", "src", "workflow", "resources", "profiles")
DIMENSIONS = ["computational_precision", "signal_to_noise"]
BENCHMARK = "mini_maths_easy"
PROMPTS, SAMPLES, ITEMS = 150, 14, 60  # training prompts, the long generator's draws of each, items of the benchmark

JUDGED, JUDGE_IN_FLIGHT = 8, 16  # samples of a prompt that are judged; requests open at the judge's server


def small_study() -> dict[str, Any]:
    """One model is policy and both generators; every stage is there, with one or two jobs each."""
    study = small()
    model = study["models"]["pa"]["ladder"]
    # Not to be good at it, but to last: so no windows.
    model |= {"width": 48, "steps": 400, "batch_size": 16, "windows": []}
    model["corpora"] = [{"family": "maths", "operations": [2, 3]}]
    study["models"] = {"pa": {"ladder": model}}
    sampling = study["generate"]["sampling"]
    study["generators"] = {
        "long": {"model": "pa", "samples": SAMPLES},
        "short": {"model": "pa", "sampling": sampling | {"temperature": 1.3}},
    }
    study["policies"], study["benchmarks"], study["dimensions"] = ["pa"], [BENCHMARK], DIMENSIONS
    study["prompts"]["train"] |= {"operations": [2, 3], "items": PROMPTS}
    # Small batches: replies come steadily, as from a large model's server.
    study["generate"]["engine"]["batch_size"] = study["evaluate"]["engine"]["batch_size"] = 8
    study["judge"] |= {"forms": {"both": DIMENSIONS}, "samples": JUDGED}
    study["judge"]["engine"]["in_flight"] = JUDGE_IN_FLIGHT
    study["delta"]["composites"] = {"mean": DIMENSIONS}
    study["filter"]["sets"] = {}
    study["reference"]["batch_tokens"] = 4096
    one = {"title": "One pairing", "policies": ["pa"], "pairings": ["long~short"], "seeds": [0]}
    study["experiments"] = {
        "selections": one | {"selections": ["swapped", "top-mean-64"], "recipes": ["dpo"]},
        "methods": one | {"selections": ["all"], "recipes": ["sft"]},
    }
    study["train"]["recipes"] = {name: study["train"]["recipes"][name] for name in ("dpo", "sft")}
    study["evaluate"]["groups"] = {"sampled": study["evaluate"]["groups"]["sampled"] | {"benchmarks": [BENCHMARK]}}
    for stage in ("generate", "grade", "judge", "pair", "evaluate"):
        study[stage]["max_failure_share"] = 1.0
    study["report"] |= {"resamples": 100, "overlap": {"pairing": "long~short", "k": [20, 40]}}
    return study


def copy_source(folder: Path) -> Path:
    """A copy of all that a run needs, with the small study: so that a chain may outlast an edit of the source."""
    folder.mkdir(parents=True)
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, folder / name)
    (folder / "mini").symlink_to("profiles/mini")
    (folder / CONFIG).write_text(yaml.safe_dump(small_study(), sort_keys=False), encoding="utf-8")
    benchmark = folder / f"resources/benchmarks/{BENCHMARK}.yaml"
    content = yaml.safe_load(benchmark.read_text(encoding="utf-8"))
    content["source"]["items"] = ITEMS
    benchmark.write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def make_checkout(source: Path, folder: Path) -> Path:
    """A folder to run the copied study in; nothing has run there."""
    folder.mkdir(parents=True)
    for path in source.iterdir():
        (folder / path.name).symlink_to(path)
    return folder
