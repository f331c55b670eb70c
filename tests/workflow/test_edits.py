"""Edit -> jobs planned: real dry runs of the mini study, one arm per job, after it has run.

The study does not run here (that takes 13 minutes): every output is written with content of its own, and Snakemake
records all jobs as done (`--touch`). The first tests hold this pretence, and the graph that the expected jobs are
computed from, against Snakemake itself.
"""

import ast
import copy
import json
import os
import re
import shutil
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from once import copied
from prefdelta.core import layout
from prefdelta.records.grade import Grade
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables

from .planning import (
    CONFIG,
    RESULTS,
    StudyGraph,
    graph_planned,
    jobs_planned,
    make_checkout,
    outputs_planned,
    pretend_to_have_run,
    read_study,
    snakemake,
    touch,
)

DAY = 86_400  # seconds
STAGES = (
    "prompts",
    "ladder",
    "generate",
    "grade",
    "judge",
    "pair",
    "delta",
    "filter",
    "reference",
    "train",
    "evaluate",
)
SOURCES = ("Snakefile", "src", "workflow", "resources", "profiles")
RUBRICS, TEMPLATES = Path("resources/rubrics"), Path("resources/templates")
BROWSER = Path("resources/browser")
Study = dict[str, Any]  # a parsed config
Edit = Callable[[Path], None]  # changes a checkout; fails if it leaves all as it was
Expected = Callable[[StudyGraph], frozenset[str]]  # the jobs planned, from the graph of the edited study


# --- the state "the study has run" ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which nothing has run."""
    return make_checkout(tmp_path_factory.mktemp("fresh") / "study")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the study has run. Tests copy it and leave it as it is."""
    return pretend_to_have_run(make_checkout(tmp_path_factory.mktemp("finished") / "study"))


@pytest.fixture(scope="module")
def finished_apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with each dimension asked in a form of its own, named as the dimension."""
    folder = make_checkout(tmp_path_factory.mktemp("finished-apart") / "study")
    set_in_config("judge", "forms", to={name: [name] for name in read_study(folder)["dimensions"]})(folder)
    return pretend_to_have_run(folder)


def record_of(folder: Path, path: str) -> dict[str, Any]:
    """What Snakemake has recorded of an output."""
    name = urlsafe_b64encode(path.encode()).decode()
    record: dict[str, Any] = json.loads((folder / ".snakemake/metadata" / name).read_text())
    return record


def test_the_graph_written_down_for_these_tests_is_the_one_that_snakemake_builds(fresh: Path) -> None:
    assert graph_planned(fresh) == StudyGraph(read_study(fresh)).graph


def test_a_study_that_has_run_plans_nothing(finished: Path, finished_apart: Path, tmp_path: Path) -> None:
    assert jobs_planned(copied(finished, tmp_path / "together")) == frozenset()
    assert jobs_planned(copied(finished_apart, tmp_path / "apart")) == frozenset()


def test_every_output_is_recorded_with_code_params_and_the_checksum_of_every_input(fresh: Path, finished: Path) -> None:
    # An output without a record counts as up to date, whatever changes: each row below would hold of any code.
    outputs = outputs_planned(fresh)
    recorded = [record_of(finished, path) for path in outputs]
    assert len(outputs) == 2 * len(StudyGraph(read_study(fresh)).jobs) + 3  # table and manifest; the pages' folders
    assert all(record["params"] and record["code"].startswith("exec python -m prefdelta.") for record in recorded)
    assert all(record["input_checksums"].keys() == set(record["input"]) for record in recorded)


def test_a_touched_job_is_recorded_as_a_real_run_records_it(finished: Path, tmp_path: Path) -> None:
    made, inputs = f"{RESULTS}/grade/g2.parquet", {"prompts/train": Prompt, "generate/g2": Trace}
    found = {}
    for way in ("touched", "run"):
        folder = copied(finished, tmp_path / way)
        for name, row_type in inputs.items():
            tables.write(folder / f"{RESULTS}/{name}.parquet", row_type, [])  # grading no traces takes a second
            (folder / f"{RESULTS}/{name}.manifest.json").unlink()  # it is pretended too, and stages check manifests
        job = ("--force", "--allowed-rules", "grade", "--", made)
        if way == "touched":
            touch(folder, *job)
        else:
            assert "1 of 1 steps (100%) done" in snakemake(folder, "--printshellcmds", *job)
            assert tables.read(folder / made, Grade) == []  # it did run: this was a line of text
        found[way] = record_of(folder, made)
    of_this_run = {"starttime", "endtime", "job_hash"}  # times, and a hash that Python seeds anew in every process
    touched, real = ({key: value for key, value in found[way].items() if key not in of_this_run} for way in found)
    assert touched == real
    assert set(real["input_checksums"]) == {f"{RESULTS}/{name}.parquet" for name in inputs}
    assert {"rule", "input", "params", "code", "shellcmd", "software_stack_hash", "input_checksums"} <= set(real)


# --- edits ------------------------------------------------------------------------------------------------------------


def set_times(seconds: int, *names: str) -> Edit:
    """Touch files and all files in folders: each a second older than the one above it in the flow of data."""

    def edit(folder: Path) -> None:
        roots = [folder / name for name in names]
        files = [path for root in roots for path in ([root] if root.is_file() else root.rglob("*")) if path.is_file()]
        assert len(files) > len(names)

        def place(path: Path) -> int:
            parts = set(path.relative_to(folder).parts)
            return next((number for number, stage in enumerate(STAGES) if stage in parts), len(STAGES))

        now = time.time() + seconds
        for number, path in enumerate(sorted(files, key=place)):
            os.utime(path, (now - number, now - number))

    return edit


def rewrite(name: str, change: Callable[[str], str], seconds: int = 0) -> Edit:
    """Change a text; its time stamp becomes now, and so many seconds."""

    def edit(folder: Path) -> None:
        path = folder / name
        text = path.read_text()
        changed = change(text)
        assert changed != text
        path.write_text(changed)
        os.utime(path, (time.time() + seconds, time.time() + seconds))

    return edit


def reword(path: Path, seconds: int = 0) -> Edit:
    return rewrite(str(path), lambda text: f"{text.rstrip()} Be exact.\n", seconds)


def create(name: str, text: str) -> Edit:
    def edit(folder: Path) -> None:
        assert not (folder / name).exists()
        (folder / name).write_text(text)

    return edit


def in_source(module: str, change: Callable[[str], str]) -> Edit:
    return rewrite(f"src/prefdelta/{module}.py", change)


def in_function(module: str, name: str) -> Edit:
    """One more statement at the end of a function. Comments and formatting of its module are lost on the way."""

    def change(text: str) -> str:
        tree = ast.parse(text)
        (function,) = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
        function.body.append(ast.Assert(test=ast.Constant(value=True)))
        return ast.unparse(ast.fix_missing_locations(tree))

    return in_source(module, change)


def reword_docstrings(text: str) -> str:
    tree = ast.parse(text)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    documented = [node for node in ast.walk(tree) if isinstance(node, kinds) and ast.get_docstring(node)]
    assert any(isinstance(node, ast.FunctionDef) for node in documented)
    for node in documented:
        node.body[0] = ast.Expr(ast.Constant(value="Other words."))
    return ast.unparse(ast.fix_missing_locations(tree))


def format_anew(text: str) -> str:
    """The same syntax tree without comments, in other lines, quotes and brackets."""
    return ast.unparse(ast.parse(text))


def in_config(change: Callable[[Study], None]) -> Edit:
    """Change the parsed config, without the links that YAML's anchors leave between its parts."""

    def edit(folder: Path) -> None:
        text = json.dumps(read_study(folder))
        study = json.loads(text)
        change(study)
        assert json.dumps(study) != text  # the order counts
        (folder / CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))

    return edit


def set_in_config(*keys: str, to: Any) -> Edit:
    def change(study: Study) -> None:
        section_of(study, keys)[keys[-1]] = to

    return in_config(change)


def append_in_config(*keys: str, value: Any) -> Edit:
    def change(study: Study) -> None:
        section_of(study, keys)[keys[-1]].append(value)

    return in_config(change)


def turn_round(*keys: str) -> Edit:
    """Reverse the order of a list, or of a mapping's keys."""

    def change(study: Study) -> None:
        section, last = section_of(study, keys), keys[-1]
        found = section[last]
        section[last] = dict(reversed(found.items())) if isinstance(found, dict) else found[::-1]

    return in_config(change)


def section_of(study: Study, keys: tuple[str, ...]) -> Any:
    """What holds the last of the keys."""
    for key in keys[:-1]:
        study = study[key]
    return study


def all_of(*edits: Edit) -> Edit:
    def edit(folder: Path) -> None:
        for one in edits:
            one(folder)

    return edit


def add_generator(study: Study) -> None:
    study["models"]["g5"] = copy.deepcopy(study["models"]["g4"])
    study["models"]["g5"]["ladder"]["seed"] = 99
    study["generators"]["g5"] = {"model": "g5"}


def add_generator_with_an_experiment(study: Study) -> None:
    add_generator(study)
    study["experiments"]["larger"] = study["experiments"]["scaling"] | {"pairings": ["g5~g0"], "selections": ["all"]}


def add_generator_to_the_scaling_set(study: Study) -> None:
    add_generator(study)
    study["experiments"]["scaling"]["pairings"].append("g5~g0")
    study["filter"]["sets"]["scaling"]["pairings"].append("g5~g0")


def add_judge(study: Study) -> None:
    engine = study["judge"]["engine"] | {"server": {"name": "rules", "noise": 0.3}}
    study["judge"]["others"] = {"second": {"engine": engine, "pairings": ["g3~g1"], "prompts": 400}}
    study["experiments"]["filtering"]["selections"].append("top-mean@second-250")


def add_sheet(folder: Path) -> None:
    """People have scored a sheet. Only its place counts here."""
    for path in (layout.annotations("mini", "s-1"), layout.sheet_key("mini", "s-1")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("scored\n")
    set_in_config("annotations", to=["s-1"])(folder)


def add_dimension(study: Study) -> None:
    study["dimensions"].append("brevity_of_wit")
    study["judge"]["forms"]["wit"] = ["brevity_of_wit"]


def add_benchmark(study: Study) -> None:
    study["benchmarks"].append("mini_validation_code")
    group = study["evaluate"]["groups"]["sampled"]
    study["evaluate"]["groups"]["more"] = group | {"title": "More", "benchmarks": ["mini_validation_code"]}


def remove_cells(study: Study) -> None:
    del study["experiments"]["cells"]
    study["evaluate"]["groups"]["greedy"]["experiments"].remove("cells")


def remove_first_filtering_selection(study: Study) -> None:
    del study["experiments"]["filtering"]["selections"][0]


def put_a_selection_first(study: Study) -> None:
    study["experiments"]["filtering"]["selections"].insert(0, "top-factuality-250")


def set_dpo_learning_rate_by_text(text: str) -> str:
    head, anchor, tail = text.partition("dpo: &dpo\n")
    assert anchor
    return head + anchor + re.sub(r"learning_rate: \S+", "learning_rate: 0.0002", tail, count=1)


def sort_all_keys(study: Study) -> None:
    ordered = json.loads(json.dumps(study, sort_keys=True))
    study.clear()
    study.update(ordered)


def write_config_anew(folder: Path) -> None:
    """Without comments and anchors, in YAML's other style."""
    path = folder / CONFIG
    assert "&dpo" in path.read_text()
    path.write_text(json.dumps(read_study(folder), indent=1))


NEW_ENGINE = all_of(
    in_source(
        "system/plugins",
        lambda text: text.replace("= {", '= {"engines.another": "prefdelta.engines.another:Engine",', 1),
    ),
    create("src/prefdelta/engines/another.py", '"""Another."""\n\n\nclass Engine:\n    pass\n'),
    in_source("engines/another", lambda text: f"{text}    speed = 2\n"),
    in_function("engines/vllm", "engine_arguments"),
)
NEW_METHOD = all_of(
    in_source(
        "system/plugins",
        lambda text: text.replace("= {", '= {"training.another": "prefdelta.training.methods.another:METHOD",', 1),
    ),
    lambda folder: create(
        "src/prefdelta/training/methods/another.py",
        (folder / "src/prefdelta/training/methods/sft.py").read_text().replace('"sft"', '"another"'),
    )(folder),
)
IN_PLUMBING = all_of(
    in_function("store/tables", "write"),
    in_function("workflow/job", "start"),
    in_function("system/plugins", "load"),
    in_function("study/config/files", "parse"),
    in_function("study/inputs", "weights"),
)


# --- the table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    name: str
    edit: Edit
    expected: Expected


def nothing(_: StudyGraph) -> frozenset[str]:
    return frozenset()


def only_the_report(study: StudyGraph) -> frozenset[str]:
    return study.some("report/index")


def only_the_browser(study: StudyGraph) -> frozenset[str]:
    return study.some("browse/index")


def only_the_pages(study: StudyGraph) -> frozenset[str]:
    return study.some("browse/index", "report/index")


def some(*patterns: str) -> Expected:
    """The pages, and the jobs of these patterns alone."""
    return lambda study: study.some(*patterns, "browse/index", "report/index")


def unbrowsed(*patterns: str) -> Expected:
    """The report, and the jobs of these patterns alone, whose results the browser does not show."""
    return lambda study: study.some(*patterns, "report/index")


def below(*patterns: str) -> Expected:
    """The jobs of these patterns, and all that stand on them."""
    return lambda study: study.below(*patterns)


# Counts in comments: 221 jobs in all, of these 6 generate, 12 judge, 7 pair, 42 delta, 23 filter, 42 train, 60 evaluate
# (of which 4 untrained policies), 1 report, 1 browse. The 1 at the end of a count is the report; browse comes on top.
TIMES = [
    Case(f"{what} are touched, {when}", set_times(seconds, *names), nothing)
    for what, names in (("all sources", SOURCES), ("all outputs", (RESULTS,)))
    for when, seconds in (("now", 0), ("a day in the future", DAY), ("a day in the past", -DAY))
]
SOURCE = [
    Case("a comment", in_source("core/pairs/selections", lambda text: f"# Why.\n{text}\n# That is why.\n"), nothing),
    Case("other docstrings", in_source("core/pairs/selections", reword_docstrings), nothing),
    Case("other formatting", in_source("core/pairs/selections", format_anew), nothing),
    Case("a new engine that no job uses, and an edit in it", NEW_ENGINE, nothing),
    Case("a new training method that no recipe names", NEW_METHOD, nothing),
    Case("plumbing, and what reads the config", IN_PLUMBING, nothing),
    Case("the display of a run", in_function("../snakemake_logger_plugin_prefdelta/texts", "progress"), nothing),
    # Of the stages filter and report import it; study and config do too, but are no stage: 23 + 42 + 56 + 1.
    Case("a function of selections", in_function("core/pairs/selections", "select"), below("filter/*/*/*")),
    # Imported by pair alone: 7 + 42 + 23 + 42 + 56 + 1.
    Case("a function that forms pairs", in_function("core/pairs/forming", "form_pairs"), below("pair/*")),
    # Methods are plug-ins, in the digest of the jobs whose settings name them: 2 train + 4 evaluate + 1.
    Case(
        "a function of the method KTO",
        in_function("training/methods/kto", "make_rows"),
        below("train/*/*/*/kto/*/policy"),
    ),
    # As are servers; below it are the 8 selections by a delta: 12 + 42 + 8 + 8 + 8 + 1.
    Case("a function of the judge's server", in_function("servers/rules", "command"), below("judge/*/*")),
]
# A selection for `filtering`, which is evaluated in one group.
NEW_SELECTION = (
    "filter/g3~g1/top-factuality-250/t0",
    "train/pa/g3~g1/top-factuality-250/dpo/s0/policy",
    "evaluate/pa/g3~g1/top-factuality-250/dpo/s0/sampled",
)
ON_FACTUALITY = ("top-factuality-500", "top-mean-500", "bottom-mean-500", "matched-length-mean-500")
RUBRIC, JUDGE, PROBLEM = RUBRICS / "factuality.md", TEMPLATES / "judge.md", TEMPLATES / "problem.md"
# Its form asks 4 dimensions: 6 judge, 7 x (4 + the mean) delta, 4 + 3 by the mean filter, 7 train, 7 evaluate, 1.
BELOW_LOGIC = below("judge/*/logic")
BELOW_JUDGE = below("judge/*/*")
ALL_BUT_SOURCES = below("generate/*", "reference/*/*", "evaluate/*/base/*")
TEXTS = [
    Case("a rubric of a form of several", reword(RUBRIC), BELOW_LOGIC),
    Case("that rubric, by a clock that is a day late", reword(RUBRIC, -DAY), BELOW_LOGIC),
    # 6 judge, 7 x (itself + the mean) delta, 1 + 3 filter, 4 train, 4 evaluate, 1.
    Case("a rubric of a form of one", reword(RUBRICS / "signal_to_noise.md"), below("judge/*/brevity")),
    Case("the judge's template", reword(JUDGE), BELOW_JUDGE),
    Case("the judge's template, by a clock that is a day late", reword(JUDGE, -DAY), BELOW_JUDGE),
    Case("the problem's template, which four stages share", reword(PROBLEM), ALL_BUT_SOURCES),
    Case("the problem's template, by a clock that is a day late", reword(PROBLEM, -DAY), ALL_BUT_SOURCES),
    Case(
        "another template for evaluate",
        all_of(
            create(str(TEMPLATES / "exam.md"), "Exam: {problem}\n"),
            set_in_config("evaluate", "template", to=str(TEMPLATES / "exam.md")),
        ),
        below("evaluate/*/base/*", "evaluate/*/*/*/*/*/*"),
    ),
    Case("the pair browser's page", reword(BROWSER / "index.html"), only_the_browser),
    Case(
        "the pair browser's page, by a clock that is a day late", reword(BROWSER / "index.html", -DAY), only_the_browser
    ),
    Case("a further script of the pair browser", create(str(BROWSER / "more.js"), "more();\n"), only_the_browser),
    Case("the report's template", reword(TEMPLATES / "report.html"), only_the_report),
    Case("the paper's claims", reword(Path("resources/claims.yaml")), only_the_report),
    Case(
        "what the paper reports in its figures",
        rewrite("resources/paper_values.yaml", lambda text: f"# Low trust.\n{text}"),
        only_the_report,
    ),
    Case(
        "the page's style sheet",
        rewrite("resources/templates/report/style.css", lambda text: f"{text}b {{ color: red; }}\n"),
        only_the_report,
    ),
    Case(
        "the report's template, by a clock that is a day late",
        reword(TEMPLATES / "report.html", -DAY),
        only_the_report,
    ),
    Case(
        "a benchmark's items",  # of the group `sampled` alone
        rewrite("resources/benchmarks/mini_stem.yaml", lambda text: re.sub(r"items: \d+", "items: 450", text)),
        below("prompts/mini_stem"),
    ),
    Case(
        "a benchmark's title",
        rewrite("resources/benchmarks/mini_stem.yaml", lambda text: text.replace("title: ", "title: The ")),
        only_the_pages,
    ),
    Case(
        "a comment in a benchmark",
        rewrite("resources/benchmarks/mini_stem.yaml", lambda text: f"# Hard.\n{text}"),
        nothing,
    ),
]
SETTINGS = [
    Case("the config without comments and anchors", write_config_anew, nothing),
    Case(
        "a mark in the config of where a value comes from",
        rewrite(CONFIG, lambda text: text.replace("seed: 20260423", "seed: 20260423 # [V]", 1)),
        only_the_report,
    ),
    Case(
        "a table of misconceptions, which only the models that hold it see",
        in_config(lambda study: study["ladder"]["misconceptions"]["held"].pop()),
        below("ladder/gx/model"),
    ),
    Case("what a job asks of the machine", set_in_config("compute", "judge", "mem_mb", to=999), nothing),
    Case(
        "what the site calls its partitions, account and GPUs",
        in_config(lambda study: study.update(cluster={"account": "a", "gpu_partition": "gpu", "gpu_model": "h100"})),
        nothing,
    ),
    Case(
        "training as jobs of two nodes that the rules ask for themselves, and how their GPUs share weights",
        in_config(
            lambda study: study["compute"]["train"].update(
                gpus=8, submitit={"nodes": 2, "partition": "scavenge"}, fsdp={"cpu_offload": True}
            )
        ),
        nothing,
    ),
    Case("items of the training prompts", set_in_config("prompts", "train", "items", to=2100), below("prompts/train")),
    # Of the benchmarks too: all jobs but the ladder's.
    Case("a limit on prompts", set_in_config("prompts", "limit", to=1900), below("prompts/*")),
    Case(
        "the sampling of one generator",
        set_in_config("generators", "g2", "sampling", to={"temperature": 0.7, "max_tokens": 80}),
        # g2~g0 is in the set `scaling`, so the common prompts may change: the selections of all 6 pairings follow.
        # 1 each of generate, grade, pair, reference; 2 judge, 6 delta, 6 filter, 24 train, 32 evaluate, 1.
        below("generate/g2"),
    ),
    # The record has the first votes: only the new ones are asked (tests/study/test_reruns.py).
    Case("the judge's votes", set_in_config("judge", "votes", to=3), BELOW_JUDGE),
    Case("the judge's temperature", set_in_config("judge", "sampling", "temperature", to=0.5), BELOW_JUDGE),
    # Greedily they would answer the same again: 2 of the 4 jobs of untrained policies.
    Case(
        "how often the untrained policies answer",
        set_in_config("evaluate", "base_samples", to=6),
        some("evaluate/*/base/sampled"),
    ),
    Case(
        "how much of an update must be kept",
        set_in_config("evaluate", "min_update_cosine", to=0.9),
        some("evaluate/*/*/*/*/*/*"),
    ),
    # Graded again from the record, without a call (tests/stages/test_evaluate.py).
    Case(
        "the graders beside ours",
        set_in_config("evaluate", "other_graders", to=[]),
        some("evaluate/*/base/*", "evaluate/*/*/*/*/*/*"),
    ),
    Case(
        "a further temperature of the untrained policies",
        set_in_config("evaluate", "groups", "sampled", "base_temperatures", to=[0.5]),
        unbrowsed("evaluate/*/base@0.5/sampled"),
    ),
    Case(
        "the learning rate of the anchor dpo, which two recipes inherit",
        rewrite(CONFIG, set_dpo_learning_rate_by_text),
        below("train/*/*/*/dpo/*/policy", "train/*/*/*/dpo-updates/*/policy", "train/*/*/*/kto/*/policy"),
    ),
    Case(
        "the learning rate of dpo alone",
        set_in_config("train", "recipes", "dpo", "learning_rate", to=0.0002),
        below("train/*/*/*/dpo/*/policy"),
    ),
    # Seed 0 has the order 0 both ways, and mini trains no other seed on a selection by a delta; the page says so.
    Case("one order of ties for all seeds", set_in_config("filter", "tie_order", to="fixed"), only_the_report),
    Case(
        "the share of drawn pairs that is marked", set_in_config("filter", "max_drawn_share", to=0.3), only_the_report
    ),
    Case("the seed of ties", set_in_config("filter", "tie_seed", to=1), below("filter/*/*/*")),
    Case("the prompts per page of the pair browser", set_in_config("browse", "page", to=10), only_the_pages),
    Case("the colour of the plots", set_in_config("report", "colour", to="#883322"), only_the_report),
    Case("a generator's family", set_in_config("generators", "g1", "family", to="small"), only_the_report),
    Case("an experiment's title", set_in_config("experiments", "cells", "title", to="Cells"), only_the_report),
]
ADDED = [
    Case(
        "a generator with an experiment of its own",
        in_config(add_generator_with_an_experiment),
        # 1 each but 2 judge, 6 delta, 3 train, 3 evaluate (3 seeds)
        some(
            *("ladder/g5/model", "generate/g5", "grade/g5", "judge/g5/*", "reference/pa/g5"),
            *("pair/g5~g0", "delta/g5~g0/*", "filter/g5~g0/all/t0"),
            *("train/pa/g5~g0/all/dpo/*/policy", "evaluate/pa/g5~g0/all/dpo/*/sampled"),
        ),
    ),
    Case(
        "a generator compared with the others, on the prompts they have in common",
        in_config(add_generator_to_the_scaling_set),
        lambda study: (
            study.some("ladder/g5/model", "generate/g5", "grade/g5", "judge/g5/*", "reference/pa/g5")
            | study.some("pair/g5~g0", "delta/g5~g0/*")
            | study.below("filter/*/common-scaling/t0")
        ),
    ),
    Case(
        "a dimension in a form of its own, outside the mean",
        all_of(create(str(RUBRICS / "brevity_of_wit.md"), "Is it witty?\n"), in_config(add_dimension)),
        some("judge/*/wit", "delta/*/brevity_of_wit"),  # 6 + 7 + 1
    ),
    Case(
        "a benchmark in a group of its own",
        in_config(add_benchmark),
        some("prompts/mini_validation_code", "evaluate/*/base/more", "evaluate/*/*/*/*/*/more"),
    ),
    Case(
        "a selection, listed last",
        append_in_config("experiments", "filtering", "selections", value="top-factuality-250"),
        some(*NEW_SELECTION),
    ),
    Case("a selection, listed first", in_config(put_a_selection_first), some(*NEW_SELECTION)),
    Case("a sheet that people have scored", add_sheet, only_the_report),
    Case(
        "another judge, and a selection by it",
        in_config(add_judge),
        some(
            *("judge/*/logic@second", "judge/*/brevity@second", "delta/g3~g1/*@second"),  # 4 + 6
            "filter/g3~g1/top-mean@second-250/t0",
            "train/pa/g3~g1/top-mean@second-250/dpo/s0/policy",
            "evaluate/pa/g3~g1/top-mean@second-250/dpo/s0/sampled",
        ),
    ),
    Case(
        "a seed",
        append_in_config("experiments", "scaling", "seeds", value=3),
        # 6 + 6 + 1
        some("train/pa/*/common-scaling/dpo/s3/policy", "evaluate/pa/*/common-scaling/dpo/s3/sampled"),
    ),
    Case(
        "another draw of traces of a common set",
        set_in_config("experiments", "second_policy", "draws", to=[0, 1]),
        # All 6 generators of the set, and no verdict: 6 + 6 + 6 + 2 + 2 + 2 + 4 + 1.
        some(
            *("generate/*@1", "grade/*@1", "pair/*@1~*@1", "filter/*@1~*@1/common-scaling/t0", "reference/pb/*@1"),
            *("train/pb/*@1~*@1/common-scaling/dpo/s0/policy", "evaluate/pb/*@1~*@1/common-scaling/dpo/s0/*"),
        ),
    ),
    Case(
        "another draw of traces for selections by delta and others",
        set_in_config("experiments", "filtering", "draws", to=[0, 2]),
        # Of g3 and g1, with their verdicts: 2 + 2 + 4 + 1 + 6 + 12 + 2 + 12 + 12 + 1.
        some(
            *("generate/*@2", "grade/*@2", "judge/*@2/*", "pair/g3@2~g1@2", "delta/g3@2~g1@2/*", "reference/pa/*@2"),
            *("filter/g3@2~g1@2/*/t0", "train/pa/g3@2~g1@2/*/dpo/s0/policy", "evaluate/pa/g3@2~g1@2/*/dpo/s0/sampled"),
        ),
    ),
    Case(
        "a seed of selections by delta and others",
        append_in_config("experiments", "filtering", "seeds", value=1),
        # Ties are drawn anew for the 8 by delta; the other 4 selections are there: 8 + 12 + 12 + 1.
        some("filter/g3~g1/*/t1", "train/pa/g3~g1/*/dpo/s1/policy", "evaluate/pa/g3~g1/*/dpo/s1/sampled"),
    ),
    Case(
        "a seed that another experiment has trained",
        append_in_config("experiments", "methods", "seeds", value=1),
        # By dpo it is trained and sampled for `scaling`, but not yet evaluated greedily: 4 + 4 + 6 + 1.
        some(
            *("train/pa/*/common-scaling/sft/s1/policy", "train/pa/*/common-scaling/kto/s1/policy"),
            *("evaluate/pa/*/common-scaling/sft/s1/sampled", "evaluate/pa/*/common-scaling/kto/s1/sampled"),
            "evaluate/pa/*/common-scaling/*/s1/greedy",
        ),
    ),
]
REMOVED = [
    Case("a selection, listed first", in_config(remove_first_filtering_selection), only_the_pages),
    Case("an experiment, listed in the middle", in_config(remove_cells), only_the_pages),
    Case(
        "an experiment, listed last",
        in_config(lambda study: study["experiments"].pop("equal_updates")),
        only_the_pages,
    ),
]
ORDER = [
    Case(
        "models, generators, policies, forms, a common set and recipes",
        all_of(
            turn_round("models"),
            turn_round("generators"),
            turn_round("policies"),
            turn_round("judge", "forms"),
            turn_round("filter", "sets", "scaling", "pairings"),
            turn_round("train", "recipes"),
        ),
        nothing,
    ),
    Case("seeds", turn_round("experiments", "scaling", "seeds"), nothing),
    Case("the dimensions of a mean", turn_round("delta", "composites", "mean"), nothing),
    Case("the experiments of a group", turn_round("evaluate", "groups", "greedy", "experiments"), nothing),
    # The pages show these in the order of the config: that is a setting of theirs, and no other job's.
    Case(
        "dimensions, benchmarks and groups",
        all_of(turn_round("dimensions"), turn_round("benchmarks"), turn_round("evaluate", "groups")),
        only_the_pages,
    ),
    Case("the benchmarks of a group", turn_round("evaluate", "groups", "sampled", "benchmarks"), only_the_report),
    Case("experiments", turn_round("experiments"), only_the_report),
    Case(
        "the pairings and recipes of an experiment",
        all_of(turn_round("experiments", "scaling", "pairings"), turn_round("experiments", "methods", "recipes")),
        only_the_report,
    ),
    Case("the selections of an experiment", turn_round("experiments", "filtering", "selections"), only_the_report),
    Case("all keys, sorted", in_config(sort_all_keys), only_the_report),
    # The rubrics follow each other in the judge's prompt.
    Case("the dimensions of a form", turn_round("judge", "forms", "logic"), BELOW_LOGIC),
]
GROUPS = {
    "time": TIMES,
    "source": SOURCE,
    "text": TEXTS,
    "setting": SETTINGS,
    "added": ADDED,
    "removed": REMOVED,
    "order": ORDER,
}
CASES = [Case(f"{group}: {case.name}", case.edit, case.expected) for group, found in GROUPS.items() for case in found]


@pytest.fixture(scope="module")
def plans(
    request: pytest.FixtureRequest, finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[tuple[frozenset[str], StudyGraph]]]]:
    """The dry runs of the cases that this session tests, two at a time: what is planned, and the edited study."""
    folder = tmp_path_factory.mktemp("edited")
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    cases = {found["case"].name: found["case"] for found in parameters if isinstance(found.get("case"), Case)}

    def plan(number: int, case: Case) -> tuple[frozenset[str], StudyGraph]:
        checkout = copied(finished, folder / str(number))
        case.edit(checkout)
        try:
            return jobs_planned(checkout), StudyGraph(read_study(checkout))
        finally:
            shutil.rmtree(checkout)

    with ThreadPoolExecutor(2) as pool:
        yield {case.name: pool.submit(plan, number, case) for number, case in enumerate(cases.values())}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_edit_plans_what_it_can_change_and_nothing_else(
    case: Case, plans: dict[str, Future[tuple[frozenset[str], StudyGraph]]]
) -> None:
    planned, study = plans[case.name].result()
    expected = case.expected(study)
    assert not planned - expected, "planned needlessly"
    assert not expected - planned, "missed"


@pytest.mark.parametrize("seconds", [0, -DAY], ids=["now", "by a clock that is a day late"])
def test_with_one_dimension_per_form_a_rubric_plans_only_its_own_judging_and_what_stands_on_it(
    finished_apart: Path, tmp_path: Path, seconds: int
) -> None:
    folder = copied(finished_apart, tmp_path / "study")
    reword(RUBRIC, seconds)(folder)
    study = StudyGraph(read_study(folder))
    assert jobs_planned(folder) == study.some(
        "judge/*/factuality",  # 6 generators
        *("delta/*/factuality", "delta/*/mean"),  # 7 pairings each
        *(f"filter/g3~g1/{selection}/t0" for selection in ON_FACTUALITY),  # 4, and so many train and evaluate
        *(f"train/pa/g3~g1/{selection}/dpo/s0/policy" for selection in ON_FACTUALITY),
        *(f"evaluate/pa/g3~g1/{selection}/dpo/s0/sampled" for selection in ON_FACTUALITY),
        *("browse/index", "report/index"),
    )
