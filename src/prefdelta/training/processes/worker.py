"""One of several processes that train a policy together: `python -m prefdelta.training.processes.worker FOLDER`.

Its launcher says by environment which of them it is, as torch's does. FOLDER is where it exchanges files with the
process that holds the claim (`prefdelta.training.processes.launcher`).
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from prefdelta.core.errors import StudyError
from prefdelta.core.memory import is_out_of_memory
from prefdelta.store.snapshots import Snapshots
from prefdelta.system import environment, events, plugins
from prefdelta.system.processes import die_with_parent
from prefdelta.training.processes import preemption
from prefdelta.training.processes.mailbox import Exchange, Ran, TrainJob

T = TypeVar("T")
_WAIT_SECONDS = 0.2  # between two looks for the launching process' answer


class _SharedSnapshots(Snapshots):
    """Snapshots that all processes write together, when the launching one asks for it; that one seals them.

    The first process decides for all, so that all do the same after the same update: save, save and leave because SLURM
    takes the nodes back, or end because nobody waits for them.
    """

    def __init__(self, exchange: Exchange, job: TrainJob, first: bool, note: Callable[[], None]) -> None:
        """note: has the first process note how long they have run."""
        self.folder, self.last = job.snapshots, None
        self._exchange, self._first, self._note, self._silence = exchange, first, note, job.silence
        self._heard, self._since = "", time.monotonic()
        self._leaving = False

    def newest(self) -> Path | None:
        if self._first:
            self._exchange.start()
        while True:
            alone, found = self._agreed(lambda: (self._is_alone(), self._exchange.newest()))
            if alone:
                _end()
            if found is not None:
                (self.last,) = found
                return self.last
            time.sleep(_WAIT_SECONDS)

    def due(self) -> bool:
        alone, asked, self._leaving = self._agreed(
            lambda: (self._is_alone(), self._exchange.asked(), preemption.came())
        )
        if alone:
            _end()
        self._asked = time.monotonic()
        return asked or self._leaving

    def seal(self, snapshot: Path) -> None:
        from accelerate.utils import wait_for_everyone

        wait_for_everyone()
        self.last = snapshot
        if self._first:
            self._note()
            self._exchange.save(snapshot, time.monotonic() - self._asked)
        if self._leaving:
            preemption.leave(self._first)

    def _is_alone(self) -> bool:
        """Whether the launching process has ended, or has given no sign of life for too long."""
        heard, now = self._exchange.heard(), time.monotonic()
        if heard and heard != self._heard:
            self._heard, self._since = heard, now
        return heard is None or now - self._since > self._silence

    def _agreed(self, ask: Callable[[], T]) -> T:
        """What the first process finds, in all of them."""
        from accelerate.utils import broadcast_object_list

        found: list[T] = broadcast_object_list([ask() if self._first else None])
        return found[0]


def _end() -> None:
    sys.exit("the process that launched this training is gone: so is this one")


def main(folder: Path) -> None:
    environment.prepare()
    die_with_parent(os.getppid())
    exchange = Exchange(folder)
    events.forward_to(exchange.report)
    try:
        _train(exchange)
    except StudyError as error:
        exchange.fail(type(error).__name__, str(error))
        sys.exit(2)
    except (MemoryError, OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            exchange.fail(MemoryError.__name__, str(error))
        raise


def _train(exchange: Exchange) -> None:
    started = time.monotonic()
    import torch
    from accelerate import PartialState
    from accelerate.utils import gather_object

    job = exchange.job()
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        if job.fsdp.cpu_offload and not job.recipe.lora:
            # By these accelerate lets processes also exchange what lies in main memory (read in its source).
            os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_OFFLOAD_PARAMS": "true"}
    state = PartialState(cpu=not on_gpu)
    gpus = gather_object([_gpu()] if on_gpu else [])
    before = exchange.ran().seconds  # SLURM may have started them before, and taken their nodes back

    def note() -> None:
        exchange.note(Ran(before + time.monotonic() - started, os.environ.get("SLURM_JOB_ID"), gpus))

    snapshots = _SharedSnapshots(exchange, job, state.is_main_process, note)
    train = plugins.load(job.method)
    told = train(job.base, job.rows, job.recipe, job.seed, job.output, snapshots, job.fsdp)
    if state.is_main_process:
        note()
        exchange.tell(told)
    state.destroy_process_group()


def _gpu() -> str:
    import torch

    return f"{platform.node()}: {torch.cuda.get_device_name()} ({torch.cuda.current_device()})"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
