"""The full study of config.yaml in miniature: its own loaders, prompts, parsers, graders, recipes and rules.

What stands for something else: local folders in the formats of the data sets (`formats`), models of random weights in
the place of those of the hub, transformers in the place of vLLM, and a judge of the test's own behind the OpenAI
protocol. So the traces that are judged, paired and trained on are those that the training set ships.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from engines.scripted import Seen, completion

from .formats import write_all
from .tiny import ROOT

KEY_VARIABLE = "MINIATURE_JUDGE_KEY"
DIMENSIONS = ["factuality", "strategy_coherence", "step_coherence", "computational_precision", "signal_to_noise"]
PAIRING = "r1~r1"  # the first whole trace of a prompt over the second
# As the policy's own template on the hub: reasoning is dropped from what a model said before.
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{{ message.content.split('</think>')[-1] if message.role == 'assistant' else message.content }}<|eot|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# Every model of transformers on this machine's CPU; the values that matter to results stay those of config.yaml.
_ENGINE = {"name": "transformers", "batch_size": 4}
_ON_A_CPU = {"dtype": "float32", "threads": 1}


def miniature(address: str) -> dict[str, Any]:
    """config.yaml, with what a machine without GPUs and network can do. address: of the judge."""
    study: dict[str, Any] = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    models, generators = study["models"], study["generators"]
    study["models"] = {name: models[name] | {"hub": f"./hub/{name}"} for name in ("s1-3b", "nemotron-8b")}
    study["generators"] = {
        "s1-3b": generators["s1-3b"] | {"samples": 1, "judged": 1},
        "r1": generators["r1"] | {"samples": 2, "judged": 2},
    }
    one = {"title": "One pairing", "policies": ["nemotron-8b"], "pairings": [PAIRING], "seeds": [0]}
    study["experiments"] = {
        "filtering": one | {"figure": "filtering", "selections": ["all", "top-mean-4"], "recipes": ["dpo"]},
        "methods": one | {"figure": "methods", "selections": ["all"], "recipes": ["dpo", "sft-lora"]},
    }
    study["prompts"]["train"]["dataset"] = "./hub/open-r1/OpenR1-Math-220k"
    study["prompts"]["limits"] = {}
    study["generate"] |= {"engine": _ENGINE, "sampling": {"temperature": 0.6, "max_tokens": 8}}
    study["judge"].pop("model")
    study["judge"]["engine"] = {
        "name": "openai",
        "model": "scripted-2",
        "base_url": address,
        "api_key_env": KEY_VARIABLE,
    }
    study["judge"]["compared"] |= {"generators": ["r1"], "prompts": 8}
    study["filter"]["sets"] = {}
    study["reference"] |= {"max_length": 512, **_ON_A_CPU}
    for recipe in study["train"]["recipes"].values():
        recipe |= {"batch_size": 4, "micro_batch_size": 2, **_ON_A_CPU}
    study["train"]["keep"] = ["filtering"]
    study["evaluate"]["engine"] = _ENGINE
    for group in study["evaluate"]["groups"].values():
        group["sampling"] = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 8}
    for stage in ("generate", "grade", "pair"):
        study[stage]["max_failure_share"] = 1.0  # a model of random weights ends no reply
    study["report"] |= {"resamples": 100, "worlds": 1, "overlap": {"pairing": PAIRING, "k": [2, 4]}}
    study["compute"] = {"train": {"batch": 6}, "evaluate": {"batch": 6}}
    return study


def make_checkout(folder: Path, study: dict[str, Any]) -> None:
    """What a run needs, in `folder`; the data sets and models of the hub lie in `folder`/hub."""
    for name in ("Snakefile", "workflow", "profiles", "mini", "docs"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "resources", folder / "resources")
    (folder / "full.yaml").write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    local = {name: f"./{path.relative_to(folder)}" for name, path in write_all(folder / "hub").items()}
    for path in (folder / "resources/benchmarks").iterdir():
        benchmark = yaml.safe_load(path.read_text(encoding="utf-8"))
        if "dataset" in benchmark["source"]:
            benchmark["source"]["dataset"] = local[benchmark["source"]["dataset"]]
            path.write_text(yaml.safe_dump(benchmark), encoding="utf-8")
    for model in study["models"].values():
        make_model(folder / model["hub"])


def make_model(folder: Path) -> None:
    """A Llama of random weights that reads and writes any text, byte by byte."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    marks = ["<|eot|>", "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(marks)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|eot|>", pad_token="<|pad|>", chat_template=TEMPLATE
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=4096,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


async def judge(request: web.Request, seen: Seen) -> web.StreamResponse:
    """5 on each dimension that is asked for; a trace that guesses gets less, by its dimension and length."""
    if "response_format" not in seen.body:
        return web.json_response(completion(content="OK"))
    dimensions = list(seen.body["response_format"]["json_schema"]["schema"]["properties"])
    guesses = "A guess." in seen.question
    scores = {name: 2 + (len(seen.question) + len(name)) % 3 if guesses else 5 for name in dimensions}
    return web.json_response(completion(content=json.dumps(scores)))
