"""Pin the models and data sets of the hub that a study uses, each to its newest commit.

    prefdelta pin --configfile config.yaml              # all that the study uses
    prefdelta pin simplescaling/s1.1-3B datasets/openai/gsm8k

Writes resources/pins.lock.json, with the sizes of what may be loaded and the licences; commit that file. Existing pins
stay unless --update is given. A name that cannot be resolved is reported; the others are written. An access token is
taken from the environment variable HF_TOKEN, another address of the hub from HF_ENDPOINT.
"""

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prefdelta.commands.output import format_bytes, print_line
from prefdelta.commands.study_options import add_options, open_study
from prefdelta.commands.text_table import table
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.core.pins import INDEX, NOUNS, WEIGHTS, Kind, Pin, Pins, hub_path, may_be_loaded
from prefdelta.models.cache import explain_hub_errors
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
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    before = after = read_pins()
    rows: list[_Row] = []
    errors: list[str] = []
    repositories = _repositories(arguments.names, arguments.configfile)
    for kind, name in repositories:
        old = before.of(kind).get(name)
        if old and not arguments.update:
            rows.append(_Row(kind, name, old, "kept"))
            continue
        try:
            new = resolve(kind, name)
        except StudyError as error:
            errors.append(str(error))
            rows.append(_Row(kind, name, old, "failed, kept" if old else "failed"))
            continue
        after = after.with_pin(kind, name, new)
        rows.append(_Row(kind, name, new, _change(old, new)))
    _print_table(rows)
    if arguments.dry_run:
        print_line("dry run: nothing was changed")
    elif after != before:
        publish_text(LOCK, after.text())
        print_line(f"written: {LOCK}")
    if arguments.fetch and not arguments.dry_run:
        errors += _fetch_all(after, repositories)
    if errors:
        raise StudyError("\n".join([f"{len(errors)} of {len(repositories)} failed:", *errors]))


def resolve(kind: Kind, name: str) -> Pin:
    """The newest commit of a repository of the hub. Raises StudyError if it cannot be had or holds nothing to load."""
    from huggingface_hub import HfApi

    with explain_hub_errors(kind, name):
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
        files = {file: size for file, size in sizes.items() if may_be_loaded(kind, file)}
    if not files:
        raise StudyError(f"{name}: this repository has no files that may be loaded.")
    try:
        return Pin(revision=info.sha, bytes=sum(files.values()), licence=_licence(info), files=files)
    except (ValidationError, TypeError) as error:
        raise StudyError(f"{name}: the hub's answer lacks a commit or sizes of files: {error}") from None


def _licence(info: Any) -> str | None:
    """The licence that the repository's card names; None if it names none."""
    card = info.card_data.to_dict() if info.card_data else {}
    licence = card.get("license")
    if licence == "other" and card.get("license_name"):
        licence = card["license_name"]
    if licence is None:
        licence = [tag.removeprefix("license:") for tag in info.tags or [] if tag.startswith("license:")]
    return ", ".join(map(str, licence)) or None if isinstance(licence, list) else str(licence)


def _repositories(names: Sequence[str], configfile: Path | None) -> list[Repository]:
    """The repositories to pin: the given names, or all that the study uses."""
    if names and configfile is None:
        return list(dict.fromkeys(map(_parse, names)))
    study = open_study(configfile)
    used: list[Repository] = [(kind, name) for kind in _KINDS for name in study.hub_names[kind]]
    if not names and not used:
        raise StudyError(f"the study {study.config.study!r} uses nothing from the hub, so there is nothing to pin.")
    chosen = list(dict.fromkeys(map(_parse, names))) or used
    for repository in chosen:
        if repository not in used:
            name = hub_path(*repository)
            near = difflib.get_close_matches(name, [hub_path(*other) for other in used], n=1, cutoff=0.4)
            raise StudyError(
                f"{name}: the study {study.config.study!r} does not use it."
                + (f" Did you mean {near[0]}?" if near else "")
                + " Without --configfile any name is pinned."
            )
    return chosen


def _parse(name: str) -> Repository:
    """The repository that an argument names, as `core.pins.hub_path` writes it."""
    if is_local(name):
        raise StudyError(f"{name}: a local folder, which is known by its content: there is nothing to pin.")
    prefix, _, rest = name.partition("/")
    return ("datasets", rest) if prefix == "datasets" else ("models", name)


def _fetch_all(pins: Pins, repositories: Sequence[Repository]) -> list[str]:
    """Download the pinned repositories. Returns the errors."""
    errors = []
    for kind, name in repositories:
        if revision := pins.revision(kind, name):
            try:
                fetch(kind, name, revision)
                print_line(f"fetched: {hub_path(kind, name)}")
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
class _Row:
    kind: Kind
    name: str
    pin: Pin | None
    change: str


_HEAD = ("name", "kind", "commit", "size", "licence", "")


def _print_table(rows: Sequence[_Row]) -> None:
    for line in table([_HEAD, *map(_cells, rows)]):
        print_line(line)


def _cells(row: _Row) -> tuple[str, ...]:
    pin = row.pin
    shown = (pin.revision[:_COMMIT], format_bytes(pin.bytes), pin.licence or "not said") if pin else ("-", "-", "-")
    return (row.name, NOUNS[row.kind], *shown, row.change)
