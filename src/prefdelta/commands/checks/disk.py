"""Where results are written: room, what the file system can do, and how many files may be open."""

import fcntl
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from prefdelta.commands import policy_sizes
from prefdelta.commands.checks.check_result import NOT_NEEDED, CheckResult, fail, ok, warn
from prefdelta.commands.checks.subject import Subject
from prefdelta.commands.output import format_bytes
from prefdelta.commands.policy_sizes import existing
from prefdelta.core.arms import Arm
from prefdelta.core.recipes import Recipe
from prefdelta.engines.openai.open_files import OTHER_FILES
from prefdelta.study.study import Study
from prefdelta.system.files import publish
from prefdelta.system.instance import INSTANCE

_SLOW_S = 1.0  # to publish one small file; a study publishes thousands


def room(subject: Subject) -> Iterator[CheckResult]:
    """Compare free space with the size of the trained policies (docs/full.md)."""
    study = subject.study
    place = existing(Path(study.results))
    free = shutil.disk_usage(place).free
    summary = f"{format_bytes(free)} free in {place.resolve()}"
    to_come = [arm for arm in study.arms if not Path(study.policy_manifest(arm)).is_file()]
    kept = [arm for arm in to_come if arm not in study.passing_arms]
    if unknown := sorted(policy for policy in study.config.policies if policy_sizes.parameters(study, policy) is None):
        summary += f" (the config and the pins do not say how large {', '.join(unknown)} is)"
    snapshots = max((_bytes(policy_sizes.snapshot_bytes, study, arm) for arm in to_come), default=0.0)
    least, most = (
        sum(_bytes(policy_sizes.policy_bytes, study, arm) for arm in arms) + snapshots for arms in (kept, to_come)
    )
    needs = f"a training's snapshots and the policies to keep ({len(kept)}) need about {format_bytes(least)}"
    if free < least:
        yield fail(f"{summary}, but {needs}", "Make room, or keep fewer experiments' policies (train.keep).")
    elif free < most:
        yield warn(
            f"{summary}; {needs}, all policies at once ({len(to_come)}) about {format_bytes(most)}",
            "While it runs: prefdelta gc --evaluated-policies, again and again.",
        )
    else:
        yield ok(f"{summary}; policies to come ({len(to_come)}) need about {format_bytes(most)}")


def files(subject: Subject) -> Iterator[CheckResult]:
    """Whether files can be published (temp, fsync, rename), and locked to keep a second run out."""
    place = existing(Path(subject.study.results))
    probe = place / f".{INSTANCE}.doctor"
    try:
        start = time.monotonic()
        publish(probe, b"first")
        publish(probe, b"second")
        seconds = (time.monotonic() - start) / 2
        is_whole = probe.read_bytes() == b"second"
        lock_problem = _lock(probe)
    except OSError as error:
        yield fail(f"{place.resolve()} cannot be written: {error.strerror}", "Run the study in a folder of your own.")
        return
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    if not is_whole:
        yield fail(
            f"{place.resolve()}: a file that was renamed over another does not have the new content",
            "Keep results on another file system.",
        )
    if lock_problem:
        yield warn(
            f"{place.resolve()}: files cannot be locked here ({lock_problem})",
            "Make sure yourself that one run at a time works in these results; or mount the file system with locks "
            "(Lustre: -o flock).",
        )
    if seconds > _SLOW_S:
        yield warn(
            f"{place.resolve()}: a small file takes {seconds:.1f} s to be on the disk",
            "Keep results on a faster file system.",
        )
    if is_whole and not lock_problem and seconds <= _SLOW_S:
        yield ok(f"written, flushed, renamed and locked in {seconds * 1000:.0f} ms a file")


def open_files(subject: Subject) -> Iterator[CheckResult]:
    """Compare the hard limit with the judge's requests, each a connection. The engine raises the soft limit."""
    engines = [judge.engine for judge in subject.config.judge.judges().values() if not judge.engine.batch]
    if not engines:
        yield NOT_NEEDED
        return
    judge = max(engines, key=lambda engine: engine.in_flight)  # one job asks one judge
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = judge.in_flight + OTHER_FILES
    summary = f"{'any number' if hard == resource.RLIM_INFINITY else f'{hard:,}'} may be open"
    if hard != resource.RLIM_INFINITY and hard < needed:
        yield warn(
            f"{summary}, and {judge.in_flight} requests to the judge (judge.engine.in_flight) need {needed}: fewer "
            "will be in flight",
            f"Have the limit raised (ulimit -Hn {needed}), or lower judge.engine.in_flight.",
        )
    else:
        yield ok(f"{summary}; the judge needs {needed}")


def _lock(path: Path) -> str | None:
    """Why a file cannot be locked, or None."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.strerror
    return None


def _bytes(bytes_of: Callable[[Study, str, Recipe], float | None], study: Study, arm: Arm) -> float:
    """The size of an arm's policy by `bytes_of`; 0 if it is not known."""
    return bytes_of(study, arm.policy, study.config.train.recipes[arm.recipe]) or 0.0
