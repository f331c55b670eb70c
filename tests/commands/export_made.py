"""The small study with pairs, policies and scores that can be exported: real tables, manifests and tiny models."""

import json
from dataclasses import asdict
from pathlib import Path

import yaml

from prefdelta.commands.main import main
from prefdelta.core.arms import Arm
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.delta import Delta
from prefdelta.records.details.contract import NoDetails
from prefdelta.records.details.judge import JudgeDetails
from prefdelta.records.details.train import TrainDetails, TrainedArm
from prefdelta.records.manifest import JobRun, Manifest
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.store.snapshots import seal
from prefdelta.system.files import sha256_of
from prefdelta.training.tokenizer import character_tokenizer
from small import small

from .made import (
    ALL,
    BENCHMARK,
    CONFIG,
    DIMENSIONS,
    MODELS,
    PROMPTS,
    RECORD,
    RESULTS,
    SFT,
    SWAPPED,
    TOP,
    call,
    make_results,
    record_calls,
    small_study,
    study_here,
    write_text,
)  # fmt: skip

KTO = "pa/g3~g1/all/kto/s3"
ARMS = {ALL: "policy-all", TOP: "policy-top", SWAPPED: "policy-swapped", SFT: "policy-sft", KTO: "policy-kto"}
EVIL = '=1+1 | <script>alert("1")</script>\r\n\u2028\x1b[31m \\n "quoted" ünïcode 🎉'
STARTED = "2026-04-23T08:00:00Z"
# Pair -> whether the chosen and the rejected trace are right, and both scores on each dimension. q3's rejected trace
# cannot be spelt by the policy's tokens, so training leaves the pair out; p4 and p5 make no pair.
SCORES = {
    "q0": {"computational_precision": (5, 1), "signal_to_noise": (3, 3)},
    "q1": {"computational_precision": (4, 2), "signal_to_noise": (2, 5)},
    "q2": {"computational_precision": (3, 3), "signal_to_noise": (4, 3)},
    "q3": {"computational_precision": (5, 4), "signal_to_noise": (1, 1)},
}
TRACES = {
    "g3": {"p0": "1+1=2;A:2", "p1": "2+3=5;A:5", "p2": "4-1=3;A:3", "p3": "3*3=9;A:9"},
    "g1": {"p0": "1+1=3;A:3", "p1": "2+3=4;A:4", "p2": "4-1=3;hm;A:3", "p3": EVIL},
}
PROBLEMS = {"p0": "Q:1+1?", "p1": "Q:2+3?", "p2": "Q:4-1?", "p3": "Q:3*3?", "p4": "Q:8-8?", "p5": "Q:9-9?"}
TRAINED_ON = ["q2", "q0", "q1"]  # of `all`, in order of rank
SELECTED = ["q2", "q3", "q0", "q1"]


def export(*words):
    return main(["export", *map(str, words), "--configfile", CONFIG])


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def write_study():
    study = small_study()
    study["train"]["recipes"]["kto"] = small()["train"]["recipes"]["kto"]
    study["experiments"]["kto"] = study["experiments"]["methods"] | {"recipes": ["kto"], "seeds": [3]}
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))


def make_exportable():
    """Write the study and its results below the working directory."""
    write_study()
    make_results()
    make_pairs()
    make_policies()
    make_manifests()


def change_study(**changes):
    """Change keys of the config's sections, then write every manifest anew."""
    study = yaml.safe_load(Path(CONFIG).read_text())
    for section, change in changes.items():
        study[section] = study[section] | change
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))
    make_manifests()


def make_pairs():
    tables.write(
        RESULTS / "prompts/train.parquet", Prompt, [Prompt(key, "train", text, ["2"]) for key, text in PROBLEMS.items()]
    )
    items = [Prompt(key, BENCHMARK, f"item {key}", ["1"]) for key in PROMPTS]
    tables.write(RESULTS / f"prompts/{BENCHMARK}.parquet", Prompt, items)
    for generator, texts in TRACES.items():
        rows = [
            Trace(prompt, generator, 0, text, "stop", len(text) + 1, 7, f"k-{prompt}", None)
            for prompt, text in texts.items()
        ]
        rows += [Trace(prompt, generator, 0, "1+", "length", 2, 7, f"k-{prompt}", None) for prompt in ("p4", "p5")]
        tables.write(RESULTS / f"generate/{generator}.parquet", Trace, rows)
    pairs, deltas = [], {name: [] for name in (*DIMENSIONS, "mean")}
    for number in range(6):
        pair, prompt = f"q{number}", f"p{number}"
        texts = [TRACES[generator].get(prompt) for generator in ("g3", "g1")]
        if pair not in SCORES:
            pairs.append(Pair(pair, prompt, 0, 0, True, None, 2, 2, None, None, False, "chosen_truncated"))
            for rows in deltas.values():
                rows.append(Delta(pair, None, None, None, "not_eligible"))
            continue
        counts = (len(texts[0]), len(texts[1]), f"texts-{number}")
        tokens = (counts[0] + 1, counts[1] + 1)
        pairs.append(Pair(pair, prompt, 0, 0, True, "right-wrong", *tokens, True, False, True, None, *counts))
        for name, (chosen, rejected) in SCORES[pair].items():
            deltas[name].append(Delta(pair, float(chosen), float(rejected), float(chosen - rejected), None))
        chosen, rejected = (sum(side) / 2 for side in zip(*SCORES[pair].values(), strict=True))
        deltas["mean"].append(Delta(pair, chosen, rejected, chosen - rejected, None))
    tables.write(RESULTS / "pair/g3~g1.parquet", Pair, pairs)
    for name, rows in deltas.items():
        tables.write(RESULTS / f"delta/g3~g1/{name}.parquet", Delta, rows)
    for job in study_here().jobs("filter"):
        swapped = job.axes["selection"] == "swapped"
        rows = [SelectedPair(pair, rank, swapped) for rank, pair in enumerate(SELECTED)]
        tables.write(Path(job.outputs[0]), SelectedPair, rows)


def make_policies():
    """The base policy and every arm's are the same tiny model with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = character_tokenizer()
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(shape)
    places = {f"train/{arm}/policy.json": f"policies/{key}" for arm, key in ARMS.items()}
    for pointer, folder in {"ladder/pa/model.json": f"models/{MODELS['pa']}", **places}.items():
        model.save_pretrained(RECORD / folder)
        tokenizer.save_pretrained(RECORD / folder)
        write_text(RECORD / folder / "training.json", "{}\n")
        seal(RECORD / folder)
        key = folder.rpartition("/")[2]
        write_text(RESULTS / pointer, json.dumps(asdict(Checkpoint(key, f"weights of {key}", folder))))
    for key in set(ARMS.values()) - {"policy-all", "policy-swapped", "policy-sft"}:
        record_calls(f"evaluate/{key}", [call(f"answer-{key}-{prompt}") for prompt in PROMPTS])


def make_manifests():
    for job in study_here().all_jobs:
        if job.stage == "report":
            continue
        reads = {path: sha256_of(Path(path)) for path in job.reads if Path(path).is_file()}
        texts = {path: sha256 for path, sha256 in reads.items() if not path.startswith("results/")}
        inputs = {path: sha256 for path, sha256 in reads.items() if path not in texts}
        outputs = {path: sha256_of(Path(path)) for path in job.outputs if Path(path).is_file()}
        rows, failures, details = 6, {}, NoDetails()
        if job.stage == "pair":
            failures = {"chosen_truncated": 2}
        if job.stage == "judge":
            details = JudgeDetails(models={"rules": 12})
        if job.stage == "train":
            details = TrainDetails({str(arm): trained(arm) for arm in job.arms})
        manifest = Manifest(
            stage=job.stage, rows=rows, failures=failures, details=details, settings=json.loads(job.settings),
            texts=texts, inputs=inputs, outputs=outputs, run=JobRun(STARTED, 1.0, 1.0, 100, commit="c0ffee"),
        )  # fmt: skip
        write_text(Path(job.manifest), manifest.to_json())


def trained(arm: Arm) -> TrainedArm:
    return TrainedArm(updates=2, rows=3, pairs=3, left_out={"too_long": 0, "not_spelt": 1}, method=arm.recipe)
