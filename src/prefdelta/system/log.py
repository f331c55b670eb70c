"""The log of a process: lines on stderr."""

import io
import sys


def say(line: str) -> None:
    """Write a line to the log (stderr). A log that cannot be written (full disk, closed pipe) stops no work."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        # What could not be written stays in the buffer, for which Python would end with an error: write unbuffered.
        sys.stderr = io.TextIOWrapper(io.FileIO(sys.stderr.fileno(), "w", closefd=False), write_through=True)
