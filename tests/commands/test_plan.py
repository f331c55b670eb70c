"""`prefdelta plan`, at the command line, on real dry runs.

The study is finished by hand but for prompts and judge, which run for real: nothing else is cheap.
"""

import fcntl
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import forking
from prefdelta.commands.checks.disk import room
from prefdelta.commands.checks.subject import Subject
from prefdelta.commands.main import main
from prefdelta.commands.output import format_bytes
from prefdelta.commands.planning import dry_run
from prefdelta.commands.planning.amounts import NOTHING, Amount, Basis, total
from prefdelta.commands.planning.causes import find_causes
from prefdelta.commands.planning.dollars import of_calls
from prefdelta.commands.planning.dry_run import PlannedJob, planned_jobs
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.settings import Settings
from prefdelta.records.call import Call
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.study.job_settings import SETTINGS
from prefdelta.study.study import Study
from prefdelta.workflow.job_source import job_sources, job_texts
from prefdelta.workflow.source import PACKAGE
from study.tiny import started
from workflow.planning import touch

from .made import CONFIG, DIMENSIONS, POLICIES, RECORD, RESULTS, ROOT, add_checkpoint, small_study, write_text

SECONDS = 20.0  # of CPU, for the plan of the full study
PROMPTS, SAMPLES = 12, 2
CUT = 2  # traces that are cut off, and so not judged
WORDS = ("plan", "--configfile", CONFIG)
RUBRIC = Path(f"resources/rubrics/{DIMENSIONS[0]}.md")
JUDGED = ["results/mini/judge/g3/both.parquet", "results/mini/judge/g1/both.parquet"]


def study() -> dict[str, Any]:
    found = small_study()
    found["prompts"]["train"]["items"] = PROMPTS
    found["generators"]["g3"]["samples"] = SAMPLES
    found["compute"]["judge"] |= {"tokens_per_s": 100.0, "tokens_per_call": 1000.0}
    found["compute"]["generate"] |= {"gpus": 2, "tokens_per_s": 50.0, "tokens_per_call": 40.0}
    return found


def write_study(content: dict[str, Any]) -> None:
    Path(CONFIG).write_text(yaml.safe_dump(content, sort_keys=False))


def make_checkout(folder: Path) -> Path:
    for name in ("Snakefile", "profiles", "mini", "slurm"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("workflow", "resources"):
        shutil.copytree(ROOT / name, folder / name)
    os.chdir(folder)
    write_study(study())
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = Path.cwd()
    folder = make_checkout(tmp_path_factory.mktemp("planned"))
    try:
        jobs = planned_jobs(["--profile", "mini"])
        for job in jobs:
            if job.stage == "prompts":
                start_by_hand(job)
        make_traces()
        for job in jobs:
            if job.stage == "judge":
                start_by_hand(job)
            elif job.stage != "prompts":
                pretend(job)
        touch(folder, "--forceall")
        yield folder
    finally:
        os.chdir(before)


@pytest.fixture(autouse=True)
def forked_dry_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dry runs in forks. That of `finished` is a process of its own, and that whose seconds are measured."""

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return forking.run(command, Path.cwd(), os.environ, 120, joined=True)

    forks = SimpleNamespace(run=run, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)
    monkeypatch.setattr(dry_run, "subprocess", forks)


@pytest.fixture
def checkout(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True, symlinks=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start_by_hand(job: PlannedJob) -> None:
    """Run a job by its command line, which takes less than having Snakemake run it."""
    listed = [
        [f"--{option}", *(f"{name}={' '.join(map(str, paths))}" for name, paths in files.items())]
        for option, files in (("in", job.inputs), ("out", {**job.outputs, "manifest": [job.manifest]}))
    ]
    words = [word for part in listed for item in part for word in item.split(" ")]
    words += ["--settings", job.settings, "--code", job.code, "--record", str(job.record)]
    done = started(Path.cwd(), sys.executable, "-m", f"{PACKAGE}.stages.{job.stage}", *words)
    assert done.returncode == 0, done.stderr


def run_for_real(*targets: str) -> None:
    done = started(Path.cwd(), str(Path(sys.executable).with_name("snakemake")), "--profile", "mini", *targets)
    assert done.returncode == 0, done.stdout + done.stderr


def make_traces() -> None:
    """Of g1 the first few are cut off."""
    prompts = tables.read(RESULTS / "prompts/train.parquet", Prompt)
    for generator, samples in (("g3", SAMPLES), ("g1", 1)):
        whole = [
            Trace(prompt.prompt_id, generator, sample, f"{prompt.text}\nA:{sample}", "stop", 40, 7, "key", None)
            for prompt in prompts
            for sample in range(samples)
        ]
        cut = CUT if generator == "g1" else 0
        (RESULTS / "generate").mkdir(parents=True, exist_ok=True)
        rows = [replace(trace, finish_reason="length") for trace in whole[:cut]] + whole[cut:]
        tables.write(RESULTS / f"generate/{generator}.parquet", Trace, rows)


def pretend(job: PlannedJob) -> None:
    """Write the outputs of a job that are not there, and a manifest as the job would have."""
    for path in job.writes:
        if path.name in ("policy.json", "model.json"):
            arm = path.parent.relative_to(RESULTS / job.stage).as_posix()
            kind = "policies" if job.stage == "train" else "models"
            add_checkpoint(kind, POLICIES.get(arm, f"model-{arm}"), path)
        elif not path.suffix:
            write_text(path / "scaling.svg", "<svg/>")
        elif not path.exists():
            write_text(path, f"what {path} holds\n")
    settings: Settings = SETTINGS[job.stage].model_validate_json(job.settings)
    manifest = {
        "stage": job.stage,
        "rows": 10,
        "failures": {},
        "details": {},
        "settings": json.loads(job.settings),
        "code": job.code,
        "sources": job_sources(job.stage, settings),
        "texts": job_texts(job.reads, job.record),
        "outputs": {},
        "run": {"seconds": 36.0, "computed": {}},
    }
    write_text(job.manifest, json.dumps(manifest))


def planned(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*WORDS, "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def recorded() -> int:
    """Verdicts in the record."""
    return sum(len(tables.read(path, Call)) for path in (RECORD / "calls/judge").rglob("*.parquet"))


def edit_rubric() -> None:
    RUBRIC.write_text(RUBRIC.read_text() + "Be strict.\n")


JUDGE_FIRST = {"judge": 2}
BELOW_JUDGE = {"delta": 3, "filter": 1, "train": 1, "evaluate": 1, "browse": 1, "report": 1}


@pytest.mark.usefixtures("checkout")
def test_a_finished_study_has_nothing_to_do(capsys):
    assert main(list(WORDS)) == 0
    assert "study mini: nothing to do: every output is there and up to date" in capsys.readouterr().out


@pytest.mark.usefixtures("checkout")
def test_an_edited_rubric_is_named_and_a_run_makes_exactly_the_calls_that_the_plan_counts(capsys):
    edit_rubric()
    found = planned(capsys)
    below = {stage: count for stage, count in BELOW_JUDGE.items() if stage != "browse"}  # which shows the rubric, too
    assert found["why"] == [{"cause": f"{RUBRIC} changed", "own": {**JUDGE_FIRST, "browse": 1}, "below": below}]
    assert found["jobs"] == 2 + sum(BELOW_JUDGE.values())
    judge = found["stages"]["judge"]
    assert judge["why"] == {f"{RUBRIC} changed": 2}
    assert judge["missing"] == {"value": 2 * PROMPTS - CUT, "basis": "counted"}
    # What the first run measured stands in the place of what `compute:` assumes.
    replies = [
        call.n_tokens for path in (RECORD / "calls/judge").rglob("*.parquet") for call in tables.read(path, Call)
    ]
    mean = sum(filter(None, replies)) / len(replies)
    assert judge["tokens"] == {"value": pytest.approx(mean * (2 * PROMPTS - CUT), abs=1), "basis": "measured"}
    # As deltas may come out the same, what stands on them is an upper bound.
    assert found["stages"]["train"]["missing"] == {"value": 3, "basis": "at most"}

    before = recorded()
    run_for_real(*JUDGED)
    assert recorded() - before == judge["missing"]["value"]
    assert "judge" not in planned(capsys)["stages"]


@pytest.mark.usefixtures("checkout")
def test_calls_that_are_recorded_are_not_missing(capsys):
    edit_rubric()
    run_for_real(JUDGED[0])
    found = planned(capsys)["stages"]["judge"]
    assert (found["jobs"], found["missing"]) == (1, {"value": PROMPTS - CUT, "basis": "counted"})


@pytest.mark.usefixtures("checkout")
def test_a_changed_temperature_is_named_with_its_old_and_its_new_value(capsys):
    content = study()
    content["judge"]["sampling"]["temperature"] = 0.7
    write_study(content)
    assert main(list(WORDS)) == 0
    out = capsys.readouterr().out
    assert "judge.sampling.temperature: 0.6 -> 0.7: judge 2; and what stands on it: delta 3, filter 1" in out
    assert re.search(rf"^judge +2 +{2 * PROMPTS - CUT} calls counted +[\d.]+ k measured", out, flags=re.MULTILINE)
    assert "measured: means of finished jobs" in out
    assert "smallest effect" not in out
    assert main([*WORDS, "--claims"]) == 0
    assert re.search(r"^  claim +arms .* smallest effect", capsys.readouterr().out, flags=re.MULTILINE)


@pytest.mark.usefixtures("checkout")
def test_more_votes_cost_the_new_votes_alone_and_fewer_nothing(capsys):
    content = study()
    content["judge"]["votes"] = 3
    write_study(content)
    found = planned(capsys)
    assert found["why"] == [{"cause": "judge.votes: 1 -> 3", "own": JUDGE_FIRST, "below": BELOW_JUDGE}]
    judge = found["stages"]["judge"]
    assert judge["missing"] == {"value": 2 * (2 * PROMPTS - CUT), "basis": "counted"}
    before = recorded()
    run_for_real(*JUDGED)
    assert recorded() - before == judge["missing"]["value"]
    content["judge"]["votes"] = 2
    write_study(content)
    assert planned(capsys)["stages"]["judge"]["missing"] == {"value": 0, "basis": "counted"}


@pytest.mark.usefixtures("checkout")
def test_a_new_generator_is_named_and_costs_its_own_rows(capsys):
    content = study()
    content["generators"]["hot"] = {"model": "pa", "samples": 3}
    content["experiments"]["hot"] = content["experiments"]["methods"] | {"pairings": ["hot~g1"]}
    write_study(content)
    found = planned(capsys)
    (why,) = found["why"]
    assert why["cause"] == "generator hot is new"
    assert why["below"] == {"browse": 1, "report": 1}
    assert why["own"] == {
        "generate": 1, "grade": 1, "judge": 1, "pair": 1, "delta": 3, "filter": 1, "train": 1, "evaluate": 1
    }  # fmt: skip
    generate = found["stages"]["generate"]
    assert generate["missing"] == {"value": 3 * PROMPTS, "basis": "counted"}
    assert generate["tokens"] == {"value": 3 * PROMPTS * 40, "basis": "assumed"}  # no manifest says what traces have
    assert generate["gpu_hours"] == {
        "value": pytest.approx(3 * PROMPTS * 40 / 50 * 2 / 3600, abs=0.001),
        "basis": "assumed",
    }
    assert found["stages"]["judge"]["missing"] == {"value": PROMPTS, "basis": "estimated"}
    assert found["slurm"] == {"jobs": found["jobs"], "with_gpus": 1}


@pytest.mark.usefixtures("checkout")
def test_another_judge_is_named_and_not_what_the_report_lists_of_it(capsys):
    content = study()
    content["judge"]["others"] = {"again": {"pairings": ["g3~g1"]}}
    write_study(content)
    causes = [why["cause"] for why in planned(capsys)["why"]]
    assert "form both@again is new" in causes
    assert not [cause for cause in causes if cause.startswith("report.")]


@pytest.mark.usefixtures("checkout")
def test_a_new_selection_costs_its_own_arm(capsys):
    content = study()
    content["experiments"]["selections"]["selections"].append("random-4-s1")
    write_study(content)
    found = planned(capsys)
    assert [why["cause"] for why in found["why"]] == ["selection random-4-s1 is new"]
    assert found["stages"]["train"]["missing"] == {"value": 1, "basis": "estimated"}
    assert found["stages"]["evaluate"]["missing"]["basis"] == "estimated"
    of_one = found["stages"]["evaluate"]["missing"]["value"]

    content["train"]["recipes"]["dpo"]["learning_rate"] = 1e-6
    write_study(content)
    found = planned(capsys)
    assert found["stages"]["train"]["missing"] == {"value": 4, "basis": "at most"}
    assert found["stages"]["evaluate"]["missing"] == {"value": 4 * of_one, "basis": "at most"}


@pytest.mark.usefixtures("checkout")
def test_a_new_seed_selects_only_where_ties_are_drawn(capsys):
    content = study()
    content["experiments"]["selections"]["seeds"] = [0, 1]
    write_study(content)
    found = planned(capsys)
    (why,) = found["why"]
    assert (why["cause"], why["below"]) == ("seed s1 is new", {"browse": 1, "report": 1})
    assert why["own"] == {"filter": 1, "train": 1, "evaluate": 1}  # of three arms, the one on top-mean-4
    assert found["stages"]["train"]["missing"]["value"] == 3


@pytest.mark.parametrize(("drawn", "is_over"), [(2, False), (3, True)])
@pytest.mark.usefixtures("checkout")
def test_a_selection_that_is_mostly_drawn_among_ties_is_told(capsys, drawn, is_over):
    path = RESULTS / "filter/g3~g1/top-mean-4/t0.manifest.json"
    counts = {"k": 4, "cut": 0.5, "above": 4 - drawn, "tied": 9, "drawn": drawn}
    write_text(path, json.dumps(json.loads(path.read_text()) | {"details": {"ties": counts}}))
    assert planned(capsys)["ties"] == {
        "limit": 0.5,
        "selections": [
            {"pairing": "g3~g1", "selection": "top-mean-4", **counts, "drawn_share": drawn / 4},
        ],
        "over": ["g3~g1/top-mean-4"] if is_over else [],
    }
    assert main(list(WORDS)) == 0
    out = capsys.readouterr().out
    assert ("drawn among pairs of equal delta, more than 50% (filter.max_drawn_share)" in out) == is_over
    assert bool(re.search(r"^top-mean-4 +g3~g1 +4 +\+0\.5 +1 +9 +3 +75%$", out, flags=re.MULTILINE)) == is_over


@pytest.mark.parametrize(
    ("dtype", "float16", "said"),
    [
        ("float32", 0.995, "could be evaluated in float16"),
        ("float32", 0.65, None),
        ("float16", 0.65, "rounds away what training changed in 1 of 1 trained arms"),
        ("float16", 0.995, None),
    ],
)
@pytest.mark.usefixtures("checkout")
def test_the_cheapest_precision_that_keeps_what_was_trained_is_told(capsys, dtype, float16, said):
    content = study()
    content["evaluate"]["engine"]["dtype"] = dtype
    write_study(content)
    path = next(path for path in sorted(RESULTS.glob("train/**/*.manifest.json")))
    arm = {"update_cosine_bfloat16": 0.24, "update_cosine_float16": float16}
    for other in RESULTS.glob("train/**/*.manifest.json"):
        write_text(other, json.dumps(json.loads(other.read_text()) | {"details": {"arms": {}}}))
    write_text(path, json.dumps(json.loads(path.read_text()) | {"details": {"arms": {"pa/g3~g1/all/dpo/s0": arm}}}))
    notes = [note for note in planned(capsys)["notes"] if "dtype" in note]
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


@pytest.mark.usefixtures("checkout")
def test_another_template_is_named_with_the_one_before():
    content = study()
    before, after = content["judge"]["template"], "resources/templates/other.txt"
    shutil.copy(before, after)
    content["judge"]["template"] = after
    write_study(content)
    jobs = planned_jobs(["--profile", "mini"])
    causes = find_causes(Study(content, CONFIG), jobs)
    assert causes["judge/g3/both"].own == [f"{before} -> {after}"]


OWNER, OTHER = {"name": "owner/tiny", "revision": "a" * 40}, {"name": "other/tiny", "revision": "b" * 40}
LATER = {"name": "owner/tiny", "revision": "b" * 40}


@pytest.mark.usefixtures("checkout")
def test_another_model_and_another_commit_are_named_by_where_they_stand():
    def told(before: dict[str, str] | None, after: dict[str, str] | None) -> list[str]:
        write_text(job.manifest, json.dumps({**manifest, "settings": settings | {"hub": before}}))
        now = replace(job, settings=json.dumps(settings | {"hub": after}))
        return find_causes(Study(study(), CONFIG), [now])[job.name].own

    jobs = planned_jobs(["--profile", "mini", "--forcerun", "generate"])
    (job,) = [replace(job, reason="") for job in jobs if job.name == "generate/g3"]
    manifest, settings = json.loads(job.manifest.read_text()), json.loads(job.settings)
    assert told(OWNER, None) == ["models.g3.hub: owner/tiny -> none"]
    assert told(None, OWNER) == ["models.g3.hub: none -> owner/tiny"]
    assert told(OWNER, OTHER) == ["models.g3.hub: owner/tiny -> other/tiny"]
    revision = "resources/pins.lock.json: models.owner/tiny.revision"
    assert told(OWNER, LATER) == [f"{revision}: {'a' * 40} -> {'b' * 40}"]


@pytest.mark.usefixtures("checkout")
def test_a_changed_setting_is_named_by_the_section_of_the_judge_that_has_it():
    def told(name: str, **changes: Any) -> list[str]:
        now = replace(job, name=name, settings=json.dumps(settings | changes))
        return find_causes(Study(content, CONFIG), [now])[name].own

    content = study()
    compared = {"forms": {"alone": DIMENSIONS[:1]}, "generators": ["g3"], "prompts": 4}
    others = {"again": {"pairings": ["g3~g1"], "votes": 2}}
    content["judge"] |= {"compared": compared, "others": others}
    jobs = planned_jobs(["--profile", "mini", "--forcerun", "judge"])
    (job,) = [replace(job, reason="") for job in jobs if job.name == "judge/g3/both"]
    settings = json.loads(job.settings)
    assert told("judge/g3/both", votes=2) == ["judge.votes: 1 -> 2"]
    assert told("judge/g3/both@again", votes=2) == ["judge.others.again.votes: 1 -> 2"]
    assert told("judge/g3/both@again", prompts=7) == ["judge.others.again.prompts: none -> 7"]
    sampling = settings["sampling"] | {"temperature": 0.7}
    assert told("judge/g3/both@again", sampling=sampling) == ["judge.sampling.temperature: 0.6 -> 0.7"]
    assert told("judge/g3/alone", prompts=7) == ["judge.compared.prompts: none -> 7"]


@pytest.mark.usefixtures("checkout")
def test_replies_of_another_judge_are_as_long_as_its_own_were(capsys):
    content = study()
    content["judge"]["others"] = {"again": {"pairings": ["g3~g1"]}}
    write_study(content)
    measured = {"rows": PROMPTS, "failures": {}, "details": {"mean_tokens": 5000.0}, "run": {"seconds": 1.0}}
    write_text(RESULTS / "judge/g1/both@again.manifest.json", json.dumps(measured))
    judge = planned(capsys)["stages"]["judge"]
    assert judge["missing"]["value"] == 2 * PROMPTS - CUT
    assert judge["tokens"] == {"value": 5000 * (2 * PROMPTS - CUT), "basis": "measured"}


@pytest.mark.usefixtures("checkout")
def test_a_new_temperature_of_the_untrained_policy_is_named(capsys):
    content = study()
    content["evaluate"]["groups"]["sampled"]["base_temperatures"] = [0.5]
    write_study(content)
    (why,) = planned(capsys)["why"]
    assert (why["cause"], why["own"], why["below"]) == ("temperature 0.5 is new", {"evaluate": 1}, {"report": 1})


def test_changed_source_is_named_by_module_and_what_is_recorded_is_not_asked_again(checkout):
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    verdicts = checkout / "src" / PACKAGE / "core/asking/verdicts.py"
    verdicts.write_text(verdicts.read_text() + "\n\nNOTHING_NEW = 1\n")
    done = started(checkout, sys.executable, "-m", "prefdelta.commands.main", *WORDS, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["stages"]["judge"]["why"] == {"source of core.asking.verdicts changed": 2}
    assert found["stages"]["judge"]["missing"] == {"value": 0, "basis": "counted"}
    assert found["totals"]["calls"]["value"] <= found["stages"]["evaluate"]["missing"]["value"]


def test_it_works_while_a_run_goes_on_and_changes_nothing(checkout, capsys):
    edit_rubric()
    locks = checkout / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    write_text(locks / "0.output.lock", f"{JUDGED[0]}\n")
    with (RESULTS / "run.json").open("w") as run:
        run.write('{"host": "here", "pid": 1}')
        run.flush()
        fcntl.flock(run, fcntl.LOCK_EX)
        before = {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*") if path.is_file()}
        found = planned(capsys)
        assert {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*") if path.is_file()} == before
    assert found["stages"]["judge"]["jobs"] == 2
    assert any("a run is going on (host here, pid 1)" in note for note in found["notes"])
    assert (locks / "0.output.lock").exists()


@pytest.mark.parametrize("votes", [1, 3])
def test_a_study_that_never_ran_is_reckoned_from_its_config(tmp_path, monkeypatch, capsys, votes):
    monkeypatch.chdir(tmp_path)
    make_checkout(tmp_path)
    content = study()
    content["judge"]["votes"] = votes
    write_study(content)
    found = planned(capsys)
    assert [why["cause"] for why in found["why"]] == ["not made yet"]
    judge = found["stages"]["judge"]
    assert judge["missing"] == {"value": 2 * PROMPTS * votes, "basis": "estimated"}
    assert judge["tokens"] == {"value": 2 * PROMPTS * votes * 1000, "basis": "assumed"}
    assert judge["core_hours"] == {
        "value": pytest.approx(2 * PROMPTS * votes * 1000 / 100 / 3600, abs=0.001),
        "basis": "assumed",
    }
    assert found["stages"]["reference"]["missing"] == {"value": PROMPTS * (1 + SAMPLES), "basis": "estimated"}
    assert found["disk"]["fits"] is True
    assert not (tmp_path / "results").exists()


HOSTED = {"name": "openai", "model": "judge-1", "base_url": "https://judge.example/v1", "prices": "prices.yaml"}
PRICES = {"models": {"judge-1": {"input": 1.0, "output": 4.0, "batch_discount": 0.5}}}


def test_what_so_many_calls_cost_is_unknown_if_nobody_knows_how_many_they_are():
    engine = OpenAIOptions.model_validate(HOSTED)
    tokens = Amount(40, Basis.ASSUMED)
    assert of_calls(engine, [], Amount(0, Basis.AT_LEAST), tokens, tokens) == Amount(0, Basis.AT_LEAST)


@pytest.mark.parametrize(
    ("more", "share", "told"),
    [
        ({}, 1, "no limit_usd"),
        ({"batch": {}, "limit_usd": 9.5}, 0.5, "limit_usd 9.50"),
        ({"limit_usd": 0.05}, 1, "warning: the limit would be reached before all is judged"),
    ],
)
def test_what_a_hosted_judge_costs_is_told_beside_the_limit(tmp_path, monkeypatch, capsys, more, share, told):
    monkeypatch.chdir(tmp_path)
    make_checkout(tmp_path)
    content = study()
    content["judge"]["engine"] = HOSTED | more
    write_study(content)
    Path("prices.yaml").write_text(yaml.safe_dump(PRICES))
    write_text(RECORD / "spending/a.jsonl", '{"name": "x", "usd": 0.25, "settled": true}\n')
    found = planned(capsys)
    # 2 x 12 verdicts: template and rubrics, a problem, a trace of 40 tokens; a reply of 1,000.
    texts = [Path(content["judge"]["template"]), *(RUBRIC.with_name(f"{name}.md") for name in DIMENSIONS)]
    prompt = sum(path.stat().st_size for path in texts) / 4 + 200 + 40
    usd = 2 * PROMPTS * (prompt * 1.0 + 1000 * 4.0) / 1e6 * share
    assert found["stages"]["judge"]["usd"] == {"value": pytest.approx(usd, abs=0.001), "basis": "assumed"}
    assert found["totals"]["usd"] == found["stages"]["judge"]["usd"]
    limit = more.get("limit_usd")
    assert found["spending"] == {"prices": "prices.yaml", "model": "judge-1", "spent": 0.25, "limit": limit}
    assert main(list(WORDS)) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert (
        f"dollars: about {usd:,.2f} USD for judge-1 (assumed), by prices.yaml; 0.25 USD are spent or set aside" in out
    )
    assert told in out


@pytest.mark.parametrize(
    ("prices", "told"),
    [
        (None, "No such file"),
        (
            {"models": {"judge-2": PRICES["models"]["judge-1"]}},
            "no prices of the model 'judge-1'; did you mean 'judge-2'",
        ),
        ({"models": {"judge-1": {"input": -1, "output": 1}}}, "greater than or equal to 0"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "doctor", "status"])
def test_prices_that_are_not_there_are_told_before_anything_runs(tmp_path, monkeypatch, capsys, command, prices, told):
    monkeypatch.chdir(tmp_path)
    make_checkout(tmp_path)
    content = study()
    content["judge"]["engine"] = HOSTED | {"limit_usd": 1.0}
    write_study(content)
    if prices:
        Path("prices.yaml").write_text(yaml.safe_dump(prices))
    assert main([command, "--configfile", CONFIG]) == 2
    message = capsys.readouterr().err
    assert "judge.engine.prices: prices.yaml: " in message
    assert told in message


def test_amounts_are_told_in_units_that_fit_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_checkout(tmp_path)
    content = study()
    calls = PROMPTS * (1 + SAMPLES)
    content["compute"]["generate"] |= {"tokens_per_call": 99_700 / calls, "tokens_per_s": 10.0, "runtime": 30}
    write_study(content)
    assert main(list(WORDS)) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"{calls} calls estimated 100 k assumed" in out
    assert "generate/g3 takes about 1 h 50 min (assumed), and its time limit is 30 min: it would be cut off" in out


@pytest.mark.parametrize("lora", [None, {"rank": 8, "alpha": 16}], ids=["all weights", "LoRA"])
def test_plan_and_doctor_agree_on_the_disk_that_trainings_take(tmp_path, monkeypatch, capsys, lora):
    monkeypatch.chdir(tmp_path)
    make_checkout(tmp_path)
    content = study()
    content["models"]["pa"] = {"hub": "owner/eight", "size": "8b"}
    for recipe in content["train"]["recipes"].values():
        recipe["lora"] = lora
    write_study(content)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**15))
    found = planned(capsys)["disk"]
    (line,) = room(Subject(Study(content, CONFIG), Path(CONFIG), None))
    both = found["policies"]["value"] + found["snapshots"]["value"]
    assert line.found.endswith(f"policies to come ({len(POLICIES)}) need about {format_bytes(both)}")
    # Whole policies either way; of snapshots, two with weights and the optimiser's state, or those of adapters.
    assert found["policies"]["value"] == len(POLICIES) * 8e9 * 4
    assert found["snapshots"]["value"] == pytest.approx(8e9 * 24 if lora is None else 8 * 4e6 * 24)


def test_a_training_that_asks_slurm_for_a_job_of_its_own_counts_with_all_its_gpus(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_checkout(tmp_path)
    content = study()
    content["compute"]["train"] |= {"batch": 1, "gpus": 4, "tokens_per_s": 2.0, "submitit": {"nodes": 2}}
    write_study(content)
    found = planned(capsys)
    train = found["stages"]["train"]
    assert train["jobs"] == len(POLICIES)
    assert train["gpu_hours"]["value"] == pytest.approx(train["tokens"]["value"] / 2 * 8 / 3600, abs=0.001)
    assert found["slurm"]["with_gpus"] == train["jobs"] + found["stages"]["generate"]["jobs"]


def test_the_full_study_is_planned_in_seconds_with_its_assumptions_marked(tmp_path, monkeypatch, capsys):
    for name in ("Snakefile", "config.yaml", "workflow", "profiles", "slurm", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dry_run, "subprocess", subprocess)
    before = cpu_seconds()
    assert main(["plan", "--json"]) == 0
    assert cpu_seconds() - before < SECONDS
    found = json.loads(capsys.readouterr().out)
    # 22,000 prompts in 3 draws: 4 + 2 + 2 + 4 samples; those that OpenR1-Math ships are not asked for.
    assert found["stages"]["generate"]["missing"] == {"value": 3 * 22_000 * 12, "basis": "estimated"}
    # 2 + 2 + 2 + 1 + 1 judged, in 2 forms, and 2 + 1 in both other draws; in 5 more forms, and the 2 again, of 500
    # prompts, 2 + 1.
    judged = 22_000 * (8 + 2 * 3) * 2 + 500 * 3 * (5 + 2)
    assert found["stages"]["judge"]["missing"] == {"value": judged, "basis": "estimated"}
    # Of 174 arms, and four times of the base at four temperatures.
    # GSM8K, MATH-500, AMC and AIME sixteen times, OlympiadBench; TheoremQA, MMLU-Pro; LiveCodeBench.
    items = 1319 + 500 + 16 * (83 + 30 + 30) + 674 + 800 + 1000 + 167
    assert found["stages"]["evaluate"]["missing"] == {"value": (174 + 4 * 4) * items, "basis": "assumed"}
    for stage in ("generate", "judge", "reference", "evaluate"):
        assert found["stages"][stage]["gpu_hours"]["basis"] == "assumed"
    assert found["totals"]["gpu_hours"]["value"] > 100
    # 174 policies of 8 billion parameters in float32; two snapshots with the optimiser's state.
    assert found["disk"]["policies"] == {"value": 174 * 8e9 * 4, "basis": "assumed"}
    assert found["disk"]["snapshots"] == {"value": 8e9 * 12 * 2, "basis": "assumed"}
    # An effect is seen if it is 2.8 standard errors: of a gain over 3 runs that vary by a point, at least 2.8/√3.
    assert all(effects for effects in found["power"].values())
    gains = [line["effect"] for line in found["power"]["cells-gain"] if line["unit"] == "points"]
    assert min(gains) > 1.6
    prices = found["prices"]
    assert prices["claims"]["cells-gain"]["arms"] == 4 * 3 + 3 + 9 * 3  # cells; alike ones; the grid
    every = [*prices["claims"].values(), prices["rest"]]
    assert all(price["alone"]["value"] <= price["hours"]["value"] <= 3500 for price in every)
    assert prices["together"]["value"] < found["totals"]["gpu_hours"]["value"]
    assert found["slurm"] == {"jobs": 1109, "with_gpus": 60 + 32 + 13 + 174 + 534}
    assert not (tmp_path / "results").exists()


def cpu_seconds() -> float:
    """Of this process and all its children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def test_a_plan_that_cannot_be_made_is_told(tmp_path, monkeypatch, capsys):
    make_checkout(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").unlink()
    assert main(list(WORDS)) == 2
    assert "cannot plan" in capsys.readouterr().err


def test_a_sum_is_known_as_the_worst_of_its_parts_is():
    counted, assumed, unknown = Amount(2), Amount(3, Basis.ASSUMED), Amount(0, Basis.AT_LEAST)
    assert total([counted, assumed]) == Amount(5, Basis.ASSUMED)
    assert total([counted, NOTHING, Amount(0, Basis.ASSUMED)]) == counted
    assert total([counted, unknown]) == Amount(2, Basis.AT_LEAST)
    assert counted * assumed == Amount(6, Basis.ASSUMED)
    assert NOTHING * assumed == NOTHING
