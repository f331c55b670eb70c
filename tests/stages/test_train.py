import json
import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from listener import Listener
from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Budget
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.stages import ladder, train
from prefdelta.store import checkpoints, tables
from prefdelta.training.methods.dpo import DPORecipe
from prefdelta.training.methods.kto import KTORecipe
from prefdelta.training.methods.sft import SFTRecipe
from prefdelta.training.processes import launcher
from prefdelta.training.processes.mailbox import TrainingRun
from prefdelta.training.registry import METHODS
from prefdelta.workflow import source
from prefdelta.workflow.job import Outcome

from .conftest import LADDER, Made, rung
from .running import PROBLEM_TEMPLATE, assert_adds_up, files_in, run
from .starting import computed_without_libraries, start

DPO = DPORecipe(method="dpo", learning_rate=1e-3, beta=0.1, batch_size=4, budget=Budget(epochs=3.0))
N_PAIRS = 12


def arm(selection: str, seed: int = 0) -> str:
    return f"able/strong~weak/{selection}/dpo/s{seed}"


def settings_of(*selections: str, seed: int = 0, **changes: Any) -> train.TrainSettings:
    """A batch of arms, one per selection."""
    settings = train.TrainSettings(
        arms={arm(name, seed): f"{name}/t0" for name in selections},
        recipe=DPO,
        max_length=64,
        max_too_long_share=0.0,
    )
    return settings.model_copy(update=changes)


def manifest(folder: Path, selection: str = "all", seed: int = 0) -> Path:
    return folder / arm(selection, seed) / "policy.json"


def batch(
    folder: Path, record: Path, inputs: Mapping[str, Path | list[Path]], *selections: str, seed: int = 0, **changes: Any
) -> Outcome:
    """Train arms; their manifests go below `folder`."""
    outputs = {"policies": [manifest(folder, name, seed) for name in selections]}
    return run(train, settings_of(*selections, seed=seed, **changes), inputs, outputs, record)


def table(inputs: Mapping[str, Any], name: str, of: str) -> Path:
    """The table of a generator among the traces or reference sums."""
    (path,) = [path for path in inputs[name] if path.stem == of]
    return path


def with_table(inputs: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    """The inputs with another table in the place of the one that is called the same."""
    return {**inputs, name: [path if old.name == path.name else old for old in inputs[name]]}


def details(outcome: Outcome, selection: str) -> dict[str, Any]:
    """What an arm's training measured; how long it took is another matter."""
    found = asdict(outcome.details.arms[arm(selection)])
    assert found.pop("seconds") >= 0
    return found


@pytest.fixture(scope="module")
def inputs(
    train_prompts: Made,
    pairs: Made,
    traces: dict[str, Path],
    references: dict[str, Made],
    model: Made,
    select: Callable[..., Made],
) -> dict[str, Any]:
    return {
        "prompts": train_prompts.path,
        "pairs": pairs.path,
        "selected": [select(name).path for name in ("all", "swapped", "random-5-s0")],
        "traces": [traces["strong"], traces["weak"]],
        "reference": [references["strong"].path, references["weak"].path],
        "template": PROBLEM_TEMPLATE,
        "weights": model.path,
    }


@pytest.fixture(scope="module")
def trained(work: Path, record: Path, inputs: dict[str, Any]) -> dict[str, Made]:
    """A batch of two arms: on all pairs, and on the same pairs with chosen and rejected exchanged."""
    outcome = batch(work / "train", record, inputs, "all", "swapped")
    return {name: Made(manifest(work / "train", name), outcome) for name in ("all", "swapped")}


def test_the_manifest_names_weights_that_differ_from_the_base(
    trained: dict[str, Made], model: Made, record: Path
) -> None:
    base, policy = (json.loads(path.read_text()) for path in (model.path, trained["all"].path))
    assert set(policy) == {"key", "weights", "folder"}
    assert policy["weights"] != base["weights"]
    assert details(trained["all"].outcome, "all")["differs_from_base"] is True
    _, folder = checkpoints.open_pointer(trained["all"].path, record)
    assert folder.parent == record / "policies"
    # Weights as safetensors only, and no pickle among the rest (TRL writes its arguments as one).
    assert {path.name for path in folder.rglob("*") if path.suffix in {".safetensors", ".bin", ".pt", ".pkl"}} == {
        "model.safetensors"
    }


def test_every_selected_pair_is_trained_on(trained: dict[str, Made]) -> None:
    for name, made in trained.items():
        assert_adds_up(made.outcome, 2, 2)  # arms
        assert made.outcome.computed["updates"] == 2 * 9
        told = details(made.outcome, name)
        assert (told["pairs"], told["rows"]) == (N_PAIRS, N_PAIRS)
        assert told["updates"] == 9  # 12 pairs in batches of 4, three times
        assert len(told["curve"]["loss"]) == 9


def test_the_first_loss_is_ln_2_and_the_margin_grows(trained: dict[str, Made]) -> None:
    for name, made in trained.items():
        told = details(made.outcome, name)
        assert told["step0_loss"] == pytest.approx(math.log(2), abs=1e-3)
        assert told["curve"]["rewards/margins"][-1] > 0.05


def test_swapped_teaches_the_opposite(
    trained: dict[str, Made], problems: list[Prompt], traces: dict[str, Path], model: Made, record: Path
) -> None:
    from prefdelta.models.loading import load_model, load_tokenizer
    from prefdelta.training.logps import completion_logps
    from prefdelta.training.tokens import tokenise

    texts = {name: {row.prompt_id: row.text for row in tables.read(path, Trace)} for name, path in traces.items()}
    questions = [problem for problem in problems[5:] if texts["strong"][problem.prompt_id]]

    def preference(path: Path) -> float:
        """Mean log-probability of strong's traces less that of weak's, in nats."""
        _, folder = checkpoints.open_pointer(path, record)
        tokenizer, network = load_tokenizer(folder), load_model(folder, "float32", 1)
        gaps = []
        for side in ("strong", "weak"):
            rows = [tokenise(tokenizer, [("user", q.text)], str(texts[side][q.prompt_id])) for q in questions]
            gaps.append(sum(logps for _, logps in completion_logps(network, rows, 1000)))
        return (gaps[0] - gaps[1]) / len(questions)

    before = preference(model.path)
    assert preference(trained["all"].path) > before + 0.5
    assert preference(trained["swapped"].path) < before - 0.5


@pytest.mark.usefixtures("no_model_is_asked")
def test_a_second_run_trains_nothing_and_writes_the_same_manifest(
    trained: dict[str, Made], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    before = files_in(record / "policies")
    outcome = batch(tmp_path, record, inputs, "all", "swapped")
    for name, made in trained.items():
        assert manifest(tmp_path, name).read_bytes() == made.path.read_bytes()
        assert details(outcome, name) == details(made.outcome, name)
    assert (outcome.rows, outcome.failures, outcome.computed) == (2, {}, {"updates": 0, "tokens": 0})
    assert files_in(record / "policies") == before


@pytest.mark.usefixtures("no_model_is_asked")
def test_an_edit_that_changes_no_row_of_the_selection_trains_nothing(
    trained: dict[str, Made], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    # A pair's grades and flags, and traces that no pair of the selection uses, are not what the policy is trained on.
    rows = [replace(row, cell=None, chosen_correct=None) for row in tables.read(inputs["pairs"], Pair)]
    tables.write(tmp_path / "strong~weak.parquet", Pair, rows)
    unused = tables.read(table(inputs, "traces", "strong"), Trace)
    tables.write(tmp_path / "strong.parquet", Trace, unused[1:])  # strong's first is truncated
    edited = with_table({**inputs, "pairs": tmp_path / "strong~weak.parquet"}, "traces", tmp_path / "strong.parquet")
    batch(tmp_path, record, edited, "all")
    assert manifest(tmp_path).read_bytes() == trained["all"].path.read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"seed": 1}, id="seed"),
        pytest.param({"recipe": DPO.model_copy(update={"beta": 0.2})}, id="recipe"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_another_seed_or_recipe_is_another_policy(
    inputs: dict[str, Any], record: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefdelta.training import trainer

    def reached(*_: object) -> dict[str, Any]:
        raise InterruptedError  # that it would train is all this test asks

    monkeypatch.setattr(trainer, "train", reached)
    with pytest.raises(InterruptedError):
        batch(tmp_path, record, inputs, "all", **changes)


def test_a_second_run_loads_no_library_that_trains(
    trained: dict[str, Made], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    outputs = {"policies": [manifest(tmp_path, name) for name in trained]}
    computed = computed_without_libraries("train", settings_of(*trained), inputs, outputs, record)
    assert computed == {"updates": 0, "tokens": 0}
    for name, made in trained.items():
        assert manifest(tmp_path, name).read_bytes() == made.path.read_bytes()


@pytest.mark.parametrize("method", METHODS)
def test_the_code_in_the_key_is_that_of_training_by_one_method(method: str) -> None:
    module = f"prefdelta.training.methods.{method}"
    assert set(source.modules(train.TRAINER, (module,), within=train.TRAINING_CODE)) == {
        module,
        "prefdelta.core.asking.stored_reasoning",
        "prefdelta.models.loading",
        "prefdelta.models.chat_templates",
        "prefdelta.training",
        *(
            f"prefdelta.training.{name}"
            for name in (
                "budgets",
                "columns",
                "finite",
                "logps",
                "lora",
                "method",
                "methods",
                "micro_batches",
                "packing",
                "saving",
                "shares",
                "spelling",
                "tokens",
                "trainer",
                *([] if method == "sft" else ["prepared"]),
            )
        ),
    }


def test_the_same_arm_elsewhere_gets_the_same_weights(
    trained: dict[str, Made], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    other = tmp_path / "record"
    other.mkdir()
    (other / "models").symlink_to(record / "models")
    batch(tmp_path, other, inputs, "all")
    assert manifest(tmp_path).read_bytes() == trained["all"].path.read_bytes()


# --- batches ---


def test_an_arm_whose_batch_gains_a_selection_is_not_trained_again(
    trained: dict[str, Made], inputs: dict[str, Any], record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefdelta.training import trainer

    asked: list[int] = []

    def counted(method: Any, base: Path, pairs: list[Any], *more: Any) -> dict[str, Any]:
        asked.append(len(pairs))
        return sound(method, base, pairs, *more)

    sound = trainer.train
    monkeypatch.setattr(trainer, "train", counted)
    before = files_in(record / "policies")
    # The new selection comes first: an arm does not depend on its place in the batch.
    outcome = batch(tmp_path, record, inputs, "random-5-s0", "all", "swapped")
    assert asked == [5]
    assert outcome.computed["updates"] == 6  # 5 pairs in batches of 4, three times
    assert_adds_up(outcome, 3, 3)
    for name, made in trained.items():
        assert manifest(tmp_path, name).read_bytes() == made.path.read_bytes()
        assert details(outcome, name) == details(made.outcome, name)
    after = files_in(record / "policies")
    assert {name: after[name] for name in before} == before
    assert details(outcome, "random-5-s0")["pairs"] == 5


@pytest.mark.usefixtures("trained", "no_model_is_asked")
def test_the_order_of_files_says_nothing_about_which_arm_they_belong_to(
    trained: dict[str, Made], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    shuffled = {**inputs, "selected": inputs["selected"][::-1]}
    outputs = {"policies": [manifest(tmp_path, name) for name in ("swapped", "all")]}
    run(train, settings_of("all", "swapped"), shuffled, outputs, record)
    for name, made in trained.items():
        assert manifest(tmp_path, name).read_bytes() == made.path.read_bytes()


def test_arms_of_a_batch_are_the_same_as_each_alone(
    trained: dict[str, Made], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    # Nothing of the arm before it (weights, random numbers) reaches an arm.
    other = tmp_path / "record"
    other.mkdir()
    (other / "models").symlink_to(record / "models")
    batch(tmp_path, other, inputs, "swapped")
    assert manifest(tmp_path, "swapped").read_bytes() == trained["swapped"].path.read_bytes()


# --- other methods ---

KTO = KTORecipe(method="kto", learning_rate=1e-3, beta=0.1, batch_size=8, budget=Budget(epochs=1.0))
SFT = SFTRecipe(method="sft", learning_rate=1e-3, batch_size=4, budget=Budget(epochs=1.0))


def test_slurm_jobs_that_trained_are_told_with_their_time_and_gpus(
    inputs: dict[str, Any], record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = launcher.train
    runs = iter([TrainingRun(60.0, "7", ["n1: H100 (0)", "n2: H100 (0)"]), TrainingRun(30.5, "8", ["n1: H100 (0)"])])

    def elsewhere(*given: Any) -> tuple[dict[str, Any], TrainingRun]:
        return made(*given)[0], next(runs)

    monkeypatch.setattr(launcher, "train", elsewhere)
    outcome = batch(tmp_path, record, inputs, "all", "swapped", seed=11)
    assert outcome.elsewhere == {
        "training_seconds": 90.5,
        "slurm_job": "7,8",
        "gpus": ["n1: H100 (0)", "n2: H100 (0)"],
    }
    again = batch(tmp_path, record, inputs, "all", "swapped", seed=11)
    assert again.elsewhere == {}  # both from the record: no job was asked for


def test_kto_trains_on_both_traces_of_every_pair(inputs: dict[str, Any], record: Path, tmp_path: Path) -> None:
    told = details(batch(tmp_path, record, inputs, "all", recipe=KTO), "all")
    assert (told["method"], told["pairs"], told["rows"], told["updates"]) == ("kto", N_PAIRS, 2 * N_PAIRS, 3)
    assert told["step0_loss"] == pytest.approx(0.5, abs=1e-3)
    assert told["differs_from_base"] is True


def test_sft_trains_on_the_chosen_traces_and_needs_no_reference(
    inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    bare = {**inputs, "reference": []}
    told = details(batch(tmp_path, record, bare, "all", recipe=SFT), "all")
    assert (told["method"], told["pairs"], told["rows"], told["updates"]) == ("sft", N_PAIRS, N_PAIRS, 3)
    assert told["differs_from_base"] is True


@pytest.mark.parametrize("recipe", [DPO, KTO], ids=["dpo", "kto"])
def test_dpo_and_kto_need_a_reference(recipe: Any, inputs: dict[str, Any], record: Path, tmp_path: Path) -> None:
    bare = {**inputs, "reference": []}
    with pytest.raises(StudyError, match="no reference log-probability"):
        batch(tmp_path, record, bare, "all", recipe=recipe)
    assert list(tmp_path.iterdir()) == []


# --- rows that must not be trained on ---


def assert_refused(inputs: dict[str, Any], record: Path, tmp_path: Path, message: str) -> None:
    before = files_in(record / "policies")
    with pytest.raises(StudyError, match=message):
        batch(tmp_path, record, inputs, "all")
    assert not manifest(tmp_path).exists()
    assert files_in(record / "policies") == before


@pytest.fixture
def short(inputs: dict[str, Any], make_reference: Callable[..., Outcome], tmp_path: Path) -> dict[str, Any]:
    """Reference sums of traces up to 19 tokens with their prompt: too few for those with filler."""
    paths = [tmp_path / f"{generator}.parquet" for generator in ("strong", "weak")]
    for path in paths:
        make_reference(path, path.stem, max_length=19)
    return {**inputs, "reference": paths}


def lacking(inputs: dict[str, Any]) -> int:
    """How many eligible pairs have a trace that was too long for a reference sum."""
    too_long = {
        row.prompt_id
        for path in inputs["reference"]
        for row in tables.read(path, ReferenceLogps)
        if row.failure == "too_long"
    }
    return sum(row.eligible and row.prompt_id in too_long for row in tables.read(inputs["pairs"], Pair))


@pytest.mark.parametrize("recipe", [DPO, KTO, SFT], ids=["dpo", "kto", "sft"])
def test_every_method_leaves_out_the_same_pairs_with_a_trace_that_is_too_long_and_counts_them(
    recipe: Any, short: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    count = lacking(short)
    assert 0 < count < N_PAIRS / 2
    bare = {**short, "reference": []} if recipe is SFT else short
    changes = {"recipe": recipe, "max_length": 19, "max_too_long_share": 0.5}
    told = details(batch(tmp_path, record, bare, "all", **changes), "all")
    assert (told["pairs"], told["left_out"]) == (N_PAIRS - count, {"too_long": count})
    assert told["rows"] == (N_PAIRS - count) * (2 if recipe is KTO else 1)
    # From the record, it is told again; and it is held to the share that is allowed now.
    assert details(batch(tmp_path, record, bare, "all", **changes), "all") == told
    with pytest.raises(StudyError, match=rf"{arm('all')}: {count} of its {N_PAIRS} pairs .*train\.max_too_long_share"):
        batch(tmp_path, record, bare, "all", **{**changes, "max_too_long_share": 0.01})


@pytest.mark.parametrize("recipe", [DPO, SFT], ids=["dpo", "sft"])
@pytest.mark.usefixtures("no_model_is_asked")
def test_too_many_pairs_that_are_too_long_stop_the_stage_before_it_trains(
    recipe: Any, short: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    other = tmp_path / "record"
    other.mkdir()
    (other / "models").symlink_to(record / "models")
    with pytest.raises(StudyError, match=r"reference\.max_length \(19 tokens .*max_too_long_share allows 10\.0%"):
        batch(tmp_path, other, short, "all", recipe=recipe, max_length=19, max_too_long_share=0.1)
    assert not [*(other / "policies").glob("[!.]*")]


@pytest.fixture
def unfit(inputs: dict[str, Any], make_reference: Callable[..., Outcome], tmp_path: Path) -> dict[str, Any]:
    """Of the weak traces that are in pairs, one writes end-of-sequence as text, and one a letter that is no token."""
    paired = [row.prompt_id for row in tables.read(inputs["pairs"], Pair) if row.eligible]
    texts = {paired[0]: "1+1=2;<eos>A:2", paired[1]: "1+1=2;Ω;A:2"}
    rows = tables.read(table(inputs, "traces", "weak"), Trace)
    rows = [replace(row, text=texts.get(row.prompt_id, row.text)) for row in rows]
    traces, sums = tmp_path / "traces/weak.parquet", tmp_path / "sums/weak.parquet"
    tables.write(traces, Trace, rows)
    make_reference(sums, "weak", of=traces)
    return with_table(with_table(inputs, "traces", traces), "reference", sums)


@pytest.mark.parametrize("recipe", [DPO, SFT], ids=["dpo", "sft"])
def test_a_trace_that_the_policy_cannot_be_trained_on_costs_its_pair_and_nothing_else(
    recipe: Any, unfit: dict[str, Any], record: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    failures = [row.failure for row in tables.read(table(unfit, "reference", "weak"), ReferenceLogps) if row.failure]
    assert sorted(failures) == ["control_token", "not_spelt"]
    bare = {**unfit, "reference": []} if recipe is SFT else unfit
    told = details(batch(tmp_path, record, bare, "all", recipe=recipe), "all")
    assert told["left_out"] == {"too_long": 0, "control_token": 1, "not_spelt": 1}
    assert (told["pairs"], told["rows"]) == (N_PAIRS - 2, N_PAIRS - 2)
    assert "the trace holds '<eos>' as text, which is a control token of the policy" in capfd.readouterr().err
    wrong = r"1 of its 12 pairs have a control token of the policy as text; 1 of its 12 pairs .*max_unfit_share"
    with pytest.raises(StudyError, match=wrong):
        batch(tmp_path, record, bare, "all", recipe=recipe, max_unfit_share=0.1)


@pytest.mark.usefixtures("trained")
def test_a_selected_trace_that_the_reference_table_lacks_is_an_error_that_names_the_pair(
    inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    (*_, last) = (row for row in tables.read(inputs["pairs"], Pair) if row.eligible)
    rows = tables.read(table(inputs, "reference", "weak"), ReferenceLogps)
    rows = [row for row in rows if row.prompt_id != last.prompt_id]
    tables.write(tmp_path / "weak.parquet", ReferenceLogps, rows)
    lacks = with_table(inputs, "reference", tmp_path / "weak.parquet")
    assert_refused(lacks, record, tmp_path, f"pair {last.pair_id} was selected, but .*no reference log-probability")


@pytest.mark.usefixtures("trained")
def test_reference_sums_of_another_policy_are_refused(inputs: dict[str, Any], record: Path, tmp_path: Path) -> None:
    rows = tables.read(table(inputs, "reference", "weak"), ReferenceLogps)
    # A tenth of a nat per token, of ten tokens.
    shifted = [replace(row, logps=row.logps - 1.0) if row.logps is not None else row for row in rows]
    tables.write(tmp_path / "weak.parquet", ReferenceLogps, shifted)
    other = with_table(inputs, "reference", tmp_path / "weak.parquet")
    assert_refused(other, record, tmp_path, "computed for another policy")


@pytest.mark.usefixtures("trained")
def test_reference_sums_of_two_traces_that_changed_places_are_refused(
    inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    # As rows joined by position would have it.
    rows = tables.read(table(inputs, "reference", "weak"), ReferenceLogps)
    sums = [row.logps for row in rows]
    moved = [replace(row, logps=logps) for row, logps in zip(rows, [*sums[1:], sums[0]], strict=True)]
    tables.write(tmp_path / "weak.parquet", ReferenceLogps, moved)
    other = with_table(inputs, "reference", tmp_path / "weak.parquet")
    assert_refused(other, record, tmp_path, "computed for another policy")


@pytest.mark.usefixtures("trained")
def test_numbers_that_are_not_finite_stop_training(
    inputs: dict[str, Any], record: Path, tmp_path: Path, selections: dict[str, list[SelectedPair]]
) -> None:
    assert len(selections["all"]) == N_PAIRS
    wild = DPO.model_copy(update={"learning_rate": 1e20})
    with pytest.raises(StudyError, match="Lower the recipe's learning_rate"):
        batch(tmp_path, record, inputs, "all", recipe=wild)
    assert list(tmp_path.iterdir()) == []


def test_an_arm_whose_training_changes_no_weight_is_counted(
    inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    tiny = SFT.model_copy(update={"learning_rate": 1e-30})
    outcome = batch(tmp_path, record, inputs, "all", recipe=tiny)
    assert_adds_up(outcome, 1, 0)
    assert outcome.failures == {"unchanged": 1}
    assert details(outcome, "all")["differs_from_base"] is False


# --- faults, in processes of their own ---


def test_a_stage_that_is_terminated_while_it_trains_keeps_its_last_step_and_writes_no_output(
    inputs: dict[str, Any], record: Path, model: Made, tmp_path: Path
) -> None:
    own = copied_base(tmp_path, record, model)
    long = SFT.model_copy(update={"budget": Budget(updates=100_000)})
    settings = settings_of("all", recipe=long)
    outputs = {"policies": [manifest(tmp_path, "all")]}
    with start("train", settings, {**inputs, "weights": own}, outputs, tmp_path / "record") as process:
        policies = tmp_path / "record/policies"
        ends = time.monotonic() + 90
        while not (first := [*policies.glob(".*.work/snapshots/checkpoint-*/sealed.json")]):  # after about 10 s
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < ends
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM
        assert process.stderr is not None
        assert "holds all work so far" in process.stderr.read()
    assert [*policies.glob(".*.work/snapshots/checkpoint-*/sealed.json")] != first
    assert [path for path in tmp_path.rglob("*.json") if "record" not in path.parts and path != own] == []


def copied_base(folder: Path, record: Path, model: Made) -> Path:
    """The base model in a record of its own; returns its manifest."""
    base, weights = checkpoints.open_pointer(model.path, record)
    shutil.copytree(weights, folder / "record" / base.folder)
    return Path(shutil.copy(model.path, folder / "model.json"))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_base_that_changed_under_its_path_is_refused_and_the_same_commands_mend_it(
    name: str,
    inputs: dict[str, Any],
    record: Path,
    model: Made,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = copied_base(tmp_path, record, model)
    base, folder = checkpoints.open_pointer(own, tmp_path / "record")
    right = own.read_bytes()
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-3] + b" " + data[-2:])
    outputs = {"policies": [manifest(tmp_path, "all")]}
    with start("train", settings_of("all"), {**inputs, "weights": own}, outputs, tmp_path / "record") as process:
        assert process.wait(60) == 2
        assert process.stderr is not None
        told = process.stderr.read()
    assert f"{folder}: not as it was written: {name}. The folder is now {base.key}.damaged." in told
    assert "model.json.damaged, beside it; run the same command again, and it is made anew" in told
    assert not own.exists()
    # Snakemake now plans the job that makes it.
    settings = ladder.LadderSettings(model="able", rung=rung(), shared=LADDER)
    run(ladder, settings, {}, {"model": own}, tmp_path / "record")
    assert own.read_bytes() == right


# --- nothing is told to anybody ---


# The hub's library tells from a daemon thread, which a process that ends early would take with it: so it waits.
TELLS_BEFORE_IT_ENDS = """
import atexit, sys

@atexit.register
def _wait():
    telemetry = sys.modules.get("huggingface_hub.utils._telemetry")
    if telemetry is not None:
        telemetry._TELEMETRY_QUEUE.join()
"""


@pytest.mark.parametrize(
    ("variables", "tells"),
    [({}, False), ({"HF_HUB_DISABLE_TELEMETRY": "0"}, True)],
    ids=["by itself", "where the user turns it on"],
)
def test_a_training_tells_nobody_of_itself(
    variables: dict[str, str],
    tells: bool,
    inputs: dict[str, Any],
    record: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Listener()
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    switches = (
        "HF_HUB_DISABLE_TELEMETRY",
        "DISABLE_TELEMETRY",
        "DO_NOT_TRACK",
        "CI",  # TRL tells nothing there
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
    )
    for name in switches:
        monkeypatch.delenv(name, raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "*")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listener.server_port}")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "sitecustomize.py").write_text(TELLS_BEFORE_IT_ENDS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    shutil.copytree(record / "models", tmp_path / "record/models")
    with start(
        "train", settings_of("all"), inputs, {"policies": manifest(tmp_path, "all")}, tmp_path / "record"
    ) as process:
        _, told = process.communicate()
    listener.shutdown()
    listener.server_close()
    assert process.returncode == 0, told
    assert any("/telemetry/" in path for path in listener.asked) == tells
    assert bool(listener.asked) == tells
