"""Method `dpo`: direct preference optimisation (arXiv 2305.18290, equation 7) through TRL.

The reference log-probabilities come with the pairs, per trace, so the reference model is never loaded.
"""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from prefdelta.core.recipes import Recipe
from prefdelta.training.method import PAIR, Method, Setup
from prefdelta.training.micro_batches import Row, in_micro_batches
from prefdelta.training.prepared import prepared, reference_not_loaded
from prefdelta.training.tokens import PreferenceRow

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer


class DPORecipe(Recipe):
    method: Literal["dpo"]
    beta: Annotated[float, Field(gt=0)]
    """Strength of the pull towards the reference, per nat, above 0."""


def make_rows(model: "PreTrainedModel", pairs: Sequence[PreferenceRow], recipe: DPORecipe, seed: int) -> Iterator[Row]:
    """One row for each pair; the reference sums are in nats."""
    for pair in pairs:
        chosen_logps, rejected_logps = pair.reference()
        yield {
            "prompt_ids": pair.prompt,
            "chosen_ids": pair.chosen,
            "rejected_ids": pair.rejected,
            "ref_chosen_logps": chosen_logps,
            "ref_rejected_logps": rejected_logps,
        }


def make_trainer(setup: Setup[DPORecipe]) -> "Trainer":
    """TRL's trainer. It gets `arguments` and `adapters` of the setup unchanged."""
    from trl.trainer import dpo_trainer
    from trl.trainer.dpo_config import DPOConfig

    trainer = in_micro_batches(prepared(dpo_trainer.DPOTrainer), setup.recipe)
    with reference_not_loaded(dpo_trainer):
        return trainer(
            model=setup.model,
            args=DPOConfig(
                **setup.arguments,
                beta=setup.recipe.beta,
                loss_type=["sigmoid"],
                precompute_ref_log_probs=True,
                disable_dropout=setup.adapters is None,
            ),
            train_dataset=setup.dataset,
            processing_class=setup.tokenizer,
            peft_config=setup.adapters,
        )


METHOD = Method(
    name="dpo",
    recipe=DPORecipe,
    needs_reference=True,
    sides=PAIR,
    rows_per_pair=1,
    only_contrast=True,
    first_loss=lambda _: math.log(2.0),  # -log sigmoid(0), because the policy equals its reference
    make_rows=make_rows,
    make_trainer=make_trainer,
)
