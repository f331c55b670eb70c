"""Where results are written: room, what the file system can do, and how many files may be open."""

import fcntl
import re
import resource
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prefdelta.commands.checks.examined import Examined
from prefdelta.commands.checks.finding import NOT_NEEDED, Finding, fail, ok, warn
from prefdelta.commands.shared import size
from prefdelta.core.hub import is_local
from prefdelta.engines.openai import OTHER_FILES
from prefdelta.files import INSTANCE, publish
from prefdelta.hub import read_pins
from prefdelta.study import Study

_SLOW_S = 1.0  # for one small file: every table and thousands of segments are written so
_SNAPSHOTS = 2  # of a training in progress, kept at once
_STATES = 3  # a snapshot holds weights and the optimiser's two moments, in float32


def room(examined: Examined) -> Iterator[Finding]:
    """Against what trained policies take: docs/full.md says how much that is."""
    study = examined.study
    place = _existing(Path(study.results))
    free = shutil.disk_usage(place).free
    told = f"{size(free)} free in {place.resolve()}"
    to_come = [arm for arm in study.arms if not Path(study.policy_manifest(arm)).is_file()]
    kept = [arm for arm in to_come if arm not in study.passing_arms]
    sizes = {policy: _policy_bytes(study, policy) for policy in study.config.policies}
    if unknown := sorted(policy for policy, taken in sizes.items() if taken is None):
        told += f" (how large {', '.join(unknown)} is was not said)"
    known = {policy: taken or 0 for policy, taken in sizes.items()}
    snapshots = _SNAPSHOTS * _STATES * max(known.values(), default=0) if to_come else 0
    least, most = _sum(kept, known) + snapshots, _sum(to_come, known) + snapshots
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
    place = _existing(Path(examined.study.results))
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


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _lock(path: Path) -> str | None:
    """Why a file cannot be locked, or None."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.strerror
    return None


def _sum(arms: list[str], sizes: dict[str, int]) -> int:
    return sum(sizes[policy] * count for policy, count in Counter(arm.partition("/")[0] for arm in arms).items())


def _policy_bytes(study: Study, policy: str) -> int | None:
    """About what a trained policy takes, in float32; None if nothing says."""
    model = study.config.models[policy]
    if model.ladder:
        return 4 * 12 * model.ladder.layers * model.ladder.width**2
    assert model.hub
    pin = read_pins().models.get(model.hub)
    if is_local(model.hub):
        weights = {path.name: path.stat().st_size for path in Path(model.hub).glob("*.safetensors")}
    else:
        weights = {file: taken for file, taken in pin.files.items() if file.endswith(".safetensors")} if pin else {}
    if weights:
        return 2 * sum(weights.values())  # models are published in 16 bits
    billions = re.fullmatch(r"(\d+(?:\.\d+)?)[bB]", model.size or "")
    return round(4e9 * float(billions[1])) if billions else None
