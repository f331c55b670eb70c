import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.core.rungs import Corpus, HeldMisconceptions, LadderSection, Rung, Window
from prefdelta.core.tasks.families import FAMILIES
from prefdelta.core.tasks.misconceptions import Misconception
from prefdelta.core.tasks.steps import clean_trace
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.records.details.ladder import WindowAccuracy
from prefdelta.stages import ladder
from prefdelta.store import checkpoints
from prefdelta.training.ladder import draw_rows
from prefdelta.workflow import source
from prefdelta.workflow.job import Outcome

from .conftest import LADDER, Made, rung
from .running import assert_adds_up, files_in, run
from .starting import computed_without_libraries

Train = Callable[[Path, Rung], Outcome]


def test_the_model_learns_its_task_and_its_curve_is_kept(model: Made) -> None:
    assert_adds_up(model.outcome, 1, 1)
    curve = model.outcome.details.curve
    assert [curve[0][0], curve[-1][0]] == [0, 149]
    assert curve[0][1] > 3  # ln 45 = 3.8 nats per token: it starts as good as blind
    assert curve[-1][1] < 0.3


def test_the_manifest_names_weights_in_the_record_and_nothing_that_differs_between_runs(
    model: Made, record: Path
) -> None:
    assert set(json.loads(model.path.read_text())) == {"key", "weights", "folder"}
    checkpoint, folder = checkpoints.open_pointer(model.path, record)
    assert folder == record / "models" / checkpoint.key
    # Weights as safetensors only: other formats can run code when they are read.
    assert [path.name for path in folder.iterdir() if path.suffix in {".safetensors", ".bin", ".pt", ".pkl"}] == [
        "model.safetensors"
    ]


@pytest.mark.usefixtures("no_model_is_asked")
def test_a_second_run_trains_nothing_and_writes_the_same_manifest(
    model: Made, train_model: Train, record: Path, tmp_path: Path
) -> None:
    before = files_in(record / "models")
    outcome = train_model(tmp_path / "able/model.json", rung())
    assert (tmp_path / "able/model.json").read_bytes() == model.path.read_bytes()
    assert outcome.details == model.outcome.details
    assert model.outcome.computed == {"steps": 150, "calls": 0}
    assert outcome.computed == {"steps": 0, "calls": 0}
    assert files_in(record / "models") == before


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_training_again_elsewhere_gives_the_same_weights_and_another_seed_others(
    tmp_path: Path, architecture: str
) -> None:
    def manifest(name: str, seed: int) -> dict[str, str]:
        what = rung(10, seed).model_copy(update={"architecture": architecture})
        settings = ladder.LadderSettings(model="m", rung=what, shared=LADDER)
        path = tmp_path / name / "model.json"
        run(ladder, settings, {}, {"model": path}, tmp_path / name / "record")
        return dict(json.loads(path.read_text()))

    once, again, other = (manifest(name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert once == again
    assert once["key"] != other["key"]
    assert once["weights"] != other["weights"]


def test_training_that_stops_half_way_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(what: Rung, section: object, rows: object, folder: Path, *_: object) -> dict[str, object]:
        (folder / "model.safetensors").write_bytes(b"half")
        raise SystemExit(143)

    monkeypatch.setattr(ladder, "train_rung", killed)
    settings = ladder.LadderSettings(model="m", rung=rung(10), shared=LADDER)
    with pytest.raises(SystemExit):
        run(ladder, settings, {}, {"model": tmp_path / "model.json"}, tmp_path / "record")
    assert files_in(tmp_path / "record/models") == {}
    assert not (tmp_path / "model.json").exists()


@pytest.mark.parametrize("damage", ["delete", "edit"])
def test_weights_that_are_gone_or_edited_are_refused_and_made_again_without_their_manifest(
    train_model: Train, record: Path, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "short/model.json"
    train_model(path, rung(3, seed=99))
    _, folder = checkpoints.open_pointer(path, record)
    if damage == "delete":
        shutil.rmtree(folder)
    else:
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    right = path.read_bytes()
    with pytest.raises(DamagedError, match="run the same command again") as raised:
        checkpoints.open_pointer(path, record)
    raised.value.path.unlink()
    assert train_model(path, rung(3, seed=99)).computed["steps"] == 3
    assert path.read_bytes() == right
    checkpoints.open_pointer(path, record)


def test_a_gpt2_rung_learns_its_task_and_loads_like_any_other(train_model: Train, record: Path, tmp_path: Path) -> None:
    outcome = train_model(tmp_path / "other/model.json", rung().model_copy(update={"architecture": "gpt2"}))
    assert outcome.details.curve[-1][1] < 0.6
    _, folder = checkpoints.open_pointer(tmp_path / "other/model.json", record)
    loaded, tokenizer = load_model(folder, "float32", 1), load_tokenizer(folder)
    assert type(loaded).__name__ == "GPT2LMHeadModel"
    assert loaded.num_parameters() == outcome.details.parameters
    assert not (loaded.get_input_embeddings().weight == loaded.get_output_embeddings().weight).all()
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Q:3+4?"}], add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    said = loaded.generate(asked, do_sample=False, max_new_tokens=20, pad_token_id=tokenizer.pad_token_id)
    assert re.fullmatch(r"\d[-+*]\d=\d;A:\d", tokenizer.decode(said[0, asked.shape[1] :], skip_special_tokens=True))


# --- accuracy windows ---


def measured(low: float = 0.0, high: float = 1.0, seed: int = 1) -> Rung:
    """A rung that is measured: quickly trained, so that its seeds differ in what they can do."""
    return rung(60, seed).model_copy(
        update={
            "corpora": [Corpus(family="maths", operations=[1, 2])],
            "windows": [Window(family="maths", operations=[2], low=low, high=high)],
        }
    )


@pytest.fixture(scope="module")
def train_measured(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    """Runs the ladder stage in a folder of its own: (what to train, trainings allowed, folder)."""

    def train(what: Rung, attempts: int = 1, folder: Path | None = None) -> Outcome:
        folder = folder or tmp_path_factory.mktemp("measured")
        shared = LADDER.model_copy(update={"attempts": attempts, "measured_items": 80})
        settings = ladder.LadderSettings(model="m", rung=what, shared=shared)
        return run(ladder, settings, {}, {"model": folder / "model.json"}, folder / "record")

    return train


@pytest.fixture(scope="module")
def by_seed(train_measured: Callable[..., Outcome]) -> dict[int, Outcome]:
    """Two seeds that give models of different accuracy."""
    outcomes = {seed: train_measured(measured(seed=seed)) for seed in (1, 2)}
    assert accuracy(outcomes[1]) != accuracy(outcomes[2]), "choose other seeds"
    return outcomes


def accuracy(outcome: Outcome) -> float:
    (row,) = outcome.details.accuracies
    return row.accuracy


def test_a_model_inside_its_window_is_accepted_and_what_was_measured_is_kept(by_seed: dict[int, Outcome]) -> None:
    details = by_seed[1].details
    (row,) = details.accuracies
    assert row == WindowAccuracy(family="maths", operations=[2], accuracy=row.accuracy, low=0.0, high=1.0, n=80)
    assert 0 < row.accuracy < 1
    assert (details.seed, details.rejected) == (1, [])


def test_a_model_outside_its_window_is_rejected_and_the_next_seed_is_taken(
    by_seed: dict[int, Outcome],
    train_measured: Callable[..., Outcome],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = accuracy(by_seed[1]), accuracy(by_seed[2])
    outcome = train_measured(measured(low=second, high=second), attempts=3, folder=tmp_path)
    assert outcome.details.seed == 2
    assert accuracy(outcome) == second
    assert outcome.computed == {"steps": 2 * 60, "calls": 2 * 80}
    (rejected,) = outcome.details.rejected
    assert (rejected.seed, rejected.accuracies[0].accuracy) == (1, first)
    assert (tmp_path / "record/models" / rejected.key / "model.safetensors").is_file()
    assert rejected.last_loss == by_seed[1].details.curve[-1][1]
    told = [line for line in capsys.readouterr().err.splitlines() if "rejected" in line]
    assert len(told) == 1
    assert f"seed 1: rejected; maths 2: {first:.1%} of 80" in told[0]
    # The weights are those of the second seed, as if it had been asked for alone.
    assert outcome.details.curve == by_seed[2].details.curve


def test_what_was_trained_and_measured_once_is_not_again_when_a_window_moves(
    by_seed: dict[int, Outcome], train_measured: Callable[..., Outcome], tmp_path: Path
) -> None:
    first, second = accuracy(by_seed[1]), accuracy(by_seed[2])
    train_measured(measured(low=first, high=first), folder=tmp_path)
    moved = train_measured(measured(low=second, high=second), attempts=2, folder=tmp_path)
    assert moved.computed == {"steps": 60, "calls": 80}  # the second seed's
    back = train_measured(measured(low=first, high=first), attempts=2, folder=tmp_path)
    assert (back.details.seed, back.computed) == (1, {"steps": 0, "calls": 0})


def test_a_run_with_nothing_to_train_or_measure_loads_no_library_that_does(
    by_seed: dict[int, Outcome], train_measured: Callable[..., Outcome], tmp_path: Path
) -> None:
    second = accuracy(by_seed[2])
    train_measured(measured(low=second, high=second), attempts=2, folder=tmp_path)
    before = (tmp_path / "model.json").read_bytes()
    shared = LADDER.model_copy(update={"attempts": 2, "measured_items": 80})
    settings = ladder.LadderSettings(model="m", rung=measured(low=second, high=second), shared=shared)
    outputs = {"model": tmp_path / "model.json"}
    computed = computed_without_libraries("ladder", settings, {}, outputs, tmp_path / "record")
    assert computed == {"steps": 0, "calls": 0}
    assert (tmp_path / "model.json").read_bytes() == before


def test_more_items_are_measured_without_training_and_only_the_new_ones_are_asked(
    by_seed: dict[int, Outcome], train_measured: Callable[..., Outcome], tmp_path: Path
) -> None:
    train_measured(measured(), folder=tmp_path)
    shared = LADDER.model_copy(update={"measured_items": 90})
    settings = ladder.LadderSettings(model="m", rung=measured(), shared=shared)
    outcome = run(ladder, settings, {}, {"model": tmp_path / "model.json"}, tmp_path / "record")
    assert outcome.computed == {"steps": 0, "calls": 10}
    assert outcome.details.accuracies[0].n == 90


def test_the_code_in_the_key_is_that_of_training_alone() -> None:
    counted = source.modules("prefdelta.training.ladder", within=ladder.TRAINING_CODE)
    names = ("finite", "ladder", "spelling", "tokenizer", "tokens")
    assert set(counted) == {"prefdelta.training", *(f"prefdelta.training.{name}" for name in names)}


def test_a_window_that_no_attempt_hits_is_an_error_with_what_was_measured_and_no_output(
    by_seed: dict[int, Outcome], train_measured: Callable[..., Outcome], tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match="none of 2 trainings of 'm'") as raised:
        train_measured(measured(low=1.0), attempts=2, folder=tmp_path)
    for seed, outcome in by_seed.items():
        loss = outcome.details.curve[-1][1]
        assert f"seed {seed}, last loss {loss}: maths 2: {accuracy(outcome):.1%} of 80" in str(raised.value)
    assert not (tmp_path / "model.json").exists()
    # What was trained is kept: a window that is moved to what was measured finds it.
    wider = train_measured(measured(), folder=tmp_path)
    assert wider.computed == {"steps": 0, "calls": 0}


def test_only_a_rung_with_windows_depends_on_the_source_that_measures_it() -> None:
    with_windows = ladder.LadderSettings(model="m", rung=measured(), shared=LADDER)
    without = ladder.LadderSettings(model="m", rung=rung(), shared=LADDER)
    assert with_windows.plugins() == ["engines.transformers", "graders.marker"]
    assert without.plugins() == []


def test_a_window_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match=r"low 0\.6 is above high 0\.4"):
        Window(family="maths", operations=[2], low=0.6, high=0.4)
    for half in ({"best_over": [0.5]}, {"at_most_above": 0.04}):
        with pytest.raises(ValueError, match="give best_over and at_most_above together"):
            Window(family="maths", operations=[2], low=0.4, high=0.6, **half)


def cooled(**changes: Any) -> Rung:
    """A rung measured at temperature 2, which a lower temperature mends."""
    window = measured().windows[0].model_copy(update={"temperature": 2.0, **changes})
    return measured().model_copy(update={"windows": [window]})


def test_a_window_at_another_temperature_measures_there(train_measured: Callable[..., Outcome], tmp_path: Path) -> None:
    hot = train_measured(cooled(), folder=tmp_path)
    cold = train_measured(cooled(temperature=0.0), folder=tmp_path)
    assert cold.computed == {"steps": 0, "calls": 80}
    assert [outcome.details.accuracies[0].temperature for outcome in (hot, cold)] == [2.0, 0.0]
    assert accuracy(cold) > accuracy(hot) + 0.05


def test_a_model_that_another_temperature_mends_is_rejected(
    train_measured: Callable[..., Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cold = accuracy(train_measured(cooled(temperature=0.0), folder=tmp_path))
    mended = cooled(best_over=[1.5, 0.0], at_most_above=0.05)
    with pytest.raises(StudyError, match=f"best {cold:.1%} at 0, allowed at most 5 points above"):
        train_measured(mended, folder=tmp_path)
    assert "at temperature 2: " in capsys.readouterr().err
    (row,) = train_measured(cooled(best_over=[1.5, 0.0], at_most_above=1.0), folder=tmp_path).details.accuracies
    assert (row.best_temperature, row.best_accuracy, row.at_most_above) == (0.0, cold, 1.0)


def test_a_window_may_have_its_own_number_of_problems(train_measured: Callable[..., Outcome]) -> None:
    outcome = train_measured(cooled(items=30))
    assert outcome.computed == {"steps": 60, "calls": 30}
    assert outcome.details.accuracies[0].n == 30


def test_misconceptions_change_the_rows_and_a_table_that_a_rung_does_not_hold_changes_nothing() -> None:
    table = [Misconception(value=value, operator="+", result_off_by=1, rate=1.0) for value in range(10)]
    section = LADDER.model_copy(update={"misconceptions": {"sums": table}})
    plain = draw_rows(rung(5), LADDER)
    assert draw_rows(rung(5), section) == plain
    held = draw_rows(rung(5).model_copy(update={"misconceptions": HeldMisconceptions(table="sums")}), section)
    for question, trace in held:
        problem = FAMILIES["maths"].parse(question)
        assert problem is not None
        assert (trace != clean_trace(FAMILIES["maths"], problem)) == ("+" in question)


def test_two_rows_for_one_context_are_refused() -> None:
    row = {"value": 7, "operator": "-", "does": "+", "rate": 0.5}
    with pytest.raises(ValueError, match=r"misconceptions\.broad has 2 rows for one context: .*'does', 7, '-'"):
        LadderSection.model_validate({**LADDER.model_dump(), "misconceptions": {"broad": [row, {**row, "rate": 0.6}]}})
