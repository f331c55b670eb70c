"""The report of a tiny study whose numbers can be worked out by hand."""

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.people.sheet import JudgeVersion, make_sheet
from prefdelta.core.statistics import Variance, mean_variance, t_interval, wilson_interval
from prefdelta.records.annotation import Annotation
from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.records.registration import Registration
from prefdelta.records.score import Score
from prefdelta.reporting import calibration
from prefdelta.reporting.calibration import Calibration
from prefdelta.reporting.claims.verdicts import read_claims
from prefdelta.stages import report
from prefdelta.store import registrations, sheets, tables
from prefdelta.workflow.job import Job

RESOURCES = Path(__file__).parents[2] / "resources"
TEMPLATE = RESOURCES / "templates/report.html"
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


def recipe_of(details):
    """The setting `recipe` of a job of train, by the method of its arms; other jobs have none."""
    methods = {arm["method"] for arm in details.get("arms", {}).values() if "method" in arm}
    if not methods:
        return {}
    (method,) = methods
    own = {} if method == "sft" else {"beta": 0.1}
    return {"recipe": {"method": method, "learning_rate": 1e-3, "batch_size": 4, "budget": {"epochs": 1.0}, **own}}


class Study:
    """Builds the inputs of a report in the layout of the workflow."""

    def __init__(self, root: Path) -> None:
        self.root = root / "results" / "tiny"
        tables_of = (
            "scores",
            "pairs",
            "deltas",
            "grades",
            "judgements",
            "compared",
            "manifests",
            "annotations",
            "sheets",
        )
        self.inputs: dict[str, list[Path]] = {name: [] for name in tables_of}
        self.inputs |= {"template": [TEMPLATE], "claims": [RESOURCES / "claims.yaml"]}
        self.inputs |= {"parts": sorted((RESOURCES / "templates/report").iterdir())}
        self.inputs |= {"paper": [RESOURCES / "paper_values.yaml"], "example": []}

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
            "settings": {"of": job, **recipe_of(details)},
        }
        path = self.root / stage / f"{job}.manifest.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**content, "code": "c", "outputs": {}, "run": run}))
        self.inputs["manifests"].append(path)

    def evaluate(self, arm, rows, group="near"):
        self.table("scores", f"evaluate/{arm}/{group}.parquet", Score, rows)

    def path(self, name):
        return self.root / "report" / name

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
            "groups": {"near": report.ReportGroup(title="Near", benchmarks=["sums"], primary=True)},
            "experiments": {"one": experiment("One", "rows", TOP, *ALL)},
            "cpu_budget": {"generate": 2.0, "train": 100.0, "report": 60.0},
        }
        output = self.path(name)
        outputs = {"page": [output], "figures": [self.path("figures")]}
        job = Job(report.ReportSettings(**settings | changed), self.inputs, outputs, self.root / "record")
        self.record = job.record
        self.outcome = report.run(job)
        return output.read_text(encoding="utf-8")


def experiment(title, figure, *arms):
    return report.ReportExperiment(title=title, figure=figure, arms=list(arms))


@pytest.fixture(autouse=True)
def _same_speed(monkeypatch):
    monkeypatch.setattr(calibration, "measure", lambda: Calibration(2 * calibration.REFERENCE_SECONDS))
    monkeypatch.setattr(calibration, "cpu_seconds", lambda: 3.0)


@pytest.fixture
def study(tmp_path):
    return small_study(tmp_path)


def small_study(folder):
    made = Study(folder)
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
    pairs = [pair(name, 10 + number) for number, name in enumerate([*(row.pair_id for row in rows[:-1]), "q9"])]
    made.table("pairs", "pair/big~small.parquet", Pair, pairs)
    common = {"pairs": 5, "rows": 5, "updates": 3, "step0_loss": 0.6931, "curve": curve, "method": "dpo"}
    for batch, arms in (("top", {TOP: True}), ("all", {ALL[0]: True, ALL[1]: False})):
        details = {arm: {**common, "differs_from_base": differs} for arm, differs in arms.items()}
        made.manifest("train", batch, arms=details)
        made.manifest("evaluate", batch, rows=12)
    made.manifest("generate", "big", rows=1234, failures={"too_long": 7}, seconds=90.0, torch="2.8.0")
    return made


def pair(name, chosen_tokens):
    return Pair(name, f"p-{name}", 0, 0, True, "right-wrong", chosen_tokens, 10, True, False, True, None)


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

    def row(self, first, columns=None):
        """The first row whose first cell begins so, in a table with that many columns."""
        rows = ([" ".join(cell.split()) for cell in row] for row in self.rows)
        return next(row for row in rows if row[0].startswith(first) and columns in (None, len(row)))

    def generator(self, name):
        """The row of a generator in the table of how often generators are right."""
        rows = ([" ".join(cell.split()) for cell in row] for row in self.rows if len(row) == 6)
        return next(row for row in rows if f"{row[0]} ".startswith(f"{name} ") and " of " in row[2])


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
    top = cells.row("top-clarity-2", 7)
    assert top[1].startswith("60.0 [")
    assert top[2].startswith("+25.0 [")  # of a, b, c, f: c
    assert top[3:] == ["5 of 6", "4 (2)", "16.7", "0"]


def test_seeds_are_shown_with_their_mean(study):
    cells = Cells(study.run())
    assert cells.row("seed 0")[2].startswith("+40.0 [")  # c and d of a, b, c, d, f
    assert cells.row("seed 1")[2].startswith("−20.0 [")  # loses b
    mean = cells.row("all, mean of repeats")
    assert mean[2].startswith("+10.0 [")
    assert mean[3:] == ["12 of 12", "5 (1)", "0.0", "0, 1"]


def test_draws_of_traces_are_shown_with_their_mean(study):
    """Draws 0 and 1 have seeds 0 and 1 each. Tables of generators count all draws, those of pairs the first."""
    drawn = [f"pico/big@1~small@1/all/dpo/s{seed}" for seed in (0, 1)]
    for arm, solved in zip(drawn, ("abcd", "ab"), strict=True):
        study.evaluate(arm, [score(name, name in solved) for name in "abcdef"])
    grades = [Grade(f"p{i}", "big@1", 0, "1", i < 2, None) for i in range(8)]
    study.table("grades", "grade/big@1.parquet", Grade, grades)
    study.table("pairs", "pair/big@1~small@1.parquet", Pair, [pair("q0", 10)])
    page = study.run(experiments={"one": experiment("One", "rows", TOP, *ALL, *drawn)})
    cells = Cells(page)
    mean = cells.row("all, mean of repeats big~small")
    assert mean[2].startswith("+15.0 [")  # the mean of 40, -20, 40 and 0
    assert mean[-1] == "0, 1, 0@1, 1@1"
    assert cells.row("seed 0@1")[2].startswith("+40.0 [")
    big = cells.generator("big")
    assert big[1].startswith("44.4 [")  # 2 of 9 prompts in both draws, 4 in one
    assert big[2] == "17 of 18"
    assert not any(row and row[0].startswith("big@1~small@1") for row in cells.rows)
    found = sources_of(page)
    assert found["Draw of traces"][0] == "2 draws in 1 of 2 families of arms"
    assert found["Draw of traces"][1].startswith("yes, for every trained arm, pooled over families: 1 degree")
    assert found["Training seed"][0] == "seeds 0, 1 in 1 of 2 families of arms"


def test_items_are_joined_by_key_not_by_position(study):
    # The same answers but for an item that the base does not have: positions shift, keys do not.
    rows = [score("0", True), *(score(row.prompt_id, row.correct, row.failure) for row in BASE)]
    study.evaluate("pico/big~small/swapped/dpo/s0", rows)
    swapped = Cells(study.run()).row("swapped", 7)
    assert swapped[2].startswith("0.0 [−")
    assert swapped[4] == "5 (2)"


def test_draws_of_one_prompt_stay_together(study):
    study.inputs["scores"].clear()
    base = [score("a", False, sample=i) for i in range(50)]
    for arm in ("pico/base", TOP, *ALL):
        rows = base if arm == "pico/base" else [score("a", True, sample=i) for i in range(50)]
        study.table("scores", f"evaluate/{arm}/near.parquet", Score, rows)
    top = Cells(study.run()).row("top-clarity-2", 7)
    assert top[2] == "+100.0"  # fifty draws of one prompt: one prompt, so no interval
    assert top[4] == "1 (0)"


def test_a_gain_that_depends_on_the_grader_is_marked(study):
    assert "other graders" not in study.run()
    study.inputs["scores"].clear()
    rows = [score(str(number), number < 10) for number in range(40)]
    study.evaluate("pico/base", [replace(row, by_text="right" if row.correct else "wrong") for row in rows])
    gained = [score(str(number), number < 30) for number in range(40)]
    for arm in (TOP, *ALL):  # ours sees 20 more right answers, the text only for `all`
        seen = [number < (10 if arm == TOP else 30) for number in range(40)]
        study.evaluate(
            arm, [replace(row, by_text="right" if one else "wrong") for row, one in zip(gained, seen, strict=True)]
        )
    page = study.run("graders.html")
    cells = Cells(page)
    # Right by ours 10 + 3 x 30 of 160, by the text 20 fewer.
    agreement = cells.row("sums", 8)
    assert (agreement[0], agreement[1]) == ("sums Near", "normalised text")
    assert agreement[2].startswith("62.5 [")
    assert agreement[3].startswith("50.0 [")
    assert (agreement[4], agreement[5], agreement[7]) == ("20", "0 of 160", "0")
    marked = next(row for row in cells.rows if "above 0 by ours only" in row[-1])
    assert marked[0].startswith("top-clarity-2")
    assert marked[2].startswith("+50.0 [")
    assert marked[3].startswith("0.0")
    assert cells.row("top-clarity-2 big~small · dpo", 4)[1].endswith("§")
    assert not cells.row("all big~small · dpo", 4)[1].endswith("§")


def test_generators_and_deltas(study):
    cells = Cells(study.run())
    big = cells.generator("big")
    assert big == ["big", shown(6, 9), "9 of 10", "10.0", "0.0", "time_out 1, truncated 1"]
    lengths = cells.row("big~small", 4)  # 10 to 15 tokens against 10
    assert lengths[1].startswith("+2.50 [")
    assert lengths[2:] == [shown(5, 6), "6"]
    clarity = cells.row("big~small", 6)
    assert clarity[1] == "clarity"
    assert clarity[2].startswith("+0.40 [")
    assert clarity[3:] == ["5", shown(2, 5), "chosen_unjudged 1"]
    # Deltas fall as lengths rise: ranks 5 4 2.5 2.5 1 against 1 2 3 4 5, so rho = -9.5 / sqrt(9.5 * 10).
    assert cells.row("Rank correlation")[1:] == ["clarity"]
    length = next(row for row in cells.rows if row[0] == "big~small" and "n = 5" in row[1])
    assert length[1].startswith("−0.97 [")


def test_training_counts_versions(study):
    page = study.run()
    cells = Cells(page)
    trained = cells.row("top-clarity-2 big~small · dpo · s0")
    assert trained[1:3] == ["5", "3"]
    assert trained[3].split() == ["0.69310", "−4.7e−05"]
    assert (trained[4], trained[6], trained[8]) == ("0.2500", "1.2500", "differ")
    assert page.count("the same</span>") == 1
    assert cells.row("generate", 11) == ["generate", "1", "1,234", "7", "—", "90.0", "2.5", "1.2", "2", "321", ""]
    assert cells.row("evaluate", 11)[1:3] == ["2", "24"]
    assert cells.row("torch")[1] == "2.8.0 (1 jobs), 2.9.0 (4 jobs)"
    assert "5 jobs that ran 96.0 s" in page
    assert "1 of 2 families of arms ran with one seed; their intervals hold the variance between runs" in page
    assert study.outcome.rows == 24
    assert study.outcome.failures == {"not_counted": 2}


def test_names_are_escaped(study):
    study.table("grades", f"grade/{EVIL.replace('/', '')}.parquet", Grade, [Grade("p", "x", 0, "1", True, None)])
    bench = report.ReportBenchmark(title=EVIL, domain="maths", difficulty=None, in_domain=False)
    page = study.run(
        title=EVIL, about=EVIL, experiments={"one": experiment(EVIL, "filtering", TOP)}, benchmarks={"sums": bench}
    )
    assert [tag for tag, _ in Cells(page).tags].count("script") == 1  # the page's own
    assert "<h1>&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page


def test_a_colour_cannot_close_the_style_sheet(study):
    with pytest.raises(StudyError, match="not a colour"):
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
    files = [link for link in links if not link.startswith("#")]
    assert all((study.path("report.html").parent / link).is_file() for link in files)  # beside the page
    assert not re.search(r"@import|url\((?!#)|https?://", re.sub(r"/\*.*?\*/", "", page, flags=re.DOTALL))


def test_ids_are_unique_and_links_have_a_target(study):
    tags = Cells(study.run()).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for _, attributes in tags if "href" in attributes}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert {link for link in links if "one" in link} == {f"figures/one.{ending}" for ending in ("svg", "pdf", "csv")}


def test_same_inputs_same_bytes_in_any_order(study):
    first = study.run()
    for paths in study.inputs.values():
        paths.reverse()
    assert study.run("again.html") == first


def test_an_arm_without_scores_is_an_error(study):
    missing = "pico/big~small/all/dpo/s7"
    with pytest.raises(StudyError, match="all/dpo/s7 on sums"):
        study.run(experiments={"one": experiment("One", "rows", missing)})


def test_a_file_in_no_folder_of_the_study_is_an_error(study, tmp_path):
    study.inputs["manifests"].append(tmp_path / "stray.json")
    (tmp_path / "stray.json").write_text('{"stage": "grade"}')
    with pytest.raises(StudyError, match=r"stray\.json: is not in a folder results/tiny/"):
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


SCALING = [f"pico/{pairing}/all/dpo/s{seed}" for pairing in ("big~small", "small~small") for seed in (0, 1)]


def scaling_study(study):
    """Two seeds of a generator over a smaller one, and of that one over itself, each with 40 prompts."""
    study.inputs["scores"].clear()
    study.evaluate("pico/base", [score(f"{i:02}", i < 20) for i in range(40)])
    for name in SCALING:
        solved = {"big~small/all/dpo/s0": 36, "big~small/all/dpo/s1": 28}.get(name.partition("/")[2], 20)
        study.evaluate(name, [score(f"{i:02}", i < solved) for i in range(40)])
    small = [Grade(f"p{i}", "small", j, "1", i < 2, None) for i in range(10) for j in (0, 1)]
    study.table("grades", "grade/small.parquet", Grade, small)
    return {"line": experiment("Line", "scaling", *SCALING)}


def test_one_cell_of_the_scaling_figure_by_hand(study):
    experiments = scaling_study(study)
    row = Cells(study.run(experiments=experiments)).row("all big~small · dpo")
    gains = [0.0] * 20 + [1.0] * 8 + [0.5] * 8 + [0.0] * 4  # 8 items gained by both seeds, 8 by one of them
    # Accuracies 0.9 and 0.7 beside twice 0.5: mean squares 0.02 and 0. The runs differ on 8 problems of 40, so
    # residuals are half of 1 - 0.2 or of 0.2: their mean square, over 40, is (8 * 0.64 + 32 * 0.04) / 2 / 39 / 40.
    between, answers = 0.02 / 2, 3.2 / 39 / 40 / 2
    runs = Variance((between - answers) / 2, 2, between / 2)  # of a mean of two runs
    hand = t_interval(0.3, 40, [mean_variance(np.array(gains)), runs])
    assert row[1] == f"+30.0 [+{100 * hand.low:.1f}, +{100 * hand.high:.1f}]"
    assert row[2:] == ["40", "0, 1"]
    figure = study.path("figures/line.svg").read_text()
    assert "<svg" in figure
    page = study.path("report.html").read_text(encoding="utf-8")
    for name in ("big", "small"):
        assert page.count(f">{name}</text>") >= 2  # above their places, in the wide figure and in the narrow one
    marks = list(csv.DictReader(study.path("figures/line.csv").open(encoding="utf-8")))
    means = {mark["name"]: mark for mark in marks if mark["kind"] == "mean"}
    # Of the nine prompts that both answered, `big` is right on 6 and `small` on 2. With itself it has no delta.
    assert (float(means["big"]["x"]), float(means["small"]["x"])) == (pytest.approx(400 / 9), 0)
    assert (float(means["big"]["y"]), means["big"]["n"], means["big"]["runs"]) == (pytest.approx(30), "40", "2")
    assert means["big"]["contrast"] == "gain of all · big~small · dpo · pico · seeds 0, 1 · Sums · T = 1"
    assert [float(mark["y"]) for mark in marks if mark["kind"] == "run"][:2] == pytest.approx([40, 20])


def test_a_pairing_with_itself_that_changes_nothing_passes(study):
    page = study.run(experiments=scaling_study(study))
    assert "Zero-delta check: it holds" in page
    assert "Drifting" not in page


def test_a_pairing_with_itself_that_changes_something_is_flagged(study):
    experiments = scaling_study(study)
    for name in SCALING[2:]:
        study.inputs["scores"] = [path for path in study.inputs["scores"] if f"/{name}/" not in path.as_posix()]
        study.evaluate(name, [score(f"{i:02}", i < 10) for i in range(40)])
    page = study.run(experiments=experiments)
    assert "Zero-delta check" not in page
    assert "excludes zero in 1 of 1 comparisons with the base, where chance alone would give 0.1; after Holm’s" in page
    assert re.search(r"pico/small~small/all/dpo on Sums: −25.0 <span", page)


def test_random_draws_are_one_row_and_the_reference_of_their_size(study):
    draws = [f"pico/big~small/random-2-s{draw}/dpo/s0" for draw in (0, 1)]
    study.evaluate(draws[0], [score(name, name in "ab") for name in "abcdef"])
    study.evaluate(draws[1], [score(name, name in "a") for name in "abcdef"])
    page = study.run(experiments={"which": experiment("Which", "filtering", *ALL, TOP, *draws)})
    rows = [[" ".join(cell.split()) for cell in row] for row in Cells(page).rows]
    against = next(row for row in rows if row[0] == "top-clarity-2 − random-2-s0,1 · seed 0" and row[-1] == "2")
    assert against[1].startswith("+30.0 [")  # a, b, c, e, f: b half and c whole, of 5, and e is not counted by top
    assert page.count(">random-2</text>") == 2  # one row, in the wide figure and in the narrow one
    assert "Dashed, with its interval" in page
    page = study.run(experiments={"which": experiment("Which", "filtering", *ALL, TOP)})
    assert "Dashed, with its interval" not in page  # no random selections, no band


def test_a_secondary_group_may_lack_arms(study):
    groups = {
        "near": report.ReportGroup(title="Near", benchmarks=["sums"], primary=True),
        "greedy": report.ReportGroup(title="Greedy", benchmarks=["sums"], primary=False),
    }
    for arm in ("pico/base", TOP):
        study.evaluate(arm, [score(name, name in "abc") for name in "abcdef"], group="greedy")
    page = study.run(groups=groups)
    assert f"Not evaluated here: {ALL[0]}, {ALL[1]}." in page
    untrained = [row for row in Cells(page).rows if "pico, untrained" in row[0]]
    assert [" ".join(row[1].split()) for row in untrained] == [shown(2, 5), shown(3, 6)]


def test_scores_of_an_unknown_group_are_an_error(study):
    study.evaluate(TOP, BASE, group="elsewhere")
    with pytest.raises(StudyError, match="groups elsewhere; the groups are near"):
        study.run()


def test_figures_are_files_with_the_same_bytes_every_time(study):
    experiments = scaling_study(study) | {"again": experiment("Again", "rows", *SCALING)}
    overlap = report.ReportOverlap(pairing="big~small", k=[2])
    mean = [Delta(f"q{i}", 4.0, 4.0 - gap, float(gap), None) for i, gap in enumerate([2, 0, 1, 0, -1])]
    study.table("deltas", "delta/big~small/mean.parquet", Delta, mean)
    folders = []
    for _ in range(2):
        study.run(experiments=experiments, overlap=overlap)
        folders.append({path.name: path.read_bytes() for path in study.path("figures").iterdir()})
    names = ("line", "again", "overlap", "deltas", "gaps")
    assert set(folders[0]) == {f"{name}.{ending}" for name in names for ending in ("svg", "pdf", "csv")}
    assert folders[0] == folders[1]
    assert [path.name for path in study.path("figures").parent.iterdir() if path.name.startswith(".")] == []
    assert all(content.startswith(b"%PDF") for name, content in folders[0].items() if name.endswith("pdf"))
    for name, content in folders[0].items():
        if name.endswith("svg"):
            assert b"var(--" not in content
            assert b"#0102" not in content


def test_overlaps_say_how_much_is_drawn_among_ties(study):
    mean = [Delta(f"q{i}", 4.0, 4.0 - gap, float(gap), None) for i, gap in enumerate([2, 0, 1, 0, -1])]
    study.table("deltas", "delta/big~small/mean.parquet", Delta, mean)
    page = study.run(overlap=report.ReportOverlap(pairing="big~small", k=[2, 3]))
    two, three = (row for row in Cells(page).rows if "clarity, mean" in row)
    # Top 2 of clarity: q0 q1; of mean: q0 q2. By chance 0, 1 or 2 of 2 with probabilities 3, 6, 1 of 10.
    assert two[2:] == ["1.0", "50.0", "40.0 [0.0, 100.0]", "5", "0.0, 0.0"]
    # Top 3 of clarity: q0 q1 and one of q2 q3; of mean: q0 q2 and one of q1 q3. So 1 + 1/2 + 1/2 + 1/4.
    assert three[2:4] == ["2.2", "75.0"]
    assert three[-1] == "33.3, 33.3"
    assert "(drawn: 0.0% of a set of 2, 33.3% of a set of 3)" in page


def test_the_ladder_is_held_against_its_windows(study):
    window = {"family": "maths", "operations": [4, 5], "low": 0.4, "high": 0.6, "n": 100}
    best = {"best_temperature": 0.5, "best_accuracy": 0.55, "at_most_above": 0.04}
    mended = {**window, "accuracy": 0.5, "temperature": 0.0, **best}
    study.manifest(
        "ladder",
        "big/model",
        parameters=1234,
        steps=50,
        seed=8,
        curve=[[0, 4.0], [25, 1.0]],
        accuracies=[{**window, "accuracy": 0.5}],
        rejected=[{"seed": 7, "accuracies": [{**window, "accuracy": 0.7}]}, {"seed": 6, "accuracies": [mended]}],
    )
    study.manifest("ladder", "small/model", parameters=99, steps=5, curve=[])
    cells = Cells(study.run())
    big = cells.row("big seed 8")
    assert big[1:4] == ["1,234", "50", "1.000"]
    problems = "maths, 4, 5 operations, temperature 1"
    assert big[5:] == [problems, f"{shown(50, 100)} n = 100", "40.0–60.0", "used, inside"]
    assert cells.row("seed 7")[-1] == "rejected, outside"
    limit = "best 55.0 at temperature 0.5, allowed 4.0 above"
    assert cells.row("seed 6")[5:] == [
        problems.replace("temperature 1", "greedy"),
        f"{shown(50, 100)} n = 100",
        f"40.0–60.0 {limit}",
        "rejected, outside",
    ]
    assert cells.row("small")[5:] == ["—", "—", "—", "used"]


def test_budgets_are_held_at_the_speed_of_the_reference(study):
    study.manifest("generate", "small", rows=1, seconds=1.0)  # 2.5 CPU seconds, so 5.0 with the other, or 2.5 there
    page = study.run()
    cells = Cells(page)
    assert cells.row("generate", 11)[6:9] == ["5.0", "2.5", "2 over"]
    assert cells.row("train", 11)[6:9] == ["5.0", "2.5", "100"]
    assert cells.row("report", 11)[6:9] == ["3.0", "1.5", "60"]
    assert "This machine takes 2.00 times as long" in page


def test_the_loss_before_training_is_known_for_dpo_and_kto(study):
    curve = {"loss": [0.51, 0.4]}
    for method in ("kto", "sft"):
        details = {"step0_loss": 0.51, "curve": curve, "method": method}
        study.manifest("train", method, arms={f"pico/big~small/all/{method}/s0": details})
    cells = Cells(study.run())
    assert cells.row("all big~small · kto")[3].split() == ["0.51000", "+1.0e−02"]
    assert cells.row("all big~small · sft")[3].split() == ["0.51000"]
    assert cells.row("all big~small · sft")[6:8] == ["—", "—"]


def test_draws_of_one_prompt_are_no_trials_of_their_own(study):
    """Two problems with 16 draws each: one always solved, one never. Wilson's interval of 32 trials would be narrow."""
    draws = [score(name, name == "a", sample=i) for name in "ab" for i in range(16)]
    study.inputs["scores"].clear()
    for arm in ("pico/base", TOP, *ALL):
        study.evaluate(arm, draws)
    top = Cells(study.run()).row("top-clarity-2", 7)
    assert float(re.match(r"50.0 \[(\S+),", top[1])[1]) < 10  # Wilson's of 32 trials begins at 33.6
    assert top[3] == "32 of 32"


SECOND = report.ReportBenchmark(title="Contest", domain="maths", difficulty="easy", in_domain=True)


def with_contest(study, arms):
    """A benchmark of two problems beside that of many, in one panel. arms: name -> (solved of 40, solved of 2)."""
    study.inputs["scores"].clear()
    for name, (solved, won) in arms.items():
        contest = [Score("contest", f"c{i}", 0, None, i < won, "stop", 9, f"key-c{i}", None) for i in range(2)]
        study.evaluate(name, [*(score(f"{i:02}", i < solved) for i in range(40)), *contest])
    sums = report.ReportBenchmark(title="Sums", domain="maths", difficulty="easy", in_domain=True)
    return {
        "benchmarks": {"sums": sums, "contest": SECOND},
        "groups": {"near": report.ReportGroup(title="Near", benchmarks=["sums", "contest"], primary=True)},
    }


@pytest.mark.parametrize(("method", "rows"), [("dpo", 1000), ("kto", 2000), ("sft", 1000)])
def test_pairs_are_shown_of_every_method_whatever_its_rows(study, method, rows):
    told = {"pairs": 1000, "rows": rows, "curve": {"loss": [0.5]}, "method": method}
    study.inputs["manifests"] = [path for path in study.inputs["manifests"] if "train/top" not in path.as_posix()]
    study.manifest("train", "top", arms={TOP: told})
    cells = Cells(study.run())
    (columns,) = [row for row in cells.rows if row[:2] == ["Arm", "Pairs"]]
    assert cells.row("top-clarity-2 big~small", len(columns))[1] == "1,000"


def test_a_panel_is_the_mean_of_its_benchmarks(study):
    settings = with_contest(study, {"pico/base": (20, 1), TOP: (20, 2)})
    page = study.run(**settings, experiments={"one": experiment("One", "rows", TOP)})
    row = next(row for row in Cells(page).rows if row[0] == "top-clarity-2" and len(row) == 3)
    assert " ".join(row[1].split()).startswith("+25.0 [")  # of (0, +50), not 1 of 42
    assert row[1].split()[-1] == "42"
    assert page.count(">Maths, easy</text>") == 2
    assert "each benchmark of equal weight; Maths, easy: Sums and Contest." in page


def test_several_sizes_are_drawn_against_their_size(study):
    arms = [f"pico/big~small/{name}/dpo/s0" for name in ("top-clarity-1", "top-clarity-2", "random-1-s0", "all")]
    study.inputs["scores"].clear()
    for name, solved in zip(["pico/base", *arms], (20, 24, 28, 21, 30), strict=True):
        study.evaluate(name, [score(f"{i:02}", i < solved) for i in range(40)])
    page = study.run(experiments={"one": experiment("One", "filtering", *arms)})
    for text in (">1</text>", ">2</text>", ">all</text>", ">clarity</text>"):
        assert page.count(text) >= 2, text  # in the wide figure and in the narrow one
    assert "pairs trained on" in page
    assert page.count(">as many random pairs: the mean of their draws, and its interval</text>") == 1  # wraps if narrow
    rows = [[" ".join(cell.split()) for cell in row] for row in Cells(page).rows]
    gained = {row[0]: row[1] for row in rows if len(row) == 3 and row[1].endswith("n = 40")}
    assert gained["top-clarity-2"].startswith("+20.0 [")
    assert gained["random-1 1 draws"].startswith("+2.5 [")
    (against,) = [row for row in rows if row[0].startswith("top-clarity-1 − random-1-s0") and row[1].startswith("+7.5")]
    assert against[1].endswith("n = 40")


def test_controls_of_other_experiments_are_shown_beside_selections_of_their_size(study):
    names = ("top-clarity-1", "top-clarity-2", "random-1-s0", "random-3-s0", "bottom-clarity-2")
    arms = [f"pico/big~small/{name}/dpo/s0" for name in names]
    study.inputs["scores"].clear()
    for name, solved in zip(["pico/base", *arms], (20, 24, 28, 21, 22, 23), strict=True):
        study.evaluate(name, [score(f"{i:02}", i < solved) for i in range(40)])
    page = study.run(experiments={"one": experiment("One", "filtering", *arms[:2])})
    assert "2 arms are controls of other experiments" in page  # random-3 is of another size
    assert page.count(">bottom-clarity</text>") == 2
    against = next(row for row in Cells(page).rows if row[0].startswith("top-clarity-1 − random-1-s0"))
    assert against[1].startswith("+7.5 ")


TIES = {"k": 2, "cut": 1.0, "above": 1, "tied": 3, "drawn": 1}


def test_an_arm_that_is_mostly_drawn_among_ties_is_marked_wherever_it_is_shown(study):
    for order in (0, 1):
        study.manifest("filter", f"big~small/top-clarity-2/t{order}", ties=TIES)
    study.manifest("filter", "big~small/all/t0")
    one = report.ReportExperiment(title="One", figure="filtering", arms=ALL, beside=[TOP])
    page = study.run(experiments={"one": one}, max_drawn_share=0.4)
    cells = Cells(page)
    assert cells.row("big~small", 9)[1:] == ["top-clarity-2†", "2", "+1.00", "1", "3", "1", "50.0", "0, 1"]
    assert page.count(">top-clarity-2†</text>") == 2  # in the wide figure and in the narrow one
    # The table of every arm, that of the benchmark, that of trainings.
    for columns in (4, 7, 9):
        assert cells.row("top-clarity-2† big~small", columns)
    shown = re.sub(r'data-contrast="[^"]*"', "", page.partition("<summary>Every job")[0])
    assert not re.search(r"top-clarity-2(?!†)", shown)
    assert "all†" not in page
    # The figure, every arm, the trainings.
    assert page.count('† More than 40.0% of its pairs were <a href="#ties">drawn among pairs of equal delta</a>.') == 3
    below = study.run(experiments={"one": one}, max_drawn_share=0.5)  # the share is 0.5, and has to exceed it
    assert "†" not in below
    assert Cells(below).row("big~small", 9)[1] == "top-clarity-2"


def test_the_page_says_how_alike_matched_pairs_and_the_top_set_are_and_marks_what_is_off(study):
    def line(covariate, after, matched_on):
        means = {"top": 12.0, "matched": 10.0, "others": 4.0}
        return {"covariate": covariate, "matched_on": matched_on, **means, "before": 0.7, "after": after}

    match = {"k": 20, "others": 60, "alike": 3, "far": 4, "unit": "tokens"}
    balance = [line("length", 0.14, True), line("pass_rate", -0.05, False)]
    study.manifest("filter", "big~small/matched-length-clarity-20/t0", match={**match, "balance": balance})
    page = study.run()
    cells = Cells(page)
    assert cells.row("big~small", 9)[1:] == [
        *("matched-length-clarity-20 4 / 20", "length tokens matched"),
        *("12.00", "10.00", "4.00", "+0.70", "+0.14‡", "0"),
    ]
    assert next(row for row in cells.rows if len(row) == 9 and row[2] == "pass rate")[-2] == "−0.05"
    assert "Some selections are off in what they were to be matched on" in page


def test_a_mark_among_several_sizes_stands_at_its_size(study):
    arms = [f"pico/big~small/{name}/dpo/s0" for name in ("top-clarity-1", "top-clarity-2")]
    study.inputs["scores"].clear()
    for name, solved in zip(["pico/base", *arms], (20, 24, 28), strict=True):
        study.evaluate(name, [score(f"{i:02}", i < solved) for i in range(40)])
    study.manifest("filter", "big~small/top-clarity-2/t0", ties=TIES)
    page = study.run(experiments={"one": experiment("One", "filtering", *arms)}, max_drawn_share=0.4)
    assert page.count(">†</text>") == 2  # in the wide figure and in the narrow one
    numbers = [row[0] for row in Cells(page).rows if len(row) == 3 and row[0].startswith("top-clarity")]
    assert numbers == ["top-clarity-1", "top-clarity-2†"]


def ship(study, generator):
    """Let a data set have shipped a generator's traces."""
    study.manifest("generate", generator, rows=1)
    path = study.inputs["manifests"][-1]
    told = json.loads(path.read_text())
    told["settings"] = {"generator": generator, "shipped": {"source": "somewhere"}}
    path.write_text(json.dumps(told))


def test_a_generator_from_a_data_set_is_a_confounded_point(study):
    experiments = scaling_study(study)
    before = study.run(experiments=experiments)
    assert "A confounded point" not in before
    filled = study.path("figures/line.svg").read_bytes()
    study.inputs["manifests"] = [path for path in study.inputs["manifests"] if "generate/big" not in path.as_posix()]
    ship(study, "big")
    page = study.run(experiments=experiments)
    assert "A confounded point" in page
    assert "Open, and in no line: pairings with big: traces from a data set, so another prompt" in page
    assert study.path("figures/line.svg").read_bytes() != filled  # an open mark
    assert Cells(page).generator("big")[0] == "big traces from a data set, so another prompt and sampling"


def test_deltas_of_a_generator_from_a_data_set_are_marked(study):
    assert "Open: pairings with" not in study.run()
    filled = study.path("figures/deltas.svg").read_bytes()
    study.inputs["manifests"] = [path for path in study.inputs["manifests"] if "generate/big" not in path.as_posix()]
    ship(study, "big")
    assert "hold pairs. Open: pairings with big: traces from a data set, so another prompt" in study.run()
    assert study.path("figures/deltas.svg").read_bytes() != filled  # open marks


def test_arms_at_equal_updates_stand_beside_each_other_and_differences_are_told(study):
    one = report.ReportExperiment(title="One", figure="filtering", arms=ALL, beside=[TOP])
    page = study.run(experiments={"one": one})
    assert "Every arm was trained for 3 updates." in page
    assert page.count(">top-clarity-2</text>") == 2  # in the wide figure and in the narrow one
    curve = {"loss": [0.6931], "rewards/margins": [0.0]}
    study.inputs["manifests"] = [path for path in study.inputs["manifests"] if "train/top" not in path.as_posix()]
    study.manifest("train", "top", arms={TOP: {"updates": 4, "curve": curve, "method": "dpo"}})
    page = study.run(experiments={"one": one})
    assert "Not at equal numbers of updates</strong>, as they should be: top-clarity-2 4, all 3." in page
    study.inputs["manifests"].pop()
    assert "as they should be: top-clarity-2 unknown, all 3." in study.run(experiments={"one": one})
    assert "updates</strong>" not in study.run()  # where nothing is meant to be equal


def test_the_grades_of_a_data_set_stand_beside_ours(study):
    counts = {"both_right": 6, "both_wrong": 2, "only_ours": 1, "only_theirs": 1}
    assert "agree with our grades" not in study.run()
    study.manifest("grade", "big", source_agreement=counts)
    rows = [[" ".join(cell.split()) for cell in row] for row in Cells(study.run()).rows]
    assert ["big", "6", "2", "1", "1", f"{shown(8, 10)} n = 10"] in rows


def test_accuracies_by_a_benchmarks_own_rule_stand_beside_ours(study):
    assert "own rule" not in study.run()
    counted = {"by_upstreams_rule": {"pico/base": {"letters": {"solved": 5, "counted": 10, "differ": 3}}}}
    study.manifest("evaluate", "mcq", solved_of_counted={"pico/base": {"letters": [8, 10], "sums": [1, 2]}}, **counted)
    rows = [[" ".join(cell.split()) for cell in row] for row in Cells(study.run()).rows]
    assert ["letters", "pico/base", f"{shown(8, 10)} n = 10", f"{shown(5, 10)} n = 10", "3"] in rows


def judged(study, kind, form, scores):
    rows = [Judgement(f"p{i}", "big", 0, "clarity", one, 1, 1, ["key"], None) for i, one in enumerate(scores)]
    study.table(kind, f"judge/big/{form}.parquet", Judgement, rows)


def test_two_ways_of_judging_are_compared(study):
    judged(study, "judgements", "both", [5, 4, 3, 2])
    forms = {"both": ["clarity", "depth"]}
    assert 'id="judging"' not in study.run(forms=forms)
    judged(study, "compared", "alone", [5, 5, 3])
    row = Cells(study.run(forms=forms, compared={"alone": ["clarity"]})).row("clarity both (2), alone (1)", 8)
    assert row[1:3] == ["3 3 prompts", "0"]
    assert row[3].startswith("66.7 [")
    assert row[5].startswith("+0.33 [")
    assert row[7] == "—"  # not the same question


def test_several_votes_are_told_beside_the_forms(study):
    for kind, form, total in (("judgements", "both", 13), ("compared", "alone", 14)):
        rows = [Judgement("p1", "big", 0, "clarity", total, 3, 3, ["a", "b", "c"], None)]
        study.table(kind, f"judge/big/{form}.parquet", Judgement, rows)
    page = study.run(forms={"both": ["clarity"]}, compared={"alone": ["clarity"]})
    assert Cells(page).row("clarity both (1), alone (1); 3 votes", 8)[1] == "1 1 prompts"


def test_deltas_and_selections_are_held_against_another_judge(study):
    gaps = {"q0": 1, "q1": 1, "q2": 2, "q3": -1}  # the study's judge has 2, 1, 0, 0, -1; q4 is not in the sample
    rows = [Delta(name, 4.0, 4.0 - gap, float(gap), None) for name, gap in gaps.items()]
    study.table("deltas", "delta/big~small/clarity@second.parquet", Delta, rows)
    judged(study, "judgements", "both", [5, 4, 3, 2, 5, 5, 5, 5])
    judged(study, "compared", "both@second", [4, 4, 3, 2, 5, 4, 5, 5])
    page = study.run(forms={"both": ["clarity"]}, compared={"both@second": ["clarity"]})
    cells = Cells(page)
    assert cells.row("clarity both (1), both@second (1)", 8)[3].startswith("75.0 [")
    # x = 2, 1, 0, 0 and y = 1, 1, 2, -1: covariance 0.75 - 0.5625, variances 0.6875 and 1.1875.
    row = next(row for row in cells.rows if row[2:4] == ["second", "4"] and len(row) == 7)
    assert [row[4].split()[0], row[5].split()[0], row[6]] == ["+0.21", "+0.27", "+0.53"]
    # top-clarity-2 of 5 is q0 and q1. Of the four that both judged the same share is 2: q2, and one of q0 and q1.
    row = next(row for row in cells.rows if row[1:3] == ["top-clarity-2", "second"] and len(row) == 10)
    assert " ".join(row[3].split()) == "2 4"
    assert row[4] == "50.0"  # no interval: whichever pair is taken, it is half of the set
    assert row[5].startswith("+0.33 [")
    # The mean of all five is 0.4, that of the set 1.5: 0.4 + 0.2727 x 1.1.
    assert [cell.split()[0] for cell in row[7:]] == ["+1.50", "+0.70", "+1.00"]
    assert "clarity@second" not in page, "another judge's deltas are none of the study's dimensions"


def test_the_judge_is_held_against_people(study):
    """Three of four pairs are better by the judge; people find one of these worse, and the fourth better."""
    versions = {"clarity": JudgeVersion(judge="j", rubric="r", template="t")}
    ids = [f"id{number}" for number in range(4)]
    deltas = [Delta(pair_id, 4.0 - (n == 3), 3.0, 1.0 - (n == 3), None) for n, pair_id in enumerate(ids)]
    path = study.root / "delta/big~small/clarity.parquet"
    study.inputs["deltas"] = [one for one in study.inputs["deltas"] if one != path]
    study.table("deltas", "delta/big~small/clarity.parquet", Delta, deltas)
    known = dict.fromkeys(ids, 1.0) | {"id3": 0.0}
    path = study.root / "pair/big~small.parquet"
    tables.write(path, Pair, [*tables.read(path, Pair), *(replace(pair(name, 10), texts=name) for name in ids)])
    texts = {name: name for name in ids}
    sheet = make_sheet("tiny", "big~small", ["clarity"], "clarity", known, texts, 4, 1, versions)
    key = study.root.parents[1] / "annotations/tiny/s-1.key.json"
    sheets.write(key, sheet)
    said = [
        Annotation("ada", pair_id, "clarity", 3 - (n == 0) + (n == 3), 3 - (n > 0), pair_id, None)
        for n, pair_id in enumerate(ids)
    ]
    tables.write(key.with_name("s-1.parquet"), Annotation, said)
    study.inputs |= {"sheets": [key], "annotations": [key.with_name("s-1.parquet")]}
    people = report.ReportPeople(versions=versions, components={"clarity": ["clarity"]})
    cells = Cells(page := study.run(people=people))
    row = cells.row(f"clarity big~small, {sheet.sheet}", 8)
    assert row[1] == "4 of 4 1"
    assert row[6].startswith("66.7 [")
    assert row[7].startswith("0.0 [")
    # The sheet holds all pairs, so people's mean delta, (-1 + 1 + 1 + 2) / 4, is the corrected one.
    means = cells.row(f"clarity big~small, {sheet.sheet}", 6)
    assert [cell.split(" ")[0] for cell in means[1:]] == ["+0.75", "+0.75", "+0.75", "75.0", "75.0"]
    edited = report.ReportPeople(
        versions={"clarity": JudgeVersion(judge="j", rubric="another", template="t")},
        components={"clarity": ["clarity"]},
    )
    assert "of another version: edited since the export: rubric" in study.run("edited.html", people=edited)
    assert "of another version" not in page


def ledger(study, test, **rest):
    """Judge one claim of one test; rest: of `Study.run`. Returns the page, and the account in the manifest."""
    asked = {"question": "Is it so?", "effect": 5, "test": test}
    claim = {"id": "one", "claim": EVIL, "trust": "V", "tests": [asked], "confounds": [{"cause": "length"}]}
    path = study.root / "claims.yaml"
    path.write_text(json.dumps({"source": "A paper", "claims": [claim]}))  # JSON is YAML
    study.inputs["claims"] = [path]
    page = study.run(**rest)
    return page, study.outcome.details.claims["one"]


RISING = [f"pico/{name}~small/all/dpo/s{seed}" for name in ("weak", "mid", "big") for seed in (0, 1)]


def rising_study(study):
    """Three generators above a fourth, right in 3, 5, 7 and 1 of 8; their arms solve more and more of 400 problems."""
    study.inputs["scores"].clear()
    study.inputs["grades"].clear()
    study.evaluate("pico/base", [score(f"{i:03}", i < 100) for i in range(400)])
    for name, right in zip(RISING, (138, 142, 182, 178, 220, 220), strict=True):
        study.evaluate(name, [score(f"{i:03}", i < right) for i in range(400)])
    for name, right in (("small", 1), ("weak", 3), ("mid", 5), ("big", 7)):
        draws = [Grade(f"p{i}", name, draw, "1", i < right, None) for i in range(8) for draw in (0, 1)]
        study.table("grades", f"grade/{name}.parquet", Grade, draws)
    return {"line": experiment("Line", "scaling", *RISING)}


TREND = {"kind": "trend", "experiments": ["line", "unheard_of"], "over": "in_domain"}


def test_the_ledger_stands_first_and_says_what_would_decide(study):
    page, account = ledger(study, TREND, experiments=rising_study(study), claims_note="Only a test.")
    assert account.verdict == "confounded with length"
    (number,) = account.tests
    # Gains of 10, 20 and 30 points at generator deltas of 25, 50 and 75.
    assert number.value == pytest.approx(4)
    assert (number.outcome, number.unit, number.n) == ("holds", "points per 10 points of generator delta", 400)
    assert page.index('id="claims"') < page.index('id="gain"')
    rows = [[" ".join(cell.split()) for cell in row] for row in Cells(page).rows]
    (row,) = [row for row in rows if "confounded with length" in row]
    assert row[0].endswith("exploratory: not registered")
    assert row[2].startswith(
        "Is it so? slope of the gain along weak, mid, big over small · all · dpo · pico · seeds 0, 1 · Sums · T = 1;"
    )
    assert "All of: all · dpo · pico · seeds 0, 1 · Sums · T = 1." in page
    assert row[3].startswith("+4.00 [")
    assert row[4:] == ["400", "0, 1"]
    assert "To decide it: arms that take length apart from it" in page
    assert "Only a test." in page
    assert [tag for tag, _ in Cells(page).tags].count("script") == 1  # the page's own


def test_a_number_of_matched_pairs_leads_to_how_alike_they_are(study):
    names = ["top-clarity-20", "matched-length-clarity-20"]
    arms = [f"pico/big~small/{name}/dpo/s0" for name in names]
    study.inputs["scores"].clear()
    for name, solved in zip(["pico/base", *arms], (20, 24, 28), strict=True):
        study.evaluate(name, [score(f"{i:02}", i < solved) for i in range(40)])
    sides = {side: {"selections": [name]} for side, name in zip(("left", "right"), names, strict=True)}
    test = {"kind": "difference", "experiments": ["one"], "over": "in_domain", **sides}
    asked = {"test": test, "experiments": {"one": experiment("One", "rows", *arms)}}
    assert 'href="#balance"' not in ledger(study, **asked)[0]  # nothing is known of it
    means = {"top": 12.0, "matched": 10.0, "others": 4.0, "before": 0.7, "after": 0.0}
    match = {"k": 20, "others": 60, "alike": 3, "far": 4, "unit": "tokens"}
    match["balance"] = [{"covariate": "length", "matched_on": True, **means}]
    study.manifest("filter", "big~small/matched-length-clarity-20/t0", match=match)
    page, _ = ledger(study, **asked)
    assert page.count('href="#balance"') == page.count('id="balance"') == 1


def test_a_claim_that_is_not_run_stays_on_the_page(study):
    page, account = ledger(study, {**TREND, "experiments": ["absent"]}, experiments=rising_study(study))
    assert (account.verdict, account.tests) == ("not run", [])
    assert "To decide it: arms for: Is it so?" in page


def test_a_claim_that_was_registered_before_the_first_arm_is_told_so(study):
    experiments = rising_study(study)
    _, account = ledger(study, TREND, experiments=experiments)
    assert not account.registered
    (claim,) = read_claims(study.inputs["claims"][0]).claims
    registrations.register(study.record, {"one": claim.digest()}, lambda: Registration({"one": claim.digest()}, 0))
    page, account = ledger(study, TREND, experiments=experiments)
    assert account.registered
    assert "registered before the first arm was trained" in page


def told(study, stage, job, **settings):
    """A manifest with these settings."""
    study.manifest(stage, job)
    path = study.inputs["manifests"][-1]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"settings": settings}))


def sources_of(page):
    rows = [[" ".join(cell.split()) for cell in row] for row in Cells(page).rows]
    return {row[0]: row[1:] for row in rows if len(row) == 3}


def test_each_source_of_variance_says_what_replicates_it(study):
    study.inputs["manifests"] = []
    for generator in ("big", "small"):
        told(study, "generate", generator, generator=generator, samples=4, seed=1)
        told(study, "judge", f"{generator}/both", form="both", votes=1, engine={"model": "rules"})
    found = sources_of(study.run(forms={"both": ["clarity"]}))
    assert found["Problems of a benchmark"] == ["6 problems per benchmark", "yes, in every interval of an accuracy"]
    assert found["Draw of a trained arm’s answers"][0] == "each problem answered once"
    assert found["Training seed"][0] == "seeds 0, 1 in 1 of 2 families of arms"
    assert found["Training seed"][1].startswith("yes, for every trained arm, pooled over families: 1 degree")
    assert found["Judge’s draw"][0] == "each trace judged once"
    assert found["Judge’s draw"][1].startswith("no: every selection rests on one judging")
    assert found["Judge"] == ["not replicated: one judge (rules)", "no"]
    assert found["Draw of traces"] == ["not replicated: drawn once; 4 traces per prompt", "no"]
    assert found["Policy"] == ["not replicated: one policy (pico)", "no"]
    assert found["Training of a generator"][0].startswith("not replicated: 2 generators")
    assert not {"Order of equal deltas", "Random draw of pairs"} & set(found)


def test_what_is_repeated_is_told_as_often_as_it_was(study):
    study.inputs["manifests"] = []
    told(study, "generate", "big", generator="big", samples=1, seed=1)
    told(study, "judge", "big/both", form="both", votes=3)
    told(study, "judge", "big/again", form="again", prompts=500)
    for order in (0, 1):
        told(study, "filter", f"big~small/top-clarity-2/t{order}", selection="top-clarity-2", order=order)
    told(study, "filter", "big~small/all/t0", selection="all", order=0)
    for draw in (0, 1, 2):
        study.evaluate(f"pico/big~small/random-2-s{draw}/dpo/s0", [score(name, name in "ab") for name in "abcdef"])
    page = study.run(forms={"both": ["clarity"]}, compared={"again": ["clarity"]})
    found = sources_of(page)
    assert found["Judge’s draw"][0] == "each trace judged by 1–3 votes; judged again, with another seed, on 500 prompts"
    assert found["Order of equal deltas"] == [
        "2 orders, drawn with the training seeds, for 1 of 1 selections by delta",
        "yes, as part of the training seed’s variance",
    ]
    assert found["Random draw of pairs"][0] == "3 draws of 2 pairs"
    assert Cells(page).row("Order of equal deltas", 2)[1] == "in the training seed"


def test_captions_say_what_their_numbers_rest_on(study):
    assert (
        "n = 4–5 problems; training seeds 0, 1; arm and untrained policy are paired by problem. Intervals (95%) hold "
        "problems and runs (1 degree of freedom between runs)."
    ) in study.run()
    study.inputs["scores"] = [path for path in study.inputs["scores"] if "/s1/" not in path.as_posix()]
    page = study.run(experiments={"one": experiment("One", "rows", TOP, ALL[0])})
    assert "training seed 0; arm and untrained policy are paired by problem. Intervals marked ‡ hold problems" in page
    assert "runs (" not in page.partition("</style>")[2].partition('id="method"')[0]
    assert Cells(page).row("top-clarity-2", 7)[2].endswith("‡")
    assert Cells(page).row("pico, untrained")[1] == shown(2, 5)  # nothing was trained, so nothing lacks runs


# --- sharper sampling ---


def answered(solved, nats, samples=1, benchmark="sums"):
    """400 problems, of which so many are solved; each answer has 10 tokens of so many nats each."""
    return [
        Score(benchmark, f"p{i:03}", sample, None, i < solved, "stop", 10, "key", None, 10 * nats)
        for i in range(400)
        for sample in range(samples)
    ]


def sharpening_study(made, arms, greedy, nats_of_arms=0.3):
    """Arms of two seeds. arms: problems solved; greedy: those solved greedily, None: not asked greedily."""
    for name, solved, nats in (("base", 100, 0.6), ("base@0.8", 140, 0.4), ("base@0.5", 180, 0.2)):
        made.evaluate(f"pico/{name}", answered(solved, nats))
    if greedy is not None:
        made.evaluate("pico/base", greedy_answers(180), group="greedy")
    for seed in (0, 1):
        made.evaluate(f"pico/big~small/all/dpo/s{seed}", answered(arms, nats_of_arms))
        if greedy is not None:
            made.evaluate(f"pico/big~small/all/dpo/s{seed}", greedy_answers(greedy), group="greedy")
    return made.run(
        experiments={"one": experiment("One", "rows", *ALL)},
        groups={
            "near": report.ReportGroup(title="Near", benchmarks=["sums"], primary=True),
            "greedy": report.ReportGroup(title="Greedy", benchmarks=["sums"], primary=False, temperature=0.0),
        },
    )


def greedy_answers(solved):
    return [Score("sums", f"p{i:03}", 0, None, i < solved, "stop", 10, "key", None) for i in range(400)]


@pytest.mark.parametrize(
    ("arms", "greedy", "verdict", "gain", "beyond"),
    [
        (360, 380, "beyond sharpening", "+65.0", "+50.0"),
        (160, 180, "sharpening", "+15.0", "0.0"),
        (220, 180, "undecided", "+30.0", "+15.0"),
        (100, 180, "no gain", "0.0", "\u221215.0"),
    ],
)
def test_the_page_says_whether_a_gain_is_more_than_sharper_sampling(tmp_path, arms, greedy, verdict, gain, beyond):
    page = sharpening_study(Study(tmp_path), arms, greedy)
    section = page[page.index('<section id="sharpening">') :]
    (row,) = [[" ".join(cell.split()) for cell in row] for row in Cells(section).rows if "pico; in domain" in row[0]]
    # 0.3 nats lie halfway between 0.4 (T = 0.8) and 0.2 (0.5), where 140 and 180 of 400 are solved.
    assert row[1] == verdict
    assert row[2].split()[0] == gain
    assert row[3].startswith("+15.0")
    assert row[3].endswith("0.65")
    assert row[4].split()[0] == beyond
    assert row[-1] == "0.300 / 0.600"
    assert f"{verdict} 1" in section
    (cool,) = [row for row in Cells(section).rows if row[:2] == ["pico", "0.5"]]
    assert " ".join(cool[2].split()).endswith("0.200")


@pytest.mark.parametrize(
    ("nats", "temperatures", "told"),
    [(0.7, "1.00", "less sharp than the untrained policy"), (0.1, "0.50", "sharper than the coolest of the grid")],
)
def test_an_arm_outside_of_the_grid_is_held_against_its_end_and_that_is_said(tmp_path, nats, temperatures, told):
    page = sharpening_study(Study(tmp_path), 360, 380, nats)
    (row,) = [[" ".join(cell.split()) for cell in row] for row in Cells(page).rows if "pico; in domain" in row[0]]
    assert row[1] == f"beyond sharpening {told} on 1 of 1 benchmarks"
    assert row[3].endswith(temperatures)


@pytest.mark.parametrize(("solved", "verdict"), [(360, "beyond sharpening"), (160, "sharpening"), (100, "no gain")])
def test_a_verdict_by_the_temperatures_alone_is_told_as_such(tmp_path, solved, verdict):
    page = sharpening_study(Study(tmp_path), solved, None)
    (row,) = [[" ".join(cell.split()) for cell in row] for row in Cells(page).rows if "pico; in domain" in row[0]]
    told = "" if verdict == "no gain" else " by the grid alone: no greedy answers"
    assert row[1] == f"{verdict}{told}"


def test_answers_without_an_entropy_are_held_against_no_temperature(tmp_path):
    made = Study(tmp_path)
    for name in ("base", "base@0.5", *(arm.removeprefix("pico/") for arm in ALL)):
        made.evaluate(f"pico/{name}", greedy_answers(100))
    page = made.run(experiments={"one": experiment("One", "rows", *ALL)})
    (row,) = [row for row in Cells(page).rows if "pico; in domain" in row[0]]
    assert " ".join(row[1].split()) == "not measured the entropy is not known"


def test_pass_at_k_is_shown_where_problems_are_answered_several_times(tmp_path):
    made = Study(tmp_path)
    made.evaluate("pico/base", answered(100, 0.6, samples=4))
    made.evaluate(ALL[0], answered(200, 0.3, samples=2))
    page = made.run(experiments={"one": experiment("One", "rows", ALL[0])})
    section = page[page.index('<section id="sharpening">') :]
    rows = [[" ".join(cell.split()) for cell in row] for row in Cells(section).rows]
    (base,) = [row for row in rows if row[0] == "pico, untrained" and len(row) == 4]
    assert [cell.split()[0] for cell in base[1:]] == ["25.0"] * 3  # k = 1, 2, 4
    (arm,) = [row for row in rows if row[0] == "pico/big~small/all/dpo"]
    assert [cell.split()[0] for cell in arm[1:]] == ["+25.0", "+25.0", "\u2014"]


def test_a_study_without_a_grid_and_with_single_answers_has_no_such_section(study):
    assert "sharpening" not in study.run().split("<main>")[1]
