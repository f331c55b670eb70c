"""The options of a command that say which study it works on."""

import argparse
import shlex
from pathlib import Path

import yaml

from prefdelta.core.errors import StudyError
from prefdelta.study.study import Study

DEFAULT_CONFIG = Path("config.yaml")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that changes something: --configfile and --dry-run."""
    add_configfile(parser)
    parser.add_argument("--dry-run", "-n", action="store_true", help="say what would be done, and change nothing")


def add_configfile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--configfile",
        type=Path,
        help=f"the study's config file, e.g. resources/studies/mini.yaml (default: {DEFAULT_CONFIG}, if there is one)",
    )


def command_line(configfile: Path | None, *words: str) -> str:
    """A command to be pasted, about the same study. configfile: as it was given. words: names, which need no quotes."""
    of_study = [] if configfile is None else ["--configfile", shlex.quote(str(configfile))]
    return " ".join(["prefdelta", *words, *of_study])


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
            f"{path}: is not the config of a study: it must be a mapping with the keys of "
            "workflow/schemas/config.schema.json."
        )
    return Study(content, str(path), [str(path)])
