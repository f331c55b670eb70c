"""Figures as files, in a folder that is replaced as a whole."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from prefdelta.reporting.figures.canvas import Drawing, as_files


def publish_figures(folder: Path, drawings: Mapping[str, Drawing], accent: str) -> None:
    """Write <name>.{svg,pdf,csv} of every drawing. The folder has all its old files or all its new ones."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{state}") for state in ("new", "old"))
    try:
        fresh.mkdir()
        for name, drawing in drawings.items():
            for ending, data in as_files(drawing, accent).items():
                (fresh / f"{name}.{ending}").write_bytes(data)
        if folder.exists():
            folder.replace(old)
        fresh.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
