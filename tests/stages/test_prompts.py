import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from prefdelta.core.data.contamination import ExcludedPrompts
from prefdelta.core.data.sources import Benchmark, DataSource, Fields, MadeSource, Source
from prefdelta.core.errors import StudyError
from prefdelta.core.tasks.families import split_of
from prefdelta.records.details.prompts import PromptsDetails
from prefdelta.records.prompt import Prompt
from prefdelta.stages import prompts
from prefdelta.store import tables
from prefdelta.workflow.job import Outcome
from study.formats import FLAWED, SHARED, TRAINING_PROBLEMS, write_all

from .conftest import ITEMS, Made
from .running import RESOURCES, assert_adds_up, read_checked, run

SOURCE = MadeSource(family="maths", operations=[2, 3], items=24, split="pairs", grader="marker")
OPENR1 = "open-r1/OpenR1-Math-220k"
# What comes of each benchmark's rows in study/formats.py: (prompts, what is left out).
BENCHMARKS: dict[str, tuple[int, dict[str, int]]] = {
    "gsm8k": (3, {}),
    "math_500": (3, {}),
    "amc": (3, {}),
    "aime_2024": (2, {}),
    "aime_2025": (2, {}),
    "olympiadbench": (2, {}),
    "theoremqa": (5, {"filtered": 1}),
    "mmlu_pro": (3, {}),
    "livecodebench": (2, {}),
    "livecodebench_v5": (3, {"filtered": 1}),
}


def make(
    path: Path,
    made: Source = SOURCE,
    seed: int = 5,
    limit: int | None = None,
    source: str = "train",
    ngram: int | None = None,
    lock: Sequence[Path] = (),
    train: Sequence[Path] = (),
) -> Outcome:
    settings = prompts.PromptsSettings(source=source, made=made, seed=seed, limit=limit, ngram=ngram)
    inputs = {"lock": lock, "train": train}
    return run(prompts, settings, inputs, {"prompts": path}, path.parent / "record")


# --- problems made by a procedure -------------------------------------------------------------------------------------


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


# --- problems of data sets --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("data sets"))


@pytest.fixture
def openr1(folders: dict[str, Path]) -> DataSource:
    fields = Fields(problem="problem", answer="answer")
    return DataSource(dataset=str(folders[OPENR1]), config="default", split="train", fields=fields, grader="maths")


def benchmark(name: str, folders: dict[str, Path]) -> DataSource:
    """The source of an entry in resources/benchmarks, with a local folder in place of its data set."""
    entry = Benchmark.model_validate(yaml.safe_load((RESOURCES / f"benchmarks/{name}.yaml").read_text()))
    assert isinstance(entry.source, DataSource)
    return entry.source.model_copy(update={"dataset": str(folders[entry.source.dataset])})


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_is_read_in_its_true_format(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    count, left_out = BENCHMARKS[name]
    outcome = make(tmp_path / "p.parquet", benchmark(name, folders), source=name)
    rows = read_checked(tmp_path / "p.parquet", Prompt)
    assert_adds_up(outcome, count + sum(left_out.values()), len(rows))
    assert outcome.failures == left_out
    assert all(len(row.answers) == 1 and row.answers[0] for row in rows)


def test_repeated_items_are_counted_as_their_makers_do_and_told(folders: dict[str, Path], tmp_path: Path) -> None:
    of = benchmark("mmlu_pro", folders)
    outcome = make(tmp_path / "p.parquet", of, source="mmlu_pro")
    assert (outcome.failures, outcome.details) == ({}, PromptsDetails(repeated_and_counted=1))
    once = make(tmp_path / "once.parquet", of.model_copy(update={"repeated": "dropped"}), source="mmlu_pro")
    assert (once.failures, once.details) == ({"repeated": 1}, PromptsDetails())


def test_what_is_asked_and_what_is_right_come_from_the_right_columns(folders: dict[str, Path], tmp_path: Path) -> None:
    found = {}
    for name in ("gsm8k", "amc", "aime_2024", "mmlu_pro"):
        make(tmp_path / f"{name}.parquet", benchmark(name, folders), source=name)
        found[name] = {row.text: row.answers for row in read_checked(tmp_path / f"{name}.parquet", Prompt)}
    assert found["gsm8k"]["A town has 1,150 people and 50 move in. How many?"] == ["1200"]
    assert found["amc"]["The $27$ lamps of a hall stand in $3$ rows. What is their number?"] == ["27"]
    assert ["33"] in found["aime_2024"].values()
    assert found["mmlu_pro"]["What is the SI unit of force?\n\nA. joule\nB. newton\nC. watt"] == ["B"]


def test_flawed_rows_of_the_training_set_are_counted_by_reason(openr1: DataSource, tmp_path: Path) -> None:
    outcome = make(tmp_path / "p.parquet", openr1)
    rows = read_checked(tmp_path / "p.parquet", Prompt)
    assert outcome.failures == FLAWED
    assert_adds_up(outcome, TRAINING_PROBLEMS + sum(FLAWED.values()), len(rows))


def test_limits_and_bytes_are_the_same_for_data_sets(openr1: DataSource, tmp_path: Path) -> None:
    for name, limit in (("all", None), ("a", 9), ("b", 9)):
        outcome = make(tmp_path / f"{name}.parquet", openr1, limit=limit)
    assert outcome.failures == {**FLAWED, "over_limit": TRAINING_PROBLEMS - 9}
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    everything, kept = (read_checked(tmp_path / f"{name}.parquet", Prompt) for name in ("all", "a"))
    assert {row.prompt_id for row in kept} < {row.prompt_id for row in everything}


def test_a_source_of_which_nothing_is_left_is_an_error_that_says_why(openr1: DataSource, tmp_path: Path) -> None:
    nothing = openr1.model_copy(update={"where": {"source": ["no such"]}})
    with pytest.raises(StudyError, match=r"'train': none is left of 28 rows \(28 filtered\)"):
        make(tmp_path / "p.parquet", nothing)
    assert list(tmp_path.iterdir()) == []


# --- the gate ---------------------------------------------------------------------------------------------------------


def write_lock(path: Path, ids: list[str], ngram: int = 13) -> Path:
    path.write_text(ExcludedPrompts(ngram=ngram, prompts=ids).text())
    return path


def test_a_benchmark_that_overlaps_with_the_training_prompts_stops_and_names_an_example(
    folders: dict[str, Path], openr1: DataSource, tmp_path: Path
) -> None:
    train = tmp_path / "train.parquet"
    make(train, openr1, ngram=13, lock=[write_lock(tmp_path / "lock.json", [])])
    with pytest.raises(StudyError) as error:
        make(tmp_path / "gsm8k.parquet", benchmark("gsm8k", folders), source="gsm8k", ngram=13, train=[train])
    told = str(error.value)
    assert told.startswith(
        "1 of 3 items of the benchmark 'gsm8k' share 13 words in a row, or all characters of a shorter text, with 1 of"
    )
    assert f"In autumn {SHARED}. How many pears are sold?" in told
    assert f"Every morning {SHARED}. How many is that?" in told
    assert "`prefdelta decontaminate`" in told
    assert not (tmp_path / "gsm8k.parquet").exists()
    # One that does not overlap passes.
    make(tmp_path / "amc.parquet", benchmark("amc", folders), source="amc", ngram=13, train=[train])


def test_excluded_prompts_are_left_out_before_the_limit_and_the_benchmark_then_passes(
    folders: dict[str, Path], openr1: DataSource, tmp_path: Path
) -> None:
    make(tmp_path / "all.parquet", openr1)
    (bad,) = [row.prompt_id for row in tables.read(tmp_path / "all.parquet", Prompt) if SHARED in row.text]
    train, lock = tmp_path / "train.parquet", write_lock(tmp_path / "lock.json", [bad, "of no prompt"])
    outcome = make(train, openr1, limit=TRAINING_PROBLEMS - 1, ngram=13, lock=[lock])
    assert outcome.failures == {**FLAWED, "contaminated": 1}
    rows = read_checked(train, Prompt)
    assert_adds_up(outcome, TRAINING_PROBLEMS + sum(FLAWED.values()), len(rows))
    assert bad not in {row.prompt_id for row in rows}
    make(tmp_path / "gsm8k.parquet", benchmark("gsm8k", folders), source="gsm8k", ngram=13, train=[train])
    assert len(read_checked(tmp_path / "gsm8k.parquet", Prompt)) == 3


def test_a_lock_for_other_n_grams_is_refused(openr1: DataSource, tmp_path: Path) -> None:
    lock = write_lock(tmp_path / "lock.json", [], ngram=8)
    with pytest.raises(StudyError, match=r"n-grams of 8 words, but prompts\.contamination\.ngram is 13"):
        make(tmp_path / "p.parquet", openr1, ngram=13, lock=[lock])


def test_the_settings_of_a_data_set_come_back_from_the_command_line_s_json(openr1: DataSource) -> None:
    settings = prompts.PromptsSettings(source="train", made=openr1, seed=1)
    assert prompts.PromptsSettings.model_validate_json(json.dumps(settings.model_dump())) == settings
