"""Names of models, data sets and files as others may read them: without the place where they lie on this machine."""

import os
from pathlib import Path

from prefdelta.core.hub import is_local

LOCAL_FOLDER = "a local folder"


def shared_name(name: str) -> str:
    """A name on the hub or of a server, or what is said in place of a local path."""
    return LOCAL_FOLDER if is_local(name) else name


def shared_path(path: str | Path) -> str:
    """A path below the working directory, or of any other file its name alone."""
    root, spelt = Path.cwd(), Path(os.path.normpath(Path(path).absolute()))
    return spelt.relative_to(root).as_posix() if spelt.is_relative_to(root) else spelt.name
