"""A small study through sbatch: what its jobs got, the bytes of a run without SLURM; then one more generator.

Its models are real and trained here, on a CPU: the GPUs that SLURM hands out are null devices, so only what a job was
given can be seen, not what it does with it.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from faults.checks import faults_in, final_tables
from faults.study import BENCHMARK, small_study
from prefdelta.records.trace import Trace
from prefdelta.scheduler.slurm import submitted
from prefdelta.store import tables

from .conftest import Cluster
from .running import ROOT, SNAKEMAKE, Run, computed

RESULTS = Path("results/mini")
DIMENSION = "signal_to_noise"
# prompts 2, ladder, generate 2, grade 2, judge 2, pair, delta, filter, reference 2, train, evaluate 2, browse, report
JOBS = 19
# Of a chosen generator: generate, grade, judge, pair, delta, filter, reference, train, evaluate; and browse, report.
NEW_JOBS = 11
# Stage -> GPUs that its job asks for.
GPUS = {"generate": 1, "judge": 2, "train": 4}


def study() -> dict[str, Any]:
    found = small_study()
    found["models"]["pa"]["ladder"] |= {"width": 32, "steps": 60}
    found["generators"]["long"]["samples"] = 2
    found["prompts"]["train"]["items"] = 60
    found["dimensions"] = [DIMENSION]
    found["judge"] |= {"forms": {"both": [DIMENSION]}, "samples": 1}
    found["delta"]["composites"] = {}
    one = found["experiments"]["selections"] | {"selections": [f"top-{DIMENSION}-16"]}
    found["experiments"] = {"one": one}
    found["train"]["recipes"] = {"dpo": found["train"]["recipes"]["dpo"]}
    found["report"]["overlap"] = None
    found["cluster"] = {"partition": "cpu", "gpu_partition": "gpu", "gpu_model": "h100"}
    found["compute"] = {stage: {"gpus": gpus, "threads": 1, "mem_mb": 2000} for stage, gpus in GPUS.items()}
    return found


def with_another_generator(found: dict[str, Any]) -> dict[str, Any]:
    new = {"model": "pa", "sampling": found["generate"]["sampling"] | {"temperature": 0.8}}
    one = found["experiments"]["one"]
    return found | {
        "generators": found["generators"] | {"new": new},
        "experiments": {"one": one | {"pairings": [*one["pairings"], "new~short"]}},
    }


def write(folder: Path, content: dict[str, Any]) -> None:
    (folder / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def make_checkout(folder: Path) -> Path:
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name in ("Snakefile", "workflow", "profiles", "slurm", "mini", "docs"):
            (folder / path.name).symlink_to(path)
    (folder / "resources").mkdir()
    for path in (ROOT / "resources").iterdir():
        (folder / "resources" / path.name).symlink_to(path) if path.name != "benchmarks" else None
    benchmark = yaml.safe_load((ROOT / f"resources/benchmarks/{BENCHMARK}.yaml").read_text(encoding="utf-8"))
    benchmark["source"]["items"] = 40
    (folder / "resources/benchmarks").mkdir()
    (folder / f"resources/benchmarks/{BENCHMARK}.yaml").write_text(yaml.safe_dump(benchmark), encoding="utf-8")
    write(folder, study())
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tables of the same study, run without SLURM."""
    folder = make_checkout(tmp_path_factory.mktemp("local") / "checkout")
    Run(folder, "--profile", "mini", "--configfile", "study.yaml", command=SNAKEMAKE).finish(600)
    return final_tables(folder / RESULTS)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Path:
    """The study, run through SLURM."""
    folder = make_checkout(tmp_path_factory.mktemp("slurm") / "checkout")
    Run(folder, "--profile", "slurm", "--configfile", "study.yaml").finish(900)
    return folder


def manifests(folder: Path) -> dict[str, dict[str, Any]]:
    """Name of a job's manifest in the results -> what it says."""
    found = {}
    for path in (folder / RESULTS).rglob("*.manifest.json"):
        found[str(path.relative_to(folder / RESULTS)).removesuffix(".manifest.json")] = json.loads(path.read_text())
    return found


def test_the_tables_are_those_of_a_run_without_slurm(checkout: Path, local: dict[str, str]) -> None:
    assert faults_in(checkout, checkout / RESULTS, local) == []
    jobs = submitted(checkout / RESULTS)
    assert len(jobs) == len({job.id for job in jobs}) == len(manifests(checkout)) == JOBS


def test_every_job_gets_the_gpus_that_its_stage_asks_for_on_one_node(checkout: Path, cluster: Cluster) -> None:
    for name, manifest in manifests(checkout).items():
        asked, run = GPUS.get(manifest["stage"], 0), manifest["run"]
        told = cluster.ask("scontrol", "show", "job", run["slurm_job"])
        found = re.search(r"TresPerJob=gres:gpu:h100:(\d+)", told)
        assert int(found[1] if found else 0) == asked, name
        visible = [number for number in (run["gpus_visible"] or "").split(",") if number]
        assert len(set(visible)) == asked, name
        assert "NumNodes=1 " in told, name
        assert "NumTasks=1 " in told, name  # so srun would start its command once, too
        assert f"Partition={'gpu' if asked else 'cpu'} " in told, name


def test_a_job_of_four_gpus_starts_its_command_once(checkout: Path) -> None:
    (train,) = [manifest for manifest in manifests(checkout).values() if manifest["stage"] == "train"]
    assert train["run"]["gpus_visible"] == "0,1,2,3"
    (log,) = (checkout / RESULTS / "logs/train").rglob("*.log")
    assert len(re.findall(r"^train: 1 of 1 arms", log.read_text(), flags=re.MULTILINE)) == 1


def test_a_new_generator_submits_its_own_jobs_and_computes_its_own_rows(checkout: Path, local: dict[str, str]) -> None:
    results = checkout / RESULTS
    before = len(submitted(results))
    write(checkout, with_another_generator(study()))
    Run(checkout, "--profile", "slurm", "--configfile", "study.yaml").finish(900)
    targets = [job.target for job in submitted(results)[before:]]
    assert len(targets) == NEW_JOBS
    ours = re.compile(r"new|browse|report|rule_train|train_|evaluate_|filter|pair|delta")
    assert [target for target in targets if not ours.search(target)] == []
    traces = tables.read(results / "generate/new.parquet", Trace)
    assert computed(results, "generate/new")["calls"] == len(traces) == 60
    usable = sum(trace.usable for trace in traces)
    assert computed(results, "judge/new/both")["calls"] == usable
    after = final_tables(results)
    assert {path: after[path] for path in local if not path.startswith("report")} == local, "nothing else has changed"


def test_a_training_in_a_job_that_its_rule_asks_for_makes_the_same_policy(checkout: Path, cluster: Cluster) -> None:
    results = checkout / RESULTS
    (policy, *_) = sorted(results.glob("train/pa/long~short/*/dpo/*/policy.json"))
    before, asked_for = policy.read_text(), len(submitted(results))
    content = study()
    content["compute"]["train"] = {"mem_mb": 2000, "submitit": {"partition": "scavenge", "warning_s": 60}}
    write(checkout, content)
    policy.unlink()
    shutil.rmtree(results / "record" / json.loads(before)["folder"])
    target = str(policy.relative_to(checkout))
    printed = Run(checkout, target, "--profile", "slurm", "--configfile", "study.yaml", "--printshellcmds").finish()
    assert len(re.findall(r"^localrule train_", printed, flags=re.MULTILINE)) == 1
    (job,) = submitted(results)[asked_for:]  # no job of Snakemake's besides
    assert job.target == str(policy.parent.relative_to(results / "train"))
    assert f"training in SLURM job {job.id}: 1 process" in next((results / "logs/train").rglob("*.log")).read_text()
    assert policy.read_text() == before
