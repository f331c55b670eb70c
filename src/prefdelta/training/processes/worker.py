"""One of several processes that train a policy together: `python -m prefdelta.training.processes.worker FOLDER`.

Its rank is in environment variables that torch's launcher sets. FOLDER is the mailbox that it shares with the process
that holds the claim (`prefdelta.training.processes.launcher`).
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
from prefdelta.system import environment, events
from prefdelta.system.processes import die_with_parent
from prefdelta.training import trainer
from prefdelta.training.processes import preemption
from prefdelta.training.processes.mailbox import Mailbox, TrainingRun, TrainJob
from prefdelta.training.registry import method_of

T = TypeVar("T")
_WAIT_SECONDS = 0.2  # between two looks for the launching process's answer


class _SharedSnapshots(Snapshots):
    """Snapshots that all processes write together when the launching process asks for one, which then seals it.

    The first process decides for all, so that all do the same after the same update: save; save and leave, because
    SLURM takes the nodes back; or end, because nobody waits for them.
    """

    def __init__(self, mailbox: Mailbox, job: TrainJob, first: bool, note: Callable[[], None]) -> None:
        """first: whether this is the first process, which calls `note` to record how long the processes have run."""
        self.folder, self.last = job.snapshots, None
        self._mailbox, self._first, self._note, self._silence = mailbox, first, note, job.silence
        self._sign, self._since = "", time.monotonic()
        self._leaving = False

    def take_newest(self) -> Path | None:
        if self._first:
            self._mailbox.request_start()
        while True:
            alone, start = self._agreed(lambda: (self._is_alone(), self._mailbox.start()))
            if alone:
                _end()
            if start is not None:
                (self.last,) = start
                return self.last
            time.sleep(_WAIT_SECONDS)

    def due(self) -> bool:
        alone, requested, self._leaving = self._agreed(
            lambda: (self._is_alone(), self._mailbox.take_snapshot_request(), preemption.was_signalled())
        )
        if alone:
            _end()
        self._asked = time.monotonic()
        return requested or self._leaving

    def seal(self, snapshot: Path) -> None:
        from accelerate.utils import wait_for_everyone

        wait_for_everyone()
        self.last = snapshot
        if self._first:
            self._note()
            self._mailbox.put_snapshot(snapshot, time.monotonic() - self._asked)
        if self._leaving:
            preemption.leave(self._first)

    def _is_alone(self) -> bool:
        """Whether the launching process has ended, or has given no sign of life for too long."""
        sign, now = self._mailbox.last_sign_of_life(), time.monotonic()
        if sign and sign != self._sign:
            self._sign, self._since = sign, now
        return sign is None or now - self._since > self._silence

    def _agreed(self, ask: Callable[[], T]) -> T:
        """The value that `ask` returns in the first process, shared with all processes."""
        from accelerate.utils import broadcast_object_list

        answers: list[T] = broadcast_object_list([ask() if self._first else None])
        return answers[0]


def _end() -> None:
    sys.exit("the process that launched this training is gone: so is this one")


def main(folder: Path) -> None:
    environment.prepare()
    die_with_parent(os.getppid())
    mailbox = Mailbox(folder)
    events.forward_to(mailbox.put_report)
    try:
        _train(mailbox)
    except StudyError as error:
        mailbox.put_error(type(error).__name__, str(error))
        sys.exit(2)
    except (MemoryError, OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            mailbox.put_error(MemoryError.__name__, str(error))
        raise


def _train(mailbox: Mailbox) -> None:
    started = time.monotonic()
    import torch
    from accelerate import PartialState
    from accelerate.utils import gather_object

    job = mailbox.job()
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        if job.fsdp.cpu_offload and not job.recipe.lora:
            # With these accelerate lets processes also exchange tensors in main memory (read in its source).
            os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_OFFLOAD_PARAMS": "true"}
    state = PartialState(cpu=not on_gpu)
    gpus = gather_object([_gpu()] if on_gpu else [])
    before = mailbox.run().seconds  # SLURM may have started the processes before, and taken their nodes back

    def note() -> None:
        mailbox.put_run(TrainingRun(before + time.monotonic() - started, os.environ.get("SLURM_JOB_ID"), gpus))

    snapshots = _SharedSnapshots(mailbox, job, state.is_main_process, note)
    method = method_of(job.recipe)
    measured = trainer.train(method, job.base, job.rows, job.recipe, job.seed, job.output, snapshots, job.fsdp)
    if state.is_main_process:
        note()
        mailbox.put_result(measured)
    state.destroy_process_group()


def _gpu() -> str:
    import torch

    return f"{platform.node()}: {torch.cuda.get_device_name()} ({torch.cuda.current_device()})"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
