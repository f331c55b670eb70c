#!/usr/bin/env bash
# Guess: the executor's file of partitions takes times as sbatch does, where 60:30 is 60 minutes and 30 seconds.
# Found: it reads two numbers as hours and minutes; three numbers it reads as sbatch does, rounded.
# Output seen, with snakemake-executor-plugin-slurm 2.8.0, in minutes:
#   60        60
#   60:30     3630
#   1:00:30   61
# So a limit copied from sinfo or a batch script, such as 60:30, lets jobs of up to 60 hours into that partition.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1 snakemake-executor-plugin-slurm==2.8.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from snakemake_executor_plugin_slurm.utils import parse_time_to_minutes

print("snakemake-executor-plugin-slurm", version("snakemake-executor-plugin-slurm"))
for text, minutes in (("60", 60), ("60:30", 3630), ("1:00:30", 61)):
    found = parse_time_to_minutes(text)
    print(f"{text:9} {found}")
    assert found == minutes
PYTHON
