"""Write cpu.yaml and gpu.yaml, the environments for users of conda, from the pins in cpu.txt and gpu.txt.

python envs/conda.py

The pins are written out and not named by `-r cpu.txt`, so that a yaml file also works where it was copied to.
"""

from pathlib import Path

PYTHON = {"cpu": ">=3.11,<3.14", "gpu": "=3.13"}  # above 3.13 some of Snakemake's packages have no wheel
FOLDER = Path(__file__).parent


def yaml_of(name: str) -> str:
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    pins = "".join(f"      - {line}\n" for line in lines if line and not line.startswith("#"))
    return (
        f"# {name}.txt for users of conda: conda env create -f envs/{name}.yaml, then pip install --no-deps -e .\n"
        "# Written by envs/conda.py.\n"
        "channels: [conda-forge, nodefaults]\n"
        "dependencies:\n"
        f'  - "python{PYTHON[name]}"\n'
        "  - pip\n"
        "  - pip:\n"
        f"{pins}"
    )


if __name__ == "__main__":
    for name in PYTHON:
        (FOLDER / f"{name}.yaml").write_text(yaml_of(name), encoding="utf-8")
