"""A trained policy as a full checkpoint in Hugging Face format, and what training changed in it."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.precision import HALF
from prefdelta.core.recipes import Recipe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, Trainer

_AT_A_TIME = 2**24  # elements


def save_policy(trainer: "Trainer", base: Path, recipe: Recipe, output: Path) -> dict[str, float | None]:
    """Save the trained model and its tokenizer to the folder `output`; return what training changed.

    `changed_share` is the share of the weights that differ from the base's as saved, `changed_share_bfloat16` the share
    that would still differ if both were loaded in bfloat16. The other measurements are those of `update_survival`.
    Adapters are merged in float32 first, so evaluation needs to know nothing of them. All processes must call this,
    because each may hold a part; only the first writes and measures, and the others return nothing.
    """
    import torch

    dtype = getattr(torch, recipe.save_dtype)
    model: Any = trainer.model
    state = _gathered(model, trainer.args.should_save) if trainer.is_fsdp_enabled else None
    if not trainer.args.should_save:
        return {}
    if recipe.lora:
        model = model.merge_and_unload()
    survival = update_survival(base, model.state_dict() if state is None else state, dtype)
    if state is None:
        model.to(dtype)
    else:
        state = {name: weights.to(dtype) for name, weights in state.items()}
    model.save_pretrained(output, state_dict=state)
    _name_dtype(output / "config.json", recipe.save_dtype)
    tokenizer: Any = trainer.processing_class
    tokenizer.save_pretrained(output)
    return {**_changed(base, output), **survival}


def update_survival(
    base: Path, trained: "Mapping[str, torch.Tensor]", saved_in: "torch.dtype"
) -> dict[str, float | None]:
    """How much of training is left when base and policy are loaded in 16 bits, for bfloat16 and float16.

    The update is u = trained - base. In a precision d it is u_d = d(trained) - d(base), where d() rounds and the
    difference is taken in float32. Over all tensors of the base's files, `update_cosine_<d>` is the cosine of u and
    u_d, and `update_share_<d>` the share of the elements with u != 0 that have u_d != 0. None: nothing changed.
    trained: tensors by name, in float32. saved_in: the precision in which they are saved first. A weight that float16
    cannot hold makes its cosine 0.
    """
    import torch

    changed, length = 0, 0.0
    left, dots, lengths = dict.fromkeys(HALF, 0), dict.fromkeys(HALF, 0.0), dict.fromkeys(HALF, 0.0)
    for name, stored in _slices(base):
        if name not in trained:
            continue
        after = trained[name].detach().flatten()
        before = stored[:].to(after.device).flatten()
        for start in range(0, len(after), _AT_A_TIME):
            part, reference = (weights[start : start + _AT_A_TIME] for weights in (after, before))
            update = part.float() - reference.float()
            changed += int((update != 0).sum())
            length += float(update.double().square().sum())
            for precision in HALF:
                dtype = getattr(torch, precision)
                rounded = part.to(saved_in).to(dtype).float() - reference.to(dtype).float()
                left[precision] += int(((update != 0) & (rounded != 0)).sum())
                dots[precision] += float(update.double() @ rounded.double())
                lengths[precision] += float(rounded.double().square().sum())
    measured: dict[str, float | None] = {}
    for precision in HALF:
        size = math.sqrt(length) * math.sqrt(lengths[precision])
        cosine = dots[precision] / size if 0 < size < math.inf else 0.0
        measured[f"update_cosine_{precision}"] = cosine if changed else None
        measured[f"update_share_{precision}"] = left[precision] / changed if changed else None
    return measured


def _gathered(model: "PreTrainedModel", keep: bool) -> "dict[str, torch.Tensor]":
    """All weights of a model that several processes share. keep: put them into this process's main memory."""
    state = {}
    once = {name for name, _ in model.named_parameters()}
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)} - once  # in `state` under another name
    for name, part in model.state_dict().items():
        if name in tied:
            continue
        whole = part.full_tensor() if hasattr(part, "full_tensor") else part  # buffers are not shared in parts
        if keep:
            state[name] = whole.to("cpu")
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
