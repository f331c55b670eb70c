"""The page as a whole: its policy, narrow and dark, studies of which parts are missing, pictures for the docs."""

import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from .made import APPLICATION, TYPICAL, pair_id, prompt_id
from .visits import Visit

LINKS = (
    "#pairs=0",
    f"#pair=0/{pair_id(TYPICAL)}",
    f"#trace=0/{prompt_id(TYPICAL)}/0",
    "#items=0",
    f"#item=0/{prompt_id(2)}",
    f"#item=0/{prompt_id(2)}&two=1",
)


def test_the_policy_forbids_all_but_files_beside_the_page() -> None:
    page = (APPLICATION / "index.html").read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_loads_all_scripts_that_are_there() -> None:
    page = (APPLICATION / "index.html").read_text()
    loaded = set(re.findall(r'src="app/(\w+\.js)"', page))
    assert loaded == {path.name for path in APPLICATION.glob("*.js")}
    for path in APPLICATION.glob("*.js"):
        assert not re.search(r"innerHTML|insertAdjacentHTML|outerHTML|document\.write|\beval\b", path.read_text()), path


def test_a_script_cannot_be_written_into_the_page(chromium: Browser, folder: Path) -> None:
    with Visit(chromium, folder) as visit:
        page = visit.open()
        page.evaluate("document.body.append(prefdelta.element('script', {}, 'document.title = \"taken over\"'))")
        assert "taken over" not in page.title()
        assert any("Content Security Policy" in complaint for complaint in visit.complaints)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_at_400_pixels(chromium: Browser, folder: Path, link: str, dark: bool) -> None:
    with Visit(chromium, folder, width=400, dark=dark) as visit:
        page = visit.open(link)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        if link.startswith("#pair="):
            tops = [page.locator("#pair .trace").nth(n).bounding_box()["y"] for n in range(2)]
            assert tops[0] < tops[1]
        assert visit.complaints == []


def test_an_unfinished_folder_says_so(chromium: Browser, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "browse")
    (tmp_path / "browse/data/study.js").unlink()
    (tmp_path / "browse/data/traces/1/0.js").unlink()
    with Visit(chromium, tmp_path / "browse") as visit:
        assert "data/study.js is not there" in visit.open().inner_text("#failure")
        shutil.copy(folder / "data/study.js", tmp_path / "browse/data/study.js")
        page = visit.open(f"#pair=0/{pair_id(TYPICAL)}")
        page.reload()
        visit.shown()
        assert "data/traces/1/0.js is not there" in page.inner_text("#pair .trace >> nth=1")
        assert "By Vieta" in page.inner_text("#pair")


def test_pictures_for_the_docs(chromium: Browser, folder: Path, tmp_path: Path) -> None:
    """PREFDELTA_FIGURES=docs/figures writes those that are committed."""
    out = Path(os.environ.get("PREFDELTA_FIGURES", tmp_path))
    views = {
        "pairs": "#pairs=strong~weak&sort=delta.mean&dir=desc&filter=delta.mean>=0.5;cell=right-wrong",
        "pair": f"#pair=strong~weak/{pair_id(TYPICAL)}",
        "items": "#items=quadratics&sort=solved&dir=desc",
    }
    for name, link in views.items():
        with Visit(chromium, folder, height=1260 if name == "pair" else 640) as visit:
            page = visit.open(link)
            if name == "pair":
                page.locator("#pair .trace details").first.locator("summary").first.click()
                page.evaluate("window.scrollTo(0, 0)")
            visit.shown()
            path = out / f"browser_{name}.png"
            page.screenshot(path=path)
            assert 10_000 < path.stat().st_size < 200_000
