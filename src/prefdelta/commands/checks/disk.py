"""Where results are written: room, what the file system can do, and how many files may be open."""

import fcntl
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from prefdelta.commands import sizes
from prefdelta.commands.checks.finding import NOT_NEEDED, Finding, fail, ok, warn
from prefdelta.commands.checks.subject import Examined
from prefdelta.commands.shared import size
from prefdelta.commands.sizes import existing
from prefdelta.core.arms import Arm
from prefdelta.core.recipes import Recipe
from prefdelta.engines.openai.engine import OTHER_FILES
from prefdelta.study.study import Study
from prefdelta.system.files import INSTANCE, publish

_SLOW_S = 1.0  # for one small file: every table and thousands of segments are written so


def room(examined: Examined) -> Iterator[Finding]:
    """Against what trained policies take: docs/full.md says how much that is."""
    study = examined.study
    place = existing(Path(study.results))
    free = shutil.disk_usage(place).free
    told = f"{size(free)} free in {place.resolve()}"
    to_come = [arm for arm in study.arms if not Path(study.policy_manifest(arm)).is_file()]
    kept = [arm for arm in to_come if arm not in study.passing_arms]
    if unknown := sorted(policy for policy in study.config.policies if sizes.parameters(study, policy) is None):
        told += f" (how large {', '.join(unknown)} is was not said)"
    snapshots = max((_bytes(sizes.snapshot_bytes, study, arm) for arm in to_come), default=0.0)
    least, most = (sum(_bytes(sizes.policy_bytes, study, arm) for arm in arms) + snapshots for arms in (kept, to_come))
    needs = f"a training's snapshots and the policies to keep ({len(kept)}) need about {size(least)}"
    if free < least:
        yield fail(f"{told}, but {needs}", "Make room, or keep fewer experiments' policies (train.keep).")
    elif free < most:
        yield warn(
            f"{told}; {needs}, all policies at once ({len(to_come)}) about {size(most)}",
            "While it runs: prefdelta gc --evaluated-policies, again and again.",
        )
    else:
        yield ok(f"{told}; policies to come ({len(to_come)}) need about {size(most)}")


def files(examined: Examined) -> Iterator[Finding]:
    """What publishing a file needs: temp, fsync, rename; and the lock of one run at a time."""
    place = existing(Path(examined.study.results))
    probe = place / f".{INSTANCE}.doctor"
    try:
        start = time.monotonic()
        publish(probe, b"first")
        publish(probe, b"second")
        took = (time.monotonic() - start) / 2
        is_whole = probe.read_bytes() == b"second"
        no_lock = _lock(probe)
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
    if no_lock:
        yield warn(
            f"{place.resolve()}: files cannot be locked here ({no_lock})",
            "See to it yourself that one run at a time works in these results; or mount the file system with locks "
            "(Lustre: -o flock).",
        )
    if took > _SLOW_S:
        yield warn(
            f"{place.resolve()}: a small file takes {took:.1f} s to be on the disk",
            "Keep results on a faster file system.",
        )
    if is_whole and not no_lock and took <= _SLOW_S:
        yield ok(f"written, flushed, renamed and locked in {took * 1000:.0f} ms a file")


def open_files(examined: Examined) -> Iterator[Finding]:
    """The judge's requests are connections; it raises the soft limit by itself, as far as the hard one."""
    judge = examined.config.judge.engine
    if judge.batch:
        yield NOT_NEEDED
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    needed = judge.in_flight + OTHER_FILES
    told = f"{'any number' if hard == resource.RLIM_INFINITY else f'{hard:,}'} may be open"
    if hard != resource.RLIM_INFINITY and hard < needed:
        yield warn(
            f"{told}, and {judge.in_flight} requests to the judge (judge.engine.in_flight) need {needed}: fewer will "
            "be in flight",
            f"Have the limit raised (ulimit -Hn {needed}), or lower judge.engine.in_flight.",
        )
    else:
        yield ok(f"{told}; the judge needs {needed}")


def _lock(path: Path) -> str | None:
    """Why a file cannot be locked, or None."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.strerror
    return None


def _bytes(of: Callable[[Study, str, Recipe], float | None], study: Study, arm: Arm) -> float:
    """0 if nothing says how large the policy is."""
    return of(study, arm.policy, study.config.train.recipes[arm.recipe]) or 0.0
