import pytest

from prefdelta.browsing.prompts import NumberedPrompts
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from unit.rows import trace


@pytest.fixture
def prompts(tmp_path):
    """The prompts of two whole stretches, each of 166 pages of 3 prompts, and one prompt more."""
    rows = [Prompt(f"p{number:04d}", "train", "1+1?", ["2"]) for number in range(997)]
    tables.write(tmp_path / "prompts.parquet", Prompt, rows)
    return NumberedPrompts(tmp_path / "prompts.parquet", page=3)


@pytest.mark.parametrize(
    "traced",
    [
        [],
        [0],
        [996],
        [497, 498, 995, 996],  # around the ends of stretches
        range(997),
        range(0, 997, 7),
    ],
)
def test_rows_come_by_prompt_and_every_prompt_has_its_place(prompts, tmp_path, traced):
    path = tmp_path / "traces.parquet"
    ids = prompts.ids.to_pylist()
    tables.write(path, Trace, [trace(ids[number], sample=sample) for number in traced for sample in (0, 1)])
    stretches = list(prompts.stretches(path, Trace))
    assert [len(stretch) for stretch in stretches] == [498, 498, 1]
    by_prompt = [[(row.prompt_id, row.sample) for row in rows] for stretch in stretches for rows in stretch]
    assert by_prompt == [[(prompt, 0), (prompt, 1)] if i in traced else [] for i, prompt in enumerate(ids)]


def test_pages_of_a_later_stretch_go_on_counting(prompts):
    assert list(prompts.pages("abcde", first=20)) == [(20, "abc"), (21, "de")]
