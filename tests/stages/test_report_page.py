"""The report's page in a real browser: what is seen first, at 400 px, in the dark, on paper, and by keyboard."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from prefdelta.core.errors import StudyError
from prefdelta.core.written_settings import written_digest
from prefdelta.records.call import Call
from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import calls, tables
from prefdelta.store.record import Record

from .test_report import EVIL, RISING, Cells, Study, experiment, rising_study, small_study

ROOT = Path(__file__).parents[2]
CONFIG = """
study: tiny # a name
policies: [pico] # [V] the paper's own
judge:
  votes: 1
  sampling: { temperature: 0.6, max_tokens: 9 } # [R], but max_tokens is ours
compute: { train: { gpus: 9 } }
"""
# The contrast of each text with what is behind it (WCAG 2.2), smallest first: ratio, element, text.
CONTRASTS = """
() => {
  const parse = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const channel = v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  const rgb = colour => {  // of any syntax, color-mix among them
    context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode());) {
    const element = text.parentElement;
    if (!text.textContent.trim() || !element.checkVisibility() || element.closest("script, style")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgb(element instanceof SVGElement ? style.fill : style.color)), light(behind(element))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    found.push([ratio, element.tagName, text.textContent.trim().slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield started
        started.close()


def with_example(study: Study) -> None:
    """A pair of big over small with its problem, traces, grades and judgements, all of them written by a villain."""
    study.inputs["pairs"].clear()
    sizes = {
        "q0": 4,
        "q1": 40,
        "q2": 41,
        "q3": 400,
    }  # q0 is too short, q3 too long; of the others q2 has the larger delta
    pairs = [
        Pair(name, f"p-{name}", 0, 0, True, "right-wrong", size, 1, True, False, True, None, size, 1)
        for name, size in sizes.items()
    ]
    study.table("pairs", "pair/big~small.parquet", Pair, pairs)
    deltas = {"q0": 4.0, "q1": 1.0, "q2": 3.0, "q3": 4.0}
    rows = [Delta(name, 5.0, 5.0 - delta, delta, None) for name, delta in deltas.items()]
    tables.write(study.inputs["deltas"][0], Delta, rows)
    study.table("example", "prompts/train.parquet", Prompt, [Prompt("p-q2", "train", f"2 + 2? {EVIL}", ["4"])])
    for generator, right in (("big", True), ("small", False)):
        text = f"{EVIL} {generator} " + 3000 * "x"
        traces = [Trace(f"p-q{i}", generator, 0, text, "stop", 9, 1, "k", None) for i in range(4)]
        study.table("example", f"generate/{generator}.parquet", Trace, traces)
        path = study.root / f"grade/{generator}.parquet"
        graded = tables.read(path, Grade) if path in study.inputs["grades"] else []
        study.inputs["grades"] = [other for other in study.inputs["grades"] if other != path]
        grade = Grade("p-q2", generator, 0, "4" if right else "5", right, None)
        study.table("grades", f"grade/{generator}.parquet", Grade, [*graded, grade])
        score = 5 if right else 2
        judged = Judgement("p-q2", generator, 0, "clarity", score, 1, 1, [f"call-{generator}"], None)
        study.table("example", f"judge/{generator}/both.parquet", Judgement, [judged])
        with Record(calls.judge_calls(study.root / "record", "both", generator), Call) as record:
            key, reply = f"call-{generator}", f'{{"clarity": {score}}}'
            record.append(Call(key, key, 0, reply, "stop", 9, None, "j", 1.0, 0.0, "h", reasoning=f"Because {EVIL}"))


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with claims, an example, figures, and tables of all kinds."""
    made = small_study(tmp_path_factory.mktemp("page"))
    arms = rising_study(made)
    with_example(made)
    config = made.root / "config.yaml"
    config.write_text(CONFIG)
    made.run(
        experiments={"scaling": arms["line"], "ours": experiment("Ours", "rows", *RISING[:2])},
        example="big~small",
        config=[str(config)],
        written=written_digest([CONFIG]),
    )
    return made.path("report.html")


class Opened:
    """A page with all that it said and asked for."""

    def __init__(self, browser: Browser, path: Path, width: int = 1100, scheme: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())


def test_the_first_verdict_is_on_the_first_screen_and_nothing_is_fetched_or_complained_of(browser, page_file):
    opened = Opened(browser, page_file)
    box = opened.page.locator(".verdicts .verdict").first.bounding_box()
    assert box["y"] + box["height"] < 800
    assert opened.said == []
    assert opened.asked == [page_file.as_uri()]
    ids = opened.page.eval_on_selector_all("main > section", "all => all.map(one => one.id)")
    assert ids[:4] == ["claims", "example", "gain", "controls"]
    assert ids[-3:] == ["failures", "counts", "method"]


def test_a_script_in_the_page_that_is_not_its_own_does_not_run(browser, page_file, tmp_path):
    forged = tmp_path / "forged.html"
    text = page_file.read_text()
    forged.write_text(text.replace("</main>", '<script>document.title = "forged"</script><img src="x.png"></main>'))
    opened = Opened(browser, forged)
    assert opened.page.title() == "A tiny study"
    assert [message for message in opened.said if "Content Security Policy" not in message] == []
    assert len(opened.said) == 2  # a script and an image, refused


def test_nothing_is_cut_at_400_px(browser, page_file):
    page = Opened(browser, page_file, 400).page
    page.evaluate("document.querySelectorAll('main details').forEach(fold => { fold.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    table = page.locator(".verdicts")
    assert table.evaluate("one => one.scrollWidth <= one.parentElement.clientWidth")
    # What is wider than the window lies in a box that scrolls, by keyboard too, and says so.
    cut = page.eval_on_selector_all(
        "table, pre, svg.figure",
        """all => all.filter(one => one.getBoundingClientRect().right > 400)
                  .map(one => one.closest(".scroll.cut[tabindex='0']") !== null)""",
    )
    assert cut
    assert all(cut)
    page.locator("nav summary").click()
    page.locator("nav details a", has_text="Failures").click()
    assert page.locator("#failures h2").is_visible()
    assert page.evaluate("document.querySelector('nav details').open") is False


def test_tables_sort_by_number_by_mouse_and_by_keyboard(browser, page_file):
    page = Opened(browser, page_file).page
    page.locator("#counts details summary", has_text="Every job").click()
    head = page.locator("#counts details table th", has_text="Rows")
    column = "#counts details tbody tr td:nth-child(3)"

    def rows() -> list[int]:
        return [int(text.replace(",", "")) for text in page.locator(column).all_inner_texts()]

    unsorted = rows()
    assert head.get_attribute("aria-sort") is None
    head.click()
    assert (rows(), head.get_attribute("aria-sort")) == (sorted(unsorted), "ascending")
    head.focus()
    page.keyboard.press(" ")
    assert (rows(), head.get_attribute("aria-sort")) == (sorted(unsorted, reverse=True), "descending")
    stages = page.locator("#counts details tbody tr td:first-child")
    assert all(stages.nth(row).is_visible() for row in range(len(unsorted)))  # each row says its stage once it is moved


def test_a_link_opens_the_fold_that_it_leads_into(browser, page_file):
    page = Opened(browser, page_file).page
    assert not page.evaluate("document.querySelector('details.claim').open")
    page.locator(".verdicts a").first.click()
    page.wait_for_function("document.querySelector('details.claim').open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_told_from_its_background(browser, page_file, scheme):
    page = Opened(browser, page_file, scheme=scheme).page
    page.evaluate("document.querySelectorAll('main details').forEach(fold => { fold.open = true; })")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 500
    assert [one for one in found if one[0] < 4.5] == []


def test_print_opens_every_fold_cuts_no_table_and_shuts_them_again(browser, page_file):
    page = Opened(browser, page_file, scheme="dark").page
    page.evaluate(
        "addEventListener('beforeprint', () => { "
        "window.shut = document.querySelectorAll('main details:not([open])').length; })"
    )
    page.pdf(prefer_css_page_size=True)
    assert page.evaluate("window.shut") == 0
    assert page.evaluate("document.querySelectorAll('main details[open]').length") == 0
    page.set_viewport_size({"width": 1032, "height": 700})  # A4, landscape, within its margins
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    right = "all => Math.max(...all.map(one => one.getBoundingClientRect().right))"
    assert page.eval_on_selector_all("table, pre, svg.figure", right) <= 1033
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_the_example_is_the_pair_of_moderate_length_with_the_largest_delta(page_file):
    page = page_file.read_text()
    section = page[page.index('<section id="example">') : page.index('<section id="gain">')]
    assert 'href="../browse/index.html#pair=big~small/q2"' in section
    assert Cells(section).row("clarity") == ["clarity", "5", "2", "+3.00"]
    assert "of the 2 pairs of moderate length" in section
    assert "[… 1,2" in section  # of 3,000 characters
    assert section.count("Because &lt;script&gt;") == 2
    assert "script" not in {tag for tag, _ in Cells(section).tags}
    assert section.index("<strong>right</strong>") < section.index("<strong>wrong</strong>")


def test_a_study_without_such_a_pair_shows_none(tmp_path):
    made = small_study(tmp_path)
    with_example(made)
    path = made.root / "pair/big~small.parquet"
    tables.write(path, Pair, [replace(pair, eligible=False) for pair in tables.read(path, Pair)])
    assert 'id="example"' not in made.run(example="big~small")


def test_the_papers_figures_stand_in_its_order_with_what_it_reports(page_file):
    page = page_file.read_text()
    section = page[page.index('<section id="gain">') : page.index('<section id="controls">')]
    headings = [section.index(f"Figure {number}: ") for number in range(1, 7)]
    assert headings == sorted(headings)
    scaling = section[headings[1] : headings[2]]
    assert "<li>[D] low trust: In domain: 71.1 untrained, then 72.5, 73.8, 74.2, 74.5, 74.8" in scaling
    assert "never a target" in scaling
    assert '<svg class="figure"' in scaling or 'class="figure"' in scaling
    assert "Not run in this study." in section[headings[0] : headings[1]]


def test_every_setting_is_shown_with_the_marks_beside_it(page_file):
    cells = Cells(page_file.read_text())
    assert cells.row("policies", 3) == ["policies", '["pico"]', "[V] [V] the paper's own"]
    assert cells.row("judge.votes", 3) == ["judge.votes", "1", "ours"]
    assert cells.row("judge.sampling", 3)[2] == "[R] [R], but max_tokens is ours"
    assert not any(row[0].startswith("compute") for row in cells.rows if row)


def test_a_config_that_was_edited_since_it_was_planned_is_not_shown(tmp_path):
    made = small_study(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    with pytest.raises(StudyError, match="was edited since this job was planned"):
        made.run(config=[str(config)], written=written_digest([CONFIG.replace("votes: 1", "votes: 2")]))


def test_failures_are_told_by_stage_and_reason_with_what_becomes_of_the_row(page_file):
    cells = Cells(page_file.read_text())
    assert cells.row("generate", 6) == ["generate", "too_long", "7", "1,234", "0.57", "is not graded, judged or paired"]
    by_generator = cells.row("big", 7)
    assert by_generator[:3] == ["big", "1,234", "0.57"]


def test_a_part_of_the_page_that_ends_its_element_is_refused(tmp_path):
    made = small_study(tmp_path)
    part = tmp_path / "page.js"
    part.write_text("const end = '</script>';")
    made.inputs["parts"] = [part]
    with pytest.raises(StudyError, match="holds </script"):
        made.run()


PICTURES = {"1100": (1100, "light"), "400": (400, "light"), "dark": (1100, "dark"), "print": (1032, "light")}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_the_page_are_small_enough_for_the_docs(browser, page_file, tmp_path, name):
    """With PREFDELTA_PICTURES they are those of docs/figures, of mini's report if it has run here."""
    mini, width_and_scheme = ROOT / "results/mini/report/index.html", PICTURES[name]
    wanted = "PREFDELTA_PICTURES" in os.environ
    page = Opened(browser, mini if wanted and mini.is_file() else page_file, *width_and_scheme).page
    if name == "print":
        page.emulate_media(media="print")
    picture = (ROOT / "docs/figures" if wanted else tmp_path) / f"page_{name}.png"
    page.screenshot(path=picture)
    assert 10_000 < picture.stat().st_size < 250_000
