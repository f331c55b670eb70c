"""Asking other programs, and not waiting long for an answer."""

import subprocess

from prefdelta.core.errors import StudyError

SECONDS = 6.0  # for one answer


def answer(*command: str) -> str:
    """The output of a program. Raises StudyError if it is not installed, fails or does not answer in time."""
    line = " ".join(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except OSError as error:
        raise StudyError(f"{command[0]} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise StudyError(f"`{line}` did not answer within {SECONDS:g} s") from None
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip().splitlines()
        raise StudyError(f"`{line}` failed: {output[0] if output else f'exit code {done.returncode}'}")
    return done.stdout.strip()
