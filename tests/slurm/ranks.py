"""Processes of a training on the sandbox cluster: they share all weights on CPUs, and take their time for an update.

PAUSE: seconds after each; FAILING: the number of a process that breaks after the first.
"""

import os
import sys
import time
from pathlib import Path

from prefdelta.system.log import say
from prefdelta.training.processes import worker
from unit.training import sharing

UPDATED = "an update was made"


def main(folder):
    due = worker._SharedSnapshots.due

    def slow(self):
        if self._first:
            say(UPDATED)
        if os.environ["RANK"] == os.environ.get("FAILING"):
            raise ValueError("this process is broken")
        time.sleep(float(os.environ["PAUSE"]))
        return due(self)

    worker._SharedSnapshots.due = slow
    sharing.main(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
