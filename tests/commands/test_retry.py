"""`prefdelta retry`: what failed in one way is asked again, and only that."""

from dataclasses import replace

import pytest

from prefdelta.commands import dependents
from prefdelta.commands.main import main
from prefdelta.records.judgement import Judgement

from .made import (
    CONFIG,
    RECORD,
    RESULTS,
    SWAPPED,
    all_keys,
    call,
    judge_in_batches,
    keys_in,
    record_calls,
    snapshot,
)

CONFIGFILE = ["--configfile", CONFIG]
pytestmark = pytest.mark.usefixtures("checkout")


def retry(stage, failure, *words):
    return main(["retry", "--stage", stage, "--where", failure, *CONFIGFILE, *words])


def gone(before, after):
    assert {path: found for path, found in after.items() if path in before and not path.endswith(".parquet")} == {
        path: found for path, found in before.items() if path in after and not path.endswith(".parquet")
    }
    return {path.removeprefix("results/mini/") for path in before.keys() - after.keys() if "/record/" not in path}


def test_all_attempts_at_a_failed_question_are_forgotten_and_its_tables_deleted(capsys):
    files, record = snapshot(), all_keys()
    assert retry("judge", "not_json") == 0
    assert gone(files, snapshot(but=("run.json",))) == {
        f"judge/{generator}/both.{ending}" for generator in ("g1", "g3") for ending in ("parquet", "manifest.json")
    }
    verdicts = {f"verdict-{g}-p2{attempt}" for g in ("g1", "g3") for attempt in ("", "-1", "-2")}
    record["calls/judge/both"] -= verdicts
    assert all_keys() == record
    printed = capsys.readouterr().out
    assert "judge: 4 rows failed with not_json, in 2 of 2 tables" in printed
    assert "all attempts at 2 questions" in printed
    assert "calls of judge (bytes: about)  6 " in printed
    assert "snakemake --profile mini\n" in printed


def test_other_tables_stay():
    rows = dependents.tables.read(RESULTS / "judge/g3/both.parquet", Judgement)
    dependents.tables.write(RESULTS / "judge/g3/both.parquet", Judgement, [row for row in rows if row.failure is None])
    files, record = snapshot(), all_keys()
    assert retry("judge", "not_json") == 0
    assert gone(files, snapshot(but=("run.json",))) == {"judge/g1/both.parquet", "judge/g1/both.manifest.json"}
    record["calls/judge/both"] -= {f"verdict-g1-p2{attempt}" for attempt in ("", "-1", "-2")}
    assert all_keys() == record


def test_of_a_batch_only_the_table_with_the_failure_goes():
    files, record = snapshot(), all_keys()
    assert retry("evaluate", "crashed_engine") == 0
    assert gone(files, snapshot(but=("run.json",))) == {f"evaluate/{SWAPPED}/sampled.parquet"}
    record["calls/evaluate/policy-swapped"] -= {"answer-policy-swapped-p0"}
    assert all_keys() == record


@pytest.mark.parametrize(
    ("stage", "failure", "partition", "key", "table"),
    [
        ("generate", "too_long", "calls/generate/g1", "trace-g1-p5", "generate/g1"),
        ("generate", "truncated", "calls/generate/g1", "trace-g1-p4", "generate/g1"),
        ("evaluate", "truncated", "calls/evaluate/model-pa", "answer-model-pa-p0", "evaluate/pa/base/sampled"),
    ],
)
def test_one_call_is_forgotten_with_its_table(stage, failure, partition, key, table, capsys):
    files, record = snapshot(), all_keys()
    assert retry(stage, failure) == 0
    record[partition] -= {key}
    assert all_keys() == record
    assert f"{table}.parquet" in gone(files, snapshot(but=("run.json",)))
    assert ("note: truncated is not a failed request" in capsys.readouterr().out) == (failure == "truncated")


def test_reference_sums_are_forgotten_too():
    assert retry("reference", "too_long") == 0
    assert keys_in("reference/model-pa").isdisjoint({"sum-g1-p0", "sum-g3-p0"})
    assert len(keys_in("reference/model-pa")) == 8
    assert not (RESULTS / "reference/pa/g1.parquet").exists()


def test_a_dry_run_changes_nothing_and_tells_the_same(capsys):
    before = snapshot()
    assert retry("judge", "not_json", "--dry-run") == 0
    dry = capsys.readouterr().out
    assert snapshot() == before
    assert retry("judge", "not_json") == 0
    real = capsys.readouterr().out
    assert dry.splitlines()[:-1] == real.splitlines()[:-1]
    assert dry.splitlines()[-1] == "dry run: nothing was changed"


@pytest.mark.parametrize(
    ("stage", "failure", "in_batches", "told"),
    [
        ("judge", "not_json", True, True),
        ("judge", "not_json", False, False),
        ("generate", "too_long", True, False),  # it is asked another way
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["real", "dry"])
def test_that_a_batchs_file_gives_the_same_reply_again_is_told(stage, failure, in_batches, told, dry, capsys):
    if in_batches:
        judge_in_batches()
    assert retry(stage, failure, *dry) == 0
    assert ("note: judge.engine.batch is set" in capsys.readouterr().out) == told


@pytest.mark.parametrize(
    ("stage", "failure", "told"),
    [
        ("judge", "not_jsn", "with 'not_jsn'. Did you mean not_json? Their failures: not_json (4), unusable_trace (4)"),
        (
            "judge",
            "unusable_trace",
            "--stage generate --where FAILURE. The failures of their generators: too_long (1)",
        ),
        ("reference", "unusable_trace", "too_long (1), truncated (1)."),
        ("grade", "truncated", "it reads the traces, whenever it runs. Its failures: too_long (1), truncated (1)."),
        ("train", "unchanged", "train asks no model, so it has nothing to retry. To have an output"),
        ("juge", "not_json", "there is no stage 'juge'. Did you mean judge? Those that ask something: generate, judge"),
    ],
)
def test_what_cannot_be_retried_is_explained(stage, failure, told, capsys):
    before = snapshot()
    assert retry(stage, failure) == 2
    assert told in capsys.readouterr().err
    assert snapshot(but=("run.json",)) == before


def test_tables_that_are_not_there_or_not_readable_are_told(capsys):
    (RESULTS / "judge/g3/both.parquet").write_bytes(b"damaged")
    assert retry("judge", "not_json") == 0
    printed = capsys.readouterr().out
    assert "judge: results/mini/judge/g3/both.parquet: cannot be read as Parquet" in printed
    assert "in 1 of 1 tables" in printed
    assert retry("judge", "not_json") == 2
    captured = capsys.readouterr()
    assert "judge: 1 of 2 tables are not there yet" in captured.out
    assert "there is nothing to retry" in captured.err


@pytest.mark.parametrize("dies_at", range(6))
def test_after_a_kill_the_same_command_does_the_rest(dies_at, monkeypatch):
    # In this order: attempts that no table names, those that tables name, then manifest and table of each generator.
    record = all_keys()
    left = iter(range(dies_at))

    def step(carry_out, *words):
        if next(left, None) is None:
            raise SystemExit
        carry_out(*words)

    with monkeypatch.context() as patch:
        patch.setattr(dependents, "remove", lambda path, remove=dependents.remove: step(remove, path))
        patch.setattr(dependents, "forget", lambda *words, forget=dependents.forget: step(forget, *words))
        with pytest.raises(SystemExit):
            retry("judge", "not_json")
    assert (RESULTS / "judge/g1/both.parquet").exists()
    assert retry("judge", "not_json") == 0
    record["calls/judge/both"] -= {f"verdict-{g}-p2{attempt}" for g in ("g1", "g3") for attempt in ("", "-1", "-2")}
    assert all_keys() == record
    assert not list((RESULTS / "judge").rglob("*.parquet"))
    assert RECORD.is_dir()


# --- a stage that stopped: failures in the record alone ---

ALONE = "calls/judge/both~g3"


@pytest.fixture
def stopped_stage(checkout):
    """The judge refused, or gave no verdict, for so many of g3's traces that its job wrote no table."""
    for ending in ("parquet", "manifest.json"):
        (RESULTS / f"judge/g3/both.{ending}").unlink()
    rejected = [replace(call(f"rejected-{i}"), text=None, failure="rejected", detail="HTTP 402") for i in range(3)]
    prose = [call(f"prose-{attempt}", "prose-0", attempt) for attempt in range(3)]
    verdict = replace(call("second-1", "second-0", 1), text='{"computational_precision": 4, "signal_to_noise": 2}')
    record_calls("judge/both~g3", [*rejected, *prose, call("second-0", "second-0"), verdict])


@pytest.mark.parametrize(
    ("failure", "calls", "going"),
    [
        ("rejected", 3, {"rejected-0", "rejected-1", "rejected-2"}),
        ("not_json", 1, {"prose-0", "prose-1", "prose-2"}),
    ],
)
@pytest.mark.usefixtures("stopped_stage")
def test_failures_of_a_stage_that_wrote_no_table_are_forgotten(failure, calls, going, capsys):
    record, others = all_keys(), snapshot()
    # g1's table has this failure too, where it is not_json.
    tables_too = failure == "not_json"
    assert retry("judge", failure, "--dry-run") == 0
    assert all_keys() == record
    assert retry("judge", failure) == 0
    told = f"judge: {calls} calls in the record failed with {failure}, which no table reports"
    assert capsys.readouterr().out.count(told) == 2
    record[ALONE] -= going
    if tables_too:
        record["calls/judge/both"] -= {f"verdict-g1-p2{attempt}" for attempt in ("", "-1", "-2")}
    assert all_keys() == record
    assert bool(gone(others, snapshot(but=("run.json",)))) == tables_too
    # Nothing of it is left.
    assert retry("judge", failure) == 2
    assert "Their failures: " in capsys.readouterr().err


@pytest.fixture
def lost_votes(checkout):
    """Of three votes on g3's p0, one was refused and one never was a verdict."""
    path = RESULTS / "judge/g3/both.parquet"
    keys = ["verdict-g3-p0", "vote-1", "vote-2-1"]
    rows = [
        replace(row, attempts=4, call_keys=keys) if row.prompt_id == "p0" else row
        for row in dependents.tables.read(path, Judgement)
    ]
    dependents.tables.write(path, Judgement, rows)
    verdict = replace(call("verdict-g3-p0"), text='{"computational_precision": 4, "signal_to_noise": 2}')
    flagged = replace(call("vote-1"), text=None, failure="flagged")
    record_calls("judge/both~g3", [verdict, flagged, call("vote-2"), call("vote-2-1", "vote-2", 1)])


@pytest.mark.parametrize(
    ("failure", "going", "tables"),
    [("flagged", {"vote-1"}, {"g3"}), ("not_json", {"vote-2", "vote-2-1"}, {"g1", "g3"})],
)
@pytest.mark.usefixtures("lost_votes")
def test_votes_that_failed_on_traces_with_other_votes_are_forgotten(failure, going, tables, capsys):
    record, others = all_keys(), snapshot()
    assert retry("judge", failure) == 0
    assert f"judge: 1 calls in the record failed with {failure}, which no table reports" in capsys.readouterr().out
    assert all_keys()[ALONE] == record[ALONE] - going
    assert {path.split("/")[1] for path in gone(others, snapshot(but=("run.json",)))} == tables


@pytest.mark.usefixtures("stopped_stage")
def test_what_failed_in_the_record_is_among_what_can_be_retried(capsys):
    assert retry("judge", "refused") == 2
    assert "Their failures: not_json (3), rejected (3), unusable_trace" in capsys.readouterr().err


@pytest.mark.parametrize(("stage", "failure"), [("generate", "truncated"), ("evaluate", "crashed_engine")])
def test_other_stages_that_wrote_no_table_too(stage, failure, capsys):
    if stage == "generate":
        (RESULTS / "generate/g1.parquet").unlink()
        key, partition = "trace-cut", "generate/g1"
        record_calls(partition, [replace(call(key), finish_reason="length")])
    else:
        (RESULTS / f"evaluate/{SWAPPED}/sampled.parquet").unlink()
        key, partition = "answer-policy-swapped-crashed", "evaluate/policy-swapped"
        record_calls(partition, [replace(call(key), text=None, failure=failure)])
    assert retry(stage, failure) == 0
    assert key not in keys_in(f"calls/{partition}")
    assert f"1 calls in the record failed with {failure}" in capsys.readouterr().out
