"""GPUs of this machine."""

from collections import Counter
from collections.abc import Iterator
from shutil import which

from prefdelta.commands.checks.check_result import NOT_NEEDED, CheckResult, fail, ok
from prefdelta.commands.checks.programs import answer
from prefdelta.commands.checks.subject import Subject
from prefdelta.commands.output import format_bytes
from prefdelta.core.errors import StudyError


def gpus(subject: Subject) -> Iterator[CheckResult]:
    """Whether there are as many GPUs as the largest job asks for. SLURM's nodes have a check of their own."""
    most = subject.most_gpus
    if most is None:
        yield NOT_NEEDED
        return
    names = _on_a_head_node() if subject.on_slurm else _by_nvidia_smi() if which("nvidia-smi") else _by_torch()
    summary = ", ".join(f"{count} x {name}" for name, count in Counter(names).items()) or "none on this machine"
    asked = f"{most.where} asks for {most.asked.gpus}"
    if subject.on_slurm:
        yield ok(f"{summary}; SLURM gives jobs theirs ({asked})")
    elif len(names) < most.asked.gpus:
        yield fail(
            f"{summary}, and {asked}",
            "Run the study where they are; through SLURM: --profile slurm. Or ask for fewer in compute:.",
        )
    else:
        yield ok(f"{summary}; {asked}")


def _on_a_head_node() -> list[str]:
    """The GPUs of this machine, without importing torch: jobs get theirs from SLURM. No driver means none."""
    try:
        return _by_nvidia_smi() if which("nvidia-smi") else []
    except StudyError:
        return []


def _by_nvidia_smi() -> list[str]:
    """Name, memory and driver of each GPU."""
    lines = answer("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
    rows = [[cell.strip() for cell in line.split(",")] for line in lines.splitlines()]
    return [f"{name} of {format_bytes(float(mebibytes) * 2**20)}, driver {driver}" for name, mebibytes, driver in rows]


def _by_torch() -> list[str]:
    import torch

    devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [f"{device.name} of {format_bytes(device.total_memory)}" for device in devices]
