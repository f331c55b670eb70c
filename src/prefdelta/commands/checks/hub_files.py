"""Models and data sets of the hub: pinned, and on this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from prefdelta.commands.checks.finding import NOT_NEEDED, Finding, fail, named, ok, warn
from prefdelta.commands.checks.subject import Examined
from prefdelta.commands.shared import size
from prefdelta.core.data.sources import DataSource
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.core.pins import Kind, hub_path
from prefdelta.models.cache import cached, missing
from prefdelta.models.repositories import LOCK, local_folder, read_pins
from prefdelta.study.study import Study


def pins(examined: Examined) -> Iterator[Finding]:
    study = examined.study
    count = sum(map(len, study.hub_names.values()))
    if not count:
        yield NOT_NEEDED
    elif study.unpinned:
        yield fail(
            f"{len(study.unpinned)} of {count} models and data sets are not pinned to a commit: "
            f"{named(study.unpinned)}",
            f"prefdelta pin, where the hub can be reached; then commit {LOCK}. Or name local folders (./…).",
        )
    else:
        yield ok(f"{count} models and data sets, each at the commit in {LOCK}")


def files(examined: Examined) -> Iterator[Finding]:
    """What is in the cache, or in local folders; sizes are compared, contents are when a job opens them."""
    study = examined.study
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
    """What of the hub is not whole in the cache -> its missing bytes; None where no pin says."""
    lock, found = read_pins(), dict[str, int | None]()
    for kind, names in study.hub_names.items():
        for name in names:
            pin = lock.of(kind).get(name)
            absent = missing(kind, name, pin) if pin else None
            if absent is None or absent:
                found[hub_path(kind, name)] = None if absent is None else sum(absent.values())
    return found


def model_folder(name: str) -> Path | None:
    """The files of a model, if there are any on this machine, whole or not."""
    pin = read_pins().models.get(name)
    folder = Path(name) if is_local(name) else cached("models", name, pin.revision) if pin else None
    return folder if folder and folder.is_dir() else None


def _local(study: Study) -> list[tuple[Kind, str]]:
    sources = [study.config.prompts.train, *(one.source for one in study.benchmarks.values())]
    models = [model.hub for model in study.config.models.values() if model.hub]
    data = [source.dataset for source in sources if isinstance(source, DataSource)]
    named: list[tuple[Kind, str]] = [("models", name) for name in models] + [("datasets", name) for name in data]
    return [one for one in dict.fromkeys(named) if is_local(one[1])]


def _absent(absent: dict[str, int | None], count: int) -> Iterator[Finding]:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    free = shutil.disk_usage(next(folder for folder in (cache, *cache.parents) if folder.is_dir())).free
    needed = sum(taken or 0 for taken in absent.values())
    told = f"{len(absent)} of {count} are not in the cache: {named(list(absent))}"
    if needed:
        told += f"; {size(needed)} to fetch"
    if needed > free:
        yield fail(
            f"{told}, and {cache} has room for {size(free)}",
            "Make room, or let HF_HOME name a folder on a larger disk.",
        )
    elif constants.HF_HUB_OFFLINE:
        yield fail(f"{told}, and HF_HUB_OFFLINE is set", "prefdelta pin --fetch, where the hub can be reached")
    else:
        yield warn(
            f"{told} ({cache}, {size(free)} free)",
            "prefdelta pin --fetch, with the HF_HOME of the jobs: nodes often have no way to the hub.",
        )
