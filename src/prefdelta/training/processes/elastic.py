"""Torch's elastic launcher of processes on this machine. If a signal ends one, the mailbox says which.

`python -m prefdelta.training.processes.elastic FOLDER OPTIONS…`: FOLDER is the mailbox, OPTIONS go to torchrun.
"""

import sys
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.training.processes.mailbox import Mailbox


def main(folder: Path, options: list[str]) -> None:
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.main(options)
    except ChildFailedError as failed:
        rank, first = failed.get_first_failure()
        mailbox = Mailbox(folder)
        if first.exitcode < 0 and not any(mailbox.error()):
            mailbox.put_error(
                StudyError.__name__,
                f"{first.signal_name()} ended process {rank} of those that train; what it wrote is above in this log. "
                "The same command goes on from the last snapshot. (SIGKILL: out of the machine's memory, if nobody "
                "killed it; others: a crash in compiled code.)",
            )
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
