"""Models and data sets of the hub: pinned, and on this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from prefdelta.commands.checks.check_result import NOT_NEEDED, CheckResult, fail, list_names, ok, warn
from prefdelta.commands.checks.subject import Subject
from prefdelta.commands.output import format_bytes
from prefdelta.commands.policy_sizes import existing
from prefdelta.core.data.sources import DataSource
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.core.pins import Kind, hub_path
from prefdelta.models.cache import cached, missing
from prefdelta.models.repositories import LOCK, local_folder, read_pins
from prefdelta.study.study import Study


def pins(subject: Subject) -> Iterator[CheckResult]:
    study = subject.study
    count = sum(map(len, study.hub_names.values()))
    if not count:
        yield NOT_NEEDED
    elif study.unpinned:
        yield fail(
            f"{len(study.unpinned)} of {count} models and data sets are not pinned to a commit: "
            f"{list_names(study.unpinned)}",
            f"prefdelta pin, where the hub can be reached; then commit {LOCK}. Or name local folders (./…).",
        )
    else:
        yield ok(f"{count} models and data sets, each at the commit in {LOCK}")


def files(subject: Subject) -> Iterator[CheckResult]:
    """Whether the files are in the cache or in local folders. Only sizes are compared; jobs compare contents."""
    study = subject.study
    local = _local(study)
    if not local and not any(study.hub_names.values()):
        yield NOT_NEEDED
        return
    broken = 0
    for kind, name in local:
        try:
            local_folder(kind, name)
        except StudyError as error:
            broken += 1
            yield fail(str(error))
    if local and not broken:
        yield ok(f"{len(local)} local folders are there")
    if not any(study.hub_names.values()):
        return
    if absent := to_fetch(study):
        yield from _absent(absent, sum(map(len, study.hub_names.values())))
    else:
        yield ok("all that is pinned is in the cache")


def to_fetch(study: Study) -> dict[str, int | None]:
    """Repositories that are not wholly in the cache -> the missing bytes; None if no pin gives sizes."""
    lock, lacking = read_pins(), dict[str, int | None]()
    for kind, names in study.hub_names.items():
        for name in names:
            pin = lock.of(kind).get(name)
            absent = missing(kind, name, pin) if pin else None
            if absent is None or absent:
                lacking[hub_path(kind, name)] = None if absent is None else sum(absent.values())
    return lacking


def model_folder(name: str) -> Path | None:
    """The folder of a model's files on this machine, complete or not; None if there are none."""
    pin = read_pins().models.get(name)
    folder = Path(name) if is_local(name) else cached("models", name, pin.revision) if pin else None
    return folder if folder and folder.is_dir() else None


def _local(study: Study) -> list[tuple[Kind, str]]:
    sources = [study.config.prompts.train, *(one.source for one in study.benchmarks.values())]
    models = [model.hub for model in study.config.models.values() if model.hub]
    data = [source.dataset for source in sources if isinstance(source, DataSource)]
    repositories: list[tuple[Kind, str]] = [("models", name) for name in models] + [("datasets", name) for name in data]
    return [(kind, name) for kind, name in dict.fromkeys(repositories) if is_local(name)]


def _absent(absent: dict[str, int | None], count: int) -> Iterator[CheckResult]:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(existing(cache)).free
    needed = sum(size or 0 for size in absent.values())
    summary = f"{len(absent)} of {count} are not in the cache: {list_names(list(absent))}"
    if needed:
        summary += f"; {format_bytes(needed)} to fetch"
    if needed > free:
        yield fail(
            f"{summary}, and {cache} has room for {format_bytes(free)}",
            "Make room, or let HF_HOME name a folder on a larger disk.",
        )
    elif constants.HF_HUB_OFFLINE:
        yield fail(f"{summary}, and HF_HUB_OFFLINE is set", "prefdelta pin --fetch, where the hub can be reached")
    else:
        yield warn(
            f"{summary} ({cache}, {format_bytes(free)} free)",
            "prefdelta pin --fetch, with the HF_HOME of the jobs: nodes often cannot reach the hub.",
        )
