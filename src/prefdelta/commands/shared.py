"""What the commands share: which study, and alone in its results."""

import argparse
import fcntl
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import Any, TextIO

import yaml

from prefdelta.commands.text_table import table
from prefdelta.core.errors import StudyError
from prefdelta.scheduler import slurm
from prefdelta.study.study import Study
from prefdelta.system.files import say
from prefdelta.workflow import runs

DEFAULT_CONFIG = Path("config.yaml")
PROFILES = Path("profiles")


# --- the study --------------------------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of a command that changes something."""
    add_configfile(parser)
    parser.add_argument("--dry-run", "-n", action="store_true", help="say what would be done, and change nothing")


def add_configfile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--configfile",
        type=Path,
        help=f"the study's config file, e.g. resources/studies/mini.yaml (default: {DEFAULT_CONFIG}, if there is one)",
    )


def open_study(path: Path | None) -> Study:
    """The study of a config file. Raises StudyError if there is none, or if it has mistakes."""
    if path is None and not DEFAULT_CONFIG.is_file():
        raise StudyError(
            f"no config file was given, and there is no ./{DEFAULT_CONFIG} to take instead. Name the study's, for "
            "example --configfile resources/studies/mini.yaml, in the repository's root."
        )
    path = path or DEFAULT_CONFIG
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(
            f"{path}: there is no such file in {Path.cwd()}. Run this in the repository's root, as snakemake."
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise StudyError(
            f"{path}: is no config of a study: it must be a mapping with the keys of "
            "workflow/schemas/config.schema.json."
        )
    return Study(content, str(path))


def snakemake_command(configfile: Path | None) -> str:
    """The command line that runs the study."""
    return command_line(profile_options(configfile))


def command_line(words: Sequence[str]) -> str:
    """Snakemake's, with these words."""
    program = Path(sys.executable).with_name("snakemake")
    named = str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else "snakemake"
    return " ".join([named, *words])


def profile_options(configfile: Path | None) -> list[str]:
    """With what options snakemake takes the study."""
    path = configfile or DEFAULT_CONFIG
    for profile in sorted(PROFILES.glob("*/config.yaml")):
        says = yaml.safe_load(profile.read_text(encoding="utf-8"))
        # A profile that names none leaves it to the Snakefile, which takes config.yaml.
        if isinstance(says, dict) and Path(says.get("configfile", DEFAULT_CONFIG)).resolve() == path.resolve():
            return ["--profile", profile.parent.name]
    return ["--profile", "slurm" if _needs_slurm(open_study(path)) else "mini", "--configfile", str(path)]


def _needs_slurm(study: Study) -> bool:
    """Whether a study has run through SLURM, or asks for GPUs: no profile is made for its config file."""
    parts = [asked for compute in study.config.compute.values() for asked in (compute, *compute.sizes.values())]
    return slurm.was_used(Path(study.results)) or any(asked.gpus for asked in parts)


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def size(count: float) -> str:
    """Bytes for a person."""
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"


def tell_sums(sums: Mapping[str, tuple[int, int]]) -> None:
    """Kind -> (count, bytes) for a person, with their sum of bytes."""
    rows = [[kind, f"{count:,}", f"{taken:,} bytes"] for kind, (count, taken) in sums.items()]
    rows.append(["together", "", f"{sum(taken for _, taken in sums.values()):,} bytes"])
    for line in table(rows, right={1, 2}):
        tell(f"  {line}")


def tell_of_batches(study: Study, stage: str) -> None:
    """Say so if what is forgotten of a stage may come back as it was."""
    if stage == "judge" and study.config.judge.engine.batch is not None:
        tell(
            "note: judge.engine.batch is set, so a reply that the provider still keeps in a batch's file is taken from "
            "there, and not asked for anew; what was refused or not begun is asked anew. To have all of it asked anew, "
            "delete the output files of these batches at the provider before the next run, or run without batch."
        )


# --- alone in the results ---------------------------------------------------------------------------------------------

_INSTANCE = re.compile(r"(?P<host>.+)-(?P<pid>\d+)-[0-9a-f]{8}")


@contextmanager
def alone(results: Path, dry_run: bool) -> Iterator[None]:
    """Within the context no run starts in `results`; with dry_run it is only looked whether one goes on.

    Raises StudyError if a run, or a job that was started by hand, goes on.
    """
    if not results.is_dir():
        raise StudyError(f"{results}: there is no such folder: the study has not been run here.")
    _refuse(runs.running(results))
    _check_other_work(results)
    if dry_run:
        yield
        return
    path = results / runs.FILE
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _refuse(runs.running(results) or "it has just started")
        except OSError as error:  # some network file systems have no locks
            say(f"warning: {path} cannot be locked ({error}): see to it yourself that no run starts meanwhile.")
        file.seek(0)
        before = file.read()
        about = {
            **runs.about_this_process(),
            "before": _parsed(before).get("before", before),  # what a killed command had to put back
        }
        _rewrite(file, json.dumps(about, indent=2) + "\n")
        try:
            yield
        finally:
            _rewrite(file, about["before"])


def _rewrite(file: TextIO, text: str) -> None:
    # In place: a renamed file would be another one, without the lock.
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()


def _parsed(text: str) -> dict[str, Any]:
    """What the run file says; nothing if it is new, or was cut in the middle by a kill."""
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):
        return {}


def _refuse(told: str | None) -> None:
    if told is not None:
        raise StudyError(
            f"a run is going on in these results: {told}. Nothing was changed. Wait for it, or stop it (what it has "
            "done so far is kept), and run this again."
        )


def _check_other_work(results: Path) -> None:
    path = results / runs.FILE
    about = _parsed(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if about and about.get("ended") is None and about.get("host") != gethostname():
        raise StudyError(
            f"{results}: a run on another machine ({about.get('host')}, pid {about.get('pid')}) has not ended, and "
            f"this machine cannot see whether it is alive. If it is not: rm {path}, and run this again."
        )
    for claim in claims(results):
        if claim.alive:
            raise StudyError(
                f"{results}: a job is still at work here: process {claim.pid}. Nothing was changed. Wait for it, or "
                "stop it, and run this again."
            )
    # A run that was killed leaves its jobs on the cluster: they go on to read and write.
    if slurm.was_used(results) and slurm.is_here() and (jobs := slurm.unfinished(results)):
        named = ", ".join(f"{job.id} ({job.state.lower()})" for job in jobs)
        raise StudyError(
            f"{results}: SLURM still has jobs of these results: {named}. Nothing was changed. Wait for them, or take "
            "them out with `prefdelta stop`, and run this again."
        )


@dataclass(frozen=True, slots=True)
class FoundClaim:
    """A file in record/claims: a process that makes, or made, something."""

    path: Path
    here: bool  # of this machine
    pid: int
    alive: bool  # as far as this machine can see


def claims(results: Path) -> list[FoundClaim]:
    found = []
    for path in sorted((results / "record" / "claims").glob("[!.]*")):
        try:
            owner = _INSTANCE.fullmatch(path.read_text(encoding="utf-8").strip())
        except OSError:  # it was released just now
            continue
        here = owner is not None and owner["host"] == gethostname()
        pid = int(owner["pid"]) if owner else 0
        found.append(FoundClaim(path, here or owner is None, pid, here and works(pid)))
    return found


def works(pid: int) -> bool:
    """Whether a process of that id is alive and one of ours; ids are given again to others."""
    if pid == os.getpid():
        return False
    try:
        return b"prefdelta" in Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
