"""The page that `prefdelta annotate export` writes, in a real browser: scored, saved, loaded again, and imported."""

import html
import json
import re
import subprocess
import threading
from pathlib import Path

import pytest

from listener import Listener
from prefdelta.core.layout import annotations
from prefdelta.records.annotation import Annotation
from prefdelta.store import tables

from .made import DIMENSIONS
from .sheet_made import OUT, annotate, exported, make_judged_pairs, problem, solution

# What the scripts below share. `told` is written into the page, and read from the dumped page.
HANDS = """
const told = {saved: [], names: [], errors: []};
const place = document.body.appendChild(document.createElement("pre"));
place.id = "told";
const tell = more => { place.textContent = JSON.stringify(Object.assign(told, more)); };
window.addEventListener("error", event => tell({errors: [...told.errors, event.message]}));
window.addEventListener("unhandledrejection", event => tell({errors: [...told.errors, String(event.reason)]}));
const by = id => document.getElementById(id);
const write = (field, text) => { field.value = text; field.dispatchEvent(new Event("input", {bubbles: true})); };
const press = key =>
  document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const shown = () => document.querySelector(".pair:not([hidden])");
const until = async holds => { while (!holds()) await new Promise(again => setTimeout(again, 20)); };
const makeUrl = URL.createObjectURL;
URL.createObjectURL = blob => { blob.text().then(text => tell({saved: [...told.saved, text]})); return makeUrl(blob); };
HTMLAnchorElement.prototype.click = function () { tell({names: [...told.names, this.download]}); };
tell({});
"""

# Scores the first half by keys. A key that is no score changes nothing.
BY_KEYS = """
tell({
  texts: pairs.map(pair => [...pair.querySelectorAll(":scope > .text, .sides .text")].map(part => part.textContent)),
  inside: document.querySelectorAll(".text *, img").length,
  scripts: document.scripts.length,
});
by("save").click();
write(by("annotator"), "Ada B.");
shown().querySelector("input").focus();
for (const pair of pairs.slice(0, ASKED.length / 2)) {
  const {scores, note} = ASKED[pairs.indexOf(pair)];
  for (const score of scores) { press("6"); press(String(score)); }
  write(document.activeElement, note);
  press("n");
  document.activeElement.blur();
  press("n");
}
tell({scored: parseInt(by("state").textContent)});
by("save").click();
await until(() => told.saved.length);
"""

# Loads what was saved, and scores the other half by clicks.
BY_CLICKS = """
const files = new DataTransfer();
files.items.add(new File([SAVED], "saved.json"));
by("load").files = files.files;
by("load").dispatchEvent(new Event("change"));
await until(() => by("annotator").value);
while (true) {
  by("unscored").click();
  const groups = [...shown().querySelectorAll("fieldset")];
  if (groups.every(group => group.querySelector("input:checked"))) break;
  const {scores, note} = ASKED[pairs.indexOf(shown())];
  groups.forEach((group, i) => group.querySelectorAll("label")[scores[i] - 1].click());
  write(shown().querySelector("textarea"), note);
}
tell({scored: parseInt(by("state").textContent)});
by("save").click();
await until(() => told.saved.length);
"""

# Asks a server for what pages ask for.
ASKING = """
const image = document.body.appendChild(new Image());
image.src = SERVER + "/image";
const script = document.body.appendChild(document.createElement("script"));
script.src = SERVER + "/script";
fetch(SERVER + "/fetch", {mode: "no-cors"}).catch(() => {});
"""


@pytest.fixture
def study(checkout):
    make_judged_pairs()


def opened(page, script, browser="a", **constants):
    """What a script that is appended to a page tells, after it ran in Chromium. Each browser keeps its own storage."""
    lines = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
    path = Path("page.html").resolve()
    path.write_text(
        "\n".join([page, "<script>(async () => {", *lines, HANDS, script, "})()</script>"]), encoding="utf-8"
    )
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path.parent / 'browsers' / browser}"]
    # The page's clock jumps to the end as soon as nothing waits: so the budget is spent only by what never comes.
    words += ["--virtual-time-budget=20000000", "--dump-dom", path.as_uri()]
    done = subprocess.run(["chromium", *words], capture_output=True, text=True, check=True, timeout=60)
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    told = json.loads(html.unescape(found[1]))
    assert told["errors"] == []
    return told


def page_of(sheet):
    return (OUT / f"{sheet.sheet}.html").read_text(encoding="utf-8")


def number_of(pair_id):
    return int(pair_id.removeprefix("zz-"))


def score(number, dimension, is_chosen):
    """Some score from 1 to 5 that differs between sides, dimensions and neighbours."""
    return 1 + (number + 2 * DIMENSIONS.index(dimension) + is_chosen) % 5


def test_what_a_person_scores_on_the_page_is_joined_with_its_pairs(study):
    sheet = exported()
    asked = []
    for row in sheet.rows:
        number, is_chosen = number_of(row.pair_id), {"first": row.chosen == "first", "second": row.chosen == "second"}
        scores = [score(number, name, is_chosen[side]) for name in DIMENSIONS for side in ("first", "second")]
        asked.append({"scores": scores, "note": f'"{number}" <b>'})

    first = opened(page_of(sheet), BY_KEYS, ASKED=asked)
    assert first["scored"] == 20
    assert first["names"] == [f"{sheet.sheet}.Ada-B-.json"]  # nothing was saved before there was a name
    (saved,) = first["saved"]
    assert len(json.loads(saved)["answers"]) == 20

    kept = opened(page_of(sheet), 'tell({scored: parseInt(by("state").textContent)});')
    assert kept["scored"] == 20

    second = opened(page_of(sheet), BY_CLICKS, browser="b", ASKED=asked, SAVED=saved)
    assert second["scored"] == 40
    Path("saved.json").write_text(second["saved"][0], encoding="utf-8")
    assert annotate("import", "saved.json") == 0
    rows = tables.read(Path(annotations("mini", sheet.sheet)), Annotation)
    assert len(rows) == 40 * 2
    for row in rows:
        number = number_of(row.pair_id)
        wanted = (score(number, row.dimension, True), score(number, row.dimension, False))
        assert (row.chosen_score, row.rejected_score) == wanted
        assert (row.annotator, row.note) == ("Ada B.", f'"{number}" <b>')


def test_what_models_wrote_stays_text(study):
    sheet = exported()
    told = opened(page_of(sheet), BY_KEYS, ASKED=[])
    wanted = []
    for row in sheet.rows:
        number = number_of(row.pair_id)
        sides = [solution("g3", number), solution("g1", number)]
        wanted.append([problem(number), *(sides if row.chosen == "first" else sides[::-1])])
    assert told["texts"] == wanted
    assert (told["inside"], told["scripts"]) == (0, 2)  # its own script, and the one of this test


def test_the_page_cannot_ask_the_network_for_anything(study):
    page = page_of(exported())
    listener = Listener()
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    server = f"http://127.0.0.1:{listener.server_port}"
    opened(page, ASKING, SERVER=server)
    assert listener.asked == []
    # Without its policy it could, so the listener would have heard.
    without, policies = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert policies == 1
    opened(without, ASKING, SERVER=server)
    assert sorted(listener.asked) == ["/fetch", "/image", "/script"]
