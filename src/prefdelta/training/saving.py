"""A trained policy as a full checkpoint in Hugging Face format, and what share of its weights training changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefdelta.core.recipes import DPORecipe, KTORecipe, SFTRecipe


def save_policy(trainer: Any, base: Path, recipe: DPORecipe | KTORecipe | SFTRecipe, output: Path) -> dict[str, float]:
    """Save what was trained, and the tokenizer, to `output`. Returns what share of the weights differs from the base's:
    `changed_share` as saved, and `changed_share_bfloat16` for one who loads the policy in bfloat16.

    Adapters are merged in float32 first, so evaluation needs to know nothing of them. Of several processes all have to
    call this, for they may each hold a part; only the first writes and measures.
    """
    import torch

    dtype = getattr(torch, recipe.save_dtype)
    model = trainer.model
    state = _gathered(model, dtype, trainer.args.should_save) if trainer.is_fsdp_enabled else None
    if not trainer.args.should_save:
        return {}
    if recipe.lora:
        model = model.merge_and_unload()
    if state is None:
        model.to(dtype)
    model.save_pretrained(output, state_dict=state)
    _name_dtype(output / "config.json", recipe.save_dtype)
    trainer.processing_class.save_pretrained(output)
    return _changed(base, output)


def _gathered(model: Any, dtype: Any, keep: bool) -> dict[str, Any]:
    """All weights of a model that several processes share, in the host's memory of those that keep them."""
    state = {}
    once = {name for name, _ in model.named_parameters()}
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)} - once  # in `state` by another name
    for name, part in model.state_dict().items():
        if name in tied:
            continue
        whole = part.full_tensor() if hasattr(part, "full_tensor") else part  # a buffer is nobody's part
        if keep:
            state[name] = whole.to("cpu", dtype)
    return state


def _name_dtype(config: Path, dtype: str) -> None:
    """Have the configuration name what the weights are saved in: transformers names what shared ones were before."""
    values = json.loads(config.read_text(encoding="utf-8"))
    if values["dtype"] != dtype:
        config.write_text(json.dumps(values | {"dtype": dtype}, indent=2) + "\n", encoding="utf-8")


def _changed(base: Path, policy: Path) -> dict[str, float]:
    import torch

    found = dict(_slices(base))
    total = saved = rounded = 0
    for name, part in _slices(policy):
        after = part[:]
        total += after.numel()
        before = found[name][:] if name in found else torch.full_like(after, torch.nan)  # differs from all
        saved += int((before.to(after.dtype) != after).sum())
        rounded += int((before.bfloat16() != after.bfloat16()).sum())
    return {"changed_share": saved / total, "changed_share_bfloat16": rounded / total}


def _slices(folder: Path) -> Iterator[tuple[str, Any]]:
    """The tensors of a checkpoint by name, read only when they are asked for."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        file: Any = safe_open(path, "pt")
        yield from ((name, file.get_slice(name)) for name in file.keys())  # noqa: SIM118
