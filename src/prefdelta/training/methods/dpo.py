"""Recipe method `dpo`: direct preference optimisation (arXiv 2305.18290, equation 7) through TRL.

The reference log-probabilities come with the rows, per trace, so the reference model is never loaded here. Every row is
tokenised and checked before TRL sees it; TRL's own preparation would cut prompts and drop rows silently.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.core.compute import Fsdp
from prefdelta.core.recipes import DPORecipe
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.store.snapshots import Snapshots
from prefdelta.training.micro_batches import in_parts, rows_per_part
from prefdelta.training.tokens import PreferenceRow, Tokens
from prefdelta.training.trainer import check_reference, reference_not_loaded, run_training

LN2 = math.log(2.0)  # the loss of a policy that equals its reference


def train(
    base: Path,
    rows: Sequence[PreferenceRow],
    recipe: DPORecipe,
    seed: int,
    output: Path,
    snapshots: Snapshots,
    fsdp: Fsdp | None = None,
) -> dict[str, Any]:
    """Train the model in `base` on `rows`, in an order drawn from `seed`; see `run_training`.

    Raises StudyError if the reference log-probabilities do not belong to the model, or if the first loss is not ln 2.
    """
    tokens = [Tokens(row.prompt, side) for row in rows for side in (row.chosen, row.rejected)]
    tokenizer, model = load_tokenizer(base), load_model(base, "float32", recipe.threads)
    sums = [sum_ for row in rows for sum_ in row.reference()]
    check_reference(model, tokens, sums, recipe.dtype)

    def make_trainer(model: Any, adapters: Any, arguments: Mapping[str, Any]) -> Any:
        from datasets import Dataset
        from trl.trainer import dpo_trainer
        from trl.trainer.dpo_config import DPOConfig

        trainer = in_parts(_trainer_type(), recipe.dtype, rows_per_part(recipe), size=lambda _: 1)
        with reference_not_loaded(dpo_trainer):
            return trainer(
                model=model,
                args=DPOConfig(
                    **arguments,
                    beta=recipe.beta,
                    loss_type=["sigmoid"],
                    precompute_ref_log_probs=True,
                    disable_dropout=adapters is None,
                ),
                train_dataset=Dataset.from_list([_columns(row) for row in rows]),
                processing_class=tokenizer,
                peft_config=adapters,
            )

    mean_tokens = sum(len(row.prompt) + len(row.completion) for row in tokens) / len(rows)
    return run_training(make_trainer, model, base, recipe, len(rows), mean_tokens, seed, output, snapshots, LN2, fsdp)


def _columns(row: PreferenceRow) -> dict[str, Any]:
    chosen_logps, rejected_logps = row.reference()
    return {
        "prompt_ids": row.prompt,
        "chosen_ids": row.chosen,
        "rejected_ids": row.rejected,
        "ref_chosen_logps": chosen_logps,
        "ref_rejected_logps": rejected_logps,
    }


def _trainer_type() -> type[Any]:
    from trl.trainer.dpo_trainer import DPOTrainer

    class PreparedDPOTrainer(DPOTrainer):
        """TRL's trainer over rows that carry token ids and reference log-probabilities already."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

        def _precompute_ref_logps(self, dataset: Any, *_: Any) -> Any:
            return dataset

    return PreparedDPOTrainer
