"""What Snakemake's main process costs while 200 short jobs run, and whether it grows with the jobs that have ended.

A Snakefile of 200 jobs of half a second, on two cores, with profiles/mini and the handlers of common.smk.
`theirs` is the bound.

- `main-process`: CPU time of the main process, without the jobs, from the first job's start to the last one's end, in
  percent of one core. At most 2.
- `main-process-growth`: CPU time per job in the second half of the jobs over that in the first half. At most 1.2.

One round, as the jobs sleep; about 55 s, of which the CPU works 3.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from bench.earlier import ROOT
from bench.side_by_side import at_most

JOBS = 200
# A job's params are read anew whenever it waits, last just before it starts: the clocks that it writes down.
SNAKEFILE = """
import time
from prefdelta.workflow import rate_limit
rule all:
    input: expand("{{number}}.txt", number=range({jobs}))
rule each:
    output: "{{number}}.txt"
    params: clocks=lambda wildcards: f"[{{time.process_time()}}, {{time.monotonic()}}]"
    shell: "sleep 0.5; echo '{{params.clocks}}' >> clocks; touch {{output}}"
{handler}"""


def clocks(jobs: int) -> list[tuple[float, float]]:
    """(CPU seconds of the main process, seconds of the wall) as each of so many jobs starts."""
    _, handler, lines = (ROOT / "workflow/rules/common.smk").read_text(encoding="utf-8").partition("onstart:")
    profile = yaml.safe_load((ROOT / "profiles/mini/config.yaml").read_text(encoding="utf-8"))
    del profile["configfile"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Snakefile").write_text(SNAKEFILE.format(jobs=jobs, handler=handler + lines), encoding="utf-8")
        Path(folder, "profile").mkdir()
        Path(folder, "profile/config.yaml").write_text(yaml.safe_dump(profile), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("snakemake")), "--profile", "./profile"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        written = Path(folder, "clocks").read_text(encoding="utf-8")
        assert len(list(Path(folder).glob("*.txt"))) == jobs
    return sorted(tuple(json.loads(line)) for line in re.findall(r"\[.*]", written))


def main() -> None:
    seen = clocks(JOBS)
    (cpu_first, first), (cpu_middle, _), (cpu_last, last) = seen[0], seen[len(seen) // 2], seen[-1]
    at_most("main-process", 100 * (cpu_last - cpu_first) / (last - first), 2, "%-of-a-core")
    at_most("main-process-growth", (cpu_last - cpu_middle) / (cpu_middle - cpu_first), 1.2, "second-half/first")


if __name__ == "__main__":
    main()
