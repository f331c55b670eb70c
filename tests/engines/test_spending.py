"""The account of a study: what several jobs may spend together."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openai.types import CompletionUsage

from prefdelta.core.asking.costs import ModelPrices
from prefdelta.core.asking.engine_options import BatchOptions, OpenAIOptions
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.account import Spending, read_prices

EXAMPLE = Path(__file__).parents[2] / "resources/prices/example.yaml"
PRICES = ModelPrices(input=1.0, cached_input=0.1, output=4.0)


def account(folder: Path, limit_usd: float | None = 1.0) -> Spending:
    return Spending(folder, PRICES, limit_usd)


def reserved(spending: Spending, usd: float) -> str:
    name = spending.reserve(usd)
    assert name is not None
    return name


def test_what_is_set_aside_counts_until_it_is_settled(tmp_path: Path) -> None:
    spending = account(tmp_path)
    first, second = reserved(spending, 0.6), reserved(spending, 0.3)
    assert spending.reserve(0.2) is None
    assert spending.spent() == pytest.approx(0.9)
    spending.settle(first, 0.1)
    third = reserved(spending, 0.5)
    spending.settle(second, None)  # nobody knows what it came to
    spending.settle(third, 0.0)
    assert spending.spent() == pytest.approx(0.1 + 0.3)


def test_the_limit_holds_over_jobs_and_over_runs(tmp_path: Path) -> None:
    one, other = account(tmp_path), account(tmp_path)
    name = reserved(one, 0.6)
    assert other.reserve(0.6) is None
    reserved(other, 0.4)
    one.settle(name, 0.2)
    assert account(tmp_path).spent() == pytest.approx(0.6)


def test_settling_twice_changes_nothing_even_from_another_job(tmp_path: Path) -> None:
    one, other = account(tmp_path), account(tmp_path)
    name = reserved(one, 0.6)
    for spending in (other, one, other):
        spending.settle(name, 0.25)
    assert account(tmp_path).spent() == pytest.approx(0.25)


def test_without_a_limit_it_only_counts_and_without_prices_it_does_not_even_write(tmp_path: Path) -> None:
    counting = account(tmp_path, limit_usd=None)
    counting.settle(reserved(counting, 1e6), 5.0)
    assert counting.spent() == pytest.approx(5.0)
    free = Spending(tmp_path / "free")
    free.settle(reserved(free, 1e6), 5.0)
    assert not (tmp_path / "free").exists()


def test_part_of_a_line_is_no_entry_and_spoils_no_other(tmp_path: Path) -> None:
    spending = account(tmp_path)
    reserved(spending, 0.25)
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("a") as stream:
        stream.write('\n{"name": "torn", "usd": 0.5, "set')
    reserved(spending, 0.5)
    assert spending.spent() == account(tmp_path).spent() == pytest.approx(0.75)


_SPENDER = """
import sys
from pathlib import Path
from prefdelta.core.asking.costs import ModelPrices
from prefdelta.engines.openai.account import Spending

spending = Spending(Path(sys.argv[1]), ModelPrices(input=1.0, output=1.0), limit_usd=1.0)
sys.stdin.readline()  # both start at once
print(sum(spending.reserve(0.01) is not None for _ in range(100)))
"""


def test_jobs_that_spend_at_once_do_not_exceed_the_limit_together(tmp_path: Path) -> None:
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", _SPENDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for job in jobs:
        assert job.stdin is not None
        job.stdin.write("\n")
        job.stdin.flush()
    granted = [int(job.communicate(timeout=60)[0]) for job in jobs]
    assert 90 <= sum(granted) <= 100  # if both ask for the last room at once, neither may get it
    assert account(tmp_path).spent() == pytest.approx(sum(granted) * 0.01)


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        ({"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}, (1000 * 1.0 + 100 * 4.0) / 1e6),
        (
            {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 900}},
            (100 * 1.0 + 900 * 0.1) / 1e6,
        ),
        ({"prompt_tokens": 10, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": None}}, 10 / 1e6),
        ({"prompt_tokens": 10, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 99}}, 1 / 1e6),
        ({"prompt_tokens": 1000}, None),
        ({"prompt_tokens": -5, "completion_tokens": 0}, None),
        ({"prompt_tokens": "many", "completion_tokens": 0}, None),
    ],
)
def test_the_cost_is_what_the_provider_says_it_charged_for(tmp_path: Path, usage: Any, usd: float | None) -> None:
    found = account(tmp_path).cost(CompletionUsage.construct(**usage))
    assert found == (None if usd is None else pytest.approx(usd))


def test_the_committed_example_is_one(tmp_path: Path) -> None:
    assert "EXAMPLE VALUES" in EXAMPLE.read_text()
    assert "example-judge" in read_prices(EXAMPLE).models


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param("models: [", id="not YAML"),
        pytest.param("judge: {input: 1, output: 2}", id="no models"),
        pytest.param("models: {judge: {input: 1, output: '2'}}", id="text for a number"),
    ],
)
def test_a_file_of_prices_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "prices.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StudyError, match=rf"{path}: cannot be read as prices(.|\n)*resources/prices/example\.yaml"):
        read_prices(path)


def test_the_account_of_an_engine_has_its_models_prices(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(json.dumps({"models": {"judge-1": {"input": 1.0, "output": 4.0, "batch_discount": 0.5}}}))
    usage = CompletionUsage(prompt_tokens=0, completion_tokens=1_000_000, total_tokens=1_000_000)
    for batch, usd in ((None, 4.0), (BatchOptions(), 2.0)):
        options = OpenAIOptions(name="openai", model="judge-1", base_url="http://x/v1", prices=str(path), batch=batch)
        assert Spending.of(options, tmp_path).cost(usage) == pytest.approx(usd)
    with pytest.raises(StudyError, match=r"no prices of the model 'judge-2'; did you mean 'judge-1'\?"):
        Spending.of(options.model_copy(update={"model": "judge-2"}), tmp_path)


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({"base_url": "http://x/v1"}, []),
        ({"base_url": "http://x/v1", "batch": BatchOptions(), "prices": "p", "limit_usd": 1.0}, []),
        ({}, ["either server"]),
        ({"base_url": "http://x/v1", "limit_usd": 1.0}, ["limit_usd needs prices"]),
        (
            {"base_url": "http://x/v1", "prices": "p", "limit_usd": 1.0, "omit": ["max_completion_tokens"]},
            ["limit_usd needs max_completion_tokens"],
        ),
        ({"base_url": "http://x/v1", "omit": ["seed"], "rename": {"seed": "s"}}, ["seed is in rename and in omit"]),
        ({"base_url": "http://x/v1", "omit": ["top_p"], "rename": {"seed": "top_p"}}, []),
        (
            {"base_url": "http://x/v1", "omit": ["response_format"], "response_format": "json_object"},
            ["response_format is json_object, and omit leaves it out"],
        ),
    ],
)
def test_options_that_contradict_each_other_are_told(options: dict[str, Any], messages: list[str]) -> None:
    found = OpenAIOptions(name="openai", model="m", **options).problems()
    assert len(found) == len(messages)
    assert all(part in line for part, line in zip(messages, found, strict=True))


@pytest.mark.parametrize(
    ("more", "usd"),
    [
        pytest.param({}, 1_000 * 1.0 + 100 * 4.0, id="plain"),
        pytest.param({"prompt_tokens_details": {"cached_tokens": 400}}, 600 + 40 + 400, id="cached, as OpenAI says it"),
        pytest.param({"prompt_cache_hit_tokens": 400}, 600 + 40 + 400, id="cached, as DeepSeek says it"),
        pytest.param({"total_tokens": 1_500}, 1_000 + 500 * 4.0, id="reasoning in the total only, as xAI says it"),
    ],
)
def test_the_cost_is_that_of_what_the_provider_counts(tmp_path: Path, more: dict[str, Any], usd: float) -> None:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100, **more}
    assert account(tmp_path).cost(CompletionUsage.construct(**usage)) == pytest.approx(usd / 1e6)
