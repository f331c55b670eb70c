"""Recipe method `sft`: supervised fine-tuning on the chosen traces alone, through TRL. It needs no reference."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.core.recipes import SFTRecipe
from prefdelta.training.tokens import PreferenceRow
from prefdelta.training.trainer import run_training

IGNORED = -100  # label of tokens that are not learnt: the prompt


def train(base: Path, rows: Sequence[PreferenceRow], recipe: SFTRecipe, seed: int, output: Path) -> dict[str, Any]:
    """Train the model in `base` on the chosen side of `rows`, in an order drawn from `seed`; see `run_training`."""
    columns = [
        {"input_ids": row.prompt + row.chosen, "labels": [IGNORED] * len(row.prompt) + row.chosen} for row in rows
    ]

    def make_trainer(model: Any, tokenizer: Any, arguments: Mapping[str, Any]) -> Any:
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
    return run_training(base, recipe, len(rows), mean_tokens, seed, output, make_trainer, first_loss=None)
