"""One update, made in parts: by several forward passes, of one process or of several.

An update is the same whatever the parts: each counts by its share of the batch (rows, or tokens for SFT). TRL's own
gradient accumulation weighs all parts alike, also a last one that is shorter. So the loader gives every process the
rows of a whole update, and each process takes its parts of them. An update of one part is made by TRL as it stands.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import DPORecipe, KTORecipe, Precision, SFTRecipe
from prefdelta.models.loading import products_in

# Of those that train together, as torch's launcher says: how many they are, and the number of this one.
PROCESSES, PROCESS = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
Row = Mapping[str, Any]  # the columns of a row that TRL's collator reads
Parts = list[tuple[dict[str, Any], float]]  # of one process: what TRL's collator made of the rows, and the weight
Size = Callable[[Row], int]  # what a row counts for in the mean that is the loss


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one update. A type of its own, so that no library walks through their tokens."""

    rows: Sequence[Row]


def rows_per_part(recipe: DPORecipe | KTORecipe | SFTRecipe) -> int:
    """Rows of one forward pass: what the recipe says, or else a process' share of an update.

    Raises StudyError if the processes cannot make equal shares of an update in such parts.
    """
    rows = recipe.micro_batch_size or max(1, recipe.batch_size // PROCESSES)
    if recipe.batch_size % (rows * PROCESSES):
        raise StudyError(
            f"batch_size {recipe.batch_size} is no multiple of micro_batch_size x GPUs ({rows} x {PROCESSES}): choose "
            "another micro_batch_size, or another number of GPUs (compute.train.gpus)."
        )
    return rows


def split(n_rows: int, rows_per_part: int, process: int, processes: int) -> list[tuple[range, bool]]:
    """The parts of an update that a process makes, and whether each counts: (indices of its rows, counts).

    All processes make equally many, because they exchange weights in each: one that runs out of rows repeats the first
    part, without counting it.
    """
    parts = [range(start, min(start + rows_per_part, n_rows)) for start in range(0, n_rows, rows_per_part)]
    mine = parts[process::processes]
    missing = -(-len(parts) // processes) - len(mine)
    return [(part, True) for part in mine] + [(parts[0], False)] * missing


def in_parts(trainer: type[Any], dtype: Precision, rows_per_part: int, size: Size) -> type[Any]:
    """TRL's trainer, making each update in parts of rows_per_part rows, with matrix products in `dtype`."""

    class PartedTrainer(trainer):  # type: ignore[misc]
        _weight = 1.0  # of the part at hand; the average over processes is the mean over the batch

        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self._collate: Any = self.data_collator
            self.data_collator: Any = Batch
            if PROCESSES > 1:  # TRL measures over all processes, of parts of one size; `_average` does it for any
                self.accelerator.gather = self.accelerator.gather_for_metrics = lambda measured, *_, **__: measured

        def get_train_dataloader(self) -> Any:
            loader = super().get_train_dataloader()
            if PROCESSES > 1:  # accelerate gives each process other rows, and repeats some in a short last batch
                batches = loader.batch_sampler
                batches.num_processes, batches.process_index, batches.even_batches = 1, 0, False
            return loader

        def _get_num_items_in_batch(self, *_: Any) -> None:
            """Nothing: the weights of the parts do it."""

        def floating_point_ops(self, _: Batch) -> int:
            return 0  # TRL would look for tokens; nobody reads the estimate

        def training_step(self, model: Any, inputs: Batch, *_: Any) -> Any:
            rows = inputs.rows
            total = sum(map(size, rows))
            parts = [
                (
                    self._prepare_inputs(self._collate([rows[index] for index in indices])),
                    PROCESSES * sum(size(rows[index]) for index in indices) / total if counts else 0.0,
                )
                for indices, counts in split(len(rows), rows_per_part, PROCESS, PROCESSES)
            ]
            in_one = len(parts) == PROCESSES == 1
            model.train()
            with products_in(dtype):
                self.before_parts(model, parts, len(rows), in_one)
            loss = 0.0
            for part, weight in parts:
                self._weight = weight
                loss += super().training_step(model, part)
            if not in_one:
                self._average([weight for _, weight in parts])
                loss = self.accelerator.reduce(loss, "mean")
            return loss

        def before_parts(self, model: Any, parts: Parts, n_rows: int, in_one: bool) -> None:
            """For a method whose loss has a term of the whole batch. in_one: TRL sees all of it."""

        def compute_loss(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
            with products_in(dtype):
                return super().compute_loss(model, inputs) * self._weight

        def _average(self, weights: Sequence[float]) -> None:
            """What TRL measured of each part, as a mean over the batch."""
            import torch

            for name, values in self._metrics["train"].items():
                if len(values) == len(weights):
                    pairs = zip(values, weights, strict=True)
                    sums = torch.tensor([sum(value * weight for value, weight in pairs), sum(weights)])
                    total, whole = self.accelerator.reduce(sums.to(self.args.device), "sum").tolist()
                    self._metrics["train"][name] = [total / whole]

    return PartedTrainer
