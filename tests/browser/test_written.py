"""What the stage `browse` writes is what the page reads: a study that went through the stages, in the browser."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from .visits import Visit

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "browse"
    command = [sys.executable, ROOT / "benchmarks/browsing/made_study.py", folder, "--pairs", "64", "--kilobytes", "1"]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def visit(chromium: Browser, written: Path) -> Iterator[Visit]:
    with Visit(chromium, written) as made:
        yield made
    assert made.complaints == []
    assert made.foreign == []


def test_pairs_and_their_traces_are_shown(visit: Visit) -> None:
    page = visit.open("#pairs=0&sort=delta.mean&dir=desc&filter=in=all/t0")
    first = visit.rows()[0]
    page = visit.open(f"#pair=0/{first}&sort=delta.mean&dir=desc&filter=in=all/t0")
    texts = page.locator("#pair .text").all_text_contents()
    assert len(texts) == 3
    assert all(texts)
    assert page.locator("#pair .problem .katex").count() > 0
    assert page.locator("#pair .trace details").count() == 2 * (5 + 1)  # dimensions, lineage
    page.locator("#pair .trace details").first.locator("summary").click()
    page.wait_for_selector("#pair .vote pre")
    assert "The judge’s reply is not recorded" not in page.inner_text("#pair")
    assert page.locator("#pair .words").first.locator("li").count() >= 2


def test_items_and_their_answers_are_shown(visit: Visit, written: Path) -> None:
    page = visit.open("#items=hard&sort=solved&dir=desc")
    solvers = page.locator("#items-table [tabulator-field=solved].tabulator-cell").all_inner_texts()
    text = (written / "data/items/1.js").read_text()
    items = json.loads(text[text.index("{") : text.rindex(")")])
    counts = [sum(of[row] == "1" for of in items["right"]) for row in range(len(items["prompt_ids"]))]
    assert [int(n) for n in solvers] == sorted(counts, reverse=True)[: len(solvers)]
    with_text = items["prompt_ids"][items["has_text"].index(1)]
    page = visit.open(f"#item=hard/{with_text}")
    assert page.locator("#item .trace .text").count() == len(items["policies"])
