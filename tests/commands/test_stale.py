"""`prefdelta status` after an edit: what is there, and was made otherwise than it would be now, is not done."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.main import main
from prefdelta.system.files import sha256_of

from .made import CONFIG, DIMENSIONS, RESULTS, study_here, write_text

RUBRIC = Path(f"resources/rubrics/{DIMENSIONS[0]}.md")
JUDGE = RESULTS / "judge/g3/both.parquet"
BELOW_JUDGE = {"delta": 3, "filter": 1, "train": 1, "evaluate": 1, "browse": 1, "report": 1}


@pytest.fixture
def finished(checkout):
    """The manifests that jobs leave which were all made as they would be now."""
    for job in study_here().all_jobs:
        pin(job)
    return checkout


def pin(job, **other):
    made = {path for one in study_here().all_jobs for path in one.outputs}
    reads = {path: sha256_of(Path(path)) for path in job.reads}
    manifest = {
        "stage": job.stage,
        "rows": 6,
        "failures": {},
        "details": {},
        "settings": json.loads(job.settings),
        "code": job.code,
        "texts": {path: content for path, content in reads.items() if path not in made},
        "inputs": {path: content for path, content in reads.items() if path in made},
        "outputs": {path: sha256_of(Path(path)) for path in job.outputs if Path(path).is_file()},
        "run": {"seconds": 30.0, "computed": {}},
    }
    write_text(Path(job.manifest), json.dumps({**manifest, **other}))
    write_text(
        Path(job.manifest.replace(f"{RESULTS}/", f"{RESULTS}/logs/").replace(".manifest.json", ".log")), "done: 6\n"
    )


def look(capsys, *words):
    assert main(["status", "--configfile", CONFIG, *words]) == 0
    return capsys.readouterr().out


def stale(capsys):
    """(stage -> stale jobs, why -> stale jobs)."""
    jobs = [job for job in json.loads(look(capsys, "--json"))["jobs"] if job["state"] == "stale"]
    return Counter(job["stage"] for job in jobs), Counter(job["why"] for job in jobs)


def edit(change):
    content = yaml.safe_load(Path(CONFIG).read_text())
    change(content)
    Path(CONFIG).write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.mark.usefixtures("finished")
def test_what_was_made_as_it_would_be_now_is_done(capsys):
    assert stale(capsys) == ({}, {})
    assert "stale" not in look(capsys)


@pytest.mark.usefixtures("finished")
def test_an_edit_of_the_config_makes_stale_what_reads_it_and_what_stands_on_it(capsys):
    edit(lambda content: content["judge"]["sampling"].update(temperature=0.7))
    # The page shows them.
    assert stale(capsys) == ({"judge": 2, **BELOW_JUDGE}, {"other_settings": 3, "other_inputs": 7})
    told = " ".join(look(capsys).split())
    assert "16 of 26 jobs done, 10 stale" in told
    assert "stale: 7 by other inputs, 3 by other settings; the next run makes them anew (prefdelta plan" in told
    assert "left: roughly 5 min of jobs" in told  # 10 of 30 s


@pytest.mark.usefixtures("finished")
def test_an_edited_rubric_makes_stale_what_was_judged_by_it(capsys):
    RUBRIC.write_text(RUBRIC.read_text() + "Be strict.\n")
    assert stale(capsys) == ({"judge": 2, **BELOW_JUDGE}, {"other_texts": 3, "other_inputs": 7})


@pytest.mark.usefixtures("finished")
def test_edited_source_makes_stale_what_ran_it(capsys):
    (job,) = [job for job in study_here().all_jobs if job.stage == "pair"]
    pin(job, code="0123456789abcdef")
    assert stale(capsys)[1]["other_source"] == 1


@pytest.mark.usefixtures("finished")
@pytest.mark.parametrize("same", [True, False])
def test_a_table_that_was_made_anew_makes_stale_what_stands_on_it_only_if_it_is_another(capsys, same):
    # As after a run that was cut off in the middle.
    if not same:
        JUDGE.write_bytes(JUDGE.read_bytes() + b"other")
    pin(next(job for job in study_here().all_jobs if str(JUDGE) in job.outputs))
    assert stale(capsys) == (({}, {}) if same else (BELOW_JUDGE, {"other_inputs": 8}))


@pytest.mark.usefixtures("finished")
def test_what_stands_on_a_table_that_is_gone_is_not_done(capsys):
    JUDGE.unlink()
    JUDGE.with_suffix(".manifest.json").unlink()
    assert stale(capsys)[0] == BELOW_JUDGE


@pytest.mark.usefixtures("finished")
def test_a_new_selection_leaves_the_tables_of_others_done(capsys):
    edit(lambda content: content["experiments"]["selections"]["selections"].append("random-4-s1"))
    assert stale(capsys)[0] == {"browse": 1, "report": 1}


@pytest.mark.usefixtures("finished")
def test_a_stale_job_that_is_made_anew_is_told_as_it_goes(capsys):
    edit(lambda content: content["judge"]["sampling"].update(temperature=0.7))
    write_text(RESULTS / "logs/judge/g3/both.log", "Traceback (most recent call last):\nKeyError: 'g3'\n")
    (job,) = [job for job in json.loads(look(capsys, "--json"))["jobs"] if job["name"] == "judge/g3/both"]
    assert (job["state"], job["why"]) == ("failed", "defect")
