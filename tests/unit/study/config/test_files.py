import re

import pytest
import yaml

from prefdelta.core.errors import StudyError
from prefdelta.study.config.files import parse, read_benchmark
from unit.study.config.edits import MINI, ROOT, WHERE


@pytest.mark.parametrize("written", ["2026-01-31", "'2026-01-31'"])
def test_a_date_is_read_with_and_without_quotes(written):
    content = MINI | yaml.safe_load(f"date: {written}")
    assert parse(content, WHERE).date == "2026-01-31"


def test_the_committed_study_is_right():
    assert parse(MINI, WHERE).study == "mini"


def test_settings_cannot_be_changed_once_read():
    study = parse(MINI, WHERE)
    with pytest.raises(ValueError, match="frozen"):
        study.seed = 1


BENCHMARKS = ROOT / "resources" / "benchmarks"


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_committed_benchmark_is_right(path):
    assert read_benchmark(path).title


def test_a_missing_benchmark_is_told_with_the_nearest_one_and_its_path():
    with pytest.raises(StudyError, match=r"'mini_cod' is not known; did you mean 'mini_code'\? .*mini_cod\.yaml\)"):
        read_benchmark(BENCHMARKS / "mini_cod.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: [", "cannot be read as YAML"),
        ("", "has 1 mistake"),
        ("- a\n- b\n", "has 1 mistake"),
        ("title: T\ndomian: maths\n", "did you mean 'domain'"),
        ("title: T\ndomain: law\n", "domain: found 'law'; input should be 'maths', 'stem' or 'code'"),
    ],
)
def test_a_wrong_benchmark_is_refused_with_its_path(text, expected, tmp_path):
    path = tmp_path / "b.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=re.escape(expected)) as error:
        read_benchmark(path)
    assert str(error.value).startswith(str(path))


def test_a_benchmark_in_another_encoding_is_refused_with_its_path(tmp_path):
    (tmp_path / "b.yaml").write_bytes("title: é".encode("latin-1"))
    with pytest.raises(StudyError, match=r"b\.yaml: cannot be read as YAML"):
        read_benchmark(tmp_path / "b.yaml")
