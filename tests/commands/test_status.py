"""`prefdelta status`: what is done, what runs, what failed and why; and it only looks."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from socket import gethostname

import pytest
import yaml

from prefdelta.commands.main import main
from prefdelta.commands.overview.signals import death_in_run_logs
from prefdelta.core.ids import digest
from prefdelta.core.layout import events_of
from prefdelta.scheduler import slurm
from prefdelta.scheduler.slurm import Submitted

from .made import ALL, CONFIG, RESULTS, SWAPPED, dead_pid, study_here, write_text

pytestmark = pytest.mark.usefixtures("checkout")


def report(done, of, per_second, seconds_left):
    """An event of progress."""
    numbers = {"done": done, "of": of, "per_second": per_second, "seconds_left": seconds_left}
    return {"event": "progress", "what": "judge g3 both, attempt 1", "unit": "requests", **numbers}


RUN = "host-1-0123abcd"
JUDGE = "judge:generator=g3,form=both"
LOG = RESULTS / "logs/judge/g3/both.log"
SLURM_LOG = Path("slurm-logs/7.log")
BY_HAND = "python -m prefdelta.stages.judge --in a=b --out c=d --settings {} --record results/mini/record\n"
HALF_JUDGED = ("judge g3 both, attempt 1: 1,500/2,000 requests, 12.5/s, 40 s left\n", report(1500, 2000, 12.5, 40.0))
WORKING = "import sys, time; print('ready', flush=True); time.sleep(60)"


def ended(how, message=""):
    return {"event": "end", "how": how, "message": message, "rows": None, "failed": None}


def look(capsys, *words):
    """What the command prints, as if all took no time; after checking that it changed nothing."""
    before = everything()
    assert main(["status", "--configfile", CONFIG, *words]) == 0
    assert everything() == before
    return re.sub(r"written \d+ s ago", "written 0 s ago", capsys.readouterr().out)


def everything():
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in Path().rglob("*")}


def jobs(capsys):
    return {job["name"]: job for job in json.loads(look(capsys, "--json"))["jobs"]}


def take_away(name, log="", *events):
    """Have a job not be done; its log says `log`, and it reported these events."""
    path = RESULTS / f"logs/{name}.log"
    write_text(path, f"{BY_HAND}{log}" if events else log)
    if events:
        reported = [{"event": "start", "run": RUN}, *events]
        lines = [json.dumps({**event, "at": 0.0, "attempt": 1}) for event in reported]
        write_text(events_of(path), "\n".join(lines) + "\n")
    for job in study_here().jobs(name.partition("/")[0]):
        if job.manifest == f"{RESULTS}/{name}.manifest.json":
            for path in (*job.outputs, job.manifest):
                Path(path).unlink()


def write_run(started="2026-01-02 03:04:05 UTC", **more):
    about = {"id": RUN, "host": gethostname(), "pid": dead_pid(), "command": "snakemake --profile mini", "ended": None}
    write_text(RESULTS / "run.json", json.dumps({**about, "started": started, **more}))


def claim(name, owner):
    write_text(RESULTS / "record/claims" / digest(f"{RESULTS}/{name}.manifest.json")[:16], owner)


def working(*words):
    process = subprocess.Popen([sys.executable, "-c", WORKING, *words], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


def submit(target=JUDGE, job="7", run=RUN, at=None, state=None, reason="None"):
    """Have SLURM accept a job, and (state) know it."""
    line = Submitted(job, run, target, str(SLURM_LOG), time.time() if at is None else at)
    with (RESULTS / "slurm/submitted.jsonl").open("a") as file:
        file.write(json.dumps(asdict(line)) + "\n")
    if state:
        tag = slurm.environment(RESULTS, run)[slurm.TAG]
        with Path("bin/queue").open("a") as file:
            file.write(f"{job}|{state}|2:00:00|4:00:00|n1|{reason}|rule_judge {tag}:0123abcd\n")


@pytest.fixture
def cluster(checkout, monkeypatch):
    """A squeue that knows what `submit` tells it."""
    (RESULTS / "slurm").mkdir()
    write_text(Path("bin/queue"), "9|RUNNING|1:00|2:00|n1|None|somebody else's\n")
    write_text(Path("bin/squeue"), f"#!/bin/sh\ncat {checkout}/bin/queue\n")
    Path("bin/squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{checkout}/bin", prepend=os.pathsep)


# --- the study --------------------------------------------------------------------------------------------------------


def test_before_anything_ran(capsys):
    RESULTS.rename("elsewhere")
    told = look(capsys)
    assert "results/mini: 0 of 26 jobs done, 26 missing\nno run yet\nleft: unknown for prompts, ladder," in told
    assert "failed:" not in told
    assert not RESULTS.exists()


def test_when_all_is_done(capsys):
    write_run(ended="2026-01-02 04:00:00 UTC")
    told = look(capsys)
    assert told.startswith("results/mini: 26 of 26 jobs done\nended 2026-01-02 04:00:00 UTC: snakemake --profile mini")
    assert re.search(r"^judge +2 +2$", told, re.MULTILINE)
    assert "left:" not in told
    assert look(capsys, "--failed") == "results/mini: nothing failed\n"


def test_while_it_runs(capsys):
    take_away("judge/g3/both", *HALF_JUDGED)
    take_away("judge/g1/both", "")
    manifest = RESULTS / "grade/g3.manifest.json"
    write_text(manifest, json.dumps({"rows": 6, "failures": {}, "run": {"seconds": 30.0, "computed": {}}}))
    take_away("grade/g1")
    (RESULTS / "logs/grade/g1.log").unlink()
    with working("prefdelta.stages.judge", "--profile", "mini") as process:
        write_run(pid=process.pid)
        claim("judge/g3/both", f"{gethostname()}-{process.pid}-0123abcd")
        told, found = look(capsys), json.loads(look(capsys, "--json"))
        process.kill()
    assert "23 of 26 jobs done, 2 running, 1 missing\nrunning: snakemake --profile mini" in told
    assert "judge/g3/both\n    1,500/2,000 requests, 12.5/s; 40 s left; log written 0 s ago; process" in told
    assert "judge/g1/both\n    log written 0 s ago" in told  # it has just started
    assert found["left"] == {"job_seconds": 70.0, "at_once": 2, "seconds": 35.0, "unknown": ["judge"]}
    assert "left: roughly 35 s, at 2 at once as now" in told


def test_next_to_nothing_is_left(capsys):
    take_away("judge/g3/both", "", report(2000, 2000, 12.5, 0.0))
    with working("prefdelta.stages.judge", "--profile", "mini") as process:
        write_run(pid=process.pid)
        claim("judge/g3/both", f"{gethostname()}-{process.pid}-0123abcd")
        told = look(capsys)
        process.kill()
    assert "\nleft: next to nothing, by the mean times" in told


def test_what_is_begun_and_not_done_stands_below_its_generator(capsys):
    take_away("grade/g3", "error: no\n", ended("error"))
    take_away("judge/g3/both")
    with working("prefdelta.stages.judge", "--profile", "mini") as process:
        write_run(pid=process.pid)
        claim("judge/g3/both", f"{gethostname()}-{process.pid}-0123abcd")
        told = look(capsys)
        process.kill()
    assert re.search(r"^g3 +1/1 +0/1 +0/1.*\n  grade: 1 failed; judge: 1 running\ng1 +1/1 ", told, re.MULTILINE)


def test_a_study_without_a_profile_goes_on_as_it_ran_before(capsys):
    take_away("judge/g3/both", "error: no\n", ended("error"))
    write_run(command="/there/bin/snakemake --profile slurm --jobs 7")
    assert look(capsys).endswith("to go on: snakemake --profile slurm --jobs 7\n")
    write_run(command="/there/bin/prefdelta gc")
    assert look(capsys).endswith("to go on: snakemake --profile mini\n")


def test_a_killed_run_and_what_it_was_at(capsys):
    take_away("judge/g3/both", *HALF_JUDGED)
    claim("judge/g3/both", f"{gethostname()}-{dead_pid()}-0123abcd")
    take_away("judge/g1/both", "judge g1 both: 3 requests, 1 of them recorded\n")
    write_run()
    told = look(capsys)
    assert "24 of 26 jobs done, 1 failed, 1 stopped\nkilled: the process is gone" in told
    assert "judge/g3/both: killed" in told
    assert "judge/g1/both: stopped" in told
    assert "| judge g3 both, attempt 1: 1,500/2,000 requests, 12.5/s, 40 s left" in told
    assert told.endswith("snakemake --profile mini\n")


def test_a_run_on_another_machine_is_not_judged(capsys):
    take_away("judge/g3/both", *HALF_JUDGED)
    claim("judge/g3/both", "node7-12-0123abcd")
    write_run(host="node7")
    told = look(capsys)
    assert "25 of 26 jobs done, 1 running\nnot ended, but whether it is alive can only be seen on node7" in told
    write_run(host="node7", ended="2026-01-02 04:00:00 UTC")
    assert jobs(capsys)["judge/g3/both"]["state"] == "failed"


def test_a_process_that_got_the_id_of_a_dead_run_is_not_that_run(capsys):
    with working("something", "else") as process:
        write_run(pid=process.pid)
        assert "\nkilled:" in look(capsys)
        process.kill()


def test_while_another_command_is_at_work(capsys):
    with working("gc") as process:
        write_run(pid=process.pid, command="prefdelta gc", before=json.dumps({}))
        assert "\nrunning: prefdelta gc" in look(capsys)
        process.kill()


# --- what failed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "why", "advice"),
    [
        ("a first line\nerror: 30% of rows failed\n", "error", "The message says"),
        ("Traceback (most recent call last):\n  File x\nKeyError: 'g3'\n", "defect", "report it"),
        ("error: out of memory (x). Raise it.\n", "out_of_memory", "the log says which"),
        ("error: the server died:\nTraceback (most recent call last):\n", "error", "The message says"),
    ],
)
def test_a_job_that_failed(log, why, advice, capsys):
    take_away("judge/g3/both", log, ended(why))
    write_run(ended="2026-01-02 04:00:00 UTC")
    told = look(capsys)
    assert "25 of 26 jobs done, 1 failed" in told
    assert f"judge/g3/both: {why}\n" in told
    assert f"log: {LOG} (written 0 s ago)" in told
    assert all(f"    | {line}" in told for line in log.splitlines())
    assert advice in told
    assert look(capsys, "--failed") == told[told.index("failed:\n") :]


def test_a_job_that_was_stopped_by_a_signal_says_so_itself(capsys):
    take_away("judge/g3/both", "a line\n", report(1, 2, 0.1, 10.0), ended("stopped", "SIGINT"))
    assert "judge/g3/both: SIGINT\n" in look(capsys)


def test_a_stage_that_python_cannot_begin_is_a_defect(capsys):
    take_away("judge/g3/both", "Traceback (most recent call last):\nModuleNotFoundError: No module named 'x'\n")
    assert jobs(capsys)["judge/g3/both"]["why"] == "defect"


def test_events_of_an_earlier_attempt_are_not_those_of_one_that_was_killed_at_its_start(capsys):
    take_away("judge/g3/both", "", ended("error"))
    LOG.write_text("")  # as the shell does
    assert jobs(capsys)["judge/g3/both"]["why"] == "stopped"


def test_events_with_a_line_that_is_cut_or_of_another_version_still_count(capsys):
    take_away("judge/g3/both", "", report(1, 2, 0.1, 10.0), {"event": "end", "why": "?"})
    with events_of(LOG).open("a") as file:
        file.write('{"event": "progress", "what": "judge g3 bo')
    found = jobs(capsys)["judge/g3/both"]
    assert (found["why"], found["progress"]["done"]) == ("stopped", 1)


@pytest.mark.parametrize(
    ("says", "signal"),
    [
        ("Fatal Python error: Segmentation fault\n\nThread 0x7f (most recent call first):\n", "SIGSEGV"),
        ("training\nFatal Python error: Bus error\n\nCurrent thread 0x7f (most recent call first):\n", "SIGBUS"),
        ("Fatal Python error: Aborted\n", "SIGABRT"),
    ],
)
def test_a_job_that_crashed_is_shown_with_the_signal(says, signal, capsys):
    take_away("judge/g3/both", says)
    write_run()
    claim("judge/g3/both", f"{gethostname()}-{dead_pid()}-0123abcd")
    told = look(capsys)
    assert f"judge/g3/both: {signal}\n" in told
    assert "A crash in compiled code" in told


# As Snakemake 9.27.1 writes it.
DIED = """RuleException:
CalledProcessError in file "workflow/rules/judge.smk", line 24:
Command 'set -euo pipefail;  exec python -m prefdelta.stages.judge --out judgements={output}
 manifest={manifest} --settings x 2> judge.log' {told}.
""".replace("\n manifest", " manifest")


def died(told):
    return DIED.format(output="x", manifest=RESULTS / "judge/g3/both.manifest.json", told=told)


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("died with <Signals.SIGKILL: 9>", "SIGKILL"),
        ("died with <Signals.SIGSEGV: 11>", "SIGSEGV"),
        ("died with <Signals.SIGTERM: 15>", "SIGTERM"),
        ("died with <Signals.SIGUSR1: 10>", "SIGUSR1"),
        ("returned non-zero exit status 137", "SIGKILL"),
        ("returned non-zero exit status 143", "SIGTERM"),
    ],
)
def test_a_job_that_said_nothing_is_shown_with_the_signal_that_snakemake_saw(told, name, capsys):
    take_away("judge/g3/both", *HALF_JUDGED)
    take_away("judge/g1/both", "judge g1 both, attempt 1: 1,500/2,000 requests, 12.5/s, 40 s left\n")
    write_text(Path(".snakemake/log/2026-01-02T030405.1.snakemake.log"), died(told))
    write_run(ended="2026-01-02 04:00:00 UTC")
    told = look(capsys)
    assert f"judge/g3/both: {name}\n" in told
    assert "judge/g1/both: stopped\n" in told  # of which nothing is said


SNAKEFILE = """
rule ends:
    output: manifest="made.manifest.json"
    shell: "exec sh -c '{ending}' --out manifest={{output.manifest:q}} --settings x"
"""


@pytest.mark.parametrize(
    ("ending", "name"),
    [("kill -KILL $$", "SIGKILL"), ("kill -SEGV $$", "SIGSEGV"), ("exit 137", "SIGKILL"), ("exit 2", None)],
)
def test_snakemake_writes_into_its_log_what_is_looked_for_there(ending, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "Snakefile", SNAKEFILE.format(ending=ending))
    done = subprocess.run([sys.executable, "-m", "snakemake", "-c1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert death_in_run_logs("made.manifest.json", 0.0) == name


@pytest.mark.usefixtures("cluster")
def test_a_job_of_slurms_is_shown_with_the_signal_that_its_own_snakemake_saw(capsys):
    take_away("judge/g3/both", "a line\n")
    write_text(SLURM_LOG, died("died with <Signals.SIGBUS: 7>"))
    submit(state="FAILED", at=time.time() - 5)
    assert jobs(capsys)["judge/g3/both"]["why"] == "SIGBUS"


def test_a_signal_of_an_earlier_run_is_not_that_of_a_later_one(capsys):
    log = Path(".snakemake/log/2026-01-02T030405.1.snakemake.log")
    write_text(log, died("died with <Signals.SIGKILL: 9>"))
    os.utime(log, (time.time() - 60,) * 2)
    take_away("judge/g3/both", "a line of today\n")
    assert jobs(capsys)["judge/g3/both"]["why"] == "stopped"


def test_a_log_cannot_control_the_terminal(capsys):
    take_away("judge/g3/both", "error: \x1b[2J\x07 cleared \u202e\n", ended("error"))
    assert "| error: \\x1b[2J\\x07 cleared \\u202e\n" in look(capsys)


def test_pairs_that_a_selection_leaves_are_no_failed_rows(capsys):
    for job in study_here().jobs("filter"):
        manifest = {"rows": 4919, "failures": {}, "not_selected": 4669, "run": {"seconds": 1.0, "computed": {}}}
        write_text(Path(job.manifest), json.dumps(manifest))
    count = len(study_here().jobs("filter"))
    assert re.search(rf"^filter +{count} +{count} +{250 * count:,} of {4919 * count:,}$", look(capsys), re.MULTILINE)


def test_what_was_made_and_taken_away_has_not_failed(capsys):
    take_away("judge/g3/both", "error: an earlier line\ndone: 12 rows, 0 of them failed\n", ended("done"))
    assert jobs(capsys)["judge/g3/both"]["state"] == "missing"


def test_failures_of_an_earlier_run_are_not_those_of_one_that_goes_on(capsys):
    take_away("judge/g3/both", "error: 30% of rows failed\n", ended("error"))
    with working("snakemake", "--profile", "mini") as process:
        write_run(pid=process.pid, started=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + 5)))
        assert jobs(capsys)["judge/g3/both"]["state"] == "missing"
        process.kill()


def test_many_failures_leave_room_for_the_rest(capsys):
    study = study_here()
    for stage in ("prompts", "generate", "grade", "judge", "delta"):
        for job in study.jobs(stage):
            take_away(
                job.manifest.removeprefix(f"{RESULTS}/").removesuffix(".manifest.json"), "error: no\n", ended("error")
            )
    assert "and 3 more: prefdelta status --failed" in look(capsys)
    assert look(capsys, "--failed").count("| error: no") == 11


# --- SLURM ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("state", "shown", "advice"),
    [
        ("TIMEOUT", "failed", "raise compute.judge.runtime"),
        ("OUT_OF_MEMORY", "failed", "raise compute.judge.mem_mb"),
        ("NODE_FAIL", "failed", "Its node died"),
        ("CANCELLED", "stopped", "scancel"),
        ("PREEMPTED", "stopped", "higher priority"),
        ("FAILED", "failed", "SLURM's own log may"),
    ],
)
def test_the_state_in_which_slurm_ended_a_job(state, shown, advice, capsys):
    take_away("judge/g3/both", *HALF_JUDGED)
    submit(state=state, at=time.time() - 5)
    told = look(capsys)
    assert f"25 of 26 jobs done, 1 {shown}" in told
    assert f"judge/g3/both: {state}\n" in told
    assert f"SLURM job 7 on n1, 2:00:00 of 4:00:00\n    SLURM's log: {SLURM_LOG}\n    log: {LOG}" in told
    assert "| judge g3 both, attempt 1: 1,500/2,000" in told
    assert advice in " ".join(told.split())


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-02T03:04:05 DUE TO TIME LIMIT ***\n", "TIMEOUT"),
        ("slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch.\n", "OUT_OF_MEMORY"),
        ("slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-02T03:04:05 ***\n", "CANCELLED"),
        ("something else\n", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_job_that_slurm_has_forgotten_is_judged_by_its_logs(says, why, capsys):
    take_away("judge/g3/both")
    LOG.unlink()
    if says:
        write_text(SLURM_LOG, says)
    submit()
    found = jobs(capsys)["judge/g3/both"]
    assert (found["why"], found["slurm"]["id"], found["slurm"]["state"]) == (why, "7", None)
    assert found["slurm"]["last_lines"] == ([says.strip()] if says else [])


@pytest.mark.usefixtures("cluster")
def test_what_a_job_said_of_itself_is_more_than_that_it_failed(capsys):
    take_away("judge/g3/both", "error: the server did not start\n", ended("error"))
    submit(state="FAILED", at=time.time() - 5)
    assert jobs(capsys)["judge/g3/both"]["why"] == "error"


@pytest.mark.usefixtures("cluster")
def test_jobs_that_wait_and_run(capsys):
    take_away("judge/g3/both")
    take_away("judge/g1/both", "", report(1, 2, 0.1, 10.0))
    batch = study_here().train_batches[0]
    take_away(batch.manifest.removeprefix(f"{RESULTS}/").removesuffix(".manifest.json"))
    submit(state="PENDING", reason="Resources")
    submit("judge:generator=g1,form=both", "8", state="RUNNING")
    submit(f"{batch.rule}:", "10", state="PENDING", reason="Priority")
    submit("judge:generator=gx,form=both", "11", state="PENDING")
    told = look(capsys)
    assert "23 of 26 jobs done, 1 running, 2 queued" in told
    assert "1/2 requests, 0.1/s; 10 s left; log written 0 s ago; SLURM 8 on n1 for 2:00:00" in told
    assert "waiting in SLURM's queue:\n  1 for Resources\n  1 for Priority\n\n" in told
    assert "nobody waits for them (prefdelta stop ends them):\n  11 PENDING for 2:00:00: rule_judge\n" in told
    assert "somebody" not in told


@pytest.mark.usefixtures("cluster")
def test_a_job_that_trains_an_arm_belongs_to_the_arms_batch(capsys):
    name = "train/pa/g3~g1/dpo-s0-all"
    take_away(name, "error: what it sent does not fit\n", ended("error"))
    submit(ALL, state="RUNNING", at=time.time() - 5)
    assert jobs(capsys)[name]["state"] == "running"
    submit(SWAPPED, job="8", state="COMPLETED", at=time.time() - 5)
    found = jobs(capsys)[name]
    assert (found["why"], found["slurm"]["id"]) == ("error", "8")


@pytest.mark.usefixtures("cluster")
def test_what_slurm_completed_and_was_taken_away_since_has_not_failed(capsys):
    take_away("judge/g3/both")
    submit(state="COMPLETED", at=time.time() - 5)
    assert jobs(capsys)["judge/g3/both"]["state"] == "missing"


@pytest.mark.usefixtures("cluster")
def test_a_later_attempt_counts(capsys):
    take_away("judge/g3/both", "error: of the first attempt\n", ended("error"))
    os.utime(LOG, (time.time() - 60, time.time() - 60))
    submit(state="TIMEOUT", at=time.time() - 90)
    submit(job="8", state="PENDING")
    assert jobs(capsys)["judge/g3/both"]["state"] == "queued"
    submit(job="9", at=time.time() + 1)
    found = jobs(capsys)["judge/g3/both"]
    assert (found["state"], found["why"], found["slurm"]["id"]) == ("failed", "unknown", "9")


@pytest.mark.usefixtures("cluster")
def test_a_later_run_without_slurm_counts(capsys):
    take_away("judge/g3/both", "error: of the later run\n", ended("error"))
    submit(run="an earlier one", state="TIMEOUT", at=time.time() - 5)
    write_run(ended="2026-01-02 04:00:00 UTC")
    found = jobs(capsys)["judge/g3/both"]
    assert (found["why"], found["slurm"]) == ("error", None)


@pytest.mark.usefixtures("cluster")
def test_where_slurm_cannot_be_asked(checkout, capsys, monkeypatch):
    take_away("judge/g3/both")
    LOG.unlink()
    submit(state="TIMEOUT")
    write_text(Path("bin/squeue"), "#!/bin/sh\necho 'Unable to contact slurm controller' >&2; exit 1\n")
    told = look(capsys)
    assert "25 of 26 jobs done, 1 missing" in told
    assert "Unable to contact slurm controller" in told
    monkeypatch.setenv("PATH", str(checkout))
    assert "note: this machine has no squeue" in look(capsys)


# --- rows -------------------------------------------------------------------------------------------------------------


def test_what_failed_is_counted_by_generator_and_reason(capsys):
    config = yaml.safe_load(Path(CONFIG).read_text())
    config["generators"]["g3"] |= {"shards": 2}
    write_text(Path(CONFIG), yaml.safe_dump(config))
    rows = {
        "generate/g1": (2_000, {"truncated": 50, "too_long": 10}),
        "grade/g1": (2_000, {"truncated": 50, "too_long": 10, "no_answer": 40}),
        "judge/g1/both": (4_000, {"unusable_trace": 120, "not_json": 80}),
        "generate/g3/shard-0-of-2": (900, {"truncated": 9}),
        "generate/g3": (1_900, {"truncated": 19}),
    }
    for name, (count, failures) in rows.items():
        write_text(RESULTS / f"{name}.manifest.json", json.dumps({"rows": count, "failures": failures}))
    write_text(RESULTS / "generate/g3/shard-0-of-2.parquet", "")
    told = look(capsys)
    assert re.search(r"^g1 +1/1 +1/1 +1/1 +2,000 +2.5% +0.5% +5.0% +5.0%$", told, re.MULTILINE)
    assert re.search(r"^g3 +2/3 +1/1 +1/1 +1,900 +1.0% +0.0%", told, re.MULTILINE)  # a shard's rows are not others
    assert re.search(r"^judge +2 +2 +4,000 120 unusable_trace, 80 not_json$", told, re.MULTILINE)
    (RESULTS / "generate/g3.parquet").unlink()
    assert re.search(r"^g3 +1/3 +1/1 +1/1 +900 +1.0%", look(capsys), re.MULTILINE)


def test_groups_of_a_stage_in_its_midst(capsys):
    take_away("train/pa/g3~g1/dpo-s0-all")
    told = look(capsys)
    assert re.search(r"^train +2 +1 +1.*\n  pa dpo +1 +1\n  pa sft +1 +1 *$", told, re.MULTILINE)


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    take_away("judge/g3/both", f"error: {'a long line ' * 30}and its end\n", ended("error"))
    write_run(command=f"snakemake --profile mini {'and more ' * 30}")
    told = look(capsys)
    *lines, command = told.splitlines()
    assert max(map(len, lines)) <= columns
    assert command.startswith("to go on: snakemake --profile mini and more")  # as one line, it can be copied
    assert "and its end" in " ".join(told.replace("|", "").split())
