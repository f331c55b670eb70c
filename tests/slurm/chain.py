"""A chain of four jobs that needs no torch: prompts, generate (traces that a data set ships), grade, judge.

The judge is a server of the test's own, so that the test says how long its job takes and counts what it is asked.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from engines.scripted import Seen, completion, is_canary
from small import small

from .running import ROOT

ITEMS, SAMPLES, IN_FLIGHT = 24, 2, 2
KEY = {"SCRIPTED_KEY": "secret"}
RESULTS = Path("results/mini")
GRADED, JUDGED = "grade/shipped", "judge/shipped/both"
TARGETS = [f"{RESULTS}/{GRADED}.parquet", f"{RESULTS}/{JUDGED}.parquet"]
DIMENSIONS = ["computational_precision", "signal_to_noise"]
PROFILE = [*TARGETS, "--profile", "slurm", "--configfile", "chain.yaml"]


def chain(address: str, runtime: int = 10) -> dict[str, Any]:
    """The study: mini's, reduced to what the chain needs. address: of the judge; runtime: minutes of its job."""
    study = small()
    study |= {"models": {"pa": study["models"]["pa"]}, "policies": [], "benchmarks": [], "experiments": {}}
    study["generators"] = {"shipped": {"shipped": {"generations": "generations"}, "samples": SAMPLES}}
    study["dimensions"] = DIMENSIONS
    study["prompts"] = {
        "domain": "maths",
        "train": {
            "dataset": "./data",
            "split": "train",
            "fields": {"problem": "problem", "answer": "answer"},
            "grader": "marker",
        },
    }
    study["judge"] |= {"forms": {"both": DIMENSIONS}, "samples": SAMPLES}
    study["judge"]["engine"] = {
        "name": "openai", "model": "scripted", "base_url": address, "api_key_env": "SCRIPTED_KEY",
        "in_flight": IN_FLIGHT, "deadline_s": 300,
    }  # fmt: skip
    study["delta"]["composites"], study["filter"]["sets"] = {}, {}
    study["evaluate"]["groups"] = {}
    study["report"]["overlap"] = None
    study["compute"] = {"judge": {"mem_mb": 500, "runtime": runtime}}
    study["cluster"] = {"partition": "cpu"}
    return study


def make_checkout(folder: Path, study: dict[str, Any]) -> Path:
    """What a run of the chain needs, in `folder`, which must be empty."""
    for name in ("Snakefile", "workflow", "profiles", "slurm", "mini", "resources"):
        (folder / name).symlink_to(ROOT / name)
    write_study(folder, study)
    (folder / "data").mkdir()
    rows = [
        {"problem": f"Q:{n}+1?", "answer": f"{(n + 1) % 10}", "generations": [f"{n}+1={n + 1};A:{(n + 1) % 10}"] * 2}
        for n in range(ITEMS)
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / "data/train.jsonl").write_text(text, encoding="utf-8")
    return folder


class Judge:
    """How the server behaves: every reply takes a moment; while it holds, none comes after the first few."""

    SECONDS = 0.2

    def __init__(self) -> None:
        self.asked = 0
        self.holds_after: int | None = None  # replies

    async def __call__(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        if not is_canary(seen):
            self.asked += 1
            number = self.asked
            await asyncio.sleep(self.SECONDS)
            while self.holds_after is not None and number > self.holds_after:
                await asyncio.sleep(0.1)
        score = 1 + sum(seen.question.encode()) % 5
        text = "OK" if is_canary(seen) else json.dumps(dict.fromkeys(DIMENSIONS, score))
        return web.json_response(completion(content=text) | {"model": "scripted"})


def write_study(folder: Path, study: dict[str, Any]) -> None:
    (folder / "chain.yaml").write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
