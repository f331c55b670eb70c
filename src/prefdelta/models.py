"""Loading a causal language model and its tokenizer: one way, for asking, for training and for log-probabilities."""

from pathlib import Path
from typing import Any


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint in Hugging Face format."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def load_model(folder: Path, dtype: str, threads: int) -> Any:
    """The model of a checkpoint, in evaluation mode, on the GPU if there is one.

    dtype: name of a torch dtype. threads: for torch on a CPU, where they are part of what determines the bits.
    Only safetensors are read, and no code that comes with a checkpoint is run.
    """
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), use_safetensors=True)
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
