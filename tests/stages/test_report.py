"""The report of a tiny study whose numbers can be worked out by hand."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from prefdelta import tables
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import wilson_interval
from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.score import Score
from prefdelta.stages import report
from prefdelta.stages.entry import Job

TEMPLATE = Path(__file__).parents[2] / "resources/templates/report.html"
EVIL = '<script>alert("1")</script> $x$ {{ 7 * 7 }}'
TOP = "pico/big~small/top-clarity-2/dpo/s0"
ALL = [f"pico/big~small/all/dpo/s{seed}" for seed in (0, 1)]


def score(prompt, correct, failure=None, sample=0):
    finish = "length" if failure == "truncated" else "stop"
    return Score("sums", prompt, sample, None, correct, finish, 9, f"key-{prompt}-{sample}", failure)


# The base solves a and b of six. `e` was not graded, so it never counts; `f` is truncated, so it is not solved.
BASE = [
    *(score(name, name in "ab") for name in "abcd"),
    score("e", None, "time_out"),
    score("f", None, "truncated"),
]


class Study:
    """Builds the inputs of a report in the layout of the workflow."""

    def __init__(self, root: Path) -> None:
        self.root = root / "results" / "tiny"
        self.inputs: dict[str, list[Path]] = {name: [] for name in ("scores", "deltas", "grades", "manifests")}
        self.inputs["template"] = [TEMPLATE]

    def table(self, kind, path, row_type, rows):
        self.inputs[kind].append(self.root / path)
        tables.write(self.root / path, row_type, rows)

    def manifest(self, stage, job, rows=10, failures=None, seconds=1.5, torch="2.9.0", **details):
        run = {"started": "2026-01-01T00:00:00Z", "seconds": seconds, "cpu_seconds": 2.5, "peak_mib": 321}
        run |= {"python": "3.11.7", "versions": {"torch": torch}, "commit": "0123456789ab"}
        content = {
            "stage": stage,
            "rows": rows,
            "failures": failures or {},
            "details": details,
            "settings": {"of": job},
        }
        path = self.root / stage / f"{job}.manifest.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**content, "code": "c", "outputs": {}, "run": run}))
        self.inputs["manifests"].append(path)

    def evaluate(self, arm, rows):
        self.table("scores", f"evaluate/{arm}/near.parquet", Score, rows)
        self.manifest("evaluate", f"{arm}/near", rows=len(rows))

    def run(self, name="report.html", **changed):
        settings = {
            "study": "tiny",
            "seed": 1,
            "title": "A tiny study",
            "about": "First.\n\nSecond.",
            "resamples": 500,
            "dimensions": ["clarity", "mean"],
            "benchmarks": {
                "sums": report.ReportBenchmark(title="Sums", domain="maths", difficulty="easy", in_domain=True)
            },
            "experiments": {"one": report.ReportExperiment(title="One", arms=[TOP, *ALL])},
        }
        output = self.root / "report" / name
        job = Job(report.ReportSettings(**settings | changed), self.inputs, {"page": output}, self.root / "record")
        self.outcome = report.run(job)
        return output.read_text(encoding="utf-8")


@pytest.fixture
def study(tmp_path):
    made = Study(tmp_path)
    made.evaluate("pico/base", BASE)
    # Solves c besides a and b, has f truncated too and d time out: of a, b, c, f one is gained.
    top = [score("d", None, "time_out"), *(score(name, name in "abc") for name in "abce")]
    made.evaluate(TOP, [*top, score("f", None, "truncated")])
    made.evaluate(ALL[0], [score(name, name in "abcd") for name in "abcdef"])
    made.evaluate(ALL[1], [score(name, name in "a") for name in "abcdef"])
    grades = [Grade(f"p{i}", "big", 0, "1", i < 6, None) for i in range(8)]
    grades += [Grade("p8", "big", 0, None, None, "truncated"), Grade("p9", "big", 0, None, None, "time_out")]
    made.table("grades", "grade/big.parquet", Grade, grades)
    rows = [Delta(f"q{i}", 4.0, 4.0 - gap, float(gap), None) for i, gap in enumerate([2, 1, 0, 0, -1])]
    rows.append(Delta("q9", None, 3.0, None, "chosen_unjudged"))
    made.table("deltas", "delta/big~small/clarity.parquet", Delta, rows)
    curve = {"loss": [0.6931, 0.5, 0.25], "rewards/margins": [0.0, 0.5, 1.25]}
    for arm, differs in ((TOP, True), (ALL[0], True), (ALL[1], False)):
        made.manifest(
            "train", f"{arm}/policy", pairs=5, updates=3, step0_loss=0.6931, curve=curve, differs_from_base=differs
        )
    made.manifest("generate", "big", rows=1234, failures={"too_long": 7}, seconds=90.0, torch="2.8.0")
    return made


class Cells(HTMLParser):
    """All tags with their attributes, and the text of every table row."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.tags, self.in_cell = [], [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data):
        if self.in_cell:
            self.rows[-1][-1] += data

    def row(self, first):
        """The first row whose first cell begins so."""
        rows = ([" ".join(cell.split()) for cell in row] for row in self.rows)
        return next(row for row in rows if row[0].startswith(first))


def shown(successes, n):
    found = wilson_interval(successes, n)
    return f"{100 * found.value:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def test_accuracy_counts_what_counts(study):
    cells = Cells(study.run())
    assert cells.row("pico, untrained") == [
        "pico, untrained",
        shown(2, 5),
        "—",
        "5 of 6",
        "—",
        "16.7",
        "—",
    ]
    top = cells.row("top-clarity-2")
    assert top[1] == shown(3, 5)
    assert top[2].startswith("+25.0 [")  # of a, b, c, f: c
    assert top[3:] == ["5 of 6", "4 (2)", "16.7", "0"]


def test_seeds_are_shown_with_their_mean(study):
    cells = Cells(study.run())
    assert cells.row("seed 0")[2].startswith("+40.0 [")  # c and d of a, b, c, d, f
    assert cells.row("seed 1")[2].startswith("−20.0 [")  # loses b
    mean = cells.row("all, mean of seeds")
    assert mean[2].startswith("+10.0 [")
    assert mean[3:] == ["12 of 12", "5 (1)", "0.0", "0, 1"]


def test_items_are_joined_by_key_not_by_position(study):
    # The same answers but for an item that the base does not have: positions shift, keys do not.
    rows = [score("0", True), *(score(row.prompt_id, row.correct, row.failure) for row in BASE)]
    study.evaluate("pico/big~small/swapped/dpo/s0", rows)
    swapped = Cells(study.run()).row("swapped")
    assert swapped[2] == "0.0 [0.0, 0.0]"
    assert swapped[4] == "5 (2)"


def test_draws_of_one_prompt_stay_together(study):
    study.inputs["scores"].clear()
    base = [score("a", False, sample=i) for i in range(50)]
    for arm in ("pico/base", TOP, *ALL):
        rows = base if arm == "pico/base" else [score("a", True, sample=i) for i in range(50)]
        study.table("scores", f"evaluate/{arm}/near.parquet", Score, rows)
    top = Cells(study.run()).row("top-clarity-2")
    assert top[2] == "+100.0"  # fifty draws of one prompt: one prompt, so no interval
    assert top[4] == "50 (0)"


def test_generators_and_deltas(study):
    cells = Cells(study.run())
    big = cells.row("big")
    assert big == ["big", shown(6, 9), "9 of 10", "10.0", "0.0", "time_out 1, truncated 1"]
    clarity = cells.row("big~small")
    assert clarity[1] == "clarity"
    assert clarity[2].startswith("+0.40 [")
    assert clarity[3:] == ["5", "40.0", "chosen_unjudged 1"]


def test_training_counts_versions(study):
    page = study.run()
    cells = Cells(page)
    trained = cells.row("top-clarity-2 big~small · dpo · s0")
    assert trained[1:3] == ["5", "3"]
    assert trained[3].split() == ["0.69310", "−4.7e−05"]
    assert (trained[4], trained[6], trained[8]) == ("0.2500", "1.2500", "differ")
    assert page.count("the same</span>") == 1
    assert cells.row("generate") == ["generate", "1", "1,234", "7", "too_long 7", "90.0", "2.5", "321", ""]
    assert cells.row("evaluate")[1:3] == ["4", "24"]
    assert cells.row("torch")[1] == "2.8.0 (1 jobs), 2.9.0 (7 jobs)"
    assert "8 jobs that ran 100.5 s" in page
    assert "1 of 2 arms ran with one seed only" in page
    assert study.outcome.rows == 24
    assert study.outcome.failures == {"not_counted": 2}


def test_names_are_escaped(study):
    study.table("grades", f"grade/{EVIL.replace('/', '')}.parquet", Grade, [Grade("p", "x", 0, "1", True, None)])
    experiment = report.ReportExperiment(title=EVIL, arms=[TOP])
    bench = report.ReportBenchmark(title=EVIL, domain="maths", difficulty=None, in_domain=False)
    page = study.run(title=EVIL, about=EVIL, experiments={"one": experiment}, benchmarks={"sums": bench})
    assert "script" not in {tag for tag, _ in Cells(page).tags}
    assert "<h1>&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_a_colour_cannot_close_the_style_sheet(study):
    with pytest.raises(StudyError, match="no colour"):
        study.run(colour="red; } </style><script>")


def test_the_page_needs_nothing_from_outside(study):
    page = study.run()
    links = [
        value
        for _, attributes in Cells(page).tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset")
    ]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"@import|url\((?!#)|https?://", page)


def test_ids_are_unique_and_links_have_a_target(study):
    tags = Cells(study.run()).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for _, attributes in tags if "href" in attributes} <= set(ids)


def test_same_inputs_same_bytes_in_any_order(study):
    first = study.run()
    for paths in study.inputs.values():
        paths.reverse()
    assert study.run("again.html") == first


def test_an_arm_without_scores_is_an_error(study):
    missing = "pico/big~small/all/dpo/s7"
    with pytest.raises(StudyError, match="all/dpo/s7 on sums"):
        study.run(experiments={"one": report.ReportExperiment(title="One", arms=[missing])})


def test_a_file_in_no_folder_of_the_study_is_an_error(study, tmp_path):
    study.inputs["manifests"].append(tmp_path / "stray.json")
    (tmp_path / "stray.json").write_text('{"stage": "grade"}')
    with pytest.raises(StudyError, match=r"stray\.json: is not in a folder results/tiny/grade/"):
        study.run()


def test_a_broken_template_is_an_error(study, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text("{{ nothing_of_that_name }}")
    study.inputs["template"] = [broken]
    with pytest.raises(StudyError, match=r"broken\.html.*nothing_of_that_name"):
        study.run()


def test_importing_the_stage_imports_nothing_heavy():
    heavy = "{'pandas', 'numpy', 'scipy', 'matplotlib', 'jinja2', 'pyarrow'}"
    code = f"import sys, prefdelta.stages.report; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
