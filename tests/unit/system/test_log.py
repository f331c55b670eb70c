import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_log_that_cannot_be_written_stops_nothing(monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    # /dev/full answers every write with "No space left on device".
    line = "from prefdelta.system.log import say; say('x'); say('y'); print('done')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", line], stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n")
