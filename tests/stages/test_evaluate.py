import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.asking.requests import Sampling
from prefdelta.core.data.sources import MadeSource
from prefdelta.core.errors import StudyError
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.details.evaluate import UpstreamCounts
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.stages import evaluate, prompts
from prefdelta.store import checkpoints, tables
from prefdelta.store.snapshots import SEAL, Snapshots
from prefdelta.system import plugins
from prefdelta.workflow.job import Outcome

from .conftest import Made
from .running import IN_PROCESS, PROBLEM_TEMPLATE, assert_adds_up, files_in, read_checked, recorded, run

ITEMS = 10
TEMPLATE = str(PROBLEM_TEMPLATE)
BENCHMARKS = {
    "short": evaluate.AskedBenchmark(grader="marker", template=TEMPLATE, samples=2),
    "long": evaluate.AskedBenchmark(grader="marker", template=TEMPLATE),
}
SETTINGS = evaluate.EvaluateSettings(
    arms=["able/base"],
    benchmarks=BENCHMARKS,
    engine=IN_PROCESS,
    sampling=Sampling(temperature=1.5, max_tokens=10),  # a clean trace of one operation just fits
    seed=5,
    max_failure_share=0.0,
)


@pytest.fixture(scope="module")
def inputs(work: Path, record: Path, model: Made) -> dict[str, Any]:
    tables = []
    for name, operations in (("short", [1]), ("long", [3])):
        made = MadeSource(family="maths", operations=operations, items=ITEMS, split="benchmark", grader="marker")
        tables.append(work / f"prompts/{name}.parquet")
        settings = prompts.PromptsSettings(source=name, made=made, seed=5)
        run(prompts, settings, {}, {"prompts": tables[-1]}, record)
    return {"prompts": tables, "template": PROBLEM_TEMPLATE, "weights": model.path}


@pytest.fixture(scope="module")
def evaluated(work: Path, record: Path, inputs: dict[str, Any]) -> Made:
    path = work / "evaluate/able/base/all.parquet"
    return Made(path, run(evaluate, SETTINGS, inputs, {"scores": path}, record))


def again(path: Path, record: Path, inputs: dict[str, Any], **changes: Any) -> Outcome:
    """Evaluate `able/base` into a file below its folder of arms."""
    return run(evaluate, SETTINGS.model_copy(update=changes), inputs, {"scores": path}, record)


def below(folder: Path, arm: str = "able/base") -> Path:
    return folder / "evaluate" / arm / "all.parquet"


def test_every_item_and_sample_has_a_row_with_a_grade_or_a_reason(evaluated: Made) -> None:
    rows = read_checked(evaluated.path, Score)
    assert [(name, sum(row.benchmark == name for row in rows)) for name in BENCHMARKS] == [("short", 20), ("long", 10)]
    assert {row.sample for row in rows if row.benchmark == "short"} == {0, 1}
    assert all((row.correct is None) == (row.failure is not None) for row in rows)
    assert_adds_up(evaluated.outcome, 30, sum(row.correct is not None for row in rows))


def test_an_unanswered_item_counts_as_not_solved_and_is_no_failure_of_ours(evaluated: Made) -> None:
    rows = read_checked(evaluated.path, Score)
    cut = [row for row in rows if row.finish_reason == "length"]
    assert cut
    assert {row.failure for row in cut} == {"truncated"}
    # All 30 count, although the share of failures allowed is 0.
    solved = {name: sum(row.correct is True for row in rows if row.benchmark == name) for name in BENCHMARKS}
    assert evaluated.outcome.details.solved_of_counted == {
        "able/base": {"short": (solved["short"], 20), "long": (solved["long"], 10)}
    }
    assert 0 < solved["short"] < 20


@pytest.mark.usefixtures("no_model_is_asked")
def test_a_second_run_asks_nothing_and_gives_the_same_bytes(
    evaluated: Made, record: Path, inputs: dict[str, Any], tmp_path: Path
) -> None:
    before = files_in(record)
    assert again(below(tmp_path), record, inputs) == replace(evaluated.outcome, computed={"calls": 0, "tokens": 0})
    assert (below(tmp_path)).read_bytes() == evaluated.path.read_bytes()
    assert files_in(record) == before


def test_a_draw_depends_on_the_item_alone_so_arms_are_paired(
    evaluated: Made, record: Path, inputs: dict[str, Any], tmp_path: Path
) -> None:
    # The same weights as another arm, asked in another group of benchmarks and in another order.
    base, folder = checkpoints.open_pointer(inputs["weights"], record)
    other = tmp_path / "record"
    shutil.copytree(folder, other / "policies/twin")
    checkpoints.write_pointer(tmp_path / "policy.json", Checkpoint("twin", base.weights, "policies/twin"))
    twin = {**inputs, "prompts": inputs["prompts"][1:], "weights": tmp_path / "policy.json"}
    again(below(tmp_path), other, twin, benchmarks={"long": BENCHMARKS["long"]})
    answers = [row for row in read_checked(evaluated.path, Score) if row.benchmark == "long"]
    assert read_checked(below(tmp_path), Score) == answers


def test_another_sample_asks_for_the_new_draws_only(
    evaluated: Made, record: Path, inputs: dict[str, Any], tmp_path: Path
) -> None:
    (partition,) = (record / "calls/evaluate").iterdir()
    before = len(recorded(partition))
    again(below(tmp_path), record, inputs, benchmarks={**BENCHMARKS, "long": BENCHMARKS["short"]})
    assert len(recorded(partition)) == before + ITEMS
    rows = read_checked(below(tmp_path), Score)
    assert [row for row in rows if row.benchmark == "short" or row.sample == 0] == read_checked(evaluated.path, Score)
    assert {row.sample for row in rows if row.benchmark == "long"} == {0, 1}


def test_an_answer_carries_the_entropy_of_its_tokens_and_an_untrained_policy_answers_at_any_temperature(
    evaluated: Made, record: Path, inputs: dict[str, Any], tmp_path: Path
) -> None:
    rows = read_checked(evaluated.path, Score)
    assert all(row.entropy is not None and row.entropy > 0 for row in rows)
    cooler, greedy = below(tmp_path, "able/base@0.5"), below(tmp_path, "able/base@0.001")
    for path, temperature in ((cooler, 0.5), (greedy, 0.0)):
        sampling = SETTINGS.sampling.model_copy(update={"temperature": temperature})
        again(path, record, inputs, arms=[path.parts[-3] + "/" + path.parts[-2]], sampling=sampling)
    cool = read_checked(cooler, Score)
    assert [row.prompt_id for row in cool] == [row.prompt_id for row in rows]
    assert mean_entropy(cool) < mean_entropy(rows)
    assert {row.entropy for row in read_checked(greedy, Score)} == {None}


def mean_entropy(rows: list[Score]) -> float:
    """Nats per token."""
    return sum(row.entropy or 0.0 for row in rows) / sum(row.n_tokens or 0 for row in rows)


def test_too_many_failures_of_ours_stop_the_stage_without_a_table(
    record: Path, inputs: dict[str, Any], tmp_path: Path
) -> None:
    # 250 tokens do not fit the model's context of 256 after any prompt: nothing can be asked.
    with pytest.raises(StudyError, match=r"30 too_long.*evaluate\.max_failure_share allows 10\.0%"):
        again(
            below(tmp_path),
            record,
            inputs,
            sampling=Sampling(temperature=1.0, max_tokens=250),
            max_failure_share=0.1,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_policy_whose_weights_are_gone_is_an_error_before_anything_is_asked(
    inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    gone = json.loads(inputs["weights"].read_text()) | {"folder": "policies/gone"}
    (tmp_path / "policy.json").write_text(json.dumps(gone))
    with pytest.raises(StudyError, match=r"policies/gone, which are not there"):
        again(below(tmp_path), record, {**inputs, "weights": tmp_path / "policy.json"})
    assert not (below(tmp_path)).exists()


@pytest.mark.usefixtures("no_model_is_asked")
def test_what_a_grader_raises_is_the_failure_of_that_item_and_is_told(
    evaluated: Made, record: Path, inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, seen = plugins.load("graders.marker"), list[str]()

    def raises_once(text: str, answers: list[str]) -> Any:
        seen.append(text)
        if len(seen) == 1:
            raise RecursionError("maximum recursion depth exceeded")
        return marker(text, answers)

    monkeypatch.setattr("prefdelta.graders.marker.grade", raises_once)
    outcome = again(below(tmp_path), record, inputs, max_failure_share=0.1)
    rows = read_checked(below(tmp_path), Score)
    assert [row.correct for row in rows if row.failure == "grader_error"] == [None]
    assert outcome.failures["grader_error"] == 1
    assert outcome.details.grader_said == {"RecursionError: maximum recursion depth exceeded": 1}
    seen.clear()
    with pytest.raises(StudyError, match=r"1 grader_error.*evaluate\.max_failure_share"):
        again(below(tmp_path / "strict"), record, inputs)


@pytest.mark.usefixtures("no_model_is_asked")
def test_upstreams_verdicts_are_counted_beside_ours_where_its_rule_is_another(
    evaluated: Made, record: Path, inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the grader for letters, which finds none in mini's traces; upstream's rule is made to find some."""
    monkeypatch.setattr("prefdelta.graders.choice.upstream", lambda text, answers: "+" in text)
    choice = {**BENCHMARKS, "short": evaluate.AskedBenchmark(grader="choice", template=TEMPLATE, samples=2)}
    outcome = again(below(tmp_path), record, inputs, benchmarks=choice)
    calls = {call.key: call.text or "" for call in recorded(*(record / "calls/evaluate").iterdir())}
    rows = [row for row in read_checked(below(tmp_path), Score) if row.benchmark == "short"]
    theirs = sum("+" in calls[row.call_key] for row in rows)
    assert theirs > 0
    assert not any(row.correct for row in rows)
    counted = {"short": UpstreamCounts(solved=theirs, counted=20, differ=theirs)}  # "long" is graded as everywhere
    assert outcome.details.by_upstreams_rule == {"able/base": counted}
    assert evaluated.outcome.details.by_upstreams_rule is None


@pytest.mark.usefixtures("no_model_is_asked")
def test_other_graders_verdicts_stand_beside_ours_and_nothing_is_asked(
    evaluated: Made, record: Path, inputs: dict[str, Any], tmp_path: Path
) -> None:
    short = BENCHMARKS["short"].model_copy(update={"other_graders": ["math_verify", "text"]})
    again(below(tmp_path), record, inputs, benchmarks={**BENCHMARKS, "short": short})
    rows = read_checked(below(tmp_path), Score)
    assert [replace(row, by_math_verify=None, by_text=None) for row in rows] == read_checked(evaluated.path, Score)
    answers = {prompt.prompt_id: prompt.answers for path in inputs["prompts"] for prompt in tables.read(path, Prompt)}
    calls = {call.key: call.text or "" for call in recorded(*(record / "calls/evaluate").iterdir())}
    for row in rows:
        if row.benchmark == "long":
            assert (row.by_math_verify, row.by_text) == (None, None)
        elif row.failure == "truncated":
            assert (row.by_math_verify, row.by_text) == ("truncated", "truncated")
        else:
            numbers = re.findall(r"\d", calls[row.call_key])
            right = bool(numbers) and numbers[-1] in answers[row.prompt_id]
            assert row.by_text == ("no_answer" if not numbers else "right" if right else "wrong")
    assert {row.by_math_verify for row in rows if row.correct} == {"right"}


# --- batches ---

TWINS = ["able/strong~weak/all/dpo/s0", "able/strong~weak/top-mean-6/dpo/s0"]


@pytest.fixture(scope="module")
def arms(work: Path, record: Path, model: Made) -> dict[str, Path]:
    """Manifests of two trained arms, with weights unlike the base's and unlike each other's."""
    from prefdelta.models.loading import load_model

    paths = {}
    _, folder = checkpoints.open_pointer(model.path, record)
    for index, arm in enumerate(TWINS):

        def make(output: Path, _: Snapshots, index: int = index) -> dict[str, Any]:
            shutil.copytree(folder, output, dirs_exist_ok=True, ignore=shutil.ignore_patterns(SEAL))
            network = load_model(folder, "float32", 1)
            network.lm_head.weight.data *= 0.5 + index  # one hotter, one colder
            network.save_pretrained(output)
            return {}

        paths[arm] = work / "train" / arm / "policy.json"
        checkpoints.write_pointer(paths[arm], checkpoints.get_or_make(record, "policies", f"twin-{index}", arm, make))
    return paths


@pytest.fixture(scope="module")
def batch(work: Path, record: Path, inputs: dict[str, Any], arms: dict[str, Path]) -> dict[str, Made]:
    """Both arms in one batch."""
    outputs = {"scores": [below(work / "batch", arm) for arm in TWINS]}
    settings = SETTINGS.model_copy(update={"arms": TWINS})
    outcome = run(evaluate, settings, {**inputs, "weights": list(arms.values())}, outputs, record)
    return {arm: Made(path, outcome) for arm, path in zip(TWINS, outputs["scores"], strict=True)}


def test_every_arm_of_a_batch_has_its_own_scores(batch: dict[str, Made]) -> None:
    rows = {arm: read_checked(made.path, Score) for arm, made in batch.items()}
    first, second = ([row.extracted for row in rows[arm]] for arm in TWINS)
    assert first != second
    outcome = batch[TWINS[0]].outcome
    assert_adds_up(outcome, 60, sum(row.correct is not None for found in rows.values() for row in found))
    for arm, found in rows.items():
        solved = sum(row.correct is True for row in found if row.benchmark == "short")
        assert outcome.details.solved_of_counted[arm]["short"] == (solved, 20)


def test_an_arm_scores_the_same_in_a_batch_as_alone(
    batch: dict[str, Made], arms: dict[str, Path], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    other = tmp_path / "record"
    other.mkdir()
    (other / "policies").symlink_to(record / "policies")
    for arm in TWINS:
        again(below(tmp_path, arm), other, {**inputs, "weights": arms[arm]}, arms=[arm])
        assert below(tmp_path, arm).read_bytes() == batch[arm].path.read_bytes()


@pytest.mark.usefixtures("no_model_is_asked")
@pytest.mark.parametrize("turned", ["arms", "weights", "scores"])
def test_the_order_of_files_says_nothing_about_which_arm_they_belong_to(
    turned: str, batch: dict[str, Made], arms: dict[str, Path], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    lists: dict[str, list[Any]] = {
        "arms": list(TWINS),
        "weights": list(arms.values()),
        "scores": [below(tmp_path, arm) for arm in TWINS],
    }
    lists[turned].reverse()
    settings = SETTINGS.model_copy(update={"arms": lists["arms"]})
    run(evaluate, settings, {**inputs, "weights": lists["weights"]}, {"scores": lists["scores"]}, record)
    for arm, made in batch.items():
        assert below(tmp_path, arm).read_bytes() == made.path.read_bytes()


@pytest.mark.parametrize(("dtype", "named"), [("float16", "float32"), ("bfloat16", "float32"), ("float32", None)])
def test_an_arm_is_not_evaluated_in_a_precision_that_rounds_its_training_away(
    dtype: str, named: str | None, arms: dict[str, Path], inputs: dict[str, Any], record: Path, tmp_path: Path
) -> None:
    policy, folder = checkpoints.open_pointer(arms[TWINS[0]], record)

    def make(output: Path, _: Snapshots) -> dict[str, Any]:
        shutil.copytree(folder, output, dirs_exist_ok=True, ignore=shutil.ignore_patterns(SEAL))
        return {"update_cosine_bfloat16": 0.24, "update_cosine_float16": 0.65}

    pointer = tmp_path / "train" / TWINS[0] / "policy.json"
    checkpoints.write_pointer(pointer, checkpoints.get_or_make(tmp_path / "record", "policies", policy.key, "a", make))
    changes = {"arms": [TWINS[0]], "engine": IN_PROCESS.model_copy(update={"dtype": dtype})}
    path = below(tmp_path, TWINS[0])
    if named is None:
        again(path, tmp_path / "record", {**inputs, "weights": pointer}, **changes)
        assert path.exists()
        return
    with pytest.raises(StudyError, match=rf"float16 0\.650; .* asks 0\.99\. Set evaluate\.engine\.dtype to {named},"):
        again(path, tmp_path / "record", {**inputs, "weights": pointer}, **changes)
    assert not (tmp_path / "record/calls").exists()
    again(path, tmp_path / "record", {**inputs, "weights": pointer}, **changes, min_update_cosine=0.2)


def test_removed_weights_are_no_matter_as_long_as_nothing_new_is_asked(
    evaluated: Made, record: Path, inputs: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(record, tmp_path / "record")
    _, folder = checkpoints.open_pointer(inputs["weights"], tmp_path / "record")
    checkpoints.remove_weights(folder)
    path = below(tmp_path)
    assert again(path, tmp_path / "record", inputs).computed == {"calls": 0, "tokens": 0}
    assert path.read_bytes() == evaluated.path.read_bytes()
    with pytest.raises(StudyError, match=r"30 answers are not recorded, .* prefdelta invalidate .*model.json"):
        again(below(tmp_path / "more"), tmp_path / "record", inputs, seed=6)
