"""Recipes: named ways to train an arm. Values only; `prefdelta.training` has one module per method."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from prefdelta.core.settings import Settings


class Budget(Settings):
    """How much an arm may train. Exactly one of these is given.

    Top-k at one epoch means fewer updates than all pairs, so equal `updates` is a control beside equal `epochs`.
    """

    epochs: Annotated[float, Field(gt=0)] | None = None  # passes over the selection
    examples: Annotated[int, Field(ge=1)] | None = None  # rows seen
    updates: Annotated[int, Field(ge=1)] | None = None  # steps of the optimiser
    tokens: Annotated[int, Field(ge=1)] | None = None  # tokens of prompt + completions seen

    @model_validator(mode="after")
    def _one(self) -> "Budget":
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give exactly one of epochs, examples, updates, tokens")
        return self


class _Method(Settings):
    """What all methods share."""

    learning_rate: Annotated[float, Field(gt=0)]
    batch_size: Annotated[int, Field(ge=1)]  # rows per update: pairs, or traces for SFT and KTO
    budget: Budget
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # of all updates
    scheduler: Literal["linear", "cosine", "constant_with_warmup"] = "cosine"
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    threads: Annotated[int, Field(ge=1)] = 1  # torch threads: part of what determines the bits on a CPU


class DPORecipe(_Method):
    method: Literal["dpo"]
    beta: Annotated[float, Field(gt=0)]  # strength of the pull towards the reference, per nat


class KTORecipe(_Method):
    method: Literal["kto"]
    batch_size: Annotated[int, Field(ge=4, multiple_of=2)]  # traces per update: both sides of two or more pairs
    beta: Annotated[float, Field(gt=0)]  # as in DPO


class SFTRecipe(_Method):
    """Supervised fine-tuning on the chosen traces alone."""

    method: Literal["sft"]


Recipe = Annotated[DPORecipe | KTORecipe | SFTRecipe, Field(discriminator="method")]
NEEDS_REFERENCE = frozenset({"dpo", "kto"})
