"""TRL's trainers over rows that carry their token ids and reference log-probabilities, without a reference model."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import Trainer


def prepared(trainer: "type[Trainer]") -> "type[Trainer]":
    """TRL's trainer without its preparation of rows, which would silently cut prompts and drop rows."""
    parent: Any = trainer

    class PreparedTrainer(parent):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: "Dataset", *_: Any) -> "Dataset":
            return dataset

        def _precompute_ref_logps(self, dataset: "Dataset", *_: Any) -> "Dataset":
            return dataset

    return PreparedTrainer


@contextmanager
def reference_not_loaded(module: ModuleType) -> Iterator[None]:
    """Within the context, a trainer of TRL's `module` is made without a reference model.

    With several processes TRL would load one anyway and drop it, and it would hash all weights for a cache.
    """
    names = {"create_model_from_path": lambda *_, **__: None, "hash_module": lambda *_: ""}
    before = {name: getattr(module, name) for name in names}
    vars(module).update(names)
    try:
        yield
    finally:
        vars(module).update(before)
