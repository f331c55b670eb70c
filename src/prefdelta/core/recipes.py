"""Recipes: named ways to train an arm. These settings are shared by all methods; `training.methods` adds each method's.

The module holds values only and does not import torch.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from prefdelta.core.settings import Settings

# Precision of matrix products. Weights and optimiser are float32 in either case: in bfloat16 an update below half a
# unit in the last place (0.2% to 0.4% of a weight) would be lost.
Precision = Literal["float32", "bfloat16"]


class Budget(Settings):
    """How much an arm may train. Exactly one of these keys is given.

    Top-k at one epoch means fewer updates than all pairs, so equal `updates` is a control beside equal `epochs`.
    """

    epochs: Annotated[float, Field(gt=0)] | None = None
    """Passes over the selection, above 0."""

    examples: Annotated[int, Field(ge=1)] | None = None
    """Rows seen, at least 1. The method says what a row is: a pair for DPO, one trace for KTO (a pair has two), the
    chosen trace for SFT. So KTO needs twice the number for the same pairs."""

    updates: Annotated[int, Field(ge=1)] | None = None
    """Steps of the optimiser, at least 1."""

    tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens of prompts and completions seen, at least 1."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Budget":
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("give exactly one of epochs, examples, updates, tokens")
        return self


class Lora(Settings):
    """Low-rank adapters (arXiv 2106.09685) in place of all weights. They are merged: a policy is a full checkpoint."""

    rank: Annotated[int, Field(ge=1)]
    """Inner dimension of each adapter's two matrices, at least 1."""

    alpha: Annotated[int, Field(ge=1)]
    """The adapters' product is scaled by alpha / rank. At least 1."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the adapters' inputs that is dropped in training, from 0 to below 1."""

    targets: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = "all-linear"
    """All linear layers but the output head, or names of modules, for example [q_proj, v_proj]."""

    @model_validator(mode="after")
    def _without_the_head(self) -> "Lora":
        if "lm_head" in self.targets:
            raise ValueError("lm_head cannot have an adapter: TRL computes log-probabilities from its weight alone")
        return self


class Recipe(Settings):
    """The settings that all methods share. A method's own type adds to them."""

    method: str
    """Name of the training method: a module of `prefdelta.training.methods`."""

    learning_rate: Annotated[float, Field(gt=0)]
    """Peak learning rate of AdamW, above 0."""

    batch_size: Annotated[int, Field(ge=1)]
    """Rows per update on all GPUs together, at least 1. The method says what a row is: a pair, or one trace."""

    micro_batch_size: Annotated[int, Field(ge=1)] | None = None
    """Rows in one forward pass on one GPU; a divisor of batch_size. It decides how much memory is needed, not what is
    learnt. Default: all rows of an update that the GPU has."""

    budget: Budget
    """How much to train."""

    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the updates in which the learning rate rises to its peak, from 0 to below 1."""

    scheduler: Literal["linear", "cosine", "constant_with_warmup"] = "cosine"
    """Course of the learning rate after the warm-up."""

    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Norm to which a larger gradient is scaled down, above 0."""

    dtype: Precision = "float32"
    """Precision of the matrix products."""

    # Measured on a small model: 500 updates at 5e-8 change 99% of the weights in float32 and 1% in bfloat16 (5% if the
    # weights were as small as an 8B model's, 0.02). In bfloat16 2% of the reward margin is left; at 5e-6, 92%.
    save_dtype: Precision = "float32"
    """Precision in which the policy is saved. bfloat16 loses most of what a small learning rate changes."""

    lora: Lora | None = None
    """Adapters to train. Default: all weights are trained."""

    threads: Annotated[int, Field(ge=1)] = 1
    """Torch threads, at least 1: part of what determines the bits on a CPU."""

    @model_validator(mode="after")
    def _whole_micro_batches(self) -> Self:
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size {self.micro_batch_size}; choose a "
                "divisor"
            )
        return self
