"""Generation by engine `transformers`, beside a user's own loop over `model.generate` of transformers.

    PYTHONPATH=benchmarks .venv/bin/python -m bench.generate        about 80 s on one core, 15 s of them to train

`mini`: mini's 9 lengths of prompts; `33`: prompts of 33 lengths. A Llama of 0.8M parameters answers them in batches of
128, sampled at temperature 1 and greedy. `policy`: a model of the size of mini's policies, in batches of 1,000 as in
mini. Both models were trained for some steps, so that their replies end as mini's do.

Both sides go from texts to texts on one thread; ours loads the model each time. Theirs: `generate` with its own cache
and left padding, with the same batch size, of prompts sorted by length, which pads least. Greedy texts must be equal.
Sampled replies have other random numbers, so their mean lengths must agree within 10%, and the time is that of 10,000
tokens, also for greedy replies.
"""

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import yaml

from bench.earlier import ROOT
from bench.side_by_side import ROUNDS, line, seconds
from prefdelta.core.asking.engine_options import TransformersOptions
from prefdelta.core.asking.requests import Reply, Request, Sampling
from prefdelta.core.rungs import LadderSection, Rung
from prefdelta.core.tasks.families import FAMILIES
from prefdelta.engines.transformers import TransformersEngine
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.store.ownership import Ownership
from prefdelta.store.snapshots import Snapshots
from prefdelta.training.ladder import draw_rows, train_rung

MINI = ROOT / "resources/studies/mini.yaml"
MAX_TOKENS = 80  # as in mini
KINDS = [("maths", 2), ("maths", 3), ("maths", 4), ("maths", 5), ("stem", 1), ("stem", 2), ("stem", 3), ("code", 2)]
KINDS += [("code", 3)]

Texts = tuple[list[str], int]  # replies in the order of their prompts, and the number of their tokens


def train(folder: Path, name: str, **changed: int) -> Path:
    """A checkpoint of mini's policy `pa`, with changes to its shape or training."""
    study = yaml.safe_load(MINI.read_text(encoding="utf-8"))
    rung = Rung(**study["models"]["pa"]["ladder"] | changed)
    section = LadderSection(**study["ladder"])
    work = folder / name
    snapshots = Snapshots(work / "snapshots", Ownership(work / "record", work / "work"))
    train_rung(rung, section, draw_rows(rung, section), work / "model", name, snapshots)
    return work / "model"


def minis_prompts(count: int) -> list[str]:
    """Prompts of the kinds of mini's benchmarks."""
    random = Random(0)
    return [FAMILIES[family].draw(random, operations).question for family, operations in KINDS * (count // len(KINDS))]


def prompts_of_33_lengths(count: int) -> list[str]:
    """Prompts of 8 to 40 characters: problems, repeated and cut."""
    problems = minis_prompts(count)
    return [(problem * 5)[: 8 + number % 33] for number, problem in enumerate(problems)]


def ours(folder: Path, prompts: list[str], temperature: float, batch_size: int) -> Texts:
    sampling = Sampling(temperature=temperature, max_tokens=MAX_TOKENS)
    plan = [(f"{at:06}", Request((("user", text),), sampling, seed=at)) for at, text in enumerate(prompts)]
    engine = TransformersEngine(folder, "weights", TransformersOptions(name="transformers", batch_size=batch_size))
    replies = sorted(engine.run(plan, {key for key, _ in plan}), key=lambda reply: reply.key)
    texts = [str(reply.text) for reply in replies if isinstance(reply, Reply)]
    return texts, sum(reply.n_tokens or 0 for reply in replies)


def theirs(model: Any, tokenizer: Any, prompts: list[str], temperature: float, batch_size: int) -> Texts:
    import torch

    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    chats = [[{"role": "user", "content": prompts[at]}] for at in order]
    rendered = tokenizer.apply_chat_template(chats, add_generation_prompt=True, tokenize=False)
    how: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        how = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    texts, tokens = [""] * len(prompts), 0
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            batch = tokenizer(
                rendered[start : start + batch_size], add_special_tokens=False, padding=True, return_tensors="pt"
            )
            ids = model.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=MAX_TOKENS,
                pad_token_id=tokenizer.pad_token_id,
                **how,
            )[:, batch["input_ids"].shape[1] :]
            tokens += int((ids != tokenizer.pad_token_id).sum())
            for place, row in zip(places, ids.tolist(), strict=True):
                end = row.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in row else len(row)
                texts[place] = tokenizer.decode(row[:end], clean_up_tokenization_spaces=False)
    return texts, tokens


def compare(name: str, our_way: Callable[[], Texts], their_way: Callable[[], Texts], greedy: bool) -> None:
    """Check that both give the same, then print the line: CPU seconds of 10,000 tokens."""
    (our_texts, our_tokens), (their_texts, their_tokens) = our_way(), their_way()
    if greedy and (our_texts, our_tokens) != (their_texts, their_tokens):
        different = sum(one != other for one, other in zip(our_texts, their_texts, strict=True))
        raise AssertionError(f"{name}: {different} of {len(our_texts)} greedy replies differ")
    if not 0.9 < our_tokens / their_tokens < 1.1:
        raise AssertionError(f"{name}: {our_tokens} tokens are ours, {their_tokens} theirs")
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for costs, way in zip(took, (our_way, their_way), strict=True):
            spent, (_, tokens) = seconds(way, "cpu")
            costs.append(spent / tokens * 10_000)
    ratio = statistics.median(other / own for own, other in zip(*took, strict=True))
    line(name, ratio, statistics.median(took[0]), statistics.median(took[1]), "CPU-s")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        large = train(Path(folder), "large", width=160, layers=3, steps=120, batch_size=16)
        policy = train(Path(folder), "policy", steps=200, batch_size=16)
        for name, checkpoint, prompts, batch_size in (
            ("mini", large, minis_prompts(360), 128),
            ("33", large, prompts_of_33_lengths(360), 128),
            ("policy", policy, minis_prompts(1_000), 1_000),
        ):
            model, tokenizer = load_model(checkpoint, "float32", threads=1), load_tokenizer(checkpoint)
            tokenizer.padding_side = "left"
            for how, temperature in (("sampled", 1.0), ("greedy", 0.0)):
                more: tuple[list[str], float, int] = prompts, temperature, batch_size
                compare(
                    f"generate-{name}-{how}",
                    partial(ours, checkpoint, *more),
                    partial(theirs, model, tokenizer, *more),
                    temperature == 0,
                )


if __name__ == "__main__":
    main()
