"""A stage's command line: its options, its --help, and the shell command that repeats a job by hand."""

import argparse
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from prefdelta.core.errors import StudyError
from prefdelta.core.settings import Settings
from prefdelta.workflow import source

S = TypeVar("S", bound=Settings)


def options(program: str, about: str) -> argparse.ArgumentParser:
    """The options of all stages."""
    parser = argparse.ArgumentParser(
        prog=program, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--in", dest="inputs", nargs="*", default=[], metavar="NAME=PATH", help="inputs")
    parser.add_argument("--out", dest="outputs", nargs="+", required=True, metavar="NAME=PATH", help="outputs")
    parser.add_argument("--settings", required=True, help="the stage's settings as JSON")
    parser.add_argument("--record", type=Path, required=True, help="folder of the record, results/<study>/record")
    parser.add_argument("--code", default="", help="digest of the source this job was planned with")
    parser.add_argument("--launch", default="{}", help="train: how its processes are started (core/launch.py), as JSON")
    return parser


def parse(
    module: str, about: str, settings: type[Settings], inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> argparse.Namespace:
    """The arguments of this process, with `inputs` and `outputs` as name -> paths.

    Exits with 2 unless the names are exactly those of the stage.

    about: the stage's docstring. inputs, outputs: name -> description for --help; every stage has an output `manifest`.
    """
    outputs = {**outputs, "manifest": "counts, failures, versions (JSON)"}
    fields = {
        name: f"{info.get('type', info.get('$ref', 'see the schema')).rpartition('/')[2]} {info.get('description', '')}"
        for name, info in settings.model_json_schema()["properties"].items()
    }
    sections = {
        "inputs (--in name=path ...)": inputs,
        "outputs (--out name=path ...)": outputs,
        "settings (--settings JSON)": fields,
    }
    help_text = "\n".join([about, *(_section(title, entries) for title, entries in sections.items())])
    parser = options(f"python -m {module}", help_text)
    arguments = parser.parse_args()
    for option, allowed in (("inputs", inputs), ("outputs", outputs)):
        paths = named_paths(getattr(arguments, option))
        if set(paths) != set(allowed):
            parser.error(f"{option}: found {sorted(paths)}, needs exactly {sorted(allowed)}")
        setattr(arguments, option, paths)
    return arguments


def parse_json(option: str, kind: type[S], text: str) -> S:
    """The value of an option that is JSON. Raises StudyError if `kind` does not accept it."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise StudyError(f"--{option}: {error}") from None


def named_paths(words: Iterable[str]) -> dict[str, list[Path]]:
    """`a=x y b=z` as {"a": [x, y], "b": [z]}; `c=` alone is an empty list."""
    paths: dict[str, list[Path]] = {}
    name = ""
    for word in words:
        head, equals, path = word.partition("=")
        if equals and head.isidentifier():
            name = head
            paths[name] = [Path(path)] if path else []
        elif name:
            paths[name].append(Path(word))
    return paths


def by_hand(module: str, words: list[str]) -> str:
    """The shell command that repeats a job by hand: its words without the digest from the plan (`--code`)."""
    program = Path(sys.executable)
    interpreter = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    if "--code" in words:
        at = words.index("--code")
        words = words[:at] + words[at + 2 :]
    return shlex.join([str(interpreter), "-m", module, *words])


def is_by_hand(line: str) -> bool:
    """Whether a line of a log comes from `by_hand`. A workflow's job writes it first."""
    return f" -m {source.PACKAGE}.stages." in line and " --record " in line


def _section(title: str, entries: Mapping[str, str]) -> str:
    return f"{title}:\n" + "\n".join(f"  {name:<14} {text}".rstrip() for name, text in entries.items()) + "\n"
