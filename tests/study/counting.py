"""A checkout of the tiny study that counts what its runs compute."""

import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prefdelta.records.call import Call
from prefdelta.records.logps import RecordedLogps
from prefdelta.records.trace import Trace
from prefdelta.store import tables

from .tiny import ITEMS, PROMPTS, ROOT, make_checkout, shrunk, snakemake, started_snakemake, write_study

CALLS = ("ladder", "generate", "judge", "evaluate")


@dataclass(frozen=True)
class Computed:
    """What one run computed."""

    calls: dict[str, int]  # new rows of the record, by stage
    said: dict[str, int]  # what the jobs that ran say: calls, traces, updates, steps
    served: int  # verdicts, by the judge's servers
    logps: int  # new rows of the record of reference log-probabilities
    stages: set[str]  # that ran
    trained: list[str]  # arms whose policy is a new one
    longest: float  # seconds of the longest job, the report apart


class Checkout:
    """A folder with a copy of the source, in which the study runs again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder, folder / "results/mini"
        self.study = shrunk()

    @classmethod
    def new(cls, folder: Path) -> Self:
        """A checkout in which nothing has run."""
        folder.mkdir()
        found = cls(folder)
        make_checkout(folder, found.study)
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)
        return found

    def run(self, start: Callable[[Path], "subprocess.CompletedProcess[str]"] = snakemake) -> Computed:
        write_study(self.folder, self.study)
        calls, logps, before, started = self._recorded(), self._logps(), self.tables(), time.time()
        shutil.rmtree(self.results / "logs", ignore_errors=True)  # so that only those of this run are there
        done = start(self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        written = [path for path in self.results.rglob("*.manifest.json") if path.stat().st_mtime >= started]
        manifests = [json.loads(path.read_text()) for path in written]
        said: Counter[str] = Counter()
        for manifest in manifests:
            said.update(manifest["run"]["computed"])
        logs = "".join(path.read_text() for path in self.results.glob("logs/judge/**/*.log"))
        return Computed(
            calls={stage: count - calls[stage] for stage, count in self._recorded().items()},
            said=dict(said),
            served=sum(map(int, re.findall(r"^rules: served (\d+) verdicts$", logs, flags=re.MULTILINE))),
            logps=self._logps() - logps,
            stages={manifest["stage"] for manifest in manifests},
            trained=[
                name.removeprefix("train/").removesuffix("/policy.json")
                for name, content in self.tables().items()
                if name.startswith("train/") and before.get(name) != content
            ],
            longest=max((one["run"]["seconds"] for one in manifests if one["stage"] != "report"), default=0.0),
        )

    def _recorded(self) -> dict[str, int]:
        """Rows of the record of calls by stage; no two of them in one folder have one key.

        Another folder may: a judge is asked again about a text that another draw of the same generator repeats.
        """
        counts = {}
        for stage in CALLS:
            segments = (self.results / "record/calls" / stage).rglob("*.parquet")
            keys = [(segment.parent, call.key) for segment in segments for call in tables.read(segment, Call)]
            assert len(keys) == len(set(keys))
            counts[stage] = len(keys)
        return counts

    def _logps(self) -> int:
        segments = (self.results / "record/reference").rglob("*.parquet")
        return sum(len(tables.read(segment, RecordedLogps)) for segment in segments)

    def traces(self, generator: str) -> list[Trace]:
        return tables.read(self.results / f"generate/{generator}.parquet", Trace)

    def judged(self, *generators: str) -> int:
        """Traces that a form asks about: the first of each prompt, if it is whole."""
        return sum(trace.sample == 0 and trace.usable for name in generators for trace in self.traces(name))

    def usable(self, *generators: str) -> int:
        """Different whole traces: what the policy scores."""
        return sum(
            len({(trace.prompt_id, trace.text) for trace in self.traces(name) if trace.usable}) for name in generators
        )

    def tables(self) -> dict[str, bytes]:
        """Every table and every manifest of weights, by name."""
        found = [path for path in self.results.rglob("*.parquet") if "record" not in path.parts]
        found += [path for name in ("policy", "model") for path in self.results.rglob(f"{name}.json")]
        return {str(path.relative_to(self.results)): path.read_bytes() for path in found}


def run_from_nothing(folder: Path) -> None:
    """Run the tiny study in a new checkout, and hold what the counting says of it against the study's own sizes."""
    made = Checkout.new(folder)
    first = made.run(started_snakemake)
    assert first.calls["generate"] == 3 * PROMPTS
    assert first.calls["judge"] == first.served == made.judged("g3", "g1")
    assert first.calls["evaluate"] == (1 + 5) * 2 * ITEMS  # the base and 5 arms, on 2 benchmarks
    assert first.said["calls"] == sum(first.calls.values())
    assert first.logps == first.said["traces"] == made.usable("g3", "g1")
    assert first.said["updates"] > 0
    assert first.said["steps"] > 0
