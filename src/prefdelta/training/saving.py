"""A trained policy as a full checkpoint in Hugging Face format, and what share of its weights training changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.recipes import Recipe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, Trainer


def save_policy(trainer: "Trainer", base: Path, recipe: Recipe, output: Path) -> dict[str, float]:
    """Save the trained model and its tokenizer to the folder `output`; return the share of weights that changed.

    `changed_share` is the share of the weights that differ from the base's as saved, `changed_share_bfloat16` the share
    that would still differ if both were loaded in bfloat16.
    Adapters are merged in float32 first, so evaluation needs to know nothing of them. All processes must call this,
    because each may hold a part; only the first writes and measures, and the others return nothing.
    """
    import torch

    dtype = getattr(torch, recipe.save_dtype)
    model: Any = trainer.model
    state = _gathered(model, dtype, trainer.args.should_save) if trainer.is_fsdp_enabled else None
    if not trainer.args.should_save:
        return {}
    if recipe.lora:
        model = model.merge_and_unload()
    if state is None:
        model.to(dtype)
    model.save_pretrained(output, state_dict=state)
    _name_dtype(output / "config.json", recipe.save_dtype)
    tokenizer: Any = trainer.processing_class
    tokenizer.save_pretrained(output)
    return _changed(base, output)


def _gathered(model: "PreTrainedModel", dtype: "torch.dtype", keep: bool) -> "dict[str, torch.Tensor]":
    """All weights of a model that several processes share. keep: put them into this process's main memory."""
    state = {}
    once = {name for name, _ in model.named_parameters()}
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)} - once  # in `state` under another name
    for name, part in model.state_dict().items():
        if name in tied:
            continue
        whole = part.full_tensor() if hasattr(part, "full_tensor") else part  # buffers are not shared in parts
        if keep:
            state[name] = whole.to("cpu", dtype)
    return state


def _name_dtype(config: Path, dtype: str) -> None:
    """Write the dtype of the saved weights into the configuration. For shared weights transformers writes another."""
    values = json.loads(config.read_text(encoding="utf-8"))
    if values["dtype"] != dtype:
        config.write_text(json.dumps(values | {"dtype": dtype}, indent=2) + "\n", encoding="utf-8")


def _changed(base: Path, policy: Path) -> dict[str, float]:
    import torch

    slices = dict(_slices(base))
    total = saved = rounded = 0
    for name, weights in _slices(policy):
        after = weights[:]
        total += after.numel()
        before = slices[name][:] if name in slices else torch.full_like(after, torch.nan)  # NaN differs from all values
        saved += int((before.to(after.dtype) != after).sum())
        rounded += int((before.bfloat16() != after.bfloat16()).sum())
    return {"changed_share": saved / total, "changed_share_bfloat16": rounded / total}


def _slices(folder: Path) -> Iterator[tuple[str, Any]]:
    """The tensors of a checkpoint by name, as slices of safetensors that are read when they are indexed."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        file: Any = safe_open(path, "pt")
        yield from ((name, file.get_slice(name)) for name in file.keys())  # noqa: SIM118
