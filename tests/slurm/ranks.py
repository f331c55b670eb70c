"""Processes of a training on the sandbox cluster: they share all weights on CPUs, and take their time for an update.

PAUSE: seconds for each; FAILING: the number of a process that breaks after the first.
"""

import os
import sys
import time
from pathlib import Path

from prefdelta.training import worker
from unit.training import sharing


def main(folder: Path) -> None:
    due = worker._SharedSnapshots.due

    def slow(self: worker._SharedSnapshots) -> bool:
        time.sleep(float(os.environ["PAUSE"]))
        if os.environ["RANK"] == os.environ.get("FAILING"):
            raise ValueError("this process is broken")
        return due(self)

    worker._SharedSnapshots.due = slow  # type: ignore[method-assign]
    sharing.main(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
