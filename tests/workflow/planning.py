"""Checkouts to plan in, real dry runs read job by job, and the study's graph written down a second time.

A job is named by its table: the path of its output that is no manifest, without results/<study>/ and without suffix,
e.g. `judge/g0/logic` or `train/pa/g4~g0/all/dpo/s0/policy`. With one arm per job every job has one such output.
"""

import re
import shutil
import sys
from collections.abc import Container, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import yaml

import forking
from small import SMALL

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "src", "workflow", "resources", "profiles", "mini")
CONFIG = "resources/studies/mini.yaml"
RESULTS = "results/mini"
DRY = ("-n", "--printshellcmds")  # a dry run in Snakemake's own words, job by job
FOLDERS = [f"{RESULTS}/{name}" for name in ("browse/app", "browse/data", "report/figures")]  # outputs that are folders
# Touching a job waits 0.1 s, so that files made later are newer. 0.01 s does that too, and there are 221 jobs.
_TOUCH = (
    "from snakemake.executors import touch; from snakemake.cli import main; touch.Executor.SLEEPING_TIME = 0.01; main()"
)

Graph = dict[str, frozenset[str]]  # job -> the jobs whose outputs it reads


def make_checkout(folder: Path) -> Path:
    """A copy of all that a run needs, with one arm per job. Nothing has run in it."""
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir() and not source.is_symlink():
            shutil.copytree(source, folder / name, symlinks=True)
        else:
            shutil.copy2(source, folder / name, follow_symlinks=False)
    text, count = re.subn(r"batch: \d+", "batch: 1", SMALL.read_text())
    assert count == 2, "train and evaluate, and nothing else, have batches"
    (folder / CONFIG).write_text(text)
    return folder


def snakemake(folder: Path, *words: str) -> str:
    """What a run of Snakemake in a fork prints, stdout and stderr together. It has to succeed."""
    return _run(folder, [str(Path(sys.executable).with_name("snakemake")), "--profile", "mini", *words])


def touch(folder: Path, *words: str) -> str:
    """`snakemake --touch`: record the jobs as done with the files, code and settings that are there."""
    # Without --forceall only what Snakemake would run is recorded, and it would not run a job whose output exists.
    return _run(folder, [sys.executable, "-c", _TOUCH, "--profile", "mini", "--touch", *words])


def _run(folder: Path, command: list[str]) -> str:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(folder / "src")}
    done = forking.run(command, folder, env, 120, joined=True)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def pretend_to_have_run(folder: Path) -> Path:
    """Write every output with content of its own, and have Snakemake record every job as done."""
    for path in outputs_planned(folder):
        file = folder / path / "a.svg" if path in FOLDERS else folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"what {path} would hold\n")
    touch(folder, "--forceall")
    return folder


def outputs_planned(folder: Path) -> list[str]:
    """The outputs of all jobs of a dry run."""
    return [path for paths in _lines(snakemake(folder, *DRY), "output") for path in paths]


def jobs_planned(folder: Path) -> frozenset[str]:
    """The jobs of a dry run, without the target `all`."""
    return frozenset(graph_planned(folder))


def graph_planned(folder: Path) -> Graph:
    """The jobs of a dry run, each with those that make its inputs. It finds only jobs that are planned too."""
    printed = snakemake(folder, *DRY)
    if "Job stats:" not in printed:
        assert "Nothing to be done (all requested files are present and up to date)." in printed, printed[-4000:]
        return {}
    blocks = re.split(r"^(?=(?:local)?rule \w+:$)", printed, flags=re.MULTILINE)[1:]
    read: dict[str, set[str]] = {}
    made_by: dict[str, str] = {}
    for block in blocks:
        (outputs,) = _lines(block, "output") or [[]]
        tables = [path for path in outputs if not path.endswith(".manifest.json") and path not in FOLDERS]
        if not outputs:
            assert block.startswith(("rule all:", "localrule all:")), block
            continue
        (table,) = tables
        job = re.sub(r"\.\w+$", "", table.removeprefix(f"{RESULTS}/"))
        assert job not in read, f"{job} is planned twice"
        read[job] = {path for paths in _lines(block, "input") for path in paths}
        made_by |= dict.fromkeys(outputs, job)
    # Snakemake's own count, printed before and after: no job was overlooked.
    (count,) = set(re.findall(r"^total +(\d+)$", printed, flags=re.MULTILINE))
    assert int(count) == len(blocks) == len(read) + 1, "the count of Snakemake's table, with `all`"
    return {job: frozenset(made_by[path] for path in paths if path in made_by) for job, paths in read.items()}


def _lines(printed: str, field: str) -> list[list[str]]:
    """The paths of every line `    <field>: a, b`."""
    return [found.split(", ") for found in re.findall(rf"^    {field}: (.+)$", printed, flags=re.MULTILINE)]


class StudyGraph:
    """Every job of a study and what it reads, by README's table of stages: from a config's axes, not from src."""

    def __init__(self, study: Mapping[str, Any]) -> None:
        """study: the parsed config."""
        self._study = study
        self._graph: Graph = {}
        self._add_traces()
        arms = {name: _arms(experiment) for name, experiment in study["experiments"].items()}
        trained = {arm for found in arms.values() for arm in found}
        for pairing in {arm[1] for arm in trained}:
            self._add_pairing(pairing)
        for arm in trained:
            self._add_arm(*arm)
        for name, group in study["evaluate"]["groups"].items():
            asked = [f"prompts/{benchmark}" for benchmark in group["benchmarks"]]
            named = group.get("experiments")
            for arm in trained if named is None else {arm for other in named for arm in arms[other]}:
                self._add(f"evaluate/{'/'.join(arm)}/{name}", *asked, f"train/{'/'.join(arm)}/policy")
            for policy in study["policies"]:
                for degrees in ("", *(f"@{temperature:g}" for temperature in group.get("base_temperatures", []))):
                    self._add(f"evaluate/{policy}/base{degrees}/{name}", *asked, f"ladder/{policy}/model")
        read = set(self._graph)
        self._add("report/index", *read)
        self._add("browse/index", *(job for job in read if self._is_browsed(job, {arm[1] for arm in trained})))

    @property
    def graph(self) -> Graph:
        return self._graph

    @property
    def jobs(self) -> frozenset[str]:
        return frozenset(self._graph)

    def some(self, *patterns: str) -> frozenset[str]:
        """The jobs of all patterns, `*` for one part of a name. A pattern that fits no job is a mistake."""
        found: set[str] = set()
        for pattern in patterns:
            form = re.compile(re.escape(pattern).replace(r"\*", "[^/]+"))
            fitting = {job for job in self._graph if form.fullmatch(job)}
            assert fitting, f"no job is called {pattern}"
            found |= fitting
        return frozenset(found)

    def below(self, *patterns: str) -> frozenset[str]:
        """The jobs of all patterns, and every job that stands on one of them."""
        reached = set(self.some(*patterns))
        while more := {job for job, parents in self._graph.items() if parents & reached} - reached:
            reached |= more
        return frozenset(reached)

    def _is_browsed(self, job: str, pairings: Container[str]) -> bool:
        """Whether the pair browser shows it: scores of the study's judge, pairs of arms, answers to primary groups."""
        stage, first, *rest = job.split("/")
        match stage:
            case "reference":
                return False
            case "judge" | "delta":
                return "@" not in rest[-1]
            case "pair":
                return first in pairings
            case "evaluate":
                return "base@" not in job and self._study["evaluate"]["groups"][rest[-1]].get("primary", True)
        return True

    def _add(self, job: str, *parents: str) -> None:
        self._graph[job] = frozenset(parents)

    def _add_traces(self) -> None:
        study = self._study
        for source in ("train", *study["benchmarks"]):
            self._add(f"prompts/{source}")
        for model in study["models"]:
            self._add(f"ladder/{model}/model")
        for name in study["generators"]:
            self._add_generator(name)
            for form in study["judge"]["forms"]:
                self._add(f"judge/{name}/{form}", "prompts/train", f"generate/{name}")
        for judge, its in study["judge"].get("others", {}).items():
            for name in {side for pairing in its["pairings"] for side in pairing.split("~")}:
                for form in study["judge"]["forms"]:
                    self._add(f"judge/{name}/{form}@{judge}", "prompts/train", f"generate/{name}")

    def _add_generator(self, name: str) -> None:
        model = self._study["generators"][name.partition("@")[0]]["model"]
        self._add(f"generate/{name}", "prompts/train", f"ladder/{model}/model")
        self._add(f"grade/{name}", "prompts/train", f"generate/{name}")

    def _add_pair(self, pairing: str) -> None:
        sides = pairing.split("~")
        for side in sides:
            self._add_generator(side)
        traces = [f"{stage}/{side}" for stage in ("generate", "grade") for side in sides]
        self._add(f"pair/{pairing}", "prompts/train", *traces)

    def _add_pairing(self, pairing: str) -> None:
        self._add_pair(pairing)
        for dimension in (*self._study["dimensions"], *self._study["delta"]["composites"]):
            if "@" not in pairing:  # of another draw, only the deltas by which an arm selects
                self._add_delta(pairing, dimension)

    def _add_delta(self, pairing: str, dimension: str) -> None:
        study, sides = self._study, pairing.split("~")
        form_of = {name: form for form, names in study["judge"]["forms"].items() for name in names}
        components = study["delta"]["composites"].get(dimension, [dimension])
        judged = [f"judge/{side}/{form_of[name]}" for side in sides for name in components]
        for job in judged:
            self._add(job, "prompts/train", f"generate/{job.split('/')[1]}")
        self._add(f"delta/{pairing}/{dimension}", f"pair/{pairing}", *judged)
        for judge, its in study["judge"].get("others", {}).items():
            if pairing in its["pairings"]:
                again = [f"{job}@{judge}" for job in judged]
                self._add(f"delta/{pairing}/{dimension}@{judge}", f"pair/{pairing}", *again)

    def _add_arm(self, policy: str, pairing: str, selection: str, recipe: str, seed: str) -> None:
        study, sides = self._study, pairing.split("~")
        read = [f"pair/{pairing}"]
        matched = selection.startswith("matched-")
        if found := re.fullmatch(r"(?:top|bottom|top-chosen|low-rejected|matched-[a-z]+)-([\w@]+)-\d+", selection):
            self._add_delta(pairing, found[1].partition("@")[0])
            read.append(f"delta/{pairing}/{found[1]}")
        if matched:
            read.append(f"grade/{sides[1]}")
        if found := re.fullmatch(r"(?:un)?likely-rejected-(.+)-\d+", selection):
            read.append(f"reference/{found[1]}/{sides[1]}")
        if found := re.fullmatch(r"(?:common|swapped)-(\w+)", selection):
            draw = "".join(pairing.partition("~")[0].partition("@")[1:])
            common = [
                "~".join(f"{side}{draw}" for side in other.split("~"))
                for other in study["filter"]["sets"][found[1]]["pairings"]
            ]
            for other in common:
                self._add_pair(other)
            read += [f"pair/{other}" for other in common]
        drawn = matched or selection.startswith(("top-", "bottom-", "low-"))
        order = seed.removeprefix("s") if drawn and study["filter"]["tie_order"] == "per_seed" else 0
        selected = f"filter/{pairing}/{selection}/t{order}"
        self._add(selected, *read)
        joined = ["prompts/train", f"pair/{pairing}", selected, f"ladder/{policy}/model"]
        joined += [f"generate/{side}" for side in sides]
        if study["train"]["recipes"][recipe]["method"] != "sft":  # SFT has no reference
            for side in sides:
                traced = f"generate/{side}"
                self._add(f"reference/{policy}/{side}", "prompts/train", traced, f"ladder/{policy}/model")
                joined.append(f"reference/{policy}/{side}")
        self._add(f"train/{policy}/{pairing}/{selection}/{recipe}/{seed}/policy", *joined)


def read_study(folder: Path) -> dict[str, Any]:
    """The parsed config of a checkout."""
    study: dict[str, Any] = yaml.safe_load((folder / CONFIG).read_text())
    return study


def _arms(experiment: Mapping[str, Iterable[Any]]) -> set[tuple[str, str, str, str, str]]:
    axes = ("policies", "pairings", "selections", "recipes", "seeds")
    policies, pairings, selections, recipes, seeds = (experiment[axis] for axis in axes)
    draws = experiment.get("draws", [0])
    repeats = zip(seeds, seeds, strict=True) if draws == "per_seed" else product(draws, seeds)
    return {
        (policy, "~".join(f"{side}@{draw}" if draw else side for side in pairing.split("~")), *rest, f"s{seed}")
        for draw, seed in repeats
        for policy, pairing, *rest in product(policies, pairings, selections, recipes)
    }
