"""A report of the full study's size: 150 arms on nine benchmarks."""

import csv
import html
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from .full_study import BENCHMARKS, KS, experiments, make

ROOT = Path(__file__).parents[3]
# In a process of its own, so that its time and memory are those of the report alone.
RUN = """
import pickle, resource, sys
from prefdelta.stages import report
report.run(pickle.load(open(sys.argv[1], "rb")))
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(CPU seconds, MiB, folder of the report)."""
    folder = tmp_path_factory.mktemp("full")
    job = make(folder, scale=0.02)
    (folder / "job.pkl").write_bytes(pickle.dumps(job))
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(folder / "job.pkl")], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    seconds, mib = map(float, done.stdout.split())
    return seconds, mib, folder / "results/full/report"


def test_it_takes_less_than_a_minute_and_two_gigabytes(made):
    assert len({arm for one in experiments().values() for arm in one.arms}) >= 140
    assert made[0] < 60
    assert made[1] < 2000


def test_every_experiment_is_a_figure_and_every_benchmark_a_table(made):
    assert {path.stem for path in (made[2] / "figures").iterdir()} >= set(experiments())
    page = (made[2] / "index.html").read_text(encoding="utf-8")
    for bench in BENCHMARKS.values():
        assert f"<summary>{bench.title}</summary>" in page
    assert page.count("avg@16: the mean over 16 draws of each problem") == 3
    assert not re.search(r"\bnan\b", re.sub(r"<[^>]*>", " ", page), flags=re.IGNORECASE)


def test_several_sizes_are_drawn_along_an_axis(made):
    page = (made[2] / "index.html").read_text(encoding="utf-8")
    assert f"pairs trained on ({', '.join(f'{k:,}' for k in KS)})" in page
    for k in (KS[0], KS[-1]):
        assert f">{k:,}</text>" in page
    assert ">step_coherence</text>" in page


def test_one_name_is_of_one_number(made):
    """On the page and in the CSV files, wherever a contrast is shown."""
    page = (made[2] / "index.html").read_text(encoding="utf-8")
    shown = [
        (html.unescape(name), value.replace("−", "-"))
        for name, value in re.findall(r'data-contrast="([^"]*)">([^<]*)<', page)
    ]
    numbers = {(name, value.strip()) for name, value in shown if value not in ("", "—")}
    for path in (made[2] / "figures").glob("*.csv"):
        if path.stem in experiments():
            numbers |= {(row["contrast"], row["y"]) for row in csv.DictReader(path.open(encoding="utf-8"))}
    by_name: dict[str, list[float]] = {}
    for name, value in numbers:
        by_name.setdefault(name, []).append(float(value))
    assert len(by_name) > 1000
    assert {name: found for name, found in by_name.items() if max(found) - min(found) > 0.11} == {}
    # Not one name for many: contrasts that are told apart have numbers of their own, with a few chance exceptions.
    assert len({round(found[0], 1) for found in by_name.values()}) > 100


CUT_OR_HIDDEN = """() => {
  const found = [];
  for (const figure of document.querySelectorAll("svg.figure")) {
    const frame = figure.getBoundingClientRect();
    const texts = [...figure.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    if (frame.width) texts.forEach(([text, box], at) => {
      if (box.left < frame.left - 2 || box.right > frame.right + 2) found.push(text);
      for (const [other, second] of texts.slice(0, at)) {
        const across = Math.min(box.right, second.right) - Math.max(box.left, second.left);
        const up = Math.min(box.bottom, second.bottom) - Math.max(box.top, second.top);
        if (across > 2 && up > 4) found.push(`${text} on ${other}`);
      }
    });
  }
  return found;
}"""


@pytest.mark.parametrize("width", [1100, 400])
def test_a_browser_shows_every_label_of_the_figures(made, width):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto((made[2] / "index.html").as_uri())
        assert page.locator("svg.figure >> visible=true").count() >= len(experiments())
        assert page.evaluate(CUT_OR_HIDDEN) == []
        browser.close()


def test_what_a_data_set_ships_is_marked(made):
    page = (made[2] / "index.html").read_text(encoding="utf-8")
    assert page.count("A confounded point.") == 3  # methods, with LoRA too, and scaling
    assert "<td>9,100</td><td>1,900</td><td>240</td><td>410</td>" in page
