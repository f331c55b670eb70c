"""Which jobs Snakemake would run, and why: a real dry run, read job by job. It starts nothing and locks nothing."""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError
from prefdelta.store import manifests
from prefdelta.workflow.command_line import named_paths, options

_LOCAL = "localrule "  # runs where snakemake runs
_NOTHING = "Nothing to be done"
_TOLD = 15  # last lines of a dry run that failed


@dataclass(frozen=True)
class PlannedJob:
    """A job that would run: its command line, and what Snakemake says of it."""

    stage: str
    name: str  # its manifest's path in results/<study>, without the ending: judge/g0/logic
    inputs: Mapping[str, list[Path]]
    outputs: Mapping[str, list[Path]]  # without the manifest
    manifest: Path
    settings: str  # JSON
    code: str  # digest of its source
    record: Path
    reason: str
    gpus: int
    minutes: int  # its time limit

    @property
    def reads(self) -> list[Path]:
        return [path for paths in self.inputs.values() for path in paths]

    @property
    def writes(self) -> list[Path]:
        return [path for paths in self.outputs.values() for path in paths]


def planned_jobs(options: Sequence[str]) -> list[PlannedJob]:
    """The jobs that `snakemake <options>` would run. Raises StudyError if it cannot plan."""
    command = [sys.executable, "-m", "snakemake", *options, "--dry-run", "--printshellcmds"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        told = "\n".join(done.stdout.rstrip().splitlines()[-_TOLD:])
        raise StudyError(f"snakemake {' '.join(options)} cannot plan:\n{told}")
    return read_dry_run(done.stdout)


def read_dry_run(printed: str) -> list[PlannedJob]:
    """The jobs in what a dry run printed. Raises StudyError if not all of them were found in it."""
    blocks = re.split(rf"^(?=(?:rule |{_LOCAL})\w+:$)", printed, flags=re.MULTILINE)[1:]
    jobs = [_job(block) for block in blocks if "\nShell command: None" not in block]  # `all` has none
    counted = {int(count) for count in re.findall(r"^total +(\d+)$", printed, flags=re.MULTILINE)}
    if counted != ({len(jobs) + 1} if jobs else set()) or (not jobs and _NOTHING not in printed):
        raise StudyError(f"snakemake's dry run counts {counted or 'no'} jobs, and {len(jobs)} were read in it.")
    return jobs


def _job(block: str) -> PlannedJob:
    (command,) = re.findall(r"^Shell command: (.*)$", block, flags=re.MULTILINE)
    arguments, _ = options("", "").parse_known_args(shlex.split(command))
    outputs = named_paths(arguments.outputs)
    (manifest,) = outputs.pop("manifest")
    name = manifest.relative_to(arguments.record.parent)
    return PlannedJob(
        stage=name.parts[0],
        name=name.as_posix().removesuffix(manifests.SUFFIX),
        inputs=named_paths(arguments.inputs),
        outputs=outputs,
        manifest=manifest,
        settings=arguments.settings,
        code=arguments.code,
        record=arguments.record,
        reason=_one(r"^    reason: (.*)$", block),
        gpus=int(_one(r"^    resources: .*\bgpu=(\d+)", block) or 0),
        minutes=int(_one(r"^    resources: .*\bruntime=(\d+)", block) or 0),
    )


def _one(pattern: str, block: str) -> str:
    found = re.search(pattern, block, flags=re.MULTILINE)
    return found[1] if found else ""
