"""The weights of a job's model: a checkpoint of the study's own, or a model of the hub."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel
from prefdelta.core.ids import digest
from prefdelta.models import repositories
from prefdelta.store import checkpoints


@dataclass(frozen=True, slots=True)
class Weights:
    """The identity of a model, and the folder of its files."""

    key: str  # names it in the record
    identity: str  # of all files, with tokenizer and chat template; in the key of every call
    folder: Path  # in Hugging Face format
    removed: bool = False  # whether its weights were removed: then only what is recorded can be used


def open_weights(pointers: Sequence[Path], model: HubModel | None, record: Path, only_look: bool = False) -> Weights:
    """The weights that the one pointer names, or those of a model of the hub.

    only_look: take the identity from pointer or pin, and neither read nor fetch weights.
    Raises StudyError or DamagedError if the weights are missing, or are not those that were named.
    """
    if only_look:
        return _identified(pointers, model, record)
    if model is None:
        (pointer,) = pointers
        checkpoint, folder = checkpoints.open_pointer(pointer, record)
        return Weights(checkpoint.key, checkpoint.weights, folder, checkpoints.are_removed(folder))
    if pointers:
        raise StudyError(
            f"{model.name} is a model of the hub, but {pointers[0]} names weights, too. Give only one of the two."
        )
    identity, folder = repositories.model_folder(model)
    return Weights(digest(identity), identity, folder)


def _identified(pointers: Sequence[Path], model: HubModel | None, record: Path) -> Weights:
    if model is None:
        (pointer,) = pointers
        checkpoint = checkpoints.read_pointer(pointer)
        return Weights(checkpoint.key, checkpoint.weights, record / checkpoint.folder)
    identity = repositories.identity_of(model)
    return Weights(digest(identity), identity, repositories.folder_of(model))


def same_tensors(folder: Path, other: Path) -> bool:
    """Whether two folders hold the same values, however they are cut into files. Stops at the first difference.

    Only tensors in both folders are compared: one of two tied tensors may be left out.
    """
    import torch

    with _tensors(folder) as ours, _tensors(other) as theirs:
        common = ours.keys() & theirs.keys()
        return bool(common) and all(
            torch.equal(ours[name].get_tensor(name).float(), theirs[name].get_tensor(name).float())
            for name in sorted(common)
        )


@contextmanager
def _tensors(folder: Path) -> Iterator[dict[str, Any]]:
    """Name of a tensor -> the open file that holds it."""
    from safetensors import safe_open

    with ExitStack() as stack:
        files = [stack.enter_context(safe_open(path, framework="pt")) for path in repositories.weight_files(folder)]
        yield {name: file for file in files for name in list(file.keys())}
