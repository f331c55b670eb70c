import json

import pytest

from prefdelta.browsing.items import BenchmarkItems, write_items
from prefdelta.browsing.scripts import Scripts
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.store import tables

FAILURES = {"-": "truncated", "?": "time_out"}


@pytest.fixture
def written(tmp_path):
    """Writes a benchmark of items that policies answered as strings say, and returns what the page gets."""

    def write(*answers, samples=1, with_text=0):
        items = len(answers[0]) // samples
        prompts = [Prompt(f"i{number:02d}", "exam", "?", []) for number in range(items)]
        tables.write(tmp_path / "prompts.parquet", Prompt, prompts)
        scores = {}
        for policy, said in enumerate(answers):
            rows = [
                Score(
                    "exam", f"i{i // samples:02d}", i % samples, None, right, "stop", 10 + i, "key", FAILURES.get(its)
                )
                for i, its in enumerate(said)
                if its != " "
                for right in [{"1": True, "0": False}.get(its)]
            ]
            scores[policy] = tmp_path / f"{policy}.parquet"
            tables.write(scores[policy], Score, rows)
        benchmark = BenchmarkItems("exam", tmp_path / "prompts.parquet", samples, scores)
        count, shown = write_items(Scripts(tmp_path), 0, benchmark, with_text)
        assert count == items
        return json.loads((tmp_path / "items/0.js").read_text().split(",", 1)[1].removesuffix(");\n")), shown

    return write


def test_each_answer_is_a_character_in_the_order_of_items_and_draws(written):
    found, _ = written("10-?01", "111 11", samples=2)
    assert found["right"] == ["10-?01", "111?11"]  # the last has one answer less than there were draws
    assert found["finish"] == ["ssssss", "sss.ss"]
    assert found["tokens"] == [[10.5, 12.5, 14.5], [10.5, 12.0, 14.5]]


def test_the_items_on_which_policies_differ_most_are_shown(written):
    # i01 is right for two of four that count, i02 for three of five, i04 for three of four; on the others all agree.
    found, shown = written("100010", "101010", "110010", "11100?", "1?1???", with_text=2)
    assert shown == ["i01", "i02"]
    assert found["has_text"] == [0, 1, 1, 0, 0, 0]


def test_items_on_which_all_agree_are_drawn_by_a_hash(written):
    _, first = written("1" * 40, "1" * 40, with_text=5)
    _, again = written("0" * 40, with_text=5)
    assert first == again
    assert first != [f"i{number:02d}" for number in range(5)]


def test_tokens_that_are_not_known_are_null(written, tmp_path):
    found, _ = written("1 ", samples=1)
    assert found["tokens"] == [[10.0, None]]
