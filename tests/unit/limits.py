"""What the system refuses a process."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_free_file() -> Iterator[None]:
    """Within the context this process can open no file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
