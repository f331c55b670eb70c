"""The project as an earlier commit has it, to compare today's cost with."""

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
BEFORE = "7b3d9d3"  # the last commit before costs were halved


@contextmanager
def earlier_tree(commit: str = BEFORE) -> Iterator[Path]:
    """A folder with the files of a commit; its `src` goes to PYTHONPATH. The clone must hold the commit's history."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "tree.tar")
        subprocess.run(["git", "archive", "--output", archive, commit], cwd=ROOT, check=True)
        tree = Path(folder, "tree")
        with tarfile.open(archive) as files:
            files.extractall(tree, filter="data")
        yield tree
