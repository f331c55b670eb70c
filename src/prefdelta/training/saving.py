"""A trained policy as a full checkpoint in Hugging Face format, and what share of its weights training changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefdelta.core.recipes import DPORecipe, KTORecipe, SFTRecipe

_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}  # safetensors' names and torch's


def save_policy(trainer: Any, base: Path, recipe: DPORecipe | KTORecipe | SFTRecipe, output: Path) -> float | None:
    """Save what was trained, and the tokenizer, to `output`. Returns the share of weights that differ from the base's.

    Adapters are merged in float32 first, so evaluation needs to know nothing of them. Of several processes all have to
    call this, for they may each hold a part; only the first writes, and the others return None.
    """
    import torch

    state = trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None
    if not trainer.args.should_save:
        return None
    dtype = getattr(torch, _stored_dtype(base) if recipe.save_dtype == "base" else recipe.save_dtype)
    model = trainer.model.merge_and_unload() if recipe.lora else trainer.model
    if state is None:
        model.to(dtype).save_pretrained(output)
    else:
        with torch.device("meta"):
            whole = type(model).__mro__[1](model.config).to(dtype)  # the class below the one that shards
        whole.save_pretrained(output, state_dict={name: value.to(dtype) for name, value in state.items()})
    trainer.processing_class.save_pretrained(output)
    return _changed_share(base, output)


def _stored_dtype(base: Path) -> str:
    """Name of the torch dtype that a checkpoint's largest tensor is stored in."""
    largest = max((part for _, part in _slices(base)), key=_size)
    return _DTYPES[largest.get_dtype()]


def _changed_share(base: Path, policy: Path) -> float:
    """Share of the weights that are not what the base's are in the policy's precision."""
    found = {name: part for name, part in _slices(base)}
    changed = total = 0
    for name, part in _slices(policy):
        after = part[:]
        total += after.numel()
        changed += int((found[name][:].to(after.dtype) != after).sum()) if name in found else after.numel()
    return changed / total


def _slices(folder: Path) -> Iterator[tuple[str, Any]]:
    """The tensors of a checkpoint by name, read only when they are asked for."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        file = safe_open(path, "pt")
        yield from ((name, file.get_slice(name)) for name in file.keys())  # noqa: SIM118


def _size(part: Any) -> int:
    size = 1
    for length in part.get_shape():
        size *= length
    return size
