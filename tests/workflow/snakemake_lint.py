"""Run `snakemake --lint` and fail on anything but the two kinds of remark silenced here, with the reason.

python tests/workflow/snakemake_lint.py
"""

import re
import subprocess
import sys
from pathlib import Path

SILENCED = (
    # One environment serves every rule and is pinned in envs/; a rule that named it would rerun with every new pin.
    "Specify a conda environment or container for each rule.",
    # PATH is not asserted but extended: jobs run the interpreter that runs Snakemake.
    "Environment variable PATH used but not asserted with envvars directive",
)


def main() -> None:
    command = [str(Path(sys.executable).with_name("snakemake")), "--profile", "mini", "--lint"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    remarks = re.findall(r"^    \* (.+?)\n(?=\n|Lints|    \*|\Z)", output, flags=re.MULTILINE | re.DOTALL)
    if not remarks and done.returncode:
        sys.exit(output)  # it did not come as far as linting
    loud = [remark for remark in remarks if not remark.startswith(SILENCED)]
    sys.exit("\n\n".join(loud) or 0)


if __name__ == "__main__":
    main()
