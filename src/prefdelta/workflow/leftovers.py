"""Files that dead processes leave on disk: Snakemake's locks, temporary files, staged outputs."""

import shutil
from base64 import urlsafe_b64decode
from pathlib import Path

from prefdelta.scheduler import slurm
from prefdelta.system.instance import Instance
from prefdelta.system.log import say

SNAKEMAKE = Path(".snakemake")


def remove(results: Path) -> None:
    """Remove files that dead processes left in `results`, and Snakemake's locks on files there. No run may be going on.

    Whether a process of another machine is dead is known only if SLURM started it and no longer has its job.
    """
    _remove_locks(results)
    if count := sum(path.startswith(f"{results}/") for path in _incomplete_outputs()):
        say(f"{count} outputs were being made when it ended; their jobs run again and take up the record.")
    nodes_are_done = bool(slurm.submitted(results)) and slurm.is_here() and not slurm.unfinished(results)
    for path in (*results.rglob(".*.tmp"), *results.rglob(".*.staged")):
        if (instance := Instance.in_file_name(path.name)) is None:
            continue
        alive = instance.is_alive()
        if nodes_are_done if alive is None else not alive:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _remove_locks(results: Path) -> None:
    for lock in sorted((SNAKEMAKE / "locks").glob("*.lock")):
        if any(path.startswith(f"{results}/") for path in lock.read_text(encoding="utf-8").splitlines()):
            say(f"{lock}: left by a run that is dead: removed.")
            lock.unlink()


def _incomplete_outputs() -> list[str]:
    """The outputs that Snakemake marks as incomplete. A marker's name is the output's path in base64."""
    outputs = []
    for marker in (SNAKEMAKE / "incomplete").glob("*"):
        try:
            outputs.append(urlsafe_b64decode(marker.name).decode("utf-8"))
        except ValueError:  # a long path is spread over several folders
            continue
    return outputs
