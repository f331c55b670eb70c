"""Which jobs Snakemake would run, and why: the events of a real dry run. It starts nothing and locks nothing."""

import json
import re
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.store import manifests
from prefdelta.workflow.command_line import named_paths, options

_PROGRAM = f"{__package__}.snakemake_events"
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_WORD = re.compile(rf"""(?:[^\s'"]|{_QUOTED.pattern})+""")
_SHOWN = 15  # last lines of a dry run that failed


@dataclass(frozen=True)
class PlannedJob:
    """A job that would run: its command line, and Snakemake's details of it."""

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
    threads: int = 1
    command: str = ""  # as its rule has it

    @property
    def reads(self) -> list[Path]:
        return [path for paths in self.inputs.values() for path in paths]

    @property
    def writes(self) -> list[Path]:
        return [path for paths in self.outputs.values() for path in paths]


def planned_jobs(arguments: Sequence[str]) -> list[PlannedJob]:
    """The jobs that `snakemake <arguments>` would run. Raises StudyError if it cannot plan."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder, "events.jsonl")
        command = [sys.executable, "-m", _PROGRAM, str(events), *arguments, "--dry-run", "--quiet", "rules"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            end = "\n".join(done.stdout.rstrip().splitlines()[-_SHOWN:])
            raise StudyError(f"snakemake {' '.join(arguments)} cannot plan:\n{end}")
        return read_events(json.loads(line) for line in events.read_text(encoding="utf-8").splitlines())


def read_events(events: Iterable[Mapping[str, Any]]) -> list[PlannedJob]:
    """The planned jobs, from the events that `snakemake_events` wrote. Raises StudyError if some are missing."""
    total, jobs = 0, []
    for event in events:
        if "jobs" in event:
            total = event["jobs"]
        else:
            jobs.append(event)
    if total != len(jobs):
        raise StudyError(f"snakemake's dry run counts {total} jobs, and has reported {len(jobs)}.")
    parser = options("", "")
    return [_job(parser, event) for event in jobs if event["command"]]  # the rule `all` has no command


def words_of(command: str) -> list[str]:
    """The words of a rule's command: as `shlex.split`, in a tenth of the time. Outside quotes it has no backslash."""
    return [_QUOTED.sub(lambda found: found[0][1:-1], word) for word in _WORD.findall(command)]


def _job(parser: ArgumentParser, event: Mapping[str, Any]) -> PlannedJob:
    arguments, _ = parser.parse_known_args(words_of(event["command"]))
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
        reason=event["reason"],
        gpus=event["gpu"],
        minutes=event["runtime"],
        threads=event["threads"],
        command=event["command"],
    )
