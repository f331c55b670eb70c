import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from .made import Study
from .visits import Visit


@pytest.fixture(scope="package")
def study() -> Study:
    return Study()


@pytest.fixture(scope="package")
def folder(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `browse` of the made-up study."""
    made = tmp_path_factory.mktemp("browse")
    study.write(made)
    return made


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, folder: Path) -> Iterator[Visit]:
    """A visit of the page, 1100 pixels wide, that must leave the console empty and ask for files only."""
    with Visit(chromium, folder) as made:
        yield made
    assert made.complaints == []
    assert made.foreign == []
