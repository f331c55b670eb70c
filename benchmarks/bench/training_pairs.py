"""Pairs of texts, policies and the two ways to train on them, for the lines of training. No line of its own.

Ours: what stages reference and train call. Theirs: TRL's trainers with conversations, as their documentation sets them
up, with the same batch size, learning rate, seed and number of updates. One thread on both sides.
"""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}

import torch

torch.set_num_threads(1)

from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM  # noqa: E402
from transformers.utils import logging as transformers_logging  # noqa: E402

from prefdelta.core.recipes import Recipe  # noqa: E402
from prefdelta.models.loading import load_model, load_tokenizer  # noqa: E402
from prefdelta.store.ownership import Ownership  # noqa: E402
from prefdelta.store.snapshots import Snapshots  # noqa: E402
from prefdelta.training import trainer  # noqa: E402
from prefdelta.training.logps import completion_logps  # noqa: E402
from prefdelta.training.registry import method_of  # noqa: E402
from prefdelta.training.tokenizer import CHARACTERS, character_tokenizer  # noqa: E402
from prefdelta.training.tokens import PreferenceRow, Tokeniser, Tokens  # noqa: E402

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
logging.disable(logging.WARNING)
_SCRATCH = tempfile.TemporaryDirectory()  # goes with this process
FOLDER = Path(_SCRATCH.name)
BATCH = 32
Pair = tuple[str, str, str]  # problem, chosen trace, rejected trace
SIZES = {"mini": (64, 2, 4, 2), "0.8m": (128, 4, 4, 3), "5m": (256, 6, 8, 3)}  # width, layers, heads, inner width


def pairs(n: int, median: int, longest: int, sigma: float = 0.7) -> list[Pair]:
    """Pairs of random text. Lengths of traces are log-normal, with the prompt at most `longest` characters."""
    random = Random(0)

    def text(length: int) -> str:
        return "".join(random.choices(CHARACTERS, k=length))

    def trace(room: int) -> str:
        return text(max(4, min(room, round(random.lognormvariate(0, sigma) * median))))

    made = []
    for _ in range(n):
        problem = text(random.randint(12, 28))
        room = longest - len(problem) - 4
        made.append((problem, trace(room), trace(room)))
    return made


def llama(size: str) -> tuple[LlamaForCausalLM, Any]:
    """A Llama with random weights, and the character tokenizer."""
    width, layers, heads, inner = SIZES[size]
    torch.manual_seed(0)
    tokenizer = character_tokenizer()
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=inner * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=512,
        initializer_range=0.05,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(shape), tokenizer


def policy(size: str) -> Path:
    """The folder of such a model with its tokenizer."""
    folder = FOLDER / size
    for part in llama(size):
        part.save_pretrained(folder)
    return folder


def tokenised(texts: Sequence[Pair], tokenise: Tokeniser) -> list[list[Tokens]]:
    """The chosen and the rejected trace of each pair."""
    return [[tokenise([("user", problem)], trace) for trace in traces] for problem, *traces in texts]


def reference(folder: Path, texts: Sequence[Pair], tokenise: Tokeniser) -> list[PreferenceRow]:
    """The pairs as token ids with their reference sums, as stage reference computes them."""
    model = load_model(folder, "float32", 1)
    sides = tokenised(texts, tokenise)
    flat = [side for of_pair in sides for side in of_pair]
    sums = dict(completion_logps(model, flat, 32_768))
    return [
        PreferenceRow(chosen.prompt, chosen.completion, rejected.completion, sums[2 * place], sums[2 * place + 1])
        for place, (chosen, rejected) in enumerate(sides)
    ]


def ours(folder: Path, rows: Sequence[PreferenceRow], recipe: Recipe) -> list[float]:
    """The losses of a training as stage train does it."""
    place = Path(tempfile.mkdtemp(dir=FOLDER))
    snapshots = Snapshots(place / "snapshots", Ownership(place / "record", place / "work"))
    losses: list[float] = trainer.train(method_of(recipe), folder, rows, recipe, 0, place / "policy", snapshots)[
        "curve"
    ]["loss"]
    return losses


def without_reference(folder: Path, texts: Sequence[Pair]) -> list[PreferenceRow]:
    """The pairs as token ids, for a method that needs no reference."""
    sides = tokenised(texts, Tokeniser(load_tokenizer(folder)))
    return [
        PreferenceRow(chosen.prompt, chosen.completion, rejected.completion, None, None) for chosen, rejected in sides
    ]


def theirs(kind: str, folder: Path, rows: Sequence[dict[str, Any]], recipe: Recipe, **more: Any) -> list[float]:
    """The losses of a training by TRL's own trainer. kind: DPO, KTO or SFT."""
    import trl
    from datasets import Dataset

    updates = -(-len(rows) // recipe.batch_size)
    config = getattr(trl, f"{kind}Config")(
        output_dir=tempfile.mkdtemp(dir=FOLDER),
        per_device_train_batch_size=recipe.batch_size,
        num_train_epochs=1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.scheduler,
        warmup_steps=round(recipe.warmup_share * updates),
        max_length=None,
        seed=0,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **more,
    )
    made = getattr(trl, f"{kind}Trainer")(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        args=config,
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    import transformers

    made.remove_callback(transformers.PrinterCallback)
    made.train()
    made.save_model(tempfile.mkdtemp(dir=FOLDER))
    return [entry["loss"] for entry in made.state.log_history if "loss" in entry]


def conversation(problem: str, trace: str, side: str) -> dict[str, Any]:
    return {"prompt": [{"role": "user", "content": problem}], side: [{"role": "assistant", "content": trace}]}


def preferences(texts: Sequence[Pair]) -> list[dict[str, Any]]:
    """Pairs as TRL's DPO trainer takes them."""
    return [
        conversation(problem, chosen, "chosen") | conversation(problem, rejected, "rejected")
        for problem, chosen, rejected in texts
    ]


def same_losses(mine: Sequence[float], other: Sequence[float], within: float = 1e-5) -> None:
    """Raise if two trainings differ in the loss of any update by more than `within` nats."""
    gaps = [abs(a - b) for a, b in zip(mine, other, strict=True)]
    assert max(gaps) <= within, f"losses differ by {max(gaps):.2g} at update {gaps.index(max(gaps)) + 1}"
