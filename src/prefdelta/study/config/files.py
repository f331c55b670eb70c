"""Read a config, and the files of benchmarks that it names. All mistakes of a file are reported together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prefdelta.core.data.sources import Benchmark
from prefdelta.core.errors import StudyError
from prefdelta.study.config.checks import mistakes_across
from prefdelta.study.config.messages import explained, listed, unknown
from prefdelta.study.config.sections import Config


def parse(content: Mapping[str, Any], where: str) -> Config:
    """A config from its parsed YAML. where: its name in errors.

    Raises StudyError that lists every mistake, with the nearest right name.
    """
    try:
        config = Config.model_validate(dict(content))
    except ValidationError as error:
        raise StudyError(listed(where, explained(Config, error))) from None
    if mistakes := mistakes_across(config):
        raise StudyError(listed(where, mistakes))
    return config


def read_benchmark(path: Path) -> Benchmark:
    """A file of resources/benchmarks. Raises StudyError if it is missing or wrong."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        names = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise StudyError(f"benchmarks: {unknown(path.stem, names)} (there is no file {path})") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{path}: cannot be read as YAML: {error}") from None
    try:
        return Benchmark.model_validate(content)
    except ValidationError as error:
        raise StudyError(listed(str(path), explained(Benchmark, error))) from None
