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
    """As many as the largest job asks for; where SLURM gives them, its own check looks at its nodes."""
    most = subject.most_gpus
    if most is None:
        yield NOT_NEEDED
        return
    found = _on_a_head_node() if subject.on_slurm else _by_nvidia_smi() if which("nvidia-smi") else _by_torch()
    told = ", ".join(f"{count} x {what}" for what, count in Counter(found).items()) or "none on this machine"
    asked = f"{most.where} asks for {most.asked.gpus}"
    if subject.on_slurm:
        yield ok(f"{told}; SLURM gives jobs theirs ({asked})")
    elif len(found) < most.asked.gpus:
        yield fail(
            f"{told}, and {asked}",
            "Run the study where they are; through SLURM: --profile slurm. Or ask for fewer in compute:.",
        )
    else:
        yield ok(f"{told}; {asked}")


def _on_a_head_node() -> list[str]:
    """SLURM has the GPUs: torch is not imported here, and a program that finds no driver says that there are none."""
    try:
        return _by_nvidia_smi() if which("nvidia-smi") else []
    except StudyError:
        return []


def _by_nvidia_smi() -> list[str]:
    """One text per GPU."""
    lines = answer("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")
    rows = [[cell.strip() for cell in line.split(",")] for line in lines.splitlines()]
    return [f"{name} of {format_bytes(float(mebibytes) * 2**20)}, driver {driver}" for name, mebibytes, driver in rows]


def _by_torch() -> list[str]:
    import torch

    about = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [f"{one.name} of {format_bytes(one.total_memory)}" for one in about]
