"""`prefdelta gc`: what no current output refers to goes, and nothing else, whenever it is killed."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from socket import gethostname

import pytest
import yaml

from prefdelta.commands import dependents, gc
from prefdelta.commands.main import main
from prefdelta.core.stage_names import STAGES
from prefdelta.records.judgement import Judgement
from prefdelta.store import tables

from .made import (
    ALL,
    CONFIG,
    POLICIES,
    RECORD,
    RESULTS,
    ROOT,
    SFT,
    SWAPPED,
    TOP,
    add_garbage,
    all_keys,
    call,
    keys_in,
    record_calls,
    small_study,
    snapshot,
    study_here,
    write_text,
)

GC = ["gc", "--configfile", CONFIG]
pytestmark = pytest.mark.usefixtures("checkout")


class Killed(BaseException):
    pass


def numbers(printed: str) -> dict[str, list[int]]:
    """Kind -> [count, bytes], from the lines of what goes."""
    found = re.findall(r"^  (\S.*?)  +([\d,]+) +(?:([\d,]+) bytes)", printed, flags=re.MULTILINE)
    return {kind: [int(count.replace(",", "")), int(taken.replace(",", ""))] for kind, count, taken in found}


def planned() -> set[Path]:
    return {
        Path(path)
        for stage in STAGES
        for job in study_here().jobs(stage)
        for path in (*job.outputs, job.manifest, job.log)
    }


def change(edit: Callable[[dict], object]) -> None:
    study = small_study()
    edit(study)
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))


def test_what_is_current_is_what_snakemake_plans(checkout):
    """Also a pair table that only a common set reads."""

    def widen(study):
        study["filter"]["sets"] = {"both": {"pairings": ["g3~g1", "g1~g1"], "pairs": 2}}
        study["generators"]["g1"] |= {"samples": 2, "judged": 2}
        study["experiments"]["methods"]["selections"].append("common-both")

    change(widen)
    for name in ("Snakefile", "workflow", "mini"):
        (checkout / name).symlink_to(ROOT / name)
    snakemake = [str(Path(sys.executable).with_name("snakemake")), "--profile", "mini", "-n", "-p", "--forceall"]
    done = subprocess.run(snakemake, capture_output=True, text=True, check=True)
    lines = re.findall(r"^    (?:output|log): (.+?)(?: \(.*)?$", done.stdout + done.stderr, flags=re.MULTILINE)
    assert {Path(path) for line in lines for path in line.split(", ")} == planned()
    assert RESULTS / "pair/g1~g1.parquet" in planned()


def test_nothing_is_removed_from_a_study_without_garbage(capsys):
    before = snapshot()
    assert main(GC) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert snapshot(but=("run.json",)) == before


def test_what_nothing_refers_to_goes_and_all_else_stays(capsys):
    clean, record = snapshot(), all_keys()
    add_garbage()
    own = RESULTS / "train/notes.txt"
    assert main(GC) == 0
    printed = capsys.readouterr().out
    after = snapshot(but=("run.json",))
    assert after.pop(own.as_posix())  # no stage wrote it
    assert "1 files that no stage writes are left alone, the first results/mini/train/notes.txt" in printed
    assert all_keys() == record
    segments = {path for path in {*clean, *after} if path.endswith(".parquet") and path.startswith(str(RECORD))}
    assert {path: after[path] for path in after.keys() - segments} == {
        path: clean[path] for path in clean.keys() - segments if path != str(RECORD / "claims")
    } | ({str(RECORD / "claims"): "folder"} if (RECORD / "claims").exists() else {})


def test_a_second_gc_finds_nothing(capsys):
    add_garbage()
    assert main(GC) == 0
    capsys.readouterr()
    before = snapshot()
    assert main(GC) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert snapshot() == before


def test_a_dry_run_changes_nothing_and_tells_the_numbers_of_the_real_one(capsys):
    add_garbage()
    before = snapshot()
    assert main([*GC, "--dry-run"]) == 0
    dry = capsys.readouterr().out
    assert snapshot() == before
    assert "dry run: nothing was changed" in dry
    assert main(GC) == 0
    assert numbers(dry) == numbers(capsys.readouterr().out)
    told = {kind: count for kind, (count, _) in numbers(dry).items()}
    assert told == {
        "outputs and manifests that the plan does not name": 9,
        "logs that the plan does not name": 2,
        "checkpoints in results/mini/record/models": 1,
        "checkpoints in results/mini/record/policies": 1,
        "calls in whole folders of results/mini/record/calls/ladder": 1,
        "calls in whole folders of results/mini/record/calls/generate": 2,
        "calls in parts of results/mini/record/calls/generate (bytes: about)": 1,
        "calls in whole folders of results/mini/record/calls/judge": 1,
        "calls in parts of results/mini/record/calls/judge (bytes: about)": 2,
        "calls in whole folders of results/mini/record/calls/evaluate": 1,
        "calls in parts of results/mini/record/calls/evaluate (bytes: about)": 1,
        "sums in whole folders of results/mini/record/reference": 1,
        "sums in parts of results/mini/record/reference (bytes: about)": 1,
        "damaged, and set aside": 3,
        "left by dead processes": 2,
        "unfinished trainings that no output waits for": 1,
        "claims of dead processes": 1,
    }
    assert sum(taken for _, taken in numbers(dry).values()) == int(
        re.search(r"together +([\d,]+) bytes", dry)[1].replace(",", "")
    )


def test_verbose_names_every_path(capsys):
    add_garbage()
    assert main([*GC, "-n", "-v"]) == 0
    printed = capsys.readouterr().out
    for path in ("generate/gx.parquet", "record/policies/policy-gx", "record/claims/00ff"):
        assert f"  results/mini/{path}\n" in printed
    assert "  results/mini/record/calls/judge/both: 2 rows of it\n" in printed


def test_a_removed_arm_goes_with_its_policy_and_evaluations(capsys):
    change(lambda study: study["experiments"]["selections"].update(selections=["all", "top-mean-4"]))
    assert main(GC) == 0
    assert not (RESULTS / "train/pa/g3~g1/swapped").exists()
    assert not (RESULTS / "evaluate/pa/g3~g1/swapped").exists()
    assert not (RESULTS / "filter/g3~g1/swapped/t0.parquet").exists()
    assert sorted(path.name for path in (RECORD / "policies").iterdir()) == ["policy-all", "policy-sft"]
    assert sorted(path.name for path in (RECORD / "calls/evaluate").iterdir()) == [
        "model-pa", "policy-all", "policy-sft",
    ]  # fmt: skip


def test_a_policy_that_another_arm_shares_stays():
    change(lambda study: study["experiments"]["selections"].update(selections=["all", "swapped"]))
    assert main(GC) == 0
    assert not (RESULTS / "train/pa/g3~g1/top-mean-4").exists()
    assert (RECORD / "policies/policy-all").is_dir()
    assert len(keys_in("calls/evaluate/policy-all")) == 6


def test_weights_of_evaluated_policies_go_only_if_that_is_asked_for_and_they_are_not_to_be_kept(capsys):
    change(lambda study: study["train"].update(keep=["methods"]))
    kept = RECORD / "policies" / POLICIES[SFT] / "model.safetensors"
    for words, gone in (([], False), (["--evaluated-policies", "--dry-run"], False), (["--evaluated-policies"], True)):
        assert main([*GC, *words]) == 0
        assert kept.is_file()
        for arm in (ALL, TOP, SWAPPED):
            folder = RECORD / "policies" / POLICIES[arm]
            assert (folder / "model.safetensors").is_file() == (not gone)
            assert (folder / "training.json").is_file()
    assert "weights of evaluated policies" in capsys.readouterr().out
    before = snapshot()
    assert main([*GC, "--evaluated-policies"]) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert snapshot() == before


def keep_one_of_two(study):
    study["experiments"]["kept"] = study["experiments"]["selections"] | {"selections": ["all"]}
    study["train"]["keep"] = ["kept"]


@pytest.mark.parametrize("reason", ["an arm that shares it is kept", "one of its arms is not evaluated", "no keep"])
def test_weights_that_are_still_needed_stay(reason):
    if reason == "no keep":
        assert study_here().config.train.keep is None
    elif reason == "one of its arms is not evaluated":
        change(lambda study: study["train"].update(keep=[]))
        (RESULTS / f"evaluate/{TOP}/sampled.parquet").unlink()
    else:
        change(keep_one_of_two)
    assert main([*GC, "--evaluated-policies"]) == 0
    assert (RECORD / "policies" / POLICIES[ALL] / "model.safetensors").is_file()


def test_all_attempts_at_a_question_of_a_current_table_stay():
    add_garbage()
    assert main(GC) == 0
    assert {"verdict-g1-p2", "verdict-g1-p2-1", "verdict-g1-p2-2"} <= keys_in("calls/judge/both")


def test_all_votes_on_a_trace_of_a_current_table_stay():
    path = RESULTS / "judge/g1/both.parquet"
    rows = tables.read(path, Judgement)
    tables.write(path, Judgement, [replace(rows[0], votes=2, call_keys=[*rows[0].call_keys, "vote-1"]), *rows[1:]])
    record_calls("judge/both", [call("vote-1"), call("vote-2")])
    assert main(GC) == 0
    kept = keys_in("calls/judge/both")
    assert {*rows[0].call_keys, "vote-1"} <= kept
    assert "vote-2" not in kept


@pytest.mark.parametrize("keyed", [True, False], ids=["named", "of-before-they-had-keys"])
def test_rejected_models_stay_if_a_manifest_names_them(keyed):
    rejected = [{"seed": 11, "key": "model-pa-rejected"}] if keyed else [{"seed": 11}]
    (RESULTS / "ladder/pa/model.manifest.json").write_text(json.dumps({"details": {"rejected": rejected}}))
    assert main(GC) == 0
    assert (RECORD / "models/model-pa-rejected").is_dir() == keyed
    assert (RECORD / "calls/ladder/model-pa-rejected").is_dir() == keyed
    assert (RECORD / "calls/ladder/model-pa").is_dir()


# --- what is not finished ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "told", "kept"),
    [
        (
            "judge/g1/both.parquet",
            "judge: 1 of 2 tables are not there yet; its record is kept whole",
            "calls/judge/old",
        ),
        ("judge/g1/both.manifest.json", "judge: 1 of 2 tables are not there yet", "calls/judge/old"),
        ("generate/g3.parquet", "generate: 1 of 2 tables are not there yet", "calls/generate/gx"),
        ("reference/pa/g3.parquet", "reference: 1 of 2 tables are not there yet", "reference/model-gx"),
        (f"evaluate/{ALL}/sampled.parquet", "evaluate: 1 of 5 tables are not there yet", "calls/evaluate/policy-gx"),
        (f"train/{ALL}/policy.json", "train: 1 of 4 manifests of checkpoints are not there yet", "policies/policy-gx"),
        ("ladder/g3/model.json", "ladder: 1 of 2 manifests of checkpoints are not there yet", "models/model-gx"),
        ("ladder/g3/model.manifest.json", "ladder: 1 of 2 manifests", "calls/ladder/model-gx"),
    ],
)
def test_the_record_of_an_unfinished_stage_is_kept_whole(output, told, kept, capsys):
    add_garbage()
    stage, record = output.partition("/")[0], all_keys()
    (RESULTS / output).unlink()
    assert main(GC) == 0
    assert told in capsys.readouterr().out
    assert (RECORD / kept).is_dir()
    after = all_keys()
    for partition in record:
        if f"/{stage}/" in f"/{partition}":
            assert after[partition] == record[partition]
    assert (RECORD / "policies/.policy-gone.0123abcd.work").exists() == (stage == "train")
    assert not (RESULTS / "generate/gx.parquet").exists()


@pytest.mark.parametrize("name", ["judge/g1/both.parquet", "train/pa/g3~g1/all/sft/s0/policy.json"])
def test_a_stage_with_an_output_that_cannot_be_read_is_kept_whole(name, capsys):
    add_garbage()
    (RESULTS / name).write_bytes(b"damaged")
    assert main(GC) == 0
    assert "cannot be read" in capsys.readouterr().out
    assert (RECORD / ("calls/judge/old" if name.startswith("judge") else "policies/policy-gx")).is_dir()


def test_a_stage_with_a_damaged_segment_is_kept_whole(capsys):
    add_garbage()
    segment = sorted((RECORD / "calls/judge/both").glob("*.parquet"))[0]
    segment.write_bytes(b"damaged")
    assert main(GC) == 0
    assert f"judge: {segment}: cannot be read" in capsys.readouterr().out
    assert segment.exists()
    assert "verdict-old" in keys_in("calls/judge/old")


def test_what_a_process_of_another_machine_left_goes_only_from_a_finished_study():
    theirs = RECORD / "policies/.x.node7-12-0123abcd.tmp"
    write_text(theirs / "config.json", "half")
    write_text(RECORD / "claims/0a", "node7-12-0123abcd")
    (RESULTS / "report/index.html").unlink()
    assert main(GC) == 0
    assert theirs.exists()
    assert (RECORD / "claims/0a").exists()
    (RESULTS / "report/index.html").write_text("there again")
    assert main(GC) == 0
    assert not theirs.exists()
    assert not (RECORD / "claims/0a").exists()


def test_a_generator_may_be_called_damaged(capsys):
    def rename(study):
        study["generators"]["g1.damaged"] = study["generators"].pop("g1")
        for experiment in study["experiments"].values():
            experiment["pairings"] = ["g3~g1.damaged"]
        study["report"]["overlap"]["pairing"] = "g3~g1.damaged"

    change(rename)
    record_calls("generate/g1.damaged", [call("trace")])
    write_text(RESULTS / "judge/g1.damaged/both.parquet", "a table")
    assert main(GC) == 0
    assert (RECORD / "calls/generate/g1.damaged").is_dir()
    assert (RESULTS / "judge/g1.damaged/both.parquet").is_file()


# --- kills ------------------------------------------------------------------------------------------------------------


def intact(clean: dict[str, str], record: dict[str, set[str]]) -> None:
    """Every current output is there as it was, and every row and checkpoint that it rests on."""
    now, rows = snapshot(), all_keys()
    assert {path: now.get(path) for path in map(str, planned())} == {path: clean[path] for path in map(str, planned())}
    for partition, keys in record.items():
        assert keys <= rows[partition]
    for path in clean:
        if path.startswith((str(RECORD / "models"), str(RECORD / "policies"))):
            assert now[path] == clean[path]


def test_after_a_kill_between_steps_all_that_is_current_is_there_and_the_next_gc_does_the_rest(tmp_path, monkeypatch):
    clean, record = snapshot(), all_keys()
    add_garbage()
    kept = tmp_path.with_name(f"{tmp_path.name}-kept")
    shutil.copytree(RESULTS, kept, symlinks=True)
    steps = len(gc.make_plan(study_here()).removals)
    assert main(GC) == 0
    ends = snapshot(but=("run.json",))
    assert steps == 29
    for dies_at in range(0, steps, 3):
        shutil.rmtree(RESULTS)
        shutil.copytree(kept, RESULTS, symlinks=True)
        left = iter(range(dies_at))

        def step(carry_out, left=left):
            if next(left, None) is None:
                raise Killed
            carry_out()

        with monkeypatch.context() as patch:
            patch.setattr(gc, "remove", lambda path: step(lambda: dependents.remove(path)))
            patch.setattr(gc, "forget", lambda *words: step(lambda: dependents.forget(*words)))
            with pytest.raises(Killed):
                main(GC)
        intact(clean, record)
        assert main(GC) == 0
        assert snapshot(but=("run.json",)) == ends, dies_at


def test_a_kill_while_a_folder_is_removed_leaves_no_half_of_it_under_its_name(monkeypatch, capsys):
    add_garbage()

    def half(folder):
        next(path for path in folder.rglob("*") if path.is_file()).unlink()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(dependents.shutil, "rmtree", half)
        with pytest.raises(Killed):
            main(GC)
    assert not (RECORD / "models/model-gx").exists()
    assert list((RECORD / "models").glob(".model-gx.*.tmp"))
    assert main(GC) == 0
    assert not list((RECORD / "models").glob(".*"))


def test_a_kill_while_rows_are_removed_loses_no_row_that_stays(monkeypatch, checkout):
    clean, record = snapshot(), all_keys()
    add_garbage()
    unlink = Path.unlink

    def killed(path, missing_ok=False):
        if path.suffix == ".parquet" and path.parent == RECORD / "calls/judge/both":
            raise Killed
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(Killed):
            main(GC)
    intact(clean, record)
    assert main(GC) == 0
    assert all_keys() == record
    segments = list((RECORD / "calls/judge/both").glob("*.parquet"))
    rows = [key for path in segments for key in dependents.tables.read(path, dependents.Call)]
    assert len(rows) == len(keys_in("calls/judge/both"))


KILLED = """
import os, signal, sys
from prefdelta.commands import dependents, gc, main
left = iter(range(int(sys.argv[1])))
def remove(path):
    if next(left, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    dependents.remove(path)
gc.remove = remove
main.main(sys.argv[2:])
"""


def test_after_sigkill_the_same_command_ends_it_and_the_run_file_is_as_before(capsys):
    add_garbage()
    ended = json.dumps({"id": "x", "host": gethostname(), "pid": 1, "ended": "then"})
    (RESULTS / "run.json").write_text(ended)
    done = subprocess.run([sys.executable, "-c", KILLED, "7", *GC], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert json.loads((RESULTS / "run.json").read_text())["ended"] is None
    assert main(GC) == 0
    assert (RESULTS / "run.json").read_text() == ended
    capsys.readouterr()
    assert main(GC) == 0
    assert "nothing to remove" in capsys.readouterr().out
    assert all((RESULTS / f"train/{arm}/policy.json").exists() for arm in POLICIES)
