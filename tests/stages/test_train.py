import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prefdelta import checkpoints, tables
from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Recipe
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.stages import train
from prefdelta.stages.entry import Outcome

from .conftest import Made
from .running import PROBLEM_TEMPLATE, assert_adds_up, files_in, run

DPO = Recipe(method="dpo", learning_rate=1e-3, beta=0.1, batch_size=4, epochs=3.0)
SETTINGS = train.TrainSettings(chosen="strong", rejected="weak", recipe=DPO, seed=0)
N_PAIRS = 12


@pytest.fixture(scope="module")
def inputs(
    train_prompts: Made,
    pairs: Made,
    traces: dict[str, Path],
    references: dict[str, Made],
    model: Made,
    select: Callable[..., Made],
) -> dict[str, Path]:
    return {
        "prompts": train_prompts.path,
        "pairs": pairs.path,
        "selected": select("all").path,
        "chosen_traces": traces["strong"],
        "chosen_reference": references["strong"].path,
        "rejected_traces": traces["weak"],
        "rejected_reference": references["weak"].path,
        "template": PROBLEM_TEMPLATE,
        "weights": model.path,
    }


@pytest.fixture(scope="module")
def trained(work: Path, record: Path, inputs: dict[str, Path], select: Callable[..., Made]) -> dict[str, Made]:
    """Two arms: on all pairs, and on the same pairs with chosen and rejected exchanged."""
    made = {}
    for name in ("all", "swapped"):
        path = work / f"train/{name}/policy.json"
        outcome = run(train, SETTINGS, {**inputs, "selected": select(name).path}, {"policy": path}, record)
        made[name] = Made(path, outcome)
    return made


def test_the_manifest_names_weights_that_differ_from_the_base(
    trained: dict[str, Made], model: Made, record: Path
) -> None:
    base, policy = (json.loads(path.read_text()) for path in (model.path, trained["all"].path))
    assert set(policy) == {"key", "weights", "folder"}
    assert policy["weights"] != base["weights"]
    assert trained["all"].outcome.details["differs_from_base"] is True
    _, folder = checkpoints.open_manifest(trained["all"].path, record)
    assert folder.parent == record / "policies"
    # Weights as safetensors only, and no pickle among the rest (TRL writes its arguments as one).
    assert {path.name for path in folder.rglob("*") if path.suffix in {".safetensors", ".bin", ".pt", ".pkl"}} == {
        "model.safetensors"
    }


def test_every_selected_pair_is_trained_on(trained: dict[str, Made]) -> None:
    for made in trained.values():
        assert_adds_up(made.outcome, N_PAIRS, N_PAIRS)
        assert made.outcome.details["updates"] == 9  # 12 pairs in batches of 4, three times
        assert len(made.outcome.details["curve"]["loss"]) == 9


def test_the_first_loss_is_ln_2_and_the_margin_grows(trained: dict[str, Made]) -> None:
    for made in trained.values():
        details = made.outcome.details
        assert details["step0_loss"] == pytest.approx(math.log(2), abs=1e-3)
        assert details["curve"]["rewards/margins"][-1] > 0.05


def test_swapped_teaches_the_opposite(
    trained: dict[str, Made], problems: list[Prompt], traces: dict[str, Path], model: Made, record: Path
) -> None:
    from prefdelta.models import load_model, load_tokenizer
    from prefdelta.training.logps import completion_logps
    from prefdelta.training.tokens import tokenise

    texts = {name: {row.prompt_id: row.text for row in tables.read(path, Trace)} for name, path in traces.items()}
    questions = [problem for problem in problems[5:] if texts["strong"][problem.prompt_id]]

    def preference(manifest: Path) -> float:
        """Mean log-probability of strong's traces less that of weak's, in nats."""
        _, folder = checkpoints.open_manifest(manifest, record)
        tokenizer, network = load_tokenizer(folder), load_model(folder, "float32", 1)
        gaps = []
        for side in ("strong", "weak"):
            rows = [tokenise(tokenizer, [("user", q.text)], str(texts[side][q.prompt_id])) for q in questions]
            gaps.append(sum(logps for _, logps in completion_logps(network, rows, 1000, tokenizer.pad_token_id)))
        return (gaps[0] - gaps[1]) / len(questions)

    before = preference(model.path)
    assert preference(trained["all"].path) > before + 0.5
    assert preference(trained["swapped"].path) < before - 0.5


@pytest.mark.usefixtures("no_model_is_asked")
def test_a_second_run_trains_nothing_and_writes_the_same_manifest(
    trained: dict[str, Made], inputs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    before = files_in(record / "policies")
    outcome = run(train, SETTINGS, inputs, {"policy": tmp_path / "policy.json"}, record)
    assert (tmp_path / "policy.json").read_bytes() == trained["all"].path.read_bytes()
    assert outcome == trained["all"].outcome
    assert files_in(record / "policies") == before


@pytest.mark.usefixtures("no_model_is_asked")
def test_an_edit_that_changes_no_row_of_the_selection_trains_nothing(
    trained: dict[str, Made], inputs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    # A pair's grades and flags, and traces that no pair of the selection uses, are not what the policy is trained on.
    rows = [replace(row, cell=None, chosen_correct=None) for row in tables.read(inputs["pairs"], Pair)]
    tables.write(tmp_path / "pairs.parquet", Pair, rows)
    unused = tables.read(inputs["chosen_traces"], Trace)
    tables.write(tmp_path / "traces.parquet", Trace, unused[1:])  # strong's first is truncated
    edited = {**inputs, "pairs": tmp_path / "pairs.parquet", "chosen_traces": tmp_path / "traces.parquet"}
    run(train, SETTINGS, edited, {"policy": tmp_path / "policy.json"}, record)
    assert (tmp_path / "policy.json").read_bytes() == trained["all"].path.read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"seed": 1}, id="seed"),
        pytest.param({"recipe": DPO.model_copy(update={"beta": 0.2})}, id="recipe"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_another_seed_or_recipe_is_another_policy(
    inputs: dict[str, Path], record: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefdelta.training import dpo

    def reached(*_: object) -> dict[str, Any]:
        raise InterruptedError  # that it would train is all this test asks

    monkeypatch.setattr(dpo, "train", reached)
    with pytest.raises(InterruptedError):
        run(train, SETTINGS.model_copy(update=changes), inputs, {"policy": tmp_path / "policy.json"}, record)


def test_the_same_arm_elsewhere_gets_the_same_weights(
    trained: dict[str, Made], inputs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    other = tmp_path / "record"
    other.mkdir()
    (other / "models").symlink_to(record / "models")
    run(train, SETTINGS, inputs, {"policy": tmp_path / "policy.json"}, other)
    assert (tmp_path / "policy.json").read_bytes() == trained["all"].path.read_bytes()


# --- rows that must not be trained on ---


def assert_refused(inputs: dict[str, Path], record: Path, tmp_path: Path, message: str) -> None:
    before = files_in(record / "policies")
    with pytest.raises(StudyError, match=message):
        run(train, SETTINGS, inputs, {"policy": tmp_path / "policy.json"}, record)
    assert not (tmp_path / "policy.json").exists()
    assert files_in(record / "policies") == before


@pytest.mark.usefixtures("trained")
def test_a_selected_pair_without_reference_is_an_error_that_names_it(
    inputs: dict[str, Path], make_reference: Callable[..., Outcome], record: Path, tmp_path: Path
) -> None:
    make_reference(tmp_path / "r.parquet", "weak", max_length=19)  # too short for the traces with filler
    pair_ids = {row.prompt_id: row.pair_id for row in tables.read(inputs["pairs"], Pair)}
    rows = tables.read(tmp_path / "r.parquet", ReferenceLogps)
    lacking = "|".join(pair_ids[row.prompt_id] for row in rows if row.failure == "too_long")
    assert_refused(
        {**inputs, "rejected_reference": tmp_path / "r.parquet"},
        record,
        tmp_path,
        rf"pair ({lacking}) was selected, but .* reference\.max_length",
    )


@pytest.mark.usefixtures("trained")
def test_reference_sums_of_another_policy_are_refused(inputs: dict[str, Path], record: Path, tmp_path: Path) -> None:
    rows = tables.read(inputs["rejected_reference"], ReferenceLogps)
    # A tenth of a nat per token, of ten tokens.
    shifted = [replace(row, logps=row.logps - 1.0) if row.logps is not None else row for row in rows]
    tables.write(tmp_path / "r.parquet", ReferenceLogps, shifted)
    assert_refused(
        {**inputs, "rejected_reference": tmp_path / "r.parquet"}, record, tmp_path, "computed for another policy"
    )


@pytest.mark.usefixtures("trained")
def test_reference_sums_of_two_traces_that_changed_places_are_refused(
    inputs: dict[str, Path], record: Path, tmp_path: Path
) -> None:
    # As rows joined by position would have it.
    rows = tables.read(inputs["rejected_reference"], ReferenceLogps)
    sums = [row.logps for row in rows]
    moved = [replace(row, logps=logps) for row, logps in zip(rows, [*sums[1:], sums[0]], strict=True)]
    tables.write(tmp_path / "r.parquet", ReferenceLogps, moved)
    assert_refused(
        {**inputs, "rejected_reference": tmp_path / "r.parquet"}, record, tmp_path, "computed for another policy"
    )


@pytest.mark.usefixtures("trained")
def test_numbers_that_are_not_finite_stop_training(
    inputs: dict[str, Path], record: Path, tmp_path: Path, selections: dict[str, list[SelectedPair]]
) -> None:
    assert len(selections["all"]) == N_PAIRS
    wild = SETTINGS.model_copy(update={"recipe": DPO.model_copy(update={"learning_rate": 1e20})})
    with pytest.raises(StudyError, match="Lower the recipe's learning_rate"):
        run(train, wild, inputs, {"policy": tmp_path / "policy.json"}, record)
    assert list(tmp_path.iterdir()) == []
