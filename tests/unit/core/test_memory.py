import errno

import pytest

from prefdelta.core.memory import is_out_of_memory, remedy


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


ON_GPU = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError(ON_GPU),
        OutOfMemoryError("x"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("std::bad_alloc: Cannot allocate memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("unable to allocate 2048 bytes of shared memory"),
        RuntimeError("Failed to allocate 2.00 GiB on the device"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_too_little_memory(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("some elements of the input tensor and the written-to tensor refer to a single memory location."),
        RuntimeError("pin_memory is not supported"),
        RuntimeError("could not allocate a port"),
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("out of memory"),
    ],
)
def test_other_errors_that_speak_of_memory(error):
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(
    ("stage", "helps"),
    [("train", "micro_batch_size"), ("reference", "reference.batch_tokens"), ("generate", "max_length")],
)
def test_for_memory_of_a_gpu_the_setting_is_named_that_helps_and_not_the_machines_memory(stage, helps):
    told = remedy(ON_GPU, stage)
    assert helps in told
    assert f"raise compute.{stage}.gpus" in told
    assert "mem_mb and a retry give no more" in told


@pytest.mark.parametrize("told", ["", "SLURM job 7", "DefaultCPUAllocator: can't allocate memory"])
def test_for_memory_of_the_machine_more_of_it_is_asked_for(told):
    assert remedy(told, "train").startswith("Raise compute.train.mem_mb; a retry by Snakemake asks for more")
