"""Rules of the house that can be checked by reading: one word per stage, no logic in rules, a light start."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from prefdelta import stages
from prefdelta.config import STAGES, Config
from prefdelta.core.settings import Settings

ROOT = Path(__file__).parents[2]
RULES = ROOT / "workflow/rules"


def rule_text(stage: str) -> str:
    return (RULES / f"{stage}.smk").read_text(encoding="utf-8")


# --- one word per stage ---


def test_each_stage_has_a_file_of_rules_and_there_are_no_others() -> None:
    assert {path.stem for path in RULES.iterdir()} == {*STAGES, "common"}


def test_each_stage_has_a_module_and_there_are_no_others() -> None:
    assert {path.stem for path in Path(*stages.__path__).glob("*.py")} == {*STAGES, "entry", "__init__"}


def test_each_stage_has_a_section_of_the_config_in_the_order_of_the_stages() -> None:
    sections = [
        name
        for name, field in Config.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings)
    ]
    assert tuple(sections) == STAGES


def test_the_snakefile_includes_the_stages_in_their_order() -> None:
    included = re.findall(r'^include: "workflow/rules/(\w+)\.smk"$', snakefile(), flags=re.MULTILINE)
    assert included == ["common", *STAGES]


@pytest.mark.parametrize("stage", STAGES)
def test_a_file_of_rules_has_the_one_rule_of_its_name_which_runs_the_module_of_its_name(stage: str) -> None:
    text = rule_text(stage)
    assert re.findall(r"^(?:rule|checkpoint) *(\w*):", text, flags=re.MULTILINE) == [stage]
    assert re.findall(r"prefdelta\.stages\.(\w+)", text) == [stage]
    assert set(re.findall(r'study\.(?:threads|resources|settings|code)\("(\w+)"\)', text)) == {stage}


@pytest.mark.parametrize("stage", STAGES)
def test_outputs_and_logs_lie_in_the_folder_of_the_stage(stage: str) -> None:
    text = rule_text(stage)
    sections = dict(re.findall(r"^    (output|log):\n((?:        .*\n)+)", text, flags=re.MULTILINE))
    outputs, logs = (re.findall(r'f"([^"]+)"', sections[name]) for name in ("output", "log"))
    assert outputs
    assert logs
    assert all(path.startswith(f"{{RESULTS}}/{stage}/") for path in outputs)
    assert all(path.startswith(f"{{LOGS}}/{stage}/") for path in logs)


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
start = time.perf_counter()
import prefdelta.core.errors, prefdelta.study
print(json.dumps([time.perf_counter() - start, sorted(name for name in sys.modules if "." not in name)]))
"""


def test_what_the_snakefile_imports_is_light() -> None:
    source = snakefile() + "".join(path.read_text() for path in RULES.iterdir())
    imported = set(re.findall(r"^(?:from|import) (prefdelta[\w.]*)", source, flags=re.MULTILINE))
    assert imported == {"prefdelta.core.errors", "prefdelta.study"}, "the probe imports something else"
    seconds, modules = [], set()
    for _ in range(5):  # the best of them: other processes can slow an import down, nothing speeds it up
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=True)
        took, names = json.loads(done.stdout)
        seconds.append(took)
        modules |= set(names)
    heavy = {"torch", "transformers", "trl", "vllm", "pandas", "datasets", "openai", "aiohttp", "pyarrow", "numpy"}
    assert modules & (heavy | {"scipy", "matplotlib", "jinja2"}) == set()
    assert min(seconds) < 0.5
