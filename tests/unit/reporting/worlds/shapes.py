"""The shapes of the project's own studies, as tests use them."""

import os
from functools import cache
from pathlib import Path

import yaml

from prefdelta.reporting.worlds.shape import StudyShape
from prefdelta.study.shape import shape_of
from prefdelta.study.study import Study

ROOT = Path(__file__).parents[4]
FULL, MINI = "config.yaml", "tests/studies/small.yaml"


@cache
def shape(config: str) -> StudyShape:
    """The shape of a config of this repository."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return shape_of(Study(yaml.safe_load(Path(config).read_text()), config))
    finally:
        os.chdir(before)
