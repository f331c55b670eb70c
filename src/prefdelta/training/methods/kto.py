"""Method `kto`: Kahneman-Tversky optimisation (arXiv 2402.01306, equation 7) through TRL.

Pairs are taken apart into single traces, wanted and unwanted in turn, so that every batch holds both. The reference
point of a batch is a divergence that TRL estimates from mismatched rows (each prompt with a completion of another one
of its batch), so this module fixes the batches and computes the reference sums of the mismatched rows; the reference
sums of the traces themselves come with the rows. A batch in several micro-batches has one reference point for all its
rows.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from prefdelta.core.recipes import Precision, Recipe
from prefdelta.training.logps import completion_logps
from prefdelta.training.method import PAIR, Method, Setup
from prefdelta.training.micro_batches import (
    TOKENS_WITHOUT_GRADIENTS,
    Row,
    Weighted,
    in_micro_batches,
    process_count,
    process_rank,
)
from prefdelta.training.prepared import prepared, reference_not_loaded
from prefdelta.training.tokens import PreferenceRow, Tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, Trainer


class KTORecipe(Recipe):
    method: Literal["kto"]
    batch_size: Annotated[int, Field(ge=4, multiple_of=2)]
    """Traces per update on all GPUs together: both sides of two or more pairs, so an even number of at
    least 4."""

    micro_batch_size: Annotated[int, Field(ge=2, multiple_of=2)] | None = None
    """Traces in one forward pass on one GPU: an even divisor of batch_size, so that both sides of a pair go through the
    model together. Default: all traces of an update that the GPU has."""

    beta: Annotated[float, Field(gt=0)]
    """Strength of the pull towards the reference, per nat, above 0."""


def make_rows(model: "PreTrainedModel", pairs: Sequence[PreferenceRow], recipe: KTORecipe, seed: int) -> list[Row]:
    """Two rows for each pair, in the order of training; the reference sums are in nats."""
    ordered = list(pairs)
    Random(seed).shuffle(ordered)
    traces = [trace for pair in ordered for trace in METHOD.read(pair)]
    labels = [True, False] * len(ordered)
    sums = [logps for pair in ordered for logps in pair.reference()]
    mismatched = _mismatched(traces, recipe.batch_size)
    mismatched_sums = _sums(model, mismatched, recipe.dtype)
    return [
        {
            "prompt_ids": trace.prompt,
            "completion_ids": trace.completion,
            "KL_completion_ids": mismatched[index].completion,
            "label": labels[index],
            "ref_logps": sums[index],
            "ref_KL_logps": mismatched_sums[index],
        }
        for index, trace in enumerate(traces)
    ]


def make_trainer(setup: Setup[KTORecipe]) -> "Trainer":
    """TRL's trainer, which uses the rows in their order."""
    from trl.trainer import kto_trainer
    from trl.trainer.kto_config import KTOConfig

    trainer = _trainer_type(setup.recipe)
    with reference_not_loaded(kto_trainer):
        return trainer(
            model=setup.model,
            args=KTOConfig(
                **setup.arguments,
                beta=setup.recipe.beta,
                precompute_ref_log_probs=True,
                train_sampling_strategy="sequential",
                disable_dropout=setup.adapters is None,
            ),
            train_dataset=setup.dataset,
            processing_class=setup.tokenizer,
            peft_config=setup.adapters,
        )


def _mismatched(traces: Sequence[Tokens], batch_size: int) -> list[Tokens]:
    """Each prompt with the completion two places before its own, cyclically within its batch.

    The completion one place before is the other side of the pair. A last batch of a single pair has no other prompt.
    """
    rows = []
    for start in range(0, len(traces), batch_size):
        batch = traces[start : start + batch_size]
        rows += [Tokens(trace.prompt, batch[place - 2].completion) for place, trace in enumerate(batch)]
    return rows


def _sums(model: "PreTrainedModel", rows: Sequence[Tokens], dtype: Precision) -> dict[int, float]:
    """Index of a row -> its reference sum, in nats. The model is the reference as long as it is not trained.

    Each process computes some sums and gets all of them.
    """
    from accelerate.utils import gather_object

    mine = range(process_rank(), len(rows), process_count())
    computed = completion_logps(model, [rows[index] for index in mine], TOKENS_WITHOUT_GRADIENTS, dtype)
    return dict(gather_object([(mine[place], logps) for place, logps in computed]))


def _trainer_type(recipe: KTORecipe) -> "Callable[..., Trainer]":
    from trl.trainer.kto_trainer import KTOTrainer

    parent: Any = in_micro_batches(prepared(KTOTrainer), recipe, together=METHOD.rows_per_pair)

    class OnePointKTOTrainer(parent):  # type: ignore[misc]
        """Uses one reference point for the whole batch. TRL would estimate one from each micro-batch."""

        _point: "torch.Tensor | None" = None  # scalar, nats: of the current batch; None: TRL estimates it

        def before_micro_batches(self, model: Any, micro_batches: Sequence[Weighted], n_rows: int, whole: bool) -> None:
            self._point = None
            if whole:
                return
            gained: torch.Tensor | float = 0.0
            for micro_batch, weight in micro_batches:
                logps = self._compute_kl_logps(self.unpadded(model), micro_batch)
                gains = logps - micro_batch["ref_KL_logps"]  # (rows,), nats
                gained += gains.sum() * (weight > 0)
                micro_batch["ref_KL_logps"] = gains.new_zeros(len(gains))
            self._point = self.accelerator.reduce(gained, "sum") / n_rows

        def _compute_kl_logps(self, model: Any, batch: dict[str, Any]) -> "torch.Tensor":
            """Log-probabilities for the reference point: shape (rows,), nats."""
            if self._point is None:
                logps: torch.Tensor = super()._compute_kl_logps(model, batch)
                return logps
            return self._point.expand(len(batch["label"]))

    return OnePointKTOTrainer


METHOD = Method(
    name="kto",
    recipe=KTORecipe,
    needs_reference=True,
    sides=PAIR,
    rows_per_pair=2,
    only_contrast=True,
    first_loss=lambda _: 0.5,  # 1 - sigmoid(0), because the policy equals its reference
    make_rows=make_rows,
    make_trainer=make_trainer,
)
