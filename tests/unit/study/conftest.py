from pathlib import Path

import pytest
import yaml

from prefdelta.study.study import Study
from small import small

ROOT = Path(__file__).parents[3]
FULL = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def study_at(monkeypatch):
    """The full study on a cluster, with some sections of its config replaced."""
    monkeypatch.chdir(ROOT)
    return lambda cluster, **sections: Study({**FULL, "cluster": cluster, **sections}, "config.yaml")


@pytest.fixture
def mini(monkeypatch):
    """The mini study after an edit of its parsed config."""
    monkeypatch.chdir(ROOT)

    def make(edit=lambda content: None):
        content = small()
        edit(content)
        return Study(content, "mini.yaml")

    return make
