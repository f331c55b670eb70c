"""Loading a causal language model and its tokenizer: one way, for asking, for training and for log-probabilities."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from prefdelta.core.recipes import Precision


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint in Hugging Face format."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def load_model(folder: Path, dtype: str, threads: int) -> Any:
    """The model of a checkpoint, in evaluation mode, on the GPU if there is one (of several: the current one).

    dtype: name of a torch dtype, of the weights. threads: for torch on a CPU, where they are part of what determines
    the bits. Only safetensors are read, and no code that comes with a checkpoint is run. Attention is what transformers
    chooses: torch's fused kernel (sdpa), whose memory grows with the length and not with its square.
    """
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    # Straight to the GPU: several processes would otherwise hold a whole model each in the host's memory.
    where = {"device_map": {"": torch.cuda.current_device()}} if torch.cuda.is_available() else {}
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), use_safetensors=True, **where
    )
    return model.eval()


def products_in(dtype: Precision) -> AbstractContextManager[Any]:
    """Within the context, a model whose weights are float32 computes its matrix products in `dtype`.

    In training and for the reference sums alike: two ways to compute in bfloat16 differ by more than a policy moves.
    """
    import torch

    if dtype == "float32":
        return nullcontext()
    return torch.autocast("cuda" if torch.cuda.is_available() else "cpu", dtype=getattr(torch, dtype))
