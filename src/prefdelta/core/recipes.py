"""Recipes: named ways to train an arm. Values only; `prefdelta.training` has one module per method."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefdelta.core.settings import Settings

# Of matrix products. Weights and optimiser are float32 in either case: an update below half a unit in the last place,
# 0.2% to 0.4% of a weight in bfloat16, would be lost.
Precision = Literal["float32", "bfloat16"]


class Budget(Settings):
    """How much an arm may train. Exactly one of these is given.

    Top-k at one epoch means fewer updates than all pairs, so equal `updates` is a control beside equal `epochs`.
    """

    epochs: Annotated[float, Field(gt=0)] | None = None  # passes over the selection
    # Rows seen: pairs for DPO, traces for KTO (two of a pair), chosen traces for SFT. So KTO needs twice the number.
    examples: Annotated[int, Field(ge=1)] | None = None
    updates: Annotated[int, Field(ge=1)] | None = None  # steps of the optimiser
    tokens: Annotated[int, Field(ge=1)] | None = None  # tokens of prompt + completions seen

    @model_validator(mode="after")
    def _one(self) -> "Budget":
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give exactly one of epochs, examples, updates, tokens")
        return self


class Lora(Settings):
    """Low-rank adapters (arXiv 2106.09685) in place of all weights. They are merged: a policy is a full checkpoint."""

    rank: Annotated[int, Field(ge=1)]
    alpha: Annotated[int, Field(ge=1)]  # the adapters' product is scaled by alpha / rank
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    # All linear layers but the output head, or names of modules, for example [q_proj, v_proj].
    targets: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = "all-linear"

    @model_validator(mode="after")
    def _not_the_head(self) -> "Lora":
        if "lm_head" in self.targets:
            raise ValueError("lm_head cannot have an adapter: TRL computes log-probabilities from its weight alone")
        return self


class _Method(Settings):
    """What all methods share."""

    learning_rate: Annotated[float, Field(gt=0)]
    batch_size: Annotated[int, Field(ge=1)]  # rows per update, on all GPUs: pairs, or traces for SFT and KTO
    # Rows in one forward pass on one GPU: memory, not what is learnt. Not given: all that a GPU has of an update.
    micro_batch_size: Annotated[int, Field(ge=1)] | None = None
    budget: Budget
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # of all updates
    scheduler: Literal["linear", "cosine", "constant_with_warmup"] = "cosine"
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    dtype: Precision = "float32"
    # Of the policy. Measured on a small model: 500 updates at 5e-8 change 99% of the weights in float32 and 1% in
    # bfloat16 (5% if they were as small as an 8B model's, 0.02), where 2% of the reward margin is left; at 5e-6, 92%.
    save_dtype: Precision = "float32"
    lora: Lora | None = None  # not given: all weights are trained
    threads: Annotated[int, Field(ge=1)] = 1  # torch threads: part of what determines the bits on a CPU

    @model_validator(mode="after")
    def _whole_parts(self) -> Self:
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of micro_batch_size {self.micro_batch_size}; choose a "
                "divisor"
            )
        return self


class DPORecipe(_Method):
    method: Literal["dpo"]
    beta: Annotated[float, Field(gt=0)]  # strength of the pull towards the reference, per nat


class KTORecipe(_Method):
    method: Literal["kto"]
    batch_size: Annotated[int, Field(ge=4, multiple_of=2)]  # traces per update: both sides of two or more pairs
    # Both sides of a pair go through the model together.
    micro_batch_size: Annotated[int, Field(ge=2, multiple_of=2)] | None = None
    beta: Annotated[float, Field(gt=0)]  # as in DPO


class SFTRecipe(_Method):
    """Supervised fine-tuning on the chosen traces alone."""

    method: Literal["sft"]


Recipe = Annotated[DPORecipe | KTORecipe | SFTRecipe, Field(discriminator="method")]
NEEDS_REFERENCE = frozenset({"dpo", "kto"})
