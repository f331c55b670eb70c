from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from prefdelta.core.data.sources import Benchmark, Between, DataSource, MadeSource, Source

BENCHMARKS = Path(__file__).parents[4] / "resources/benchmarks"
MADE = {"family": "maths", "operations": [2], "items": 9, "split": "pairs", "grader": "marker"}
DATA = {"dataset": "o/d", "split": "train", "fields": {"problem": "p", "answer": "a"}, "grader": "maths"}


def read(content: dict[str, Any]) -> MadeSource | DataSource:
    return TypeAdapter(Source).validate_python(content)


def test_a_source_with_a_data_set_is_one_and_any_other_is_made_by_a_procedure():
    assert isinstance(read(MADE), MadeSource)
    assert isinstance(read(DATA), DataSource)


@pytest.mark.parametrize("content", [MADE, DATA])
def test_a_source_comes_back_from_its_own_json(content):
    assert TypeAdapter(Source).validate_json(read(content).model_dump_json()) == read(content)


@pytest.mark.parametrize(
    ("grader", "fields", "lacks"),
    [
        ("maths", {"problem": "p"}, "answer"),
        ("choice", {"problem": "p", "answer": "a"}, "options"),
        ("theoremqa", {"problem": "p", "answer": "a"}, "answer_type"),
        ("code", {"problem": "p", "metadata": "m"}, "public_tests, private_tests"),
    ],
)
def test_a_grader_needs_its_columns(grader, fields, lacks):
    with pytest.raises(ValidationError, match=f"grader '{grader}' needs a column for {lacks} in"):
        read({**DATA, "grader": grader, "fields": fields})


@pytest.mark.parametrize(
    ("value", "within"),
    [
        ("2024-08-01", True),
        ("2024-08-01T00:00:00", True),
        ("2025-01-31T23:59:59", True),
        ("2024-07-31T23:59:59", False),
        ("2025-02-01", False),
        (None, False),
        (20240901, False),
    ],
)
def test_a_window_of_time_holds_both_its_ends(value, within):
    assert Between(since="2024-08-01", until="2025-01-31").holds(value) is within


def test_the_paper_s_benchmarks_are_there_and_drawn_as_often_as_it_says():
    entries = {path.stem: yaml.safe_load(path.read_text()) for path in BENCHMARKS.glob("[!m]*.yaml")}
    entries |= {name: yaml.safe_load((BENCHMARKS / f"{name}.yaml").read_text()) for name in ("math_500", "mmlu_pro")}
    found = {name: Benchmark.model_validate(entry) for name, entry in entries.items()}
    assert {name: (entry.domain, entry.difficulty, entry.samples) for name, entry in found.items()} == {
        "gsm8k": ("maths", "easy", 1),
        "math_500": ("maths", "easy", 1),
        "amc": ("maths", "hard", 16),
        "aime_2024": ("maths", "hard", 16),
        "aime_2025": ("maths", "hard", 16),
        "olympiadbench": ("maths", "hard", 1),
        "theoremqa": ("stem", None, 1),
        "mmlu_pro": ("stem", None, 1),
        "livecodebench": ("code", None, 1),
        "livecodebench_v5": ("code", None, 1),
    }
