"""The pair browser of a made-up study as large as the full one: 16,500 pairs, whose two traces have 20 KB each.

    python benchmarks/browsing/made_study.py FOLDER [--pairs N --kilobytes K]

Makes the study's tables and its record, without any model: two generators, five dimensions and their mean, twelve arms,
three benchmarks of 500 items. Then the stages `pair`, `delta`, `filter` and `browse` run as in a study. FOLDER becomes
the folder `browse`: open FOLDER/index.html. Prints the CPU seconds and the peak memory of `browse`. Less than two
minutes; in between it takes three times the texts on disk.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from made_texts import lengthy, paragraphs
from pyarrow import parquet

from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.ids import digest
from prefdelta.core.settings import Settings
from prefdelta.records.call import Call
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.contract import Row
from prefdelta.records.details.contract import NoDetails
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.manifest import JobRun, Manifest
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.stages import browse, delta, pair
from prefdelta.stages import filter as filter_stage
from prefdelta.store import calls, checkpoints, tables
from prefdelta.study import texts
from prefdelta.workflow.job import Job, Outcome

ROOT = Path(__file__).resolve().parents[2]
STUDY, POLICY, GROUP = "made", "policy", "all"
PAIRING = Pairing("strong", "weak")
FORMS = {
    "logic": ["factuality", "strategy_coherence", "step_coherence", "computational_precision"],
    "brevity": ["signal_to_noise"],
}
DIMENSIONS = [name for form in FORMS.values() for name in form]
BENCHMARKS = {"easy": "Maths, easy", "hard": "Maths, hard", "stem": "Stem"}
ITEMS = 500
RUN = JobRun(started="2026-01-01T00:00:00Z", seconds=1.0, cpu_seconds=1.0, peak_mib=1, commit="0123456789ab")


class Made:
    """A study's folder, and the numbers that all of its content is drawn from."""

    def __init__(self, root: Path, pairs: int, kilobytes: float) -> None:
        self.results = root / layout.results(STUDY)
        self.record = self.results / "record"
        self.pairs, self.kilobytes = pairs, kilobytes
        few, some, many = (max(1, pairs // part) for part in (64, 16, 4))
        ranked = (f"top-mean-{few}", f"top-mean-{some}", f"top-mean-{many}", f"bottom-mean-{some}")
        self.selections = ["all", *ranked, f"random-{some}-s0"]
        self.arms = [Arm(POLICY, PAIRING, name, "dpo", seed) for name in self.selections for seed in (0, 1)]
        self.rng = np.random.default_rng(0)
        self.pool = paragraphs(self.rng)
        self.inputs: dict[str, list[Path]] = {}

    def output(self, kind: str, **axes: object) -> Path:
        return self.results / layout.output(kind, **axes)

    def add(self, name: str, path: Path) -> Path:
        """Note an input of browse."""
        self.inputs.setdefault(name, []).append(path)
        return path

    def texts(self, count: int, kilobytes: float) -> list[str]:
        """Texts whose lengths are spread around the mean as those of reasoning are."""
        lengths = self.rng.gamma(4.0, kilobytes * 1000 / 4, count)
        return lengthy(self.rng, self.pool, lengths)


def write(path: Path, row_type: type[Row], count: int, **columns: object) -> None:
    """Write a table in its order; a column that is no list is the same in all rows, a missing one is null."""
    schema = tables.schema(row_type)
    arrays = []
    for field in schema:
        given = columns.get(field.name)
        if isinstance(given, np.ndarray):
            given = given.tolist()
        arrays.append(pa.array(given if isinstance(given, list) else [given] * count, field.type))
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_arrays(arrays, schema=schema)
    parquet.write_table(table, path, compression="zstd", write_page_checksum=True)


def make_prompts(made: Made) -> list[str]:
    ids = sorted(digest(["prompt", number])[:16] for number in range(made.pairs))
    path = made.add("prompts", made.output("prompts", source="train"))
    asked = [f"Find all $n$ with $n^2 \\equiv {number} \\pmod{{97}}$ & $n < {number}$." for number in range(len(ids))]
    write(path, Prompt, len(ids), prompt_id=ids, source="train", text=asked, answers=[["42"]] * len(ids))
    return ids


def make_generator(made: Made, ids: list[str], generator: str, level: float) -> None:
    """Traces, grades and judgements of one generator, and the judge's replies. level: share of good marks."""
    n, rng = len(ids), made.rng
    cut = rng.random(n) < 0.03
    written = made.texts(n, made.kilobytes)
    of_all: dict[str, object] = {"prompt_id": ids, "generator": generator, "sample": 0}
    path = made.add("traces", made.output("generate", generator=generator))
    keys = [digest([generator, prompt]) for prompt in ids]
    tokens = [len(text) // 4 for text in written]
    finish = np.where(cut, "length", "stop").tolist()
    seeds = rng.integers(0, 2**63, n, dtype=np.int64)
    write(path, Trace, n, **of_all, text=written, finish_reason=finish, n_tokens=tokens, seed=seeds, call_key=keys)
    right = [None if its else bool(rng.random() < level) for its in cut]
    write(
        made.add("grades", made.output("grade", generator=generator)),
        Grade,
        n,
        **of_all,
        extracted=[None if its else "42" for its in cut],
        correct=right,
        failure=[("truncated" if its else None) for its in cut],
    )
    write_manifest(made, path, "generate", {"generator": generator, "hub": hub_of(generator), "sampling": SAMPLING})
    for form, dimensions in FORMS.items():
        judge(made, ids, generator, form, sorted(dimensions), cut, level)


def judge(
    made: Made, ids: list[str], generator: str, form: str, dimensions: list[str], cut: np.ndarray, level: float
) -> None:
    n, width = len(ids), len(dimensions)
    scores = 1 + made.rng.binomial(4, level, (n, width))
    keys = [digest([generator, prompt, form]) for prompt in ids]
    path = made.add("judgements", made.output("judge", generator=generator, form=form))
    write(
        path,
        Judgement,
        n * width,
        prompt_id=[prompt for prompt in ids for _ in dimensions],
        generator=generator,
        sample=0,
        dimension=dimensions * n,
        score_sum=[None if cut[i] else score for i, row in enumerate(scores.tolist()) for score in row],
        votes=[0 if cut[i] else 1 for i in range(n) for _ in dimensions],
        attempts=[0 if cut[i] else 1 for i in range(n) for _ in dimensions],
        call_keys=[[] if cut[i] else [keys[i]] for i in range(n) for _ in dimensions],
        failure=[("unusable_trace" if cut[i] else None) for i in range(n) for _ in dimensions],
    )
    engine = {"model": "gpt-oss-120b", "server": {"name": "vllm"}}
    write_manifest(made, path, "judge", {"form": form, "engine": engine, "hub": hub_of("judge")})
    judged = np.flatnonzero(~cut).tolist()
    replies = [json.dumps(dict(zip(dimensions, scores[i].tolist(), strict=True))) for i in judged]
    partition = calls.judge_calls(made.record, form, generator)
    record(made, partition, [keys[i] for i in judged], replies, "gpt-oss-120b", made.texts(len(judged), 1.0))


def record(made: Made, folder: Path, keys: list[str], replies: list[str], model: str, reasoning: object = None) -> None:
    """Calls in segments, as a job that asks many at a time leaves them."""
    for number, start in enumerate(range(0, len(keys), 1_000)):
        part = slice(start, start + 1_000)
        order = np.argsort(np.array(keys[part])).tolist()
        write(
            folder / f"{number:04d}-made.parquet",
            Call,
            len(order),
            key=[keys[part][i] for i in order],
            question=[keys[part][i] for i in order],
            attempt=0,
            text=[replies[part][i] for i in order],
            finish_reason="stop",
            n_tokens=100,
            model=model,
            made_at=0.0,
            host="made",
            reasoning=[reasoning[part][i] for i in order] if isinstance(reasoning, list) else None,
        )


SAMPLING = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 32768, "reasoning_effort": None}


def hub_of(name: str) -> dict[str, str]:
    return {"name": f"made/{name}", "revision": digest(name)[:40]}


def write_manifest(made: Made, table: Path, stage: str, settings: dict[str, Any]) -> None:
    path = made.add("manifests", table.with_suffix(layout.MANIFEST))
    path.write_text(
        Manifest(stage=stage, rows=0, failures={}, details=NoDetails(), settings=settings, run=RUN).to_json()
    )


def make_pairs(made: Made) -> None:
    """Pairs, deltas and selections, by the stages themselves."""
    settings = pair.PairSettings(**PAIRING.axes, judged=dict.fromkeys(PAIRING.generators, 1), max_failure_share=1.0)
    traces, grades = made.inputs["traces"], made.inputs["grades"]
    sides = {
        f"{side}_{name}": [found[i]]
        for i, side in enumerate(("chosen", "rejected"))
        for name, found in (("traces", traces), ("grades", grades))
    }
    pairs = made.add("pairs", made.output("pair", **PAIRING.axes))
    run(made, pair.run, settings, {"pairs": [pairs]}, prompts=made.inputs["prompts"][:1], **sides)
    deltas = {}
    for dimension in (*DIMENSIONS, "mean"):
        parts = DIMENSIONS if dimension == "mean" else [dimension]
        forms = [form for form, its in FORMS.items() if set(its) & set(parts)]
        judged = [made.output("judge", generator=name, form=form) for name in PAIRING.generators for form in forms]
        deltas[dimension] = made.add("deltas", made.output("delta", **PAIRING.axes, dimension=dimension))
        its = delta.DeltaSettings(**PAIRING.axes, components=sorted(parts))
        run(made, delta.run, its, {"deltas": [deltas[dimension]]}, pairs=[pairs], judgements=judged, annotations=[])
    for selection in made.selections:
        its = filter_stage.FilterSettings(selection=selection, tie_seed=0, order=0, limit=None)
        path = made.add("selected", made.output("filter", **PAIRING.axes, selection=selection, order=0))
        by = [deltas["mean"]] if "mean" in selection else []
        run(
            made,
            filter_stage.run,
            its,
            {"selected": [path]},
            pairs=[pairs],
            deltas=by,
            common=[],
            grades=[],
            reference=[],
        )


def run(
    made: Made,
    stage: Callable[[Any], Outcome],
    settings: Settings,
    outputs: dict[str, list[Path]],
    **inputs: list[Path],
) -> None:
    stage(Job(settings, inputs, outputs, made.record))


def make_benchmarks(made: Made) -> None:
    """Items, and every policy's answers to them."""
    items = {}
    for name in BENCHMARKS:
        items[name] = sorted(digest([name, number])[:16] for number in range(ITEMS))
        asked = [f"Item {number}: what is $\\sqrt{{{number}}}$?" for number in range(ITEMS)]
        path = made.add("prompts", made.output("prompts", source=name))
        write(path, Prompt, ITEMS, prompt_id=items[name], source=name, text=asked, answers=[["7"]] * ITEMS)
    rows = [(name, prompt) for name in sorted(BENCHMARKS) for prompt in items[name]]
    hardness = made.rng.random(len(rows))
    for policy in (Base(POLICY), *made.arms):
        key = digest(str(policy))
        base = isinstance(policy, Base)
        kind, pointed = (
            ("evaluate_base", ("ladder", {"model": POLICY})) if base else ("evaluate", ("train", policy.axes))
        )
        checkpoints.write_pointer(
            made.add("weights", made.output(pointed[0], **pointed[1])), Checkpoint(key, digest(key), f"policies/{key}")
        )
        cut = made.rng.random(len(rows)) < 0.02
        right = made.rng.random(len(rows)) + 0.3 * hardness < 0.6
        keys = [digest([key, prompt]) for _, prompt in rows]
        write(
            made.add("scores", made.output(kind, **policy.axes, group=GROUP)),
            Score,
            len(rows),
            benchmark=[name for name, _ in rows],
            prompt_id=[prompt for _, prompt in rows],
            sample=0,
            extracted=[None if its else "7" for its in cut],
            correct=[None if gone else bool(its) for gone, its in zip(cut, right, strict=True)],
            finish_reason=np.where(cut, "length", "stop").tolist(),
            n_tokens=made.rng.integers(100, 4000, len(rows)),
            call_key=keys,
            failure=[("truncated" if its else None) for its in cut],
        )
        record(made, calls.policy_calls(made.record, key), keys, made.texts(len(rows), made.kilobytes / 4), "policy")


def settings_of_browse(made: Made) -> browse.BrowseSettings:
    return browse.BrowseSettings(
        study=STUDY,
        title="A made-up study",
        dimensions={**{name: [name] for name in DIMENSIONS}, "mean": DIMENSIONS},
        forms=FORMS,
        generators=list(PAIRING.generators),
        arms={str(arm): f"{arm.selection}/t0" for arm in made.arms},
        benchmarks={
            name: browse.BrowseBenchmark(title=title, domain="maths", group=GROUP, samples=1, temperature=0.6)
            for name, title in BENCHMARKS.items()
        },
        hub={},
    )


def browse_it(made: Made) -> Manifest:
    """The stage, in a process of its own."""
    with contextlib.chdir(ROOT):
        application = texts.browser_application()
    inputs: dict[str, Sequence[Path]] = {
        "page": [ROOT / texts.BROWSER_PAGE],
        "app": [ROOT / path for path in application],
        "template": [ROOT / "resources/templates/maths.md"],
        "judge_template": [ROOT / "resources/templates/judge.md"],
        "rubrics": [ROOT / f"resources/rubrics/{name}.md" for name in DIMENSIONS],
        **made.inputs,
    }
    folder = made.results / "browse"
    manifest = folder / "index.manifest.json"
    outputs = {"page": folder / "index.html", "app": folder / "app", "data": folder / "data", "manifest": manifest}
    command = [sys.executable, "-m", "prefdelta.stages.browse", "--in"]
    for name, paths in inputs.items():
        command += [f"{name}={''.join(map(str, paths[:1]))}", *map(str, paths[1:])]
    command += ["--out", *(f"{name}={path}" for name, path in outputs.items())]
    command += ["--settings", settings_of_browse(made).model_dump_json(), "--record", str(made.record)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    return Manifest.from_json(manifest.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="becomes the folder browse; what it holds is replaced")
    parser.add_argument("--pairs", type=int, default=16_500)
    parser.add_argument("--kilobytes", type=float, default=20.0, help="mean length of a trace")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        made = Made(Path(work), arguments.pairs, arguments.kilobytes)
        ids = make_prompts(made)
        for generator, level in zip(PAIRING.generators, (0.75, 0.5), strict=True):
            make_generator(made, ids, generator, level)
        make_pairs(made)
        make_benchmarks(made)
        print(f"tables and record: {time.perf_counter() - started:.1f} s")
        manifest = browse_it(made)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(made.results / "browse", folder)
    run = manifest.run
    print(f"browse: {run.seconds:.1f} s, {run.cpu_seconds:.1f} CPU s, peak {run.peak_mib} MiB; {manifest.details}")
    print(f"{folder / 'index.html'}, {time.perf_counter() - started:.0f} s in all")


if __name__ == "__main__":
    main()
