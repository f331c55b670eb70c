"""Method `sft`: supervised fine-tuning on the chosen traces alone, through TRL. It needs no reference."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from prefdelta.core.recipes import Recipe
from prefdelta.training.method import Method, Setup
from prefdelta.training.micro_batches import Row, in_micro_batches
from prefdelta.training.packing import IGNORED
from prefdelta.training.tokens import PreferenceRow

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer


class SFTRecipe(Recipe):
    """Supervised fine-tuning on the chosen traces alone."""

    method: Literal["sft"]


def make_rows(model: "PreTrainedModel", pairs: Sequence[PreferenceRow], recipe: SFTRecipe, seed: int) -> Iterator[Row]:
    """One row for each pair: prompt and chosen trace as token ids, with the labels that are learnt."""
    for pair in pairs:
        yield {"input_ids": pair.prompt + pair.chosen, "labels": [IGNORED] * len(pair.prompt) + pair.chosen}


def make_trainer(setup: Setup[SFTRecipe]) -> "Trainer":
    """TRL's trainer. Its loss is a mean over the learnt tokens of an update, so micro-batches are weighed by them."""
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    return in_micro_batches(SFTTrainer, setup.recipe, size=_learnt_tokens)(
        model=setup.model,
        args=SFTConfig(**setup.arguments, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=setup.dataset,
        processing_class=setup.tokenizer,
        peft_config=setup.adapters,
    )


def _learnt_tokens(row: Row) -> int:
    return sum(label != IGNORED for label in row["labels"])


METHOD = Method(
    name="sft",
    recipe=SFTRecipe,
    needs_reference=False,
    sides=("chosen",),
    rows_per_pair=1,
    only_contrast=False,
    first_loss=lambda _: None,
    make_rows=make_rows,
    make_trainer=make_trainer,
)
