"""Pin the models and data sets of the hub that a study uses: each to the commit that is its newest now.

    prefdelta pin --configfile config.yaml              # all that the study uses
    prefdelta pin simplescaling/s1.1-3B datasets/openai/gsm8k

Writes resources/pins.lock.json, with the sizes of what may be loaded and the licences; commit that file. What is pinned
already stays as it is, unless --update is given. A name that cannot be resolved is told, and the others are written.
An access token is taken from the environment variable HF_TOKEN, another address of the hub from HF_ENDPOINT.
"""

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prefdelta.commands import shared
from prefdelta.commands.text_table import table
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.core.pins import INDEX, NOUNS, WEIGHTS, Kind, Pin, Pins, argument, wanted
from prefdelta.models.cache import hub_errors_told
from prefdelta.models.repositories import LOCK, fetch, model_files, read_pins
from prefdelta.system.files import publish_text

_KINDS: tuple[Kind, ...] = ("models", "datasets")
_COMMIT = 12  # characters shown
Repository = tuple[Kind, str]


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="only these: owner/name of a model, datasets/owner/name of a data set (default: all the study uses)",
    )
    parser.add_argument("--update", action="store_true", help="move what is pinned already to its newest commit, too")
    parser.add_argument("--fetch", action="store_true", help="also download what is pinned, for work without network")
    shared.add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    before = after = read_pins()
    lines: list[_Line] = []
    errors: list[str] = []
    repositories = _repositories(arguments.names, arguments.configfile)
    for kind, name in repositories:
        old = before.of(kind).get(name)
        if old and not arguments.update:
            lines.append(_Line(kind, name, old, "kept"))
            continue
        try:
            new = resolve(kind, name)
        except StudyError as error:
            errors.append(str(error))
            lines.append(_Line(kind, name, old, "failed, kept" if old else "failed"))
            continue
        after = after.with_pin(kind, name, new)
        lines.append(_Line(kind, name, new, _change(old, new)))
    _tell_table(lines)
    if arguments.dry_run:
        shared.tell("dry run: nothing was changed")
    elif after != before:
        publish_text(LOCK, after.text())
        shared.tell(f"written: {LOCK}")
    if arguments.fetch and not arguments.dry_run:
        errors += _fetch_all(after, repositories)
    if errors:
        raise StudyError("\n".join([f"{len(errors)} of {len(repositories)} did not work:", *errors]))


def resolve(kind: Kind, name: str) -> Pin:
    """The newest commit of a repository of the hub. Raises StudyError if it cannot be had or holds nothing to load."""
    from huggingface_hub import HfApi

    with hub_errors_told(kind, name):
        repo_type = "model" if kind == "models" else "dataset"
        info: Any = HfApi().repo_info(name, repo_type=repo_type, files_metadata=True, timeout=60)
    sizes = {file.rfilename: file.size for file in info.siblings or []}
    if kind == "models":
        files = {file: sizes[file] for file in model_files(name, info.sha, list(sizes))}
        if not any(file.endswith(".safetensors") for file in files):
            raise StudyError(
                f"{name}: this model has no {WEIGHTS} and no {INDEX}, and weights in other formats are never read."
            )
    else:
        files = {file: size for file, size in sizes.items() if wanted(kind, file)}
    if not files:
        raise StudyError(f"{name}: this repository has no files that may be loaded.")
    try:
        return Pin(revision=info.sha, bytes=sum(files.values()), licence=_licence(info), files=files)
    except (ValidationError, TypeError) as error:
        raise StudyError(f"{name}: the hub's answer lacks a commit or sizes of files: {error}") from None


def _licence(info: Any) -> str | None:
    """As the repository's card names it."""
    card = info.card_data.to_dict() if info.card_data else {}
    said = card.get("license")
    if said == "other" and card.get("license_name"):
        said = card["license_name"]
    if said is None:
        said = [tag.removeprefix("license:") for tag in info.tags or [] if tag.startswith("license:")]
    return ", ".join(map(str, said)) or None if isinstance(said, list) else str(said)


def _repositories(names: Sequence[str], configfile: Path | None) -> list[Repository]:
    """What to pin: the names given, or all that the study uses."""
    if names and configfile is None:
        return list(dict.fromkeys(map(_parsed, names)))
    study = shared.open_study(configfile)
    used: list[Repository] = [(kind, name) for kind in _KINDS for name in study.hub_names[kind]]
    if not names and not used:
        raise StudyError(f"the study {study.config.study!r} uses nothing from the hub, so there is nothing to pin.")
    chosen = list(dict.fromkeys(map(_parsed, names))) or used
    for repository in chosen:
        if repository not in used:
            said = argument(*repository)
            near = difflib.get_close_matches(said, [argument(*one) for one in used], n=1, cutoff=0.4)
            raise StudyError(
                f"{said}: the study {study.config.study!r} does not use it."
                + (f" Did you mean {near[0]}?" if near else "")
                + " Without --configfile any name is pinned."
            )
    return chosen


def _parsed(said: str) -> Repository:
    if is_local(said):
        raise StudyError(f"{said}: a local folder, which is known by its content: there is nothing to pin.")
    prefix, _, rest = said.partition("/")
    return ("datasets", rest) if prefix == "datasets" else ("models", said)


def _fetch_all(pins: Pins, repositories: Sequence[Repository]) -> list[str]:
    """Download what is pinned. Returns what went wrong."""
    errors = []
    for kind, name in repositories:
        if revision := pins.revision(kind, name):
            try:
                fetch(kind, name, revision)
                shared.tell(f"fetched: {argument(kind, name)}")
            except StudyError as error:
                errors.append(str(error))
    return errors


def _change(old: Pin | None, new: Pin) -> str:
    if old is None:
        return "new"
    if old.revision != new.revision:
        return f"updated, was {old.revision[:_COMMIT]}"
    return "unchanged" if old == new else "same commit; licence or sizes changed"


# --- the table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Line:
    kind: Kind
    name: str
    pin: Pin | None
    change: str


_HEAD = ("name", "kind", "commit", "size", "licence", "")


def _tell_table(lines: Sequence[_Line]) -> None:
    for line in table([_HEAD, *map(_cells, lines)]):
        shared.tell(line)


def _cells(line: _Line) -> tuple[str, ...]:
    pin = line.pin
    shown = (pin.revision[:_COMMIT], shared.size(pin.bytes), pin.licence or "not said") if pin else ("-", "-", "-")
    return (line.name, NOUNS[line.kind], *shown, line.change)
