"""What one GPU does: training (DPO, KTO, SFT, LoRA) and sampling, beside stock TRL and transformers.

python tests/gpu/throughput.py            on a GPU with 80 GB, at most 8 minutes; models have random weights
python tests/gpu/throughput.py --small    the same parts with tiny models, on any machine, within a minute

Needs torch, transformers, trl, datasets, peft, pydantic, pyarrow; nothing is downloaded. Losses are compared with stock
TRL's before any speed is measured. A part that runs out of memory says so, and the others go on. Speeds count all
tokens of prompts and completions, without padding, from the first update to the last.

`share of peak` is the part of the GPU's dense bfloat16 operations per second that the model's own arithmetic makes up
(Chowdhery et al. 2022, appendix B): 6 per weight and token (4 with adapters, whose frozen weights get no gradient), and
12 x layers x width x length per token for attention. Forward passes that are done again to save memory do not count.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from prefdelta.core.asking.engine_options import TransformersOptions
from prefdelta.core.asking.requests import Reply, Request, Sampling
from prefdelta.core.recipes import Budget, Lora, Recipe
from prefdelta.engines.transformers import TransformersEngine
from prefdelta.models.loading import load_model
from prefdelta.store.ownership import Ownership
from prefdelta.store.snapshots import Snapshots
from prefdelta.training import trainer
from prefdelta.training.logps import completion_logps
from prefdelta.training.registry import METHODS, method_of
from prefdelta.training.tokens import PreferenceRow, Tokens

PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}  # bfloat16, dense
LIMIT_S = 8 * 60
ON_GPU = torch.cuda.is_available()


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured, in one of two sizes."""

    small: LlamaConfig  # for the comparison of losses
    middle: LlamaConfig  # all weights are trained
    large: LlamaConfig  # adapters are trained
    longest: int  # tokens of a prompt and its completion
    very_long: int  # the same, of the one pair of the last part
    pairs: int  # of an update
    micro: int  # of a forward pass
    updates: int
    replies: int
    reply_tokens: int


def llama(width: int, layers: int, heads: int, kv_heads: int, inner: int, vocabulary: int) -> LlamaConfig:
    """A Llama shape."""
    return LlamaConfig(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        intermediate_size=inner,
        vocab_size=vocabulary,
        max_position_embeddings=65_536,
        tie_word_embeddings=width < 4096,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
    )


TINY = llama(64, 2, 4, 2, 128, 512)
ON_A_GPU = Sizes(
    small=llama(512, 4, 8, 4, 1024, 4096),
    middle=llama(2048, 16, 32, 8, 8192, 128_256),  # Llama-3.2-1B
    large=llama(4096, 32, 32, 8, 14_336, 128_256),  # Llama-3.1-8B
    longest=4096,
    very_long=32_768,
    pairs=8,
    micro=2,
    updates=6,
    replies=128,
    reply_tokens=512,
)
ANYWHERE = Sizes(TINY, TINY, TINY, 128, 512, pairs=4, micro=2, updates=4, replies=8, reply_tokens=16)


# --- models and rows --------------------------------------------------------------------------------------------------


def checkpoint(folder: Path, shape: LlamaConfig) -> Path:
    """A checkpoint of random weights whose tokens are words: `w7` is token 7."""
    torch.manual_seed(0)
    with torch.device("cuda" if ON_GPU else "cpu"):
        model = LlamaForCausalLM(shape)
    model.to(torch.bfloat16 if ON_GPU else torch.float32).save_pretrained(folder)
    special = {"<end>": 0, "<pad>": 1, "<unknown>": 2}
    vocabulary = special | {f"w{index}": index for index in range(len(special), shape.vocab_size)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>", pad_token="<pad>", unk_token="<unknown>"
    )
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    return folder


def pairs_of(n: int, longest: int, vocabulary: int) -> list[PreferenceRow]:
    """Pairs with log-normal lengths (sigma 0.7), of random tokens; no reference sums yet."""
    draw = random.Random(0)

    def tokens(count: int) -> list[int]:
        return [draw.randrange(3, vocabulary) for _ in range(count)]

    def length() -> int:
        return min(longest - longest // 8, max(8, round(draw.lognormvariate(0, 0.7) * longest / 3)))

    return [
        PreferenceRow(tokens(longest // 8), [*tokens(length() - 1), 0], [*tokens(length() - 1), 0], None, None)
        for _ in range(n)
    ]


def with_reference(pairs: Sequence[PreferenceRow], base: Path, dtype: Any) -> list[PreferenceRow]:
    """The pairs with their sums under the untrained model, in nats."""
    rows = [Tokens(pair.prompt, side) for pair in pairs for side in (pair.chosen, pair.rejected)]
    sums = dict(completion_logps(load_model(base, "float32", 1), rows, 16_384, dtype))
    return [
        PreferenceRow(pair.prompt, pair.chosen, pair.rejected, sums[2 * index], sums[2 * index + 1])
        for index, pair in enumerate(pairs)
    ]


def n_tokens(pairs: Sequence[PreferenceRow]) -> int:
    """Tokens of both sides, with their prompts."""
    return sum(2 * len(pair.prompt) + len(pair.chosen) + len(pair.rejected) for pair in pairs)


# --- measuring --------------------------------------------------------------------------------------------------------


class EnoughError(Exception):
    """The training has made as many updates as were wanted."""


@contextmanager
def updates_timed(wanted: int) -> Iterator[list[float]]:
    """The times at which updates end, of whatever trains in the context; it is left after the last wanted one."""
    times: list[float] = []

    def note(*_: Any) -> None:
        if ON_GPU:
            torch.cuda.synchronize()
        times.append(time.perf_counter())
        if len(times) == wanted:
            raise EnoughError

    handle = register_optimizer_step_post_hook(note)
    try:
        with suppress(EnoughError):
            yield times
    finally:
        handle.remove()


def fresh() -> None:
    """Free the GPU, and begin its account of memory anew."""
    import gc

    gc.collect()
    if ON_GPU:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib() -> float:
    """GiB that tensors took at most since `fresh`; NaN without a GPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if ON_GPU else float("nan")


def recipe_of(method: str, sizes: Sizes, dtype: str, updates: int, lora: Lora | None = None) -> Recipe:
    """A recipe; KTO counts traces where the others count pairs."""
    per_pair = 2 if method == "kto" else 1
    its = {"beta": 0.1} if method != "sft" else {}
    fields = {
        "method": method,
        "learning_rate": 1e-6,
        "batch_size": sizes.pairs * per_pair,
        "micro_batch_size": sizes.micro * per_pair,
        "budget": Budget(updates=updates),
        "scheduler": "constant_with_warmup",
        "dtype": dtype,
        "lora": lora,
    }
    made: Recipe = METHODS[method].recipe(**fields, **its)
    return made


def ours(base: Path, pairs: Sequence[PreferenceRow], recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Train by this project; returns what it measured, unless it was left before."""
    snapshots = Snapshots(folder / "snapshots", Ownership(folder / "record", folder / "work"))
    return trainer.train(method_of(recipe), base, pairs, recipe, 0, folder / "policy", snapshots)


def stock(base: Path, pairs: Sequence[PreferenceRow], recipe: Recipe, folder: Path) -> list[float]:
    """Train by TRL's DPOTrainer as its documentation sets it up, on the same pairs as text; returns its losses."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    def text(ids: Sequence[int]) -> str:
        return " ".join(f"w{index}" for index in ids)

    def row(pair: PreferenceRow) -> dict[str, str]:
        sides = {"chosen": pair.chosen, "rejected": pair.rejected}  # TRL adds the end itself
        return {"prompt": text(pair.prompt), **{name: " " + text(ids[:-1]) for name, ids in sides.items()}}

    rows = Dataset.from_list([row(pair) for pair in pairs])
    micro = recipe.micro_batch_size or recipe.batch_size
    arguments = DPOConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=recipe.batch_size // micro,
        max_steps=recipe.budget.updates or 0,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="constant",
        max_length=None,
        bf16=recipe.dtype == "bfloat16",
        use_cpu=not ON_GPU,
        gradient_checkpointing=ON_GPU,
        disable_dropout=True,
        seed=0,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        beta=0.1,
    )
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    training = DPOTrainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)
    training.train()
    return [entry["loss"] for entry in training.state.log_history if "loss" in entry]


Row = tuple[str, str, float, float, float]  # part, who, tokens per second, peak GiB, share of the GPU's peak


class Table:
    """The rows so far, and how to measure one more."""

    def __init__(self, sizes: Sizes, folder: Path) -> None:
        self._sizes, self._folder, self._number = sizes, folder, 0
        name = torch.cuda.get_device_name() if ON_GPU else "no GPU"
        self._peak = next((peak for card, peak in PEAKS.items() if card in name), float("nan"))
        self.rows: list[Row] = []
        print(f"{name}, torch {torch.__version__}", flush=True)

    def training(
        self,
        part: str,
        who: str,
        shape: LlamaConfig,
        train: Callable[[Path], object],
        tokens: float,
        updates: int,
        per_weight: int = 6,
    ) -> None:
        """Measure a training that makes `updates` updates of so many tokens each."""
        self._number += 1
        folder = self._folder / f"{self._number}"
        folder.mkdir()
        fresh()
        try:
            with updates_timed(updates) as times:
                train(folder)
        except torch.cuda.OutOfMemoryError as error:
            print(f"{part}, {who}: out of memory ({str(error).splitlines()[0]})", flush=True)
            return
        speed = tokens * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else float("nan")
        weights = _weights(shape)
        length = self._sizes.longest / 2
        flops = per_weight * weights + 2 * per_weight * shape.num_hidden_layers * shape.hidden_size * length
        self.add(part, who, speed, flops * speed / self._peak)

    def add(self, part: str, who: str, speed: float, share: float = float("nan")) -> None:
        """Add a row, with the peak of memory since `fresh`."""
        self.rows.append((part, who, speed, peak_gib(), share))
        print(f"{part}, {who}: {speed:,.0f} tokens/s, {peak_gib():.1f} GiB, {share:.1%} of peak", flush=True)

    def print(self) -> None:
        """Print all rows."""
        headers = ("part", "who", "tokens/s", "peak GiB", "share of peak")
        print(tabulate(self.rows, headers, floatfmt=("", "", ",.0f", ".1f", ".1%"), tablefmt="github"))


def _weights(shape: LlamaConfig) -> float:
    heads = shape.hidden_size // shape.num_attention_heads
    attention = 2 * shape.hidden_size**2 + 2 * shape.hidden_size * heads * shape.num_key_value_heads
    layer = attention + 3 * shape.hidden_size * shape.intermediate_size
    return float(shape.num_hidden_layers * layer + shape.hidden_size * shape.vocab_size)


# --- the parts --------------------------------------------------------------------------------------------------------


def equality(sizes: Sizes, folder: Path) -> None:
    """Compare the losses of the first updates with stock TRL's, in float32. Raises AssertionError."""
    base = checkpoint(folder / "small", sizes.small)
    pairs = with_reference(pairs_of(4 * sizes.pairs, 256, sizes.small.vocab_size), base, "float32")
    recipe = recipe_of("dpo", sizes, "float32", 4)
    mine = ours(base, pairs, recipe, folder)["curve"]["loss"]
    theirs = stock(base, pairs, recipe, folder)
    gap = max(abs(a - b) for a, b in zip(mine, theirs, strict=True))
    print(f"losses of DPO differ from stock TRL's by at most {gap:.1g} nats in {len(mine)} updates", flush=True)
    assert gap < 1e-4, (mine, theirs)  # TRL rounds what it logs


def middle(sizes: Sizes, folder: Path, table: Table) -> None:
    """DPO beside stock TRL, then KTO and SFT, of all weights; then one pair as long as can be."""
    shape = sizes.middle
    base = checkpoint(folder / "middle", shape)
    dtype: Any = "bfloat16" if ON_GPU else "float32"
    pairs = with_reference(pairs_of(sizes.pairs * sizes.updates, sizes.longest, shape.vocab_size), base, dtype)
    each = n_tokens(pairs) / sizes.updates
    for method in ("dpo", "kto", "sft"):
        recipe = recipe_of(method, sizes, dtype, sizes.updates)
        mean = method_of(recipe).mean_tokens(pairs) * recipe.batch_size
        table.training(method, "ours", shape, lambda to: ours(base, pairs, recipe, to), mean, sizes.updates)  # noqa: B023
        if method == "dpo":
            table.training("dpo", "TRL", shape, lambda to: stock(base, pairs, recipe, to), each, sizes.updates)  # noqa: B023
    long = with_reference(pairs_of(3, sizes.very_long, shape.vocab_size), base, dtype)
    one = recipe_of("dpo", sizes, dtype, 3).model_copy(update={"batch_size": 1, "micro_batch_size": 1})
    part = f"dpo, up to {sizes.very_long:,} tokens"
    table.training(part, "ours", shape, lambda to: ours(base, long, one, to), n_tokens(long) / 3, 3)
    sampling(base, sizes, table)


def large(sizes: Sizes, folder: Path, table: Table) -> None:
    """DPO with adapters of the large model."""
    shape = sizes.large
    base = checkpoint(folder / "large", shape)
    dtype: Any = "bfloat16" if ON_GPU else "float32"
    updates = max(3, sizes.updates // 2)
    pairs = with_reference(pairs_of(sizes.pairs * updates, sizes.longest, shape.vocab_size), base, dtype)
    recipe = recipe_of("dpo", sizes, dtype, updates, Lora(rank=16, alpha=32)).model_copy(update={"micro_batch_size": 1})
    each = n_tokens(pairs) / updates
    train: Callable[[Path], object] = lambda to: ours(base, pairs, recipe, to)  # noqa: E731
    table.training("dpo, adapters, large", "ours", shape, train, each, updates, per_weight=4)


def sampling(base: Path, sizes: Sizes, table: Table) -> None:
    """Sampled replies of the transformers engine beside `generate` with the same batches."""
    draw = random.Random(1)
    dtype: Any = "bfloat16" if ON_GPU else "float32"
    texts = [" ".join(f"w{draw.randrange(3, 500)}" for _ in range(64)) for _ in range(sizes.replies)]
    plan = [
        (f"{index}", Request((("user", text),), Sampling(temperature=1.0, max_tokens=sizes.reply_tokens), index))
        for index, text in enumerate(texts)
    ]
    fresh()
    options = TransformersOptions(name="transformers", batch_size=sizes.replies, dtype=dtype)
    engine = TransformersEngine(base, "random weights", options)
    started = time.perf_counter()
    replies = [reply for reply in engine.run(plan, {key for key, _ in plan}) if isinstance(reply, Reply)]
    table.add("sampling", "ours", sum(reply.n_tokens or 0 for reply in replies) / (time.perf_counter() - started))

    fresh()
    started = time.perf_counter()
    model = load_model(base, dtype, 1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    batch = tokenizer(texts, return_tensors="pt").to(model.device)
    made = model.generate(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        do_sample=True,
        temperature=1.0,
        top_k=0,
        max_new_tokens=sizes.reply_tokens,
    )
    written = made[:, batch["input_ids"].shape[1] :]
    count = int((written != tokenizer.pad_token_id).sum())
    table.add("sampling", "generate", count / (time.perf_counter() - started))


def main() -> None:
    """Run all parts within the limit of time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="tiny models, on any machine")
    sizes = ANYWHERE if parser.parse_args().small else ON_A_GPU
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        table = Table(sizes, Path(folder))
        equality(sizes, Path(folder))
        parts: list[Callable[[Sizes, Path, Table], None]] = [middle, large]
        for part in parts:
            if time.monotonic() - started < LIMIT_S / 2:
                part(sizes, Path(folder), table)
            else:
                print(f"{part.__name__}: left out, more than half of the time is over", flush=True)
        table.print()
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
