"""How many requests can be open at once: each holds a connection, and a connection is an open file."""

import resource
from contextlib import suppress

from prefdelta.system.log import say

OTHER_FILES = 64  # open files for everything but the requests


def limited_by_open_files(in_flight: int) -> int:
    """How many of `in_flight` requests this process can have open. Raises its soft limit of open files if needed."""
    needed = in_flight + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return in_flight
    if soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with suppress(OSError, ValueError):  # some systems allow fewer than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    allowed = max(1, min(in_flight, soft - OTHER_FILES))
    if allowed < in_flight:
        say(
            f"warning: {allowed} requests are in flight instead of {in_flight}: this job may open {soft} files (ulimit "
            f"-Hn), and each request needs one. Raise the limit to {needed} for all of them."
        )
    return allowed
