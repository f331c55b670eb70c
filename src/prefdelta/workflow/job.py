"""Runs a stage: the checks before and after it, the publication of its outputs, its manifest, its exit code.

    python -m prefdelta.stages.pair --in pairs=a.parquet ... --out pairs=b.parquet --settings '{...}' --record DIR

A stage reads its inputs, calls core, writes its outputs, and returns an Outcome. The outputs get their final names
together, once all of them are written. Exit codes: 0 done, 1 a defect (traceback), 2 something a person can put right
(message), 3 out of memory, 130 or 143 stopped by SIGINT or SIGTERM with all work so far on disk.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from prefdelta.core import layout
from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.core.launch import Launch
from prefdelta.core.memory import is_out_of_memory, remedy
from prefdelta.core.settings import Settings
from prefdelta.records.details.contract import Details, NoDetails
from prefdelta.records.manifest import JobRun, Manifest
from prefdelta.store import manifests
from prefdelta.store.ownership import Ownership
from prefdelta.store.staging import Staging
from prefdelta.system import environment, events
from prefdelta.system.events import Ending
from prefdelta.system.files import publish_text, set_aside, sha256_of
from prefdelta.system.log import say
from prefdelta.system.processes import die_with_parent, stop_on_signals
from prefdelta.system.usage import resource_usage
from prefdelta.workflow import command_line, run_file, run_plan, versions
from prefdelta.workflow.job_source import check_source, job_sources, job_texts

S = TypeVar("S", bound=Settings)
OUT_OF_MEMORY = 3


@dataclass(frozen=True, slots=True)
class Job(Generic[S]):
    """The settings and paths given to one run of a stage."""

    settings: S
    inputs: Mapping[str, list[Path]]
    outputs: Mapping[str, list[Path]]
    record: Path  # results/<study>/record
    launch: Launch = field(default_factory=Launch)

    def input(self, name: str) -> Path:
        """The one file of an input."""
        (path,) = self.inputs[name]
        return path

    def output(self, name: str) -> Path:
        """The one file of an output."""
        (path,) = self.outputs[name]
        return path


@dataclass(frozen=True, slots=True)
class Outcome:
    """The counts of a stage: rows = rows without a failure + failures + rows not selected."""

    rows: int
    failures: Mapping[str, int]
    details: Details = field(default_factory=NoDetails)  # more about this job for the report
    computed: Mapping[str, int] = field(default_factory=dict)  # work that was not in the record: calls, updates, ...
    elsewhere: Mapping[str, Any] = field(default_factory=dict)  # parts of the manifest's `run`, if others did the work
    not_selected: int = 0  # rows without failure that the stage's rule did not take

    @property
    def summary(self) -> str:
        """The last line of the log."""
        failed = sum(self.failures.values())
        if self.not_selected:
            selected = f"{self.rows - failed - self.not_selected:,} selected of {self.rows:,} rows"
            return f"{selected}, {failed:,} failed" if failed else selected
        return f"{self.rows:,} rows, {failed:,} of them failed"


def file_of(paths: Iterable[Path], arm: str) -> Path:
    """The path in `paths` that belongs to an arm, whose name is among its folders."""
    (match,) = [path for path in paths if f"/{arm}/" in path.as_posix()]
    return match


def file_ending(paths: Iterable[Path], ending: str) -> Path:
    """The one path in `paths` with this ending, e.g. `/g3~g1.parquet`."""
    (match,) = [path for path in paths if path.as_posix().endswith(ending)]
    return match


def start(
    run: Callable[[Job[S]], Outcome], settings: type[S], inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> NoReturn:
    """Parse the command line and run the stage. inputs, outputs: name -> description for --help."""
    environment.prepare()
    module = sys.modules["__main__"]
    assert module.__spec__ is not None
    name = module.__spec__.name
    arguments = command_line.parse(name, str(module.__doc__), settings, inputs, outputs)
    stop_on_signals()
    if arguments.code:  # started by a workflow, not by hand
        _begin_events(arguments.outputs["manifest"][0], arguments.record.parent)
        say(command_line.by_hand(name, sys.argv[1:]))
        # A SLURM job outlives the run's main process: the next run has SLURM end it.
        die_with_parent(os.getppid(), "" if "SLURM_JOB_ID" in os.environ else os.environ.get(run_file.VARIABLE, ""))
    try:
        stage = name.rpartition(".")[2]
        exit_code = _exit_code(stage, lambda: _run(stage, run, settings, arguments))
    except SystemExit as stopped:
        # After a signal, all is on disk. The interpreter's own exit may take too long: seconds, with torch.
        with suppress(ValueError):  # the exit code is not 128 + a signal
            events.end(Ending("stopped", signal.Signals(int(stopped.code or 0) - 128).name))
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(int(stopped.code or 0))
    sys.exit(exit_code)


def _begin_events(manifest: Path, results: Path) -> None:
    """Begin the events file of the job that writes a manifest; none is begun for a manifest in another place."""
    if manifest.is_relative_to(results) and manifest.name.endswith(layout.MANIFEST):
        name = manifest.relative_to(results).as_posix().removesuffix(layout.MANIFEST)
        events.begin(layout.events_of(results / layout.log(name)), os.environ.get(run_file.VARIABLE, ""))


def _exit_code(stage: str, work: Callable[[], Outcome]) -> int:
    """Do the work of a stage, and report how it ended. Returns the exit code."""
    try:
        outcome = work()
    except StudyError as error:
        return _failed("error", f"error: {error}", 2)
    except Exception as error:
        if is_out_of_memory(error):
            message = f"error: out of memory ({error}). {remedy(str(error), stage)}"
            return _failed("out_of_memory", message, OUT_OF_MEMORY)
        events.end(Ending("defect", f"{type(error).__name__}: {error}"))
        raise
    say(f"done: {outcome.summary}")
    events.end(Ending("done", f"done: {outcome.summary}", outcome.rows, sum(outcome.failures.values())))
    return 0


def _failed(how: events.How, message: str, exit_code: int) -> int:
    say(message)
    events.end(Ending(how, message))
    return exit_code


def _run(stage: str, run: Callable[[Job[S]], Outcome], settings: type[S], arguments: argparse.Namespace) -> Outcome:
    started = time.time()
    parsed = command_line.parse_json("settings", settings, arguments.settings)
    launch = command_line.parse_json("launch", Launch, arguments.launch)
    digest = check_source(stage, parsed, arguments.code)
    run_plan.check(arguments.outputs["manifest"][0], json.loads(parsed.model_dump_json()))
    ownership = Ownership(arguments.record, arguments.outputs["manifest"][0])
    staging = Staging(arguments.outputs)
    try:
        with _damage_set_aside(arguments.inputs):
            read = [path for paths in arguments.inputs.values() for path in paths]
            contents = manifests.check(read)
            texts = job_texts(read, arguments.record)  # read now, not when the job ends
            outcome = run(Job(parsed, arguments.inputs, staging.paths, arguments.record, launch))
        usage = resource_usage()
        account = JobRun(
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            seconds=round(time.time() - started, 3),
            cpu_seconds=round(usage.cpu_seconds, 3),
            peak_mib=usage.peak_mib,
            computed=dict(outcome.computed),
            python=sys.version.split()[0],
            versions=versions.package_versions(parsed),
            commit=versions.commit(),
            slurm_job=os.environ.get("SLURM_JOB_ID"),
            gpus_visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
            gpus=versions.gpus(),
        )
        manifest = Manifest(
            stage=stage,
            rows=outcome.rows,
            failures=dict(sorted(outcome.failures.items())),
            not_selected=outcome.not_selected,
            details=outcome.details,
            settings=json.loads(parsed.model_dump_json()),
            code=digest,
            sources=job_sources(stage, parsed),
            texts=texts,
            inputs={path: content for path, content in contents.items() if path not in texts},
            outputs={
                str(final): sha256_of(staged)
                for name, finals in arguments.outputs.items()
                for final, staged in zip(finals, staging.paths[name], strict=True)
                if name != "manifest" and staged.is_file()
            },
            run=replace(account, **outcome.elsewhere),
        )
        publish_text(staging.paths["manifest"][0], manifest.to_json())
        staging.publish(ownership)
        return outcome
    finally:
        staging.remove(ownership)
        ownership.release()


@contextmanager
def _damage_set_aside(inputs: Mapping[str, list[Path]]) -> Iterator[None]:
    """Rename a damaged input, so that the same command recomputes it."""
    try:
        yield
    except DamagedError as error:
        if error.path not in [path for paths in inputs.values() for path in paths]:
            raise
        with suppress(FileNotFoundError):  # another job has renamed it
            set_aside(error.path)
        raise StudyError(
            f"{error.damage} It is now {error.path.name}.damaged, beside it; run the same command again, and it is "
            "made anew."
        ) from None
