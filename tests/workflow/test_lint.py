"""Rules of the house, checked by reading: one word per stage, no logic in rules, a light start, small files."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml

from prefdelta import stages
from prefdelta.core import layout
from prefdelta.core.settings import Settings
from prefdelta.core.stage_names import STAGES
from prefdelta.study.config.sections import Config
from prefdelta.study.study import Study
from replay.tested import TESTS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "workflow/rules"
SOURCE = sorted((ROOT / "src").rglob("*.py"))
SHARDED = {"generate"}  # stages with a rule for shares of their work
BATCHED = {"train": "", "evaluate": ""}  # stages whose rules are made in a loop, one per batch of arms


def rule_text(stage: str) -> str:
    return (RULES / f"{stage}.smk").read_text(encoding="utf-8")


# --- one word per stage ---


def test_each_stage_has_a_file_of_rules_and_there_are_no_others() -> None:
    assert {path.stem for path in RULES.iterdir()} == {*STAGES, "common"}


def test_each_stage_has_a_module_and_there_are_no_others() -> None:
    assert {path.stem for path in Path(*stages.__path__).glob("*.py")} == {*STAGES, "__init__"}


def test_each_stage_has_a_section_of_the_config_in_the_order_of_the_stages() -> None:
    sections = [
        name
        for name, field in Config.model_fields.items()
        # A section may be optional, as the ladder is; `models` and other axes hold settings too, by name.
        for kind in (get_args(field.annotation) if type(None) in get_args(field.annotation) else [field.annotation])
        if isinstance(kind, type) and issubclass(kind, Settings)
    ]
    assert tuple(sections) == (*STAGES, "cluster")


def test_the_snakefile_includes_the_stages_in_their_order() -> None:
    included = re.findall(r'^include: "workflow/rules/(\w+)\.smk"$', snakefile(), flags=re.MULTILINE)
    assert included == ["common", *STAGES]


@pytest.fixture(scope="module")
def study() -> Iterator[Study]:
    """The mini study; its paths are relative to the root of the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        yield Study(yaml.safe_load((ROOT / "resources/studies/mini.yaml").read_text()), "mini.yaml")


@pytest.mark.parametrize("stage", STAGES)
def test_a_file_of_rules_has_the_one_rule_of_its_name_which_runs_the_module_of_its_name(stage: str) -> None:
    text = rule_text(stage)
    # A stage of batches has one rule in a loop, without a name of its own.
    rules = [BATCHED.get(stage, stage), *([f"{stage}_shard"] if stage in SHARDED else [])]
    assert re.findall(r"^ *(?:rule|checkpoint) *(\w*):", text, flags=re.MULTILINE) == rules
    assert re.findall(r"^for (.+):$", text, flags=re.MULTILINE) == (
        [f"batch in study.{stage}_batches"] if stage in BATCHED else []
    )
    assert re.findall(r"prefdelta\.stages\.(\w+)", text) == [stage] * len(rules)


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in BATCHED])
def test_a_rule_asks_the_study_only_about_itself(stage: str) -> None:
    for rule, text in rules_of(stage).items():
        assert set(re.findall(r'study\.(?:input|resources|settings|texts|code)\("(\w+)"', text)) == {rule}
        assert re.findall(r'study\.threads\("(\w+)"\)', text) == [stage]


@pytest.mark.parametrize("stage", BATCHED)
def test_a_rule_of_a_batch_begins_with_the_stage_and_no_other_has_its_name(study: Study, stage: str) -> None:
    names = [batch.rule for batch in getattr(study, f"{stage}_batches")]
    assert names
    assert all(re.fullmatch(rf"{stage}_\w+", name) for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("stage", BATCHED)
def test_outputs_and_logs_of_batches_lie_in_the_folder_of_the_stage(study: Study, stage: str) -> None:
    made: list[str] = []
    for batch in getattr(study, f"{stage}_batches"):
        made += [*batch.outputs, batch.manifest]
        assert batch.log.startswith(f"results/mini/logs/{stage}/")
    assert all(path.startswith(f"results/mini/{stage}/") for path in made)
    assert len(set(made)) == len(made)  # no file is made by two jobs


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage not in BATCHED])
def test_a_rule_writes_where_the_table_of_paths_says(stage: str) -> None:
    for rule, text in rules_of(stage).items():
        name = layout.JOBS[rule]
        output = layout.OUTPUTS[rule] + layout.ENDINGS.get(rule, layout.TABLE)
        outputs = (output, *layout.FOLDERS.get(rule, ()), layout.manifest(name))
        assert written(text, "output") == [f"{{RESULTS}}/{path}" for path in outputs]
        assert [path.replace("{LOGS}", "logs") for path in written(text, "log")] == [layout.log(name)]


def test_the_table_of_paths_has_a_kind_of_job_per_rule_and_no_other() -> None:
    rules = {rule for stage in STAGES if stage not in BATCHED for rule in rules_of(stage)}
    assert layout.JOBS.keys() == layout.OUTPUTS.keys() == rules | {*BATCHED, "evaluate_base", "evaluate_sharpened"}


def rules_of(stage: str) -> dict[str, str]:
    """The text of each rule of a stage that has no batches, by its name."""
    _, *parts = re.split(r"^rule (\w+):$", rule_text(stage), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def written(rule: str, section: str) -> list[str]:
    """The patterns of paths in a section of a rule's text, with `{axis}` for a wildcard."""
    (lines,) = re.findall(rf"^    {section}:\n((?:        .*\n)+)", rule, flags=re.MULTILINE)
    return [path.replace("{{", "{").replace("}}", "}") for path in re.findall(r'f"([^"]+)"', lines)]


# --- no logic where nothing can test it ---


def snakefile() -> str:
    return (ROOT / "Snakefile").read_text(encoding="utf-8")


def test_the_snakefile_is_a_table_of_contents() -> None:
    assert len(snakefile().splitlines()) <= 60


@pytest.mark.parametrize("stage", STAGES)
def test_rules_hold_no_code_and_hide_no_time_stamp(stage: str) -> None:
    # ancient() leaves targets unbuilt and exits 0.
    forbidden = r"^\s*(?:run|script|notebook|wrapper):|\bancient\(|\blambda\b|\bdef\b|\bimport\b"
    assert re.findall(forbidden, rule_text(stage), flags=re.MULTILINE) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_job_replaces_its_shell_so_that_signals_reach_it(stage: str) -> None:
    assert '"exec python -m prefdelta.stages.' in rule_text(stage)


# --- a light start: Snakemake imports this on the head node, and again in each SLURM job ---

_PROBE = """
import json, sys, time
start = time.process_time()
import prefdelta.core.errors, prefdelta.system.log, prefdelta.study.summary
import prefdelta.workflow.rate_limit, prefdelta.workflow.run_plan, prefdelta.workflow.runs
print(json.dumps([time.process_time() - start, sorted(name for name in sys.modules if "." not in name)]))
"""


def test_what_the_snakefile_imports_is_light() -> None:
    source = snakefile() + "".join(path.read_text() for path in RULES.iterdir())
    imported = set(re.findall(r"^from (prefdelta[\w.]* import \w+)", source, flags=re.MULTILINE))
    expected = {
        "prefdelta.workflow import rate_limit",
        "prefdelta.core.errors import StudyError",
        "prefdelta.system.log import say",
        "prefdelta.study.study import Study",
        "prefdelta.study.summary import summary",
        "prefdelta.study.texts import REPORT_CLAIMS",
    }
    assert imported == expected, "the probe imports something else"
    seconds, modules = [], set()
    for _ in range(5):  # the best of them, in CPU time: other processes can slow an import down, nothing speeds it up
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=True)
        took, names = json.loads(done.stdout)
        seconds.append(took)
        modules |= set(names)
    heavy = {"torch", "transformers", "trl", "vllm", "pandas", "datasets", "openai", "aiohttp", "pyarrow", "numpy"}
    assert modules & (heavy | {"scipy", "matplotlib", "jinja2"}) == set()
    assert min(seconds) < 0.5


# --- small files, few in a folder, one meaning per name (CONTRIBUTING.md) ---


def test_no_file_of_source_is_longer_than_400_lines() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE}
    assert {str(path.relative_to(ROOT)): number for path, number in lines.items() if number > 400} == {}


def test_no_folder_has_more_than_20_modules() -> None:
    modules = Counter(str(path.parent.relative_to(ROOT)) for path in SOURCE if path.name != "__init__.py")
    assert {folder: number for folder, number in modules.items() if number > 20} == {}


def test_no_two_classes_have_one_name() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE]
    classes = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, number in classes.items() if number > 1] == []


# --- what docs/faults.md and docs/cluster.md say is tested ---


def test_every_fault_has_a_test_that_exists() -> None:
    rows = re.findall(r"^\| (\d+) \|.*$", text := (ROOT / "docs/faults.md").read_text(), flags=re.MULTILINE)
    assert rows == [*map(str, range(1, 25))]
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) >= len(rows)
    for file, test in named:
        assert f"def {test or 'test_'}" in (ROOT / file).read_text(), f"{file}::{test}"


def test_every_case_that_is_replayed_by_tests_has_tests_that_exist() -> None:
    for test in (test for tests in TESTS.values() for test in tests):
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text(), test


def test_what_clusters_do_has_a_test_that_exists_and_each_of_them_is_told() -> None:
    tests = re.findall(r"^def (test_\w+)", (ROOT / "tests/slurm/test_faults.py").read_text(), flags=re.MULTILINE)
    named = re.findall(r"`(test_\w+)`", (ROOT / "docs/cluster.md").read_text())
    assert sorted(named) == sorted(tests)
