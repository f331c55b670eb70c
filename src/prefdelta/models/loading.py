"""Loading a causal language model and its tokenizer, in one way for generating, training and log-probabilities."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.recipes import Precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """The tokenizer of a checkpoint in Hugging Face format."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
    return tokenizer


def load_model(folder: Path, dtype: str, threads: int) -> "PreTrainedModel":
    """The model of a checkpoint, in evaluation mode, on the GPU if there is one (of several: the current one).

    dtype: name of the torch dtype of the weights. threads: of torch on a CPU, where they help to determine the
    bits. Only safetensors are read, and no code that comes with a checkpoint is run. transformers chooses the
    attention: torch's fused kernel (sdpa), whose memory grows with the length and not with its square.
    """
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(threads)
    # Straight to the GPU: otherwise each of several processes would hold a whole model in the host's memory.
    placement: dict[str, Any] = {"device_map": {"": torch.cuda.current_device()}} if torch.cuda.is_available() else {}
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), use_safetensors=True, **placement
    )
    in_evaluation: PreTrainedModel = model.eval()
    return in_evaluation


def products_in(dtype: Precision) -> AbstractContextManager[object]:
    """Within the context, a model whose weights are float32 computes its matrix products in `dtype`.

    Training and the reference sums both use it: two ways to compute in bfloat16 differ by more than a policy moves.
    """
    import torch

    if dtype == "float32":
        return nullcontext()
    return torch.autocast("cuda" if torch.cuda.is_available() else "cpu", dtype=getattr(torch, dtype))
