"""The dry run of the full study, and `prefdelta plan`, beside a plain Snakefile of as many jobs and edges.

`snakemake --profile slurm -n` of config.yaml, in a folder without results, against a Snakefile as one writes it by hand
(`theirs`): one rule per stage with a dict of inputs (a job of several arms has a rule of its own), and as many inputs,
outputs, logs and resources for each job; no settings, no digest of source, no checked config. CPU seconds of the whole
command, its start included.

- `plan-dry-run`: at least 0.67 (1.5 times the cost of the plain one).
- `plan-command`: `prefdelta plan` against the same plain dry run; at least 0.56 (1.8 times its cost).

About 50 s.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.earlier import ROOT
from bench.side_by_side import side_by_side
from prefdelta.commands.study_options import open_study

LINKED = ("Snakefile", "config.yaml", "workflow", "resources", "profiles", "slurm")
BIN = Path(sys.executable).parent
HEAD = """
import json
with open("inputs.json") as file:
    INPUTS = json.load(file)
rule all:
    default_target: True
    input: {outputs!r}
"""
RULE = """
rule {rule}:
    input: {inputs}
    output: {outputs!r}
    log: {log!r}
    threads: 1
    resources: mem_mb=2000, runtime=60
    shell: "python -m {rule} --in {{input}} --out {{output}} 2> {{log}}"
"""


def write_plain(folder: Path) -> int:
    """Write a Snakefile with the study's jobs and edges; returns the number of its jobs, with the one of `all`."""
    study = open_study(ROOT / "config.yaml")
    jobs = list(study.all_jobs)
    manifests = {job.manifest: _manifest(job.outputs) for job in jobs}
    inputs = {job.name: [manifests.get(path, path) for paths in job.inputs.values() for path in paths] for job in jobs}
    rules, by_name = {}, {}
    for number, job in enumerate(jobs):
        place = f"{study.results}/{job.stage}"
        if len(job.outputs) == 1:
            (output,) = job.outputs
            ending = "/policy.json" if output.endswith("/policy.json") else Path(output).suffix
            name = output.removeprefix(f"{place}/").removesuffix(ending)
            by_name[f"{job.stage}/{name}"] = inputs[job.name]
            key, found = f"{job.stage}{ending}", f"lambda wildcards: INPUTS['{job.stage}/' + wildcards.name]"
            made, log = [f"{place}/{{name}}{ending}"], f"{study.results}/logs/{job.stage}/{{name}}.log"
        else:
            key, found, made, log = f"{job.stage}_{number}", repr(inputs[job.name]), job.outputs, job.log
        rule = re.sub(r"\W", "_", key)
        rules[key] = RULE.format(rule=rule, inputs=found, outputs=[*made, _manifest(made)], log=log)
    outputs = [path for job in jobs for path in job.outputs]
    (folder / "inputs.json").write_text(json.dumps(by_name), encoding="utf-8")
    (folder / "Snakefile").write_text(HEAD.format(outputs=outputs) + "".join(rules.values()), encoding="utf-8")
    return len(jobs) + 1


def _manifest(outputs: Sequence[str]) -> str:
    return f"{outputs[0]}.manifest.json"


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        ours, plain = Path(scratch, "ours"), Path(scratch, "plain")
        for folder, names in ((ours, LINKED), (plain, ("resources",))):
            folder.mkdir()
            for name in names:
                (folder / name).symlink_to(ROOT / name)
        jobs = write_plain(plain)

        def run(folder: Path, program: str, *words: str) -> str:
            command = [str(BIN / program), *words]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout + done.stderr

        def same(one: str, other: str) -> None:
            assert re.findall(r"^total\s+(\d+)$", other, re.MULTILINE)[0] == str(jobs), other
            assert f"{jobs - 1:,} jobs would run" in one, one

        by_hand = lambda: run(plain, "snakemake", "-n", "--cores", "1")  # noqa: E731
        side_by_side(
            "plan-dry-run",
            lambda: run(ours, "snakemake", "--profile", "slurm", "-n"),
            by_hand,
            same=same,
            measure="cpu",
        )
        side_by_side("plan-command", lambda: run(ours, "prefdelta", "plan"), by_hand, same=same, measure="cpu")


if __name__ == "__main__":
    main()
