"""From rows in the true formats, through the real loaders and prompts, to the real graders."""

import json
from pathlib import Path

import pytest
import yaml

from prefdelta.core.asking.prompt_template import ask_problem
from prefdelta.core.data.items import read_items
from prefdelta.core.data.sources import Benchmark, DataSource
from prefdelta.models.data_sets import dataset_rows
from prefdelta.records.prompt import Prompt
from prefdelta.system import plugins

from .formats import write_all

ROOT = Path(__file__).parents[2]
PAPER = [
    "gsm8k",
    "math_500",
    "amc",
    "aime_2024",
    "aime_2025",
    "olympiadbench",
    "theoremqa",
    "mmlu_pro",
    "livecodebench",
]
DOUBLE = "class Solution:\n    def double(self, n):\n        return 2 * n"
ADD = "a, b = map(int, input().split())\nprint(a + b)"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("data"))


def right_reply(grader: str, prompt: Prompt) -> str:
    (answer,) = prompt.answers
    if grader == "code":
        return f"```python\n{DOUBLE if 'Starter code' in prompt.text else ADD}\n```"
    if grader == "theoremqa":
        answer = str(json.loads(answer)["answer"])
    return f"So it is $\\boxed{{{answer}}}$."


def wrong_reply(grader: str) -> str:
    if grader == "code":
        return "```python\nprint('no')\nclass Solution:\n    def double(self, n):\n        return n\n```"
    return "So it is $\\boxed{A}$." if grader == "choice" else "So it is $\\boxed{123456}$."


@pytest.mark.parametrize("name", PAPER)
def test_the_right_answer_of_each_item_is_right_and_another_is_wrong(name: str, folders: dict[str, Path]) -> None:
    entry = Benchmark.model_validate(yaml.safe_load((ROOT / f"resources/benchmarks/{name}.yaml").read_text()))
    source = entry.source
    assert isinstance(source, DataSource)
    grade = plugins.load(f"graders.{source.grader}")
    rows = dataset_rows(str(folders[source.dataset]), None, source.config, source.split, source.files)
    prompts = [prompt for _, prompt in read_items(rows, source, name) if isinstance(prompt, Prompt)]
    assert prompts
    for prompt in prompts:
        assert entry.template is not None
        ((role, asked),) = ask_problem((ROOT / entry.template).read_text().strip(), prompt.text, entry.template)
        assert role == "user"
        assert prompt.text in asked
        for thinking in ("", "<think>\nA guess: \\boxed{0}.\n</think>\n\n"):
            assert grade(thinking + right_reply(source.grader, prompt), prompt.answers)[1] is True
        assert grade(wrong_reply(source.grader), prompt.answers)[1] is False
