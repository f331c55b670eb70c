"""Recipe method `sft`: supervised fine-tuning on the chosen traces alone, through TRL. It needs no reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.core.compute import Fsdp
from prefdelta.core.recipes import SFTRecipe
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.store.snapshots import Snapshots
from prefdelta.training.micro_batches import Row, in_parts, rows_per_part
from prefdelta.training.tokens import PreferenceRow
from prefdelta.training.trainer import run_training

IGNORED = -100  # label of tokens that are not learnt: the prompt


def train(
    base: Path,
    rows: Sequence[PreferenceRow],
    recipe: SFTRecipe,
    seed: int,
    output: Path,
    snapshots: Snapshots,
    fsdp: Fsdp | None = None,
) -> dict[str, Any]:
    """Train the model in `base` on the chosen side of `rows`, in an order drawn from `seed`; see `run_training`."""
    columns = [
        {"input_ids": row.prompt + row.chosen, "labels": [IGNORED] * len(row.prompt) + row.chosen} for row in rows
    ]

    tokenizer, model = load_tokenizer(base), load_model(base, "float32", recipe.threads)

    def make_trainer(model: Any, adapters: Any, arguments: Mapping[str, Any]) -> Any:
        from datasets import Dataset
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer

        return in_parts(SFTTrainer, recipe.dtype, rows_per_part(recipe), size=_learnt)(
            model=model,
            args=SFTConfig(**arguments, dataset_kwargs={"skip_prepare_dataset": True}),
            train_dataset=Dataset.from_list(columns),
            processing_class=tokenizer,
            peft_config=adapters,
        )

    mean_tokens = sum(len(row["input_ids"]) for row in columns) / len(columns)
    return run_training(make_trainer, model, base, recipe, len(rows), mean_tokens, seed, output, snapshots, None, fsdp)


def _learnt(row: Row) -> int:
    """The loss is a mean over the tokens of a batch."""
    return sum(label != IGNORED for label in row["labels"])
