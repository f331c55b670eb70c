#!/usr/bin/env bash
# Guess: a script of submitit asks SLURM for what the caller named, and for time and nodes.
# Found: it also sets a workload key that nobody named, "submitit". wckey=None leaves it out.
# Output seen, with submitit 1.5.4, lines of #SBATCH that the script has:
#   by itself:    error job-name nodes open-mode output signal time wckey=submitit
#   wckey=None:   error job-name nodes open-mode output signal time
# So on a cluster that keeps a list of workload keys, a job with nothing unusual in it may be refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check submitit==1.5.4
"$folder/venv/bin/python" - <<'PYTHON'
import re

import submitit
from submitit.slurm import slurm


def lines(**parameters):
    script = slurm._make_sbatch_string(command="true", folder="logs", **parameters)
    names = re.findall(r"^#SBATCH --([\w-]+)(=submitit)?", script, re.MULTILINE)
    return " ".join(name + (value if name == "wckey" else "") for name, value in names)


print("submitit", submitit.__version__)
for case, words, key in (("by itself:", lines(), " wckey=submitit"), ("wckey=None:", lines(wckey=None), "")):
    print(f"{case:13} {words}")
    assert words == f"error job-name nodes open-mode output signal time{key}"
PYTHON
