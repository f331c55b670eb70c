"""`prefdelta invalidate`: an output is forgotten with all that it was made from."""

import pytest

from prefdelta.commands import dependents
from prefdelta.commands.main import main

from .made import ALL, CONFIG, RECORD, RESULTS, SFT, TOP, all_keys, judge_in_batches, snapshot, study_here, write_text

CONFIGFILE = ["--configfile", CONFIG]
pytestmark = pytest.mark.usefixtures("checkout")


def invalidate(*paths, words=()):
    return main(["invalidate", *(str(RESULTS / path) for path in paths), *CONFIGFILE, *words])


def gone(before):
    """What is not there any more, below results/mini, without the segments of the record."""
    after = snapshot()
    return {path.removeprefix("results/mini/") for path in before.keys() - after.keys() if "/record/" not in path}


def test_a_table_goes_with_its_calls_and_what_shares_one_of_them_goes_too(capsys):
    before, record = snapshot(), all_keys()
    assert invalidate("judge/g1/both.parquet") == 0
    # Both judged the same text for p3: the table of g3 rests on a call that is asked again.
    assert gone(before) == {
        f"judge/{generator}/both.{ending}" for generator in ("g1", "g3") for ending in ("parquet", "manifest.json")
    }
    record["calls/judge/both"] = {key for key in record["calls/judge/both"] if key.startswith("verdict-g3")}
    assert all_keys() == record
    printed = capsys.readouterr().out
    assert "made again too, as it depends on some of the same: results/mini/judge/g3/both.parquet" in printed


def test_a_table_of_traces_goes_with_its_partition_only():
    before, record = snapshot(), all_keys()
    assert invalidate("generate/g1.parquet") == 0
    assert gone(before) == {"generate/g1.parquet", "generate/g1.manifest.json"}
    del record["calls/generate/g1"]
    assert all_keys() == record


def test_reference_sums_go():
    record = all_keys()
    assert invalidate("reference/pa/g1.parquet") == 0
    record["reference/model-pa"] = {key for key in record["reference/model-pa"] if key.startswith("sum-g3")}
    assert all_keys() == record


def test_a_policy_goes_with_its_snapshots_and_every_arm_that_shares_it():
    write_text(RECORD / "policies/.policy-all.0123abcd.work/snapshots/checkpoint-1/state", "half")
    before, record = snapshot(), all_keys()
    assert invalidate(f"train/{ALL}/policy.json") == 0
    # The batch's manifest stays: it describes `swapped` as well.
    assert gone(before) == {f"train/{ALL}/policy.json", f"train/{TOP}/policy.json"}
    assert sorted(path.name for path in (RECORD / "policies").iterdir()) == ["policy-sft", "policy-swapped"]
    assert all_keys() == record  # evaluations stay: they are keyed by weights


def test_the_manifest_of_a_batch_goes_with_its_last_output():
    before = snapshot()
    assert invalidate(f"train/{SFT}/policy.json") == 0
    (manifest,) = (job.manifest for job in study_here().jobs("train") if SFT in job.outputs[0])
    assert gone(before) == {f"train/{SFT}/policy.json", manifest.removeprefix("results/mini/")}


def test_a_model_goes_with_those_rejected_before_it():
    record = all_keys()
    assert invalidate("ladder/pa/model.json") == 0
    assert [path.name for path in (RECORD / "models").iterdir()] == ["model-g3"]
    del record["calls/ladder/model-pa"], record["calls/ladder/model-pa-rejected"]
    assert all_keys() == record


def test_an_output_that_rests_on_no_record_just_goes():
    before, record = snapshot(), all_keys()
    assert invalidate("pair/g3~g1.parquet", "report/index.html", "report/figures") == 0
    assert gone(before) == {
        "pair/g3~g1.parquet", "pair/g3~g1.manifest.json", "report/index.html", "report/index.manifest.json",
        "report/figures", "report/figures/scaling.svg",
    }  # fmt: skip
    assert all_keys() == record


def test_paths_of_several_stages_in_any_spelling(checkout):
    before = snapshot()
    absolute = checkout / RESULTS / "generate/g3.parquet"
    assert main(["invalidate", str(absolute), f"./{RESULTS}/grade/../grade/g1.parquet", *CONFIGFILE]) == 0
    assert gone(before) == {
        "generate/g3.parquet", "generate/g3.manifest.json", "grade/g1.parquet", "grade/g1.manifest.json",
    }  # fmt: skip


def test_a_dry_run_changes_nothing_and_tells_the_same(capsys):
    before = snapshot()
    assert invalidate("judge/g1/both.parquet", f"train/{ALL}/policy.json", words=["--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert snapshot() == before
    assert invalidate("judge/g1/both.parquet", f"train/{ALL}/policy.json") == 0
    assert dry.splitlines()[:-1] == capsys.readouterr().out.splitlines()[:-1]


@pytest.mark.parametrize(("path", "told"), [("judge/g1/both.parquet", True), ("generate/g1.parquet", False)])
@pytest.mark.parametrize("words", [[], ["--dry-run"]], ids=["real", "dry"])
def test_that_a_batchs_file_gives_the_same_reply_again_is_told(path, told, words, capsys):
    judge_in_batches()
    assert invalidate(path, words=words) == 0
    assert ("note: judge.engine.batch is set" in capsys.readouterr().out) == told


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("judge/g1/boht.parquet", "is not an output of this study; did you mean results/mini/judge/g1/both.parquet"),
        ("judge/gx/both.parquet", "is not an output of this study; did you mean results/mini/judge/g"),
        ("generate/g1.manifest.json", "did you mean"),
        ("generate", "below it are results/mini/generate/g3.parquet, results/mini/generate/g1.parquet"),
    ],
)
def test_a_path_that_is_no_output_is_refused_with_near_ones(path, told, capsys):
    before = snapshot()
    assert invalidate("judge/g1/both.parquet", path) == 2
    assert told in capsys.readouterr().err
    assert snapshot(but=("run.json",)) == before


def test_an_output_that_is_not_there_is_told(capsys):
    (RESULTS / "generate/g1.parquet").unlink()
    assert invalidate("generate/g1.parquet") == 0
    printed = capsys.readouterr().out
    assert "results/mini/generate/g1.parquet: is not there" in printed
    assert "nothing to do" in printed


def test_an_output_that_cannot_be_read_is_refused(capsys):
    (RESULTS / "generate/g1.parquet").write_bytes(b"damaged")
    before = snapshot()
    assert invalidate("generate/g1.parquet", "generate/g3.parquet") == 2
    assert "nothing was changed" in capsys.readouterr().err
    assert snapshot(but=("run.json",)) == before


def test_after_a_kill_at_any_step_the_same_command_does_the_rest(tmp_path, monkeypatch):
    paths = ("judge/g1/both.parquet", f"train/{ALL}/policy.json", "ladder/pa/model.json")
    kept = tmp_path / "kept"
    dependents.shutil.copytree(RESULTS, kept)
    assert invalidate(*paths) == 0
    ends = snapshot(but=("run.json",))
    remove, forget = dependents.remove, dependents.forget
    for dies_at in range(20):
        dependents.shutil.rmtree(RESULTS)
        dependents.shutil.copytree(kept, RESULTS)
        left = iter(range(dies_at))

        def step(carry_out, *words, left=left):
            if next(left, None) is None:
                raise SystemExit
            carry_out(*words)

        with monkeypatch.context() as patch:
            patch.setattr(dependents, "remove", lambda path: step(remove, path))
            patch.setattr(dependents, "forget", lambda *words: step(forget, *words))
            try:
                invalidate(*paths)
                break
            except SystemExit:
                pass
        assert invalidate(*paths) == 0
        assert snapshot(but=("run.json",)) == ends, dies_at
    assert dies_at == 15  # all steps were tried
