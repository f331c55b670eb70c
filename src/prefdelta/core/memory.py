"""Errors for lack of memory: how to recognise them, and what helps. Only their text is read: torch is not needed."""

import errno
import re

# Torch raises an error of its own if a GPU lacks memory, and a plain RuntimeError if the machine does. Errors that
# only mention memory (an illegal access, tensors that share a location) are defects.
_OUT = re.compile(
    r"out of memory|not enough memory|_ALLOC_FAILED"
    r"|(can't|cannot|could not|unable to|failed to) allocate\b.*(\bmemory\b|\bbytes\b|\d [KMG]i?B)",
    re.IGNORECASE,
)
_ON_GPU = re.compile(r"\b(CUDA|HIP)\b.*out of memory", re.IGNORECASE | re.DOTALL)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error was raised because the machine or a GPU had too little memory."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if not isinstance(error, RuntimeError):
        return isinstance(error, MemoryError)
    return type(error).__name__ == "OutOfMemoryError" or _OUT.search(str(error)) is not None


def remedy(message: str, stage: str) -> str:
    """What helps against an error with this message in a job of this stage."""
    if not _ON_GPU.search(message):
        return f"Raise compute.{stage}.mem_mb; a retry by Snakemake asks for more itself."
    less = {
        "train": "Lower the recipe's micro_batch_size",
        "reference": "Lower reference.batch_tokens",
    }.get(stage, "Lower the engine's max_length or gpu_memory_share (vllm) or its batch_size (transformers)")
    return f"{less}, or raise compute.{stage}.gpus. That is memory of a GPU: mem_mb and a retry give no more of it."
