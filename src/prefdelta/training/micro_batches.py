"""One update in micro-batches: several forward passes, in one process or in several.

An update is the same whatever its micro-batches: each counts by its share of the update (rows, or tokens for SFT).
TRL's own gradient accumulation gives all the same weight, even if the last one is shorter. So the loader gives every
process the rows of a whole update, and each process takes its micro-batches from them. An update of one micro-batch is
left to TRL.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Recipe
from prefdelta.models.loading import products_in
from prefdelta.training.packing import Unpadded, is_packed
from prefdelta.training.shares import shares

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader
    from transformers import Trainer


def process_count() -> int:
    """The number of processes that train together. Read when asked: a SLURM job knows it only after imports."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_rank() -> int:
    """The number of this process among them, from 0."""
    return int(os.environ.get("RANK", "0"))


TOKENS_WITHOUT_GRADIENTS = 16_384  # in one forward pass that computes no gradients
Row = Mapping[str, Any]  # name of a column -> what TRL's collator reads there
# (tensors of shape (rows, ...) that TRL's collator made from rows, weight of the micro-batch in the update). The mean
# of all weights, over all processes, is 1.
Weighted = tuple[dict[str, "torch.Tensor"], float]
Size = Callable[[Row], int]  # weight of a row in the mean that is the loss


@dataclass(frozen=True, slots=True)
class Update:
    """The rows of one update. It is a type of its own, so that no library walks through their tokens."""

    rows: Sequence[Row]


def rows_per_micro_batch(recipe: Recipe) -> int:
    """Rows in one forward pass: the recipe's number, or else a process's share of an update.

    Raises StudyError if the processes cannot make equal shares of an update in such micro-batches.
    """
    rows = recipe.micro_batch_size or max(1, recipe.batch_size // process_count())
    if recipe.batch_size % (rows * process_count()):
        raise StudyError(
            f"batch_size {recipe.batch_size} is not a multiple of micro_batch_size x GPUs "
            f"({rows} x {process_count()}): "
            "choose another micro_batch_size, or another number of GPUs (compute.train.gpus)."
        )
    return rows


def count_tokens(row: Row) -> int:
    """The token ids in all columns of a row: what it costs, beside other rows of its method."""
    return sum(len(value) for value in row.values() if isinstance(value, list))


def in_micro_batches(
    trainer: "type[Trainer]", recipe: Recipe, size: Size = lambda _: 1, together: int = 1
) -> "Callable[..., Trainer]":
    """A subclass of a TRL trainer that makes updates in micro-batches, with matrix products in the recipe's dtype.

    together: rows that follow each other and belong in one micro-batch.
    """
    dtype, rows_each = recipe.dtype, rows_per_micro_batch(recipe)
    parent: Any = trainer

    class MicroBatchTrainer(parent):  # type: ignore[misc]
        _weight = 1.0  # of the current micro-batch

        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self._collate: Any = self.data_collator
            self.data_collator: Any = Update
            if self.args.use_cpu:  # it would walk through all objects of the libraries: as long as ten small updates
                self.accelerator.free_memory = lambda *objects: objects
            # TRL measures over all processes as if micro-batches had one size; `_average` works for any sizes.
            if process_count() > 1:
                self.accelerator.gather = self.accelerator.gather_for_metrics = lambda measured, *_, **__: measured

        def get_train_dataloader(self) -> "DataLoader[Update]":
            loader: DataLoader[Update] = super().get_train_dataloader()
            if process_count() > 1:  # accelerate would give each process other rows, and repeat some in a short update
                batches: Any = loader.batch_sampler
                batches.num_processes, batches.process_index, batches.even_batches = 1, 0, False
            return loader

        def _get_num_items_in_batch(self, *_: Any) -> None:
            """None: the weights of the micro-batches replace this number."""

        def floating_point_ops(self, _: Update) -> int:
            return 0  # TRL would look for tokens; nobody reads the estimate

        def training_step(self, model: Any, inputs: Update, *_: Any) -> "torch.Tensor":
            """The loss of the whole update, a scalar in nats."""
            rows = inputs.rows
            total, lengths = sum(map(size, rows)), list(map(count_tokens, rows))
            micro_batches: list[Weighted] = [
                (
                    self._prepare_inputs(self._collate([rows[index] for index in indices])),
                    process_count() * sum(size(rows[index]) for index in indices) / total if counts else 0.0,
                )
                for indices, counts in shares(lengths, rows_each, process_count(), together)[process_rank()]
            ]
            whole = len(micro_batches) == process_count() == 1
            model.train()
            with products_in(dtype):
                self.before_micro_batches(model, micro_batches, len(rows), whole)
            loss: Any = 0.0
            for micro_batch, weight in micro_batches:
                self._weight = weight
                loss += super().training_step(model, micro_batch)
            if not whole:
                self._average([weight for _, weight in micro_batches])
                loss = self.accelerator.reduce(loss, "mean")
            summed: torch.Tensor = loss
            return summed

        def before_micro_batches(self, model: Any, micro_batches: Sequence[Weighted], n_rows: int, whole: bool) -> None:
            """Does nothing here. A method overrides it if its loss has a term of the whole update of n_rows rows.

            whole: whether the only micro-batch is the whole update.
            """

        def compute_loss(self, model: Any, inputs: dict[str, "torch.Tensor"], *_: Any, **__: Any) -> "torch.Tensor":
            with products_in(dtype):
                loss: torch.Tensor = super().compute_loss(self.unpadded(model), inputs) * self._weight
            return loss

        def unpadded(self, model: Any) -> Any:
            """The model that computes log-probabilities: without padding, if the policy allows it."""
            return Unpadded(model) if is_packed(self.model) else model

        def _average(self, weights: Sequence[float]) -> None:
            """Replace what TRL measured of each micro-batch by its mean over the update."""
            import torch

            for name, values in self._metrics["train"].items():
                if len(values) == len(weights):
                    pairs = zip(values, weights, strict=True)
                    sums = torch.tensor([sum(value * weight for value, weight in pairs), sum(weights)])
                    total, all_weights = self.accelerator.reduce(sums.to(self.args.device), "sum").tolist()
                    self._metrics["train"][name] = [total / all_weights]

    return MicroBatchTrainer
