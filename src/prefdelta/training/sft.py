"""Recipe method `sft`: supervised fine-tuning on the chosen traces alone, through TRL. It needs no reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.core.recipes import SFTRecipe
from prefdelta.models import load_model, load_tokenizer
from prefdelta.snapshots import Snapshots
from prefdelta.training.tokens import PreferenceRow
from prefdelta.training.trainer import run_training

IGNORED = -100  # label of tokens that are not learnt: the prompt


def train(
    base: Path, rows: Sequence[PreferenceRow], recipe: SFTRecipe, seed: int, output: Path, snapshots: Snapshots
) -> dict[str, Any]:
    """Train the model in `base` on the chosen side of `rows`, in an order drawn from `seed`; see `run_training`."""
    columns = [
        {"input_ids": row.prompt + row.chosen, "labels": [IGNORED] * len(row.prompt) + row.chosen} for row in rows
    ]

    tokenizer, model = load_tokenizer(base), load_model(base, recipe.dtype, recipe.threads)

    def make_trainer(arguments: Mapping[str, Any]) -> Any:
        from datasets import Dataset
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer

        return SFTTrainer(
            model=model,
            args=SFTConfig(**arguments, dataset_kwargs={"skip_prepare_dataset": True}),
            train_dataset=Dataset.from_list(columns),
            processing_class=tokenizer,
        )

    mean_tokens = sum(len(row["input_ids"]) for row in columns) / len(columns)
    return run_training(make_trainer, recipe, len(rows), mean_tokens, seed, output, snapshots, first_loss=None)
