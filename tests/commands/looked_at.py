"""A small study to look at, made by hand: real tables, manifests and replies of a judge, no model.

Pairs f1 to f4 of the prompts aa01, aa02, ab03 and cc04; their deltas on `mean` are 2, 1, 1 and none (not eligible). The
text of one trace tries to rule the terminal.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from prefdelta.core.ids import fraction
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.records.call import Call
from prefdelta.records.delta import Delta
from prefdelta.records.details.contract import Details, NoDetails
from prefdelta.records.details.filter import FilterDetails, TieCounts
from prefdelta.records.details.judge import JudgeDetails
from prefdelta.records.details.train import TrainDetails, TrainedArm
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.manifest import JobRun, Manifest
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.study.job import StudyJob
from prefdelta.system.files import sha256_of

from .made import CONFIG, DIMENSIONS, RESULTS, add_checkpoint, record_calls, small_study, study_here, write_text

PROMPTS = {"aa01": "1+1?", "aa02": "=2+2?", "ab03": "3+3?", "cc04": "4+4?"}
PAIRING = "g3~g1"
EVIL = "\x1b[2J\x1b]0;owned\x07nothing\u202e here\nerror: not ours"
EVIL_SHOWN = r"\x1b[2J\x1b]0;owned\x07nothing\u202e here"
SCORES = {  # prompt -> generator -> a score for each of DIMENSIONS
    "aa01": {"g3": (5, 5), "g1": (2, 4)},
    "aa02": {"g3": (4, 5), "g1": (3, 4)},
    "ab03": {"g3": (5, 4), "g1": (4, 3)},
}
SELECTED = {  # selection, order of equal pairs -> its pairs, best first
    ("all", 0): ["f1", "f2", "f3"],
    ("top-mean-2", 0): ["f1", "f3"],
    ("top-mean-2", 1): ["f1", "f2"],
    ("random-2-s0", 0): ["f3", "f2"],
    ("random-2-s1", 0): ["f2", "f1"],
}
TIES = TieCounts(k=2, cut=1.0, above=1, tied=2, drawn=1)
BENCHMARKS = ["mini_maths_easy", "mini_maths_hard", "mini_code"]
ITEMS = 40  # of each benchmark
WRONG = {"base": 0.6, "all": 0.2, "top-mean-2": 0.4, "random-2-s0": 0.5, "random-2-s1": 0.5}  # share of answers


def config() -> dict[str, Any]:
    study = small_study()
    study["benchmarks"] = BENCHMARKS
    study["experiments"] = {
        "selections": {
            "title": "One pairing",
            "policies": ["pa"],
            "pairings": [PAIRING],
            "selections": list(dict.fromkeys(selection for selection, _ in SELECTED)),
            "recipes": ["dpo"],
            "seeds": [0, 1],
        }
    }
    sampled = study["evaluate"]["groups"]["sampled"]
    study["evaluate"]["groups"] = {
        "sampled": sampled | {"benchmarks": BENCHMARKS},
        "greedy": sampled | {"benchmarks": BENCHMARKS[1:2], "primary": False},
    }
    study["train"]["recipes"] = {"dpo": study["train"]["recipes"]["dpo"]}
    return study


def make_study() -> None:
    """Write the study's config and all its results into the working directory."""
    Path(CONFIG).write_text(yaml.safe_dump(config(), sort_keys=False))
    study = study_here()
    items = {name: {f"{name[5:9]}{number:02d}": f"item {number}?" for number in range(ITEMS)} for name in BENCHMARKS}
    for source, problems in {"train": PROMPTS, **items}.items():
        rows = [Prompt(prompt_id, source, text, ["2"]) for prompt_id, text in problems.items()]
        tables.write(RESULTS / f"prompts/{source}.parquet", Prompt, rows)
    for model in study.config.models:
        add_checkpoint("models", f"model-{model}", RESULTS / f"ladder/{model}/model.json")
    for generator in ("g3", "g1"):
        _make_traces(generator)
    _make_pairs()
    for (selection, order), pair_ids in SELECTED.items():
        rows = [SelectedPair(pair_id, rank, False) for rank, pair_id in enumerate(pair_ids)]
        tables.write(RESULTS / f"filter/{PAIRING}/{selection}/t{order}.parquet", SelectedPair, rows)
    for arm in study.arms:
        key = f"policy-{arm.selection}-{arm.seed}"
        add_checkpoint("policies", key, RESULTS / f"train/{arm}/policy.json")
    for job in study.jobs("evaluate"):
        for arm, path in zip(job.arms, map(Path, job.outputs), strict=True):
            make_answers(path, str(arm), path.stem)
    for job in study.all_jobs:
        if job.stage not in ("report", "reference"):
            write_text(Path(job.manifest), _manifest(job).to_json())


def make_answers(path: Path, arm: str, group: str) -> None:
    """The answers of an arm: its name and the item decide which are right. The base's first answers are truncated."""
    rows = []
    selection = "base" if arm == "pa/base" else arm.split("/")[2]
    for benchmark in BENCHMARKS if group == "sampled" else BENCHMARKS[1:2]:
        for number in range(ITEMS):
            prompt_id = f"{benchmark[5:9]}{number:02d}"
            hard = fraction("item", benchmark, number)
            right = 0.7 * hard + 0.3 * fraction(arm, benchmark, number) > WRONG[selection]
            cut = arm == "pa/base" and number == 0
            rows.append(
                Score(
                    benchmark,
                    prompt_id,
                    0,
                    None if cut else "2" if right else "7",
                    None if cut else right,
                    "length" if cut else "stop",
                    4,
                    f"answer-{arm}-{group}-{prompt_id}",
                    "truncated" if cut else None,
                )
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    tables.write(path, Score, rows)
    policy = "model-pa" if arm == "pa/base" else f"policy-{selection}-{arm[-1]}"
    record_calls(
        f"evaluate/{policy}",
        [_call(row.call_key, f"I think {row.extracted}") for row in rows if row.prompt_id[4:] < "03"],
    )


def _make_traces(generator: str) -> None:
    traces, grades, judgements, replies = [], [], [], []
    for prompt_id in PROMPTS:
        text = EVIL if (generator, prompt_id) == ("g1", "aa01") else f"{generator} thinks of {prompt_id}. A:2"
        cut = prompt_id == "cc04"
        reason, failure = ("length", "truncated") if cut else ("stop", None)
        traces.append(Trace(prompt_id, generator, 0, text, reason, 9, 7, f"trace-{generator}-{prompt_id}", None))
        right = None if cut else generator == "g3"
        grades.append(Grade(prompt_id, generator, 0, None if cut else "2" if right else "3", right, failure))
        key = f"verdict-{generator}-{prompt_id}"
        for dimension, score in zip(DIMENSIONS, SCORES.get(prompt_id, {}).get(generator, (None, None)), strict=True):
            votes, keys = (1, [key]) if score else (0, [])
            unusable = None if score else "unusable_trace"
            judgements.append(Judgement(prompt_id, generator, 0, dimension, score, votes, votes, keys, unusable))
        if not cut:
            verdict = json.dumps(dict(zip(DIMENSIONS, SCORES[prompt_id][generator], strict=True)))
            replies.append(_call(key, verdict, reasoning=f"{generator} errs in {prompt_id}: \x1b[31mred"))
    tables.write(RESULTS / f"generate/{generator}.parquet", Trace, traces)
    tables.write(RESULTS / f"grade/{generator}.parquet", Grade, grades)
    tables.write(RESULTS / f"judge/{generator}/both.parquet", Judgement, judgements)
    record_calls(f"judge/both~{generator}", replies)


def _make_pairs() -> None:
    pairs = []
    for number, prompt_id in enumerate(PROMPTS, 1):
        usable = prompt_id != "cc04"
        pairs.append(
            Pair(
                pair_id=f"f{number}",
                prompt_id=prompt_id,
                chosen_sample=0 if usable else None,
                rejected_sample=0 if usable else None,
                pool=True,
                cell="right-wrong" if usable else None,
                chosen_tokens=9 if usable else None,
                rejected_tokens=8 + number if usable else None,
                chosen_correct=True if usable else None,
                rejected_correct=False if usable else None,
                eligible=usable,
                reason=None if usable else "chosen_truncated",
            )
        )
    tables.write(RESULTS / f"pair/{PAIRING}.parquet", Pair, pairs)
    for place, dimension in enumerate([*DIMENSIONS, "mean"]):
        rows = [Delta("f4", None, None, None, "not_eligible")]
        for number, scores in enumerate(SCORES.values(), 1):
            chosen, rejected = (
                sum(scores[name]) / 2 if dimension == "mean" else float(scores[name][place]) for name in ("g3", "g1")
            )
            rows.append(Delta(f"f{number}", chosen, rejected, chosen - rejected, None))
        tables.write(RESULTS / f"delta/{PAIRING}/{dimension}.parquet", Delta, rows)


def _manifest(job: StudyJob) -> Manifest:
    details: Details = NoDetails()
    rows, not_selected = 4, 0
    if job.stage == "filter":
        by_value = parse_selection(job.axes["selection"]).dimension is not None
        details = FilterDetails(ties=TIES if by_value else None)
        not_selected = 4 - len(SELECTED[job.axes["selection"], int(job.axes["order"])])
    if job.stage == "train":
        curve = {"loss": [0.6931, 0.5, 0.4], "rewards/margins": [0.0, 0.2, 0.3]}
        one = TrainedArm(
            updates=3, rows=2, method="dpo", pairs=2, left_out={"too_long": 1}, curve=curve, differs_from_base=True
        )
        details = TrainDetails({str(arm): one for arm in job.arms})
    if job.stage == "judge":
        details = JudgeDetails(models={"rules": 3})
    texts = [path for paths in job.inputs.values() for path in paths if path.startswith("resources/")]
    return Manifest(
        stage=job.stage,
        rows=rows,
        failures={},
        not_selected=not_selected,
        details=details,
        settings=json.loads(job.settings),
        texts={path: sha256_of(Path(path)) for path in texts},
        run=JobRun("2026-01-01T00:00:00Z", 1.0, 1.0, 1, commit="0123abcd"),
    )


def _call(key: str, text: str, reasoning: str | None = None) -> Call:
    return Call(key, key, 0, text, "stop", 4, None, "rules", 0.1, 1.0, "host", reasoning=reasoning)
