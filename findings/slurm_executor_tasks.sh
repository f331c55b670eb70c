#!/usr/bin/env bash
# Guess: the resource `tasks: 1` says what is so without it, for a job with GPUs as for one without.
# Found: for a job with GPUs it becomes --ntasks-per-gpu=1, so that a job of four GPUs is one of four tasks, each with the
# CPUs of one. Without it no number of tasks is asked for.
# Output seen, with snakemake-executor-plugin-slurm 2.8.0, four threads:
#   no GPU:              --ntasks=1 --cpus-per-task=4
#   no GPU, tasks: 1     --ntasks=1 --cpus-per-task=4
#   4 GPUs:              --cpus-per-task=4
#   4 GPUs, tasks: 1     --ntasks-per-gpu=1 --cpus-per-task=4
# So `tasks: 1` among the default resources of a profile multiplies what GPU jobs ask for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1 snakemake-executor-plugin-slurm==2.8.0
"$folder/venv/bin/python" - <<'PYTHON'
import re
from importlib.metadata import version
from types import SimpleNamespace

from snakemake_executor_plugin_slurm.submit_string import get_submit_command


class Resources(dict):
    __getattr__ = dict.__getitem__


PARAMETERS = {"run_uuid": "run", "slurm_logfile": "log", "comment_str": "rule", "account": "", "partition": "", "workdir": None}


def asked(**resources):
    job = SimpleNamespace(resources=Resources(resources), threads=4)
    return " ".join(re.findall(r"--(?:ntasks|cpus)\S+", get_submit_command(job, PARAMETERS)))


print("snakemake-executor-plugin-slurm", version("snakemake-executor-plugin-slurm"))
SEEN = {
    "no GPU:": (asked(), "--ntasks=1 --cpus-per-task=4"),
    "no GPU, tasks: 1": (asked(tasks=1), "--ntasks=1 --cpus-per-task=4"),
    "4 GPUs:": (asked(gpu=4), "--cpus-per-task=4"),
    "4 GPUs, tasks: 1": (asked(gpu=4, tasks=1), "--ntasks-per-gpu=1 --cpus-per-task=4"),
}
for case, (words, expected) in SEEN.items():
    print(f"{case:20} {words}")
    assert words == expected, expected
PYTHON
