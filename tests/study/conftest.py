from pathlib import Path

import pytest

from once import make_once

from .counting import run_from_nothing


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the tiny study, with source of its own, in which it has run once."""
    return make_once(tmp_path_factory, "tiny-study", run_from_nothing)
