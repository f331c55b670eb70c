import re
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.sources import Source
from prefdelta.core.tasks.families import split_of
from prefdelta.records.prompt import Prompt
from prefdelta.stages import prompts
from prefdelta.stages.entry import Outcome

from .conftest import ITEMS, Made
from .running import assert_adds_up, read_checked, run

SOURCE = Source(family="maths", operations=[2, 3], items=24, split="pairs", grader="marker")


def make(path: Path, made: Source = SOURCE, seed: int = 5, limit: int | None = None) -> Outcome:
    settings = prompts.PromptsSettings(source="train", made=made, seed=seed, limit=limit)
    return run(prompts, settings, {}, {"prompts": path}, path.parent / "record")


def test_as_many_different_problems_as_asked_for_come_out(tmp_path: Path) -> None:
    outcome = make(tmp_path / "p.parquet")
    rows = read_checked(tmp_path / "p.parquet", Prompt)
    assert_adds_up(outcome, 24, len(rows))
    assert len({row.text for row in rows}) == 24
    assert {row.source for row in rows} == {"train"}
    assert {split_of(row.text) for row in rows} == {"pairs"}


def test_answers_are_right_and_lengths_are_as_asked_for(train_prompts: Made, tmp_path: Path) -> None:
    assert train_prompts.outcome.rows == ITEMS
    make(tmp_path / "p.parquet")
    lengths = []
    for row in [*read_checked(train_prompts.path, Prompt), *read_checked(tmp_path / "p.parquet", Prompt)]:
        start, *rest = re.findall(r"[-+*]?\d", row.text)
        value = int(start)
        for step in rest:  # from left to right, modulo 10: by Python, not by the code under test
            value = eval(f"{value}{step}") % 10
        assert row.answers == [str(value)], row.text
        lengths.append(len(rest))
    assert [lengths.count(n) for n in (1, 2, 3)] == [ITEMS, 12, 12]


def test_the_limit_keeps_a_seeded_draw_and_counts_the_rest(tmp_path: Path) -> None:
    make(tmp_path / "all.parquet")
    outcome = make(tmp_path / "some.parquet", limit=10)
    everything, kept = (read_checked(tmp_path / f"{name}.parquet", Prompt) for name in ("all", "some"))
    assert_adds_up(outcome, 24, len(kept))
    assert outcome.failures == {"over_limit": 14}
    assert {row.prompt_id for row in kept} < {row.prompt_id for row in everything}
    # A larger limit adds prompts and exchanges none: what was generated for the others stays of use.
    make(tmp_path / "more.parquet", limit=15)
    more = read_checked(tmp_path / "more.parquet", Prompt)
    assert {row.prompt_id for row in kept} < {row.prompt_id for row in more}


def test_a_second_run_gives_the_same_bytes_and_another_seed_other_problems(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make(tmp_path / f"{name}.parquet", seed=seed)
    a, b, c = ((tmp_path / f"{name}.parquet").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_more_problems_than_there_are_is_an_error_and_leaves_no_table(tmp_path: Path) -> None:
    # 5 starts x 3 operators x 5 operands = 75 problems of one operation exist, some 30% of them in this split.
    too_many = SOURCE.model_copy(update={"operations": [1], "items": 80})
    with pytest.raises(StudyError, match=r"only \d\d different maths problems"):
        make(tmp_path / "p.parquet", too_many)
    assert list(tmp_path.iterdir()) == []
