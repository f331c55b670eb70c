"""Starting a stage as Snakemake does: a process with a command line."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.core.settings import Settings

Files = Mapping[str, Path | Sequence[Path]]
LIBRARIES = {"torch", "transformers", "trl", "accelerate", "datasets", "tokenizers"}


def start(
    stage: str, settings: Settings, inputs: Files, outputs: Files, record: Path, *options: str
) -> subprocess.Popen[str]:
    """options: of Python. The manifest goes to manifest.json beside the record."""
    words = [sys.executable, *options, "-m", f"prefdelta.stages.{stage}"]
    words += ["--in", *_listed(inputs), "--out", *_listed({**outputs, "manifest": record.parent / "manifest.json"})]
    words += ["--settings", settings.model_dump_json(), "--record", str(record)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def computed_without_libraries(
    stage: str, settings: Settings, inputs: Files, outputs: Files, record: Path
) -> dict[str, int]:
    """What a run of the stage says it computed, after checking that it loaded none of the heavy libraries."""
    process = start(stage, settings, inputs, outputs, record, "-X", "importtime")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.splitlines() if "|" in line}
    assert "pyarrow" in imported  # so they are told
    assert not imported & LIBRARIES
    manifest = json.loads((record.parent / "manifest.json").read_text(encoding="utf-8"))
    (record.parent / "manifest.json").unlink()
    return dict(manifest["run"]["computed"])


def _listed(files: Files) -> list[str]:
    words: list[Any] = []
    for name, found in files.items():
        first, *rest = [found] if isinstance(found, Path) else found
        words += [f"{name}={first}", *rest]
    return list(map(str, words))
