"""Row counts: after an edit, exactly the rows that are new are computed, counted where they are computed.

Real runs of the tiny study, one edit after the other. Calls are counted at the record (a row per reply, as the engines
gave them), at the judge's server (which says at its end how many verdicts it served), and by what the jobs say of
themselves; all three have to agree with the number of rows that are new.
"""

import json
import re
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from prefdelta.records.call import Call
from prefdelta.records.logps import RecordedLogps
from prefdelta.records.trace import Trace
from prefdelta.store import tables

from .tiny import ARMS, DIMENSIONS, ITEMS, PROMPTS, ROOT, make_checkout, shrunk, snakemake, started, write_study

MORE = 7  # prompts that are added
CONFIG = "resources/studies/mini.yaml"
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
        make_checkout(folder, self.study)
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / "src", folder / "src", ignore=ignored)

    def run(self) -> Computed:
        write_study(self.folder, self.study)
        calls, logps, before, started = self._recorded(), self._logps(), self.tables(), time.time()
        shutil.rmtree(self.results / "logs", ignore_errors=True)  # so that only those of this run are there
        done = snakemake(self.folder)
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
        """Rows of the record of calls by stage; no two of them have one key."""
        counts = {}
        for stage in CALLS:
            segments = (self.results / "record/calls" / stage).rglob("*.parquet")
            keys = [call.key for segment in segments for call in tables.read(segment, Call)]
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


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The study, run once. The tests below edit it one after the other."""
    made = Checkout(tmp_path_factory.mktemp("reruns"))
    first = made.run()
    # What the counting itself says of a run from nothing.
    assert first.calls["generate"] == 3 * PROMPTS
    assert first.calls["judge"] == first.served == made.judged("g3", "g1")
    assert first.calls["evaluate"] == 6 * 2 * ITEMS  # the base and 5 arms on 2 benchmarks
    assert first.said["calls"] == sum(first.calls.values())
    assert first.logps == first.said["traces"] == made.usable("g3", "g1")
    assert first.said["updates"] > 0
    assert first.said["steps"] > 0
    return made


def nothing_but(**calls: int) -> dict[str, int]:
    return {**dict.fromkeys(CALLS, 0), **calls}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_code_change_that_changes_no_result_computes_nothing(checkout: Checkout) -> None:
    before = checkout.tables()
    core = checkout.folder / "src/prefdelta/core"
    edit(core / "template.py", "slots = set(_SLOT.findall(template))", "slots = set(iter(_SLOT.findall(template)))")
    # What the ladder draws its traces with.
    edit(
        core / "tasks/corpus.py",
        "    return (digit + random.randint(1, 9)) % 10",
        "    shift = random.randint(1, 9)\n    return (digit + shift) % 10",
    )
    computed = checkout.run()
    # Everything but the prompts is planned: below the ladder stands all the rest.
    assert computed.stages == {
        "ladder", "generate", "grade", "judge", "pair", "delta", "filter", "reference", "train", "evaluate", "report"
    }  # fmt: skip
    assert (computed.calls, computed.served, computed.logps) == (nothing_but(), 0, 0)
    assert set(computed.said.values()) == {0}
    assert computed.longest < 10
    assert checkout.tables() == before


def test_after_more_prompts_only_theirs_are_asked_judged_and_scored(checkout: Checkout) -> None:
    judged, usable = checkout.judged("g3", "g1"), checkout.usable("g3", "g1")
    checkout.study["prompts"]["train"]["items"] = PROMPTS + MORE
    computed = checkout.run()
    new = checkout.judged("g3", "g1") - judged
    assert new > 0
    # Arms on all pairs get new ones and are trained again; the top 4 by their deltas may be the same as before.
    assert {arm for arm in ARMS if "/all/" in arm or "/swapped/" in arm} <= set(computed.trained)
    evaluated = len(computed.trained) * 2 * ITEMS
    assert computed.calls == nothing_but(generate=3 * MORE, judge=new, evaluate=evaluated)
    assert computed.served == new
    assert computed.logps == checkout.usable("g3", "g1") - usable
    assert computed.said["calls"] == 3 * MORE + new + evaluated
    assert "ladder" not in computed.stages


def test_a_new_generator_costs_its_own_rows(checkout: Checkout) -> None:
    before = checkout.tables()
    checkout.study["generators"]["hot"] = {
        "model": "pa",
        "sampling": checkout.study["generate"]["sampling"] | {"temperature": 1.2},
    }
    checkout.study["experiments"]["hot"] = checkout.study["experiments"]["selections"] | {
        "pairings": ["hot~g1"],
        "selections": ["all"],
        "recipes": ["dpo"],
    }
    computed = checkout.run()
    prompts = PROMPTS + MORE
    new = checkout.judged("hot")
    assert computed.calls == nothing_but(generate=prompts, judge=new, evaluate=2 * ITEMS)
    assert computed.served == new
    assert computed.logps == checkout.usable("hot")
    assert computed.trained == ["pa/hot~g1/all/dpo/s0"]
    assert computed.stages == {
        "generate", "grade", "judge", "pair", "delta", "filter", "reference", "train", "evaluate", "report"
    }  # fmt: skip
    after = checkout.tables()
    assert {name: after[name] for name in before} == before


def test_a_new_dimension_costs_its_verdicts_and_trains_nothing(checkout: Checkout) -> None:
    before = checkout.tables()
    checkout.study["dimensions"] = [*DIMENSIONS, "factuality"]
    checkout.study["judge"]["forms"]["facts"] = ["factuality"]
    computed = checkout.run()
    new = checkout.judged("g3", "g1", "hot")
    assert computed.calls == nothing_but(judge=new)
    assert computed.served == new
    assert (computed.logps, computed.trained) == (0, [])
    assert computed.stages == {"judge", "delta", "report"}
    after = checkout.tables()
    assert {name: after[name] for name in before} == before


def test_an_edited_rubric_costs_the_verdicts_of_its_form(checkout: Checkout) -> None:
    before = checkout.tables()
    rubric = checkout.folder / "resources/rubrics/factuality.md"
    rubric.write_text(rubric.read_text() + "Be strict.\n")
    computed = checkout.run()
    new = checkout.judged("g3", "g1", "hot")
    assert computed.calls == nothing_but(judge=new)
    assert computed.served == new
    assert computed.stages == {"judge", "delta", "report"}
    assert all(checkout.tables()[name] == content for name, content in before.items() if "fact" not in name)


def test_more_selections_in_a_batch_train_only_their_own_arms(checkout: Checkout) -> None:
    # The batch is planned whole; the arms that were in it find their policies in the record.
    checkout.study["experiments"]["selections"]["selections"].append("random-4-s1")
    computed = checkout.run()
    assert computed.calls == nothing_but(evaluate=2 * ITEMS)
    assert computed.trained == ["pa/g3~g1/random-4-s1/dpo/s0"]
    assert computed.stages == {"filter", "train", "evaluate", "report"}


def test_a_run_without_an_edit_computes_nothing_at_all(checkout: Checkout) -> None:
    computed = checkout.run()
    assert (computed.calls, computed.said, computed.stages) == (nothing_but(), {}, set())


def test_gc_takes_what_is_left_of_a_generator_and_nothing_that_the_rest_stands_on(checkout: Checkout) -> None:
    del checkout.study["generators"]["hot"], checkout.study["experiments"]["hot"]
    assert checkout.run().stages == {"report"}
    before = checkout.tables()
    done = started(checkout.folder, sys.executable, "-m", "prefdelta.commands.main", "gc", "--configfile", CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.tables() == {name: content for name, content in before.items() if "hot" not in name}
    assert not (checkout.results / "record/calls/generate/hot").exists()
    assert checkout.run().stages == set()
    # Nor does the record lack anything: what is planned without need is computed without a call.
    template = checkout.folder / "src/prefdelta/core/template.py"
    edit(template, "slots = set(iter(_SLOT.findall(template)))", "slots = set(_SLOT.findall(template))")
    computed = checkout.run()
    assert {"generate", "judge", "reference", "train", "evaluate"} <= computed.stages
    assert (computed.calls, computed.served, computed.logps) == (nothing_but(), 0, 0)
    assert set(computed.said.values()) == {0}


def test_an_output_that_is_invalidated_is_made_again_from_scratch(checkout: Checkout) -> None:
    before = checkout.tables()
    path = "results/mini/judge/g3/both.parquet"
    words = ("invalidate", path, "--configfile", CONFIG)
    done = started(checkout.folder, sys.executable, "-m", "prefdelta.commands.main", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    computed = checkout.run()
    assert computed.served == checkout.judged("g3")
    assert checkout.tables() == before
