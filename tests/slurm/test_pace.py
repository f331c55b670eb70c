"""The plain command, at the profile's own pace: how often it asks SLURM, and how fast it submits."""

import os
import time
from pathlib import Path

from engines.scripted import ScriptedServer
from prefdelta.scheduler.slurm import submitted

from .chain import IN_FLIGHT, JUDGED, KEY, PROFILE, RESULTS, TARGETS, Judge, chain, make_checkout
from .conftest import Cluster
from .running import SNAKEMAKE, Run

LOOKS_AFTER = 40.0  # seconds: the first; the second comes 50 s later
MOST = 1 / 20  # calls per second that a site should have to bear, of all kinds together
ASKING = ("squeue", "scontrol", "sacct", "sinfo")


def test_slurm_is_asked_at_most_once_in_20_seconds(tmp_path: Path, cluster: Cluster) -> None:
    calls = tmp_path / "calls.txt"
    counting = tmp_path / "counting"
    counting.mkdir()
    for name in ASKING:  # each writes itself down and does what it always does
        (counting / name).write_text(f'#!/bin/sh\necho {name} >> {calls}\nexec /usr/bin/{name} "$@"\n')
        (counting / name).chmod(0o755)
    judge = Judge()
    with ScriptedServer(judge) as server:
        folder = tmp_path / "checkout"
        folder.mkdir()
        make_checkout(folder, chain(server.base_url))
        graded = [TARGETS[0], "--profile", "mini", "--configfile", "chain.yaml"]
        Run(folder, *graded, command=SNAKEMAKE, **KEY).finish()  # so that one job is left

        judge.holds_after = IN_FLIGHT
        path = os.pathsep.join([str(counting), os.environ["PATH"]])
        began = time.monotonic()
        run = Run(folder, *PROFILE, command=SNAKEMAKE, PATH=path, **KEY)
        run.until(lambda: submitted(folder / RESULTS))
        calls.unlink(missing_ok=True)  # what a start asks, once
        time.sleep(LOOKS_AFTER + 5)  # it is seen at work once
        judge.holds_after = None
        run.finish()
        seconds = time.monotonic() - began
    assert (folder / RESULTS / f"{JUDGED}.parquet").is_file()
    asked = calls.read_text().split()
    assert asked.count("squeue") == 2, asked
    assert len(asked) <= seconds * MOST, (asked, seconds)
