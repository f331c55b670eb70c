"""Faults of a run as a whole, one test each, through real Snakemake processes and a judge on loopback.

Traces are written by hand, so no test needs torch: Snakemake takes tables that it finds as they are. The numbers in the
names are those of the faults in docs/faults.md.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

import forking
from engines.scripted import ScriptedServer, Seen, body, completion
from faults.watching import stage_of
from once import copied
from prefdelta.records.call import Call
from prefdelta.records.delta import Delta
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.system.instance import command_of
from small import small

ROOT = Path(__file__).parents[2]
DIMENSIONS = ["computational_precision", "signal_to_noise"]
ITEMS, IN_FLIGHT = 24, 4
PROFILE = ["--profile", "mini", "--configfile", "study.yaml"]
JUDGED = "results/mini/judge/g3/both.parquet"
VERDICT = body(completion(content=json.dumps(dict.fromkeys(DIMENSIONS, 4))))


def config(base_url: str, items: int = ITEMS) -> dict[str, Any]:
    """Mini with a few prompts, one pairing, and a judge that runs elsewhere."""
    study = small()
    study["models"] = {"pa": study["models"]["pa"]}
    study["generators"] = {"g3": {"model": "pa"}, "g1": {"model": "pa"}}
    study["policies"], study["benchmarks"], study["dimensions"] = ["pa"], ["mini_code"], DIMENSIONS
    study["delta"]["composites"], study["filter"]["sets"] = {}, {}
    study["judge"]["forms"] = {"both": DIMENSIONS}
    study["judge"]["engine"] = {
        "name": "openai", "model": "scripted", "base_url": base_url, "api_key_env": "SCRIPTED_KEY",
        "in_flight": IN_FLIGHT, "deadline_s": 600,
    }  # fmt: skip
    study["prompts"]["train"] |= {"items": items}
    study["experiments"] = {
        "one": {
            "title": "One", "policies": ["pa"], "pairings": ["g3~g1"], "selections": ["all"], "recipes": ["dpo"],
            "seeds": [0],
        }
    }  # fmt: skip
    study["train"]["recipes"] = {"dpo": study["train"]["recipes"]["dpo"]}
    study["evaluate"]["groups"] = {"sampled": study["evaluate"]["groups"]["sampled"] | {"benchmarks": ["mini_code"]}}
    study["report"]["overlap"] = None
    return study


def environment(source: Path = ROOT / "src") -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(source), "SCRIPTED_KEY": "sk-x"}


class Checkout:
    """A folder in which the workflow runs, with prompts and traces in place."""

    def __init__(self, folder: Path, base_url: str, items: int = ITEMS, prepared: Path | None = None) -> None:
        """prepared: a checkout with as many items, whose prompts and traces are copied."""
        self.folder = folder
        for name in ("Snakefile", "workflow", "profiles", "mini", "resources"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "study.yaml").write_text(yaml.safe_dump(config(base_url, items)))
        if prepared is not None:
            for name in ("results", ".snakemake"):
                copied(prepared / name, folder)
            return
        code, output = self.run("results/mini/prompts/train.parquet")
        assert code == 0, output
        for generator in ("g3", "g1"):
            tables.write(folder / f"results/mini/generate/{generator}.parquet", Trace, self._traces(generator))

    def _traces(self, generator: str) -> list[Trace]:
        prompts = tables.read(self.folder / "results/mini/prompts/train.parquet", Prompt)
        hand_written = {"sample": 0, "finish_reason": "stop", "n_tokens": 9, "seed": 1, "failure": None}
        return [
            Trace(
                prompt_id=prompt.prompt_id,
                generator=generator,
                text=f"{generator} says A:{prompt.answers[0]}",
                call_key=prompt.prompt_id,
                **hand_written,
            )
            for prompt in prompts
        ]

    @staticmethod
    def _command(*words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("snakemake")), *words, *PROFILE]

    def start(self, *words: str, source: Path = ROOT / "src", **more: Any) -> subprocess.Popen[str]:
        """Snakemake, as the leader of a process group of its own; its output goes to output.txt."""
        with (self.folder / "output.txt").open("w") as output:
            return subprocess.Popen(
                self._command(*words),
                cwd=self.folder,
                env=environment(source),
                start_new_session=True,
                text=True,
                **{"stdout": output, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL, **more},
            )

    def run(self, *words: str) -> tuple[int, str]:
        """Exit code and output of a Snakemake, in a fork, that is left to end by itself."""
        done = forking.run(self._command(*words), self.folder, environment(), 120, joined=True)
        (self.folder / "output.txt").write_text(done.stdout)
        return done.returncode, done.stdout

    def output(self) -> str:
        return (self.folder / "output.txt").read_text()

    def judgements(self) -> list[Judgement]:
        return tables.read(self.folder / JUDGED, Judgement)

    def recorded(self) -> int:
        """Rows of the record, which must all have keys of their own."""
        segments = self.folder.glob("results/mini/record/calls/judge/both~g3/*.parquet")
        keys = [call.key for segment in segments for call in tables.read(segment, Call)]
        assert len(keys) == len(set(keys))
        return len(keys)

    def children(self) -> list[int]:
        """Processes that any run in this folder started and that are alive."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if b"PREFDELTA_RUN=" in (path / "environ").read_bytes() and (path / "cwd").readlink() == self.folder:
                    found.append(int(path.name))
            except OSError:
                continue
        return found

    def leftovers(self) -> list[str]:
        """Files of writes that were not finished."""
        return [
            path.name for ending in ("tmp", "staged", "probe") for path in self.folder.rglob(f"results/**/.*.{ending}")
        ]


class Judge:
    """A judge that answers its first `answered` requests and says nothing to the others, until it is let go on."""

    def __init__(self) -> None:
        self.answered = ITEMS
        self.server = ScriptedServer(self._reply)

    async def _reply(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        place = len(self.server.seen)
        while place > self.answered:
            await asyncio.sleep(0.05)
        return await VERDICT(request, seen)

    def stop_after(self, n: int) -> None:
        self.server.seen.clear()
        self.answered = n

    def go_on(self) -> None:
        """Answer what is asked from now on, and what waits for an answer."""
        self.stop_after(10**9)


@pytest.fixture
def judge() -> Iterator[Judge]:
    judge = Judge()
    with judge.server:
        yield judge


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that nobody judges: its prompts and traces are the same for every judge."""
    return Checkout(tmp_path_factory.mktemp("prepared"), "http://127.0.0.1:9/v1").folder


@pytest.fixture
def checkout(tmp_path: Path, judge: Judge, prepared: Path) -> Checkout:
    return Checkout(tmp_path, judge.server.base_url, prepared=prepared)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> float:
    """Seconds until it was so."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.05)
    return time.monotonic() - started


def stuck(checkout: Checkout, judge: Judge, answered: int = 10) -> subprocess.Popen[str]:
    """A run whose judge has said nothing more after `answered` verdicts, all of which are on disk."""
    judge.stop_after(answered)
    process = checkout.start(JUDGED)
    wait_until(lambda: len(judge.server.seen) == answered + IN_FLIGHT and checkout.recorded() == answered)
    return process


def assert_only_the_rest_is_asked(checkout: Checkout, judge: Judge, recorded: int = 10) -> str:
    """The same command finishes, asking only for what was not answered. Returns its output."""
    judge.go_on()
    code, output = checkout.run(JUDGED)
    assert code == 0, output
    assert len(judge.server.seen) == ITEMS - recorded
    assert len(checkout.judgements()) == ITEMS * len(DIMENSIONS)
    assert all(row.score == 4 for row in checkout.judgements())
    assert checkout.recorded() == ITEMS
    assert checkout.leftovers() == []
    return output


# --- 1, 2, 3: kills ---


def test_1_after_sigkill_of_the_process_group_only_unfinished_calls_repeat(checkout: Checkout, judge: Judge) -> None:
    process = stuck(checkout, judge)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (checkout.folder / JUDGED).exists()
    assert_only_the_rest_is_asked(checkout, judge)


def test_2_after_sigkill_of_snakemake_its_jobs_end_within_5_seconds(checkout: Checkout, judge: Judge) -> None:
    process = stuck(checkout, judge)
    assert checkout.children()
    process.kill()
    process.wait()
    assert wait_until(lambda: not checkout.children()) < 5
    assert not (checkout.folder / JUDGED).exists()
    assert_only_the_rest_is_asked(checkout, judge)


def test_2_a_job_that_is_being_loaded_when_snakemake_is_killed_does_not_go_on(checkout: Checkout, judge: Judge) -> None:
    process = checkout.start(JUDGED)
    wait_until(lambda: any(stage_of(pid) for pid in checkout.children()))
    process.kill()
    process.wait()
    assert wait_until(lambda: not checkout.children()) < 5
    assert judge.server.seen == []
    assert not (checkout.folder / JUDGED).exists()
    assert_only_the_rest_is_asked(checkout, judge, recorded=0)


def test_2_a_new_run_waits_for_the_jobs_of_a_killed_one(checkout: Checkout, judge: Judge) -> None:
    process = stuck(checkout, judge)
    (job,) = [pid for pid in checkout.children() if pid != process.pid and stage_of(pid)]
    os.kill(job, signal.SIGSTOP)  # it does not hear that its parent dies
    process.kill()
    process.wait()
    judge.go_on()
    code, output = checkout.run(JUDGED)
    assert code == 0, output
    # With it waits the process that stands for it in Snakemake's eyes.
    assert re.search(rf"its processes \[.*\b{job}\b.*\] do not end by themselves", output)
    assert not Path("/proc", str(job), "exe").exists()
    assert len(judge.server.seen) == ITEMS - 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["3 SIGTERM", "21 Ctrl-C"])
def test_3_a_signal_to_all_ends_them_in_time_and_nothing_answered_is_lost(
    checkout: Checkout, judge: Judge, number: signal.Signals
) -> None:
    judge.stop_after(10)
    process = checkout.start(JUDGED)
    wait_until(lambda: len(judge.server.seen) == 10 + IN_FLIGHT and judge.server.open == IN_FLIGHT)
    time.sleep(0.3)  # the replies have arrived; they need not be on disk
    os.killpg(process.pid, number)
    if number is signal.SIGINT:  # once more, while it is flushing
        os.killpg(process.pid, number)
    started = time.monotonic()
    assert process.wait(timeout=60) != 0
    wait_until(lambda: not checkout.children())
    assert time.monotonic() - started < 30
    assert checkout.recorded() == 10
    assert_only_the_rest_is_asked(checkout, judge)


# --- 4: half-written outputs ---


def test_4_a_rule_that_fails_after_writing_leaves_nothing_even_with_keep_incomplete(
    checkout: Checkout, judge: Judge
) -> None:
    # The same stage in a copy of the package, which fails at its end.
    source = checkout.folder / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    stage = source / "prefdelta/stages/judge.py"
    right = stage.read_text()
    ending = "    return Outcome(len(rows), failures, details, "
    assert ending in right
    stage.write_text(right.replace(ending, f'    raise StudyError("half-way")\n{ending}'))
    judge.go_on()
    process = checkout.start(JUDGED, "--keep-incomplete", source=source)
    assert process.wait(timeout=60) != 0
    assert "half-way" in checkout.output()
    assert list((checkout.folder / JUDGED).parent.glob("*")) == []
    stage.write_text(right)
    process = checkout.start(JUDGED, "--keep-incomplete", source=source)
    assert process.wait(timeout=60) == 0, checkout.output()
    assert len(checkout.judgements()) == ITEMS * len(DIMENSIONS)
    assert len(judge.server.seen) == ITEMS  # the record had them all the second time


# --- 5, 6, 7: two at once, locks, old instances ---


def test_5_a_second_run_in_the_same_results_is_refused_and_looking_is_not(checkout: Checkout, judge: Judge) -> None:
    process = stuck(checkout, judge)
    output = (checkout.folder / "output.txt").read_text()
    code, told = checkout.run(JUDGED)
    assert code != 0
    assert re.search(rf"results/mini: a run is going on here: host \S+, pid {process.pid}, started", told)
    assert "Traceback" not in told
    assert checkout.run("-n", JUDGED)[0] == 0
    assert checkout.run("--summary", JUDGED)[0] == 0
    assert process.poll() is None, output
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=30)
    assert_only_the_rest_is_asked(checkout, judge)


def test_6_the_lock_of_a_dead_process_is_explained_and_the_plain_command_continues(
    checkout: Checkout, judge: Judge
) -> None:
    process = stuck(checkout, judge)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list((checkout.folder / ".snakemake/locks").iterdir())
    other = checkout.folder / ".snakemake/locks/7.output.lock"  # of another study, which may be alive
    other.write_text("results/other/judge/x.parquet\n")
    output = assert_only_the_rest_is_asked(checkout, judge)
    assert f"results/mini: an earlier run was killed: host {os.uname().nodename}, pid {process.pid}" in output
    assert ".snakemake/locks/0.output.lock: left by a run that is dead: removed." in output
    assert "7.output.lock" not in output
    assert "2 outputs were being made when it ended" in output


def test_6_a_run_of_another_machine_that_has_not_ended_is_not_touched(checkout: Checkout, judge: Judge) -> None:
    file = checkout.folder / "results/mini/run.json"
    file.write_text(json.dumps({"host": "elsewhere", "pid": 7, "id": "elsewhere-7-0", "ended": None}))
    judge.go_on()
    code, output = checkout.run(JUDGED)
    assert code != 0
    assert "a run on another machine has not ended: host elsewhere, pid 7" in output
    assert "rm results/mini/run.json" in output
    file.unlink()
    assert_only_the_rest_is_asked(checkout, judge, recorded=0)


def test_7_an_instance_that_was_overtaken_publishes_nothing(checkout: Checkout, judge: Judge) -> None:
    # As a cluster does it: the job is started again while its old instance, cut off, still runs.
    judge.stop_after(10)
    old = checkout.start(JUDGED)
    wait_until(lambda: len(judge.server.seen) == 10 + IN_FLIGHT)
    (pid,) = [pid for pid in checkout.children() if stage_of(pid)]
    (words,) = [words for child in checkout.children() if "--record" in (words := command_of(child))]
    os.kill(pid, signal.SIGSTOP)
    judge.go_on()
    command = [sys.executable, *words[words.index("-m") :]]
    new = subprocess.run(command, cwd=checkout.folder, env=environment(), capture_output=True, text=True, check=False)
    assert new.returncode == 0, new.stderr
    published = (checkout.folder / JUDGED).read_bytes()
    os.kill(pid, signal.SIGCONT)  # the replies it waited for have come meanwhile
    assert old.wait(timeout=60) != 0
    assert "another instance of this job was started later" in checkout.output()
    # The table of the new one stays, though Snakemake saw its job fail; and the plain command has nothing to ask.
    assert (checkout.folder / JUDGED).read_bytes() == published
    judge.go_on()
    code, output = checkout.run(JUDGED)
    assert (code, len(judge.server.seen)) == (0, 0), output
    assert (checkout.folder / JUDGED).read_bytes() == published


# --- 8: out of memory, time limit ---


def test_8_a_second_attempt_asks_for_more_memory_and_time(checkout: Checkout) -> None:
    asked = {}
    for attempt in (1, 2, 3):
        code, output = checkout.run("-n", "--printshellcmds", "--attempt", str(attempt), JUDGED)
        assert code == 0, output
        asked[attempt] = [int(re.findall(rf"{name}=(\d+)", output)[-1]) for name in ("mem_mb", "runtime")]
    assert asked == {1: [1000, 30], 2: [2000, 60], 3: [3000, 90]}


# --- 10: unwritable results ---


def test_10_results_that_cannot_be_written_are_told_before_any_work(
    tmp_path: Path, judge: Judge, prepared: Path
) -> None:
    checkout = Checkout(tmp_path, judge.server.base_url, prepared=prepared)
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "results").symlink_to("/proc/self")  # nobody can make files there, whoever they are
    code, output = checkout.run(JUDGED)
    assert code != 0
    assert "results/mini: cannot be written" in output
    assert "nothing was started" in output
    assert "Traceback" not in output
    assert judge.server.seen == []


# --- 11, 12: damaged files ---

PAIRS, SELECTED = "results/mini/pair/g3~g1.parquet", "results/mini/filter/g3~g1/all/t0.parquet"


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_bit,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: tables.write(path, Trace, []),  # whole, but not what was made
    ],
    ids=["12 flipped bit", "11 zero length", "11 torn", "11 another table"],
)
def test_11_12_a_damaged_table_is_set_aside_and_made_anew_by_the_same_command(
    checkout: Checkout, damage: Callable[[Path], object]
) -> None:
    assert checkout.run(PAIRS)[0] == 0
    table = checkout.folder / PAIRS
    right = table.read_bytes()
    damage(table)
    code, output = checkout.run(SELECTED)
    assert code != 0
    assert f"error: {PAIRS}: is not the file that its manifest describes" in output
    assert "It is now g3~g1.parquet.damaged, beside it; run the same command again" in output
    assert not (checkout.folder / SELECTED).exists()
    code, output = checkout.run(SELECTED)
    assert code == 0, output
    assert table.read_bytes() == right


def test_11_a_table_that_is_gone_behind_its_manifest_is_made_anew(checkout: Checkout) -> None:
    assert checkout.run(SELECTED)[0] == 0
    right = (checkout.folder / PAIRS).read_bytes()
    (checkout.folder / PAIRS).unlink()
    assert (checkout.folder / PAIRS.replace(".parquet", ".manifest.json")).is_file()
    assert checkout.run(PAIRS, SELECTED)[0] == 0
    assert (checkout.folder / PAIRS).read_bytes() == right


# --- 15: replies that are no verdicts ---

DELTAS = "results/mini/delta/g3~g1/signal_to_noise.parquet"


def test_15_one_reply_in_a_hundred_that_is_no_verdict_is_left_out_and_counted_and_the_stages_go_on(
    tmp_path: Path,
) -> None:
    items, bad = 200, list[Prompt]()

    async def reply(request: web.Request, seen: Seen) -> web.StreamResponse:
        prose = "g3 says" in seen.question and any(f"\n{prompt.text}\n" in seen.question for prompt in bad)
        return await (body(completion(content="I give it a 4.")) if prose else VERDICT)(request, seen)

    with ScriptedServer(reply) as server:
        checkout = Checkout(tmp_path, server.base_url, items)
        bad += tables.read(tmp_path / "results/mini/prompts/train.parquet", Prompt)[:2]
        code, output = checkout.run(DELTAS)
        assert code == 0, output
    lost = {prompt.prompt_id for prompt in bad}
    rows = checkout.judgements()
    assert {row.prompt_id for row in rows if row.score is None} == lost
    assert {row.failure for row in rows if row.prompt_id in lost} == {"not_json"}
    manifest = json.loads((tmp_path / JUDGED).with_suffix(".manifest.json").read_text())
    assert (manifest["rows"], manifest["failures"]) == (2 * items, {"not_json": 2 * len(bad)})
    prompt_of = {row.pair_id: row.prompt_id for row in tables.read(tmp_path / PAIRS, Pair)}
    deltas = tables.read(tmp_path / DELTAS, Delta)
    assert {prompt_of[row.pair_id]: row.failure for row in deltas if row.delta is None} == dict.fromkeys(
        lost, "chosen_unjudged"
    )
    assert len(deltas) == items


# --- 21: closed pipes ---


def test_21_a_reader_that_goes_away_stops_nobody(checkout: Checkout, judge: Judge) -> None:
    # snakemake ... | head -1
    judge.go_on()
    process = checkout.start(JUDGED, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(timeout=60)
    wait_until(lambda: not checkout.children())
    recorded = checkout.recorded()
    assert_only_the_rest_is_asked(checkout, judge, recorded)
