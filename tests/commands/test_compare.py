"""`prefdelta compare`, on a small study made by hand: its numbers are the report's."""

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdelta.commands.main import main
from prefdelta.core.arms import Arm
from prefdelta.core.statistics import minimum_detectable
from prefdelta.records.score import Score
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.panels import Panel, panel_difference, panel_gain
from prefdelta.store import tables

from .looked_at import BENCHMARKS
from .made import CONFIG, RESULTS, snapshot, study_here

ALL, TOP, RANDOM = ("pa/g3~g1/all/dpo", "pa/g3~g1/top-mean-2/dpo", "pa/g3~g1/random-2/dpo")
HARD = Evaluation("sampled", "mini_maths_hard")


@pytest.fixture
def compare(looked_at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    monkeypatch.chdir(looked_at)
    return _compare(capsys)


@pytest.fixture
def partly(
    looked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """The same in a copy of the study, for tests that change it."""
    monkeypatch.chdir(shutil.copytree(looked_at, tmp_path / "copy"))
    return _compare(capsys)


def _compare(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """compare(*words) -> the document, or what is printed if `words` ask for another form or for a code."""

    def compare(*words: str, code: int = 0, text: bool = False) -> Any:
        assert main(["compare", *words, "--configfile", CONFIG, *([] if text or code == 2 else ["--json"])]) == code
        out, err = capsys.readouterr()
        return err if code == 2 else out if text else json.loads(out)

    return compare


def report_scores() -> Scores:
    """All scores of the study in the working directory, read as the report reads them."""
    study = study_here()
    groups = {
        name: BenchmarkGroup(group.title, group.benchmarks, group.primary)
        for name, group in study.config.evaluate.groups.items()
    }
    paths = [Path(path) for job in study.jobs("evaluate") for path in job.outputs]
    return Scores.read(paths, "mini", BENCHMARKS, groups, Bootstrap(2000, study.config.seed))


def arms(selection: str) -> tuple[Arm, ...]:
    return tuple(arm for arm in study_here().arms if arm.selection == selection)


def panel(*benchmarks: str) -> Panel:
    return Panel("", "", True, [Evaluation("sampled", benchmark) for benchmark in benchmarks])


def numbers(estimate: Any) -> list[float]:
    if isinstance(estimate, dict):
        return [estimate[name] for name in ("value", "low", "high", "n", "run_df")]
    return [estimate.value, estimate.low, estimate.high, estimate.n, estimate.run_df]


def test_each_line_is_the_reports_difference_of_the_same_arms(compare: Callable[..., Any]) -> None:
    found = compare(ALL, TOP)["contrasts"]
    scores = report_scores()
    assert [line["over"] for line in found] == ["Maths, easy", "Maths, hard", "Code"]
    for line, benchmark in zip(found, BENCHMARKS, strict=True):
        estimate = panel_difference(scores, arms("all"), arms("top-mean-2"), panel(benchmark))
        assert numbers(line["difference"]) == numbers(estimate)
        assert line["smallest_effect"] == minimum_detectable(estimate)
        accuracy = scores.against_base(arms("all"), Evaluation("sampled", benchmark)).accuracy
        assert numbers(line["first"]) == numbers(accuracy)


def test_against_the_untrained_policy_it_is_the_reports_gain(compare: Callable[..., Any]) -> None:
    (line,) = compare(TOP, "pa/base", "--on", "maths", "--level", "hard")["contrasts"]
    assert line["benchmarks"] == ["mini_maths_hard"]
    assert numbers(line["difference"]) == numbers(
        panel_gain(report_scores(), arms("top-mean-2"), panel(HARD.benchmark))
    )
    assert line["second_truncated"] == 1 / 40


def test_over_several_benchmarks_it_is_the_mean_of_equal_weight(compare: Callable[..., Any]) -> None:
    (line,) = compare(ALL, TOP, "--on", "in_domain")["contrasts"]
    maths = panel("mini_maths_easy", "mini_maths_hard")
    assert numbers(line["difference"]) == numbers(
        panel_difference(report_scores(), arms("all"), arms("top-mean-2"), maths)
    )
    assert line["benchmarks"] == ["mini_maths_easy", "mini_maths_hard"]


def test_all_draws_of_a_random_selection_are_one_side(compare: Callable[..., Any]) -> None:
    found = compare(TOP, RANDOM, "--on", "mini_maths_hard")
    assert len(found["second"]["arms"]) == 4
    drawn = (*arms("random-2-s0"), *arms("random-2-s1"))
    expected = panel_difference(report_scores(), arms("top-mean-2"), drawn, panel("mini_maths_hard"))
    assert numbers(found["contrasts"][0]["difference"]) == pytest.approx(numbers(expected))


def test_a_secondary_group_is_compared_when_asked_for(compare: Callable[..., Any]) -> None:
    (line,) = compare(ALL, TOP, "--group", "greedy")["contrasts"]
    assert (line["groups"], line["benchmarks"]) == (["greedy"], ["mini_maths_hard"])


def test_the_verdict_follows_the_interval(compare: Callable[..., Any]) -> None:
    def line(*words: str) -> Any:
        return compare(*words, "--on", "mini_maths_hard")["contrasts"][0]

    better, worse, same = line(ALL, "pa/base"), line("pa/base", ALL), line(RANDOM, "pa/g3~g1/top-mean-2/dpo/s0")
    assert better["verdict"] == "better"
    assert better["difference"]["low"] > 0
    assert worse["verdict"] == "worse"
    assert worse["difference"]["high"] < 0
    assert same["verdict"] == "not told apart"
    assert same["difference"]["low"] <= 0 <= same["difference"]["high"]
    text = compare(ALL, "pa/base", "--on", "mini_maths_hard", text=True)
    assert f"the first is better, by +{100 * better['difference']['value']:.1f}" in text


def test_only_an_expectation_that_is_not_met_changes_the_exit_code(compare: Callable[..., Any]) -> None:
    on = ("--on", "mini_maths_hard")
    compare("pa/base", ALL, *on)
    compare(ALL, "pa/base", *on, "--expect", "better")
    compare("pa/base", ALL, *on, "--expect", "not_worse", code=1)
    compare(RANDOM, f"{TOP}/s0", *on, "--expect", "not_worse")
    compare(RANDOM, f"{TOP}/s0", *on, "--expect", "better", code=1)


def test_the_problems_that_changed_are_those_that_one_side_alone_solves(compare: Callable[..., Any]) -> None:
    found = compare(f"{ALL}/s0", "pa/base", "--on", "mini_maths_hard", "--items", "100")

    def right(arm: str) -> set[str]:
        rows = tables.read(RESULTS / f"evaluate/{arm}/sampled.parquet", Score)
        return {
            f"{row.benchmark}/{row.prompt_id}" for row in rows if row.benchmark == "mini_maths_hard" and row.correct
        }

    ours, theirs = right(f"{ALL}/s0"), right("pa/base")
    by_change = {way: {item["item"] for item in found["items"] if item["change"] == way} for way in ("won", "lost")}
    assert by_change == {"won": ours - theirs, "lost": theirs - ours}
    (line,) = found["contrasts"]
    assert (line["won"], line["lost"]) == (len(ours - theirs), len(theirs - ours))
    assert report_scores().discordant(arms("all")[0], arms("all")[0].base, HARD) == (line["won"], line["lost"])
    assert found["items"][0]["problem"].startswith("item ")
    assert (found["items"][0]["first_answers"], found["items"][0]["second_answers"][0] != "2") == (["2"], True)


def test_items_are_a_table_as_csv_whose_names_are_known_to_show(compare: Callable[..., Any], capsys: Any) -> None:
    words = ("--on", "mini_maths_hard", "--items", "2", "--csv")
    assert main(["compare", ALL, "pa/base", *words, "--configfile", CONFIG]) == 0
    row = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert main(["show", "item", row["item"], "--configfile", CONFIG]) == 0
    assert row["item"] in capsys.readouterr().out
    assert main(["compare", ALL, "pa/base", "--csv", "--configfile", CONFIG]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [line["over"] for line in lines] == ["Maths, easy", "Maths, hard", "Code"]
    assert float(lines[0]["difference.low"]) < float(lines[0]["difference.value"])


def test_nothing_is_written(compare: Callable[..., Any]) -> None:
    before = snapshot()
    compare(ALL, TOP, "--items", "3")
    assert snapshot() == before


def test_a_repeat_without_answers_is_left_out_and_named(partly: Callable[..., Any]) -> None:
    (RESULTS / f"evaluate/{TOP}/s1/sampled.parquet").unlink()
    found = partly(ALL, TOP, "--on", "mini_maths_hard")
    assert (found["second"]["arms"], found["second"]["not_evaluated"]) == ([f"{TOP}/s0"], [f"{TOP}/s1"])
    assert "not evaluated yet: " in partly(ALL, TOP, text=True)


def _in_two_groups() -> None:
    """The study in the working directory asks two primary groups; only TOP's first seed and the base have the second.

    Maths is sampled, code is in `half`.
    """
    study = yaml.safe_load(Path(CONFIG).read_text())
    sampled = study["evaluate"]["groups"]["sampled"]
    study["evaluate"]["groups"] = {
        "sampled": sampled | {"benchmarks": BENCHMARKS[:2]},
        "half": sampled | {"benchmarks": BENCHMARKS[2:], "sampling": {"temperature": 0.5, "max_tokens": 80}},
    }
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))
    for path in RESULTS.glob("evaluate/**/sampled.parquet"):
        rows = tables.read(path, Score)
        tables.write(path, Score, [row for row in rows if row.benchmark in BENCHMARKS[:2]])
        if path.parent in (RESULTS / f"evaluate/{TOP}/s0", RESULTS / "evaluate/pa/base"):
            tables.write(
                path.with_name("half.parquet"), Score, [row for row in rows if row.benchmark in BENCHMARKS[2:]]
            )
        path.with_name("greedy.parquet").unlink(missing_ok=True)


def test_a_side_counts_in_each_line_with_the_arms_that_answered_there(partly: Callable[..., Any]) -> None:
    _in_two_groups()
    found = partly(TOP, "pa/base")
    assert [line["over"] for line in found["contrasts"]] == ["Maths, easy", "Maths, hard", "Code"]
    both = [f"{TOP}/s0", f"{TOP}/s1"]
    assert [line["first_arms"] for line in found["contrasts"]] == [both, both, both[:1]]
    assert (found["first"]["arms"], found["first"]["not_evaluated"]) == (both, [])
    assert f"Code: without {TOP}/s1" in partly(TOP, "pa/base", text=True)


def test_a_side_that_has_one_group_of_two_counts_in_it(partly: Callable[..., Any]) -> None:
    _in_two_groups()
    found = partly(ALL, "pa/base")
    assert [line["verdict"] != "not known" for line in found["contrasts"]] == [True, True, False]
    assert found["first"] == {"name": ALL, "arms": [f"{ALL}/s0", f"{ALL}/s1"], "not_evaluated": []}
    text = partly(ALL, "pa/base", "--items", "2", text=True)
    assert "not evaluated yet" not in text
    hint = next(line for line in text.splitlines() if line.startswith("whole: prefdelta "))
    assert f"--arm {ALL}/s0" in hint
    assert main(hint.removeprefix("whole: prefdelta ").split()) == 0


def test_without_a_line_it_is_told_which_side_lacks_which_answers(partly: Callable[..., Any]) -> None:
    _in_two_groups()
    told = partly(ALL, "pa/base", "--on", "all", code=2)
    assert f"{ALL}: has no answers yet to mini_code (half). `" in told
    shutil.rmtree(RESULTS / f"evaluate/{TOP}")
    assert f"{TOP}: has no answers yet to {BENCHMARKS[0]} (sampled), {BENCHMARKS[1]} (sampled)" in partly(
        ALL, TOP, "--on", "maths", code=2
    )


@pytest.mark.parametrize("way", ["maths", "panels"])
def test_a_problem_that_several_prompts_ask_counts_once(partly: Callable[..., Any], way: str) -> None:
    """The first is right in both of its prompts, the second in none: one problem won. In another they are even."""
    right = {f"{ALL}/s0": ["x", "x.2", "y"], f"{TOP}/s0": ["y.2", "z"]}
    for arm, solved in right.items():
        rows = [
            Score(HARD.benchmark, name, 0, "2", name in solved, "stop", 4, f"{arm}-{name}", None)
            for name in ("x", "x.2", "y", "y.2", "z", "v")
        ]
        tables.write(RESULTS / f"evaluate/{arm}/sampled.parquet", Score, rows)
    line = next(
        line
        for line in partly(f"{ALL}/s0", f"{TOP}/s0", "--on", way, "--level", "hard")["contrasts"]
        if line["benchmarks"] == [HARD.benchmark]
    )
    assert (line["difference"]["n"], line["won"], line["lost"]) == (4, 1, 1)


def _luck(document: Any) -> str:
    return document["rule"].partition("The interval holds ")[2]


def test_the_rule_says_which_luck_the_intervals_hold(partly: Callable[..., Any]) -> None:
    """Runs are in them if arms are repeated; untrained policies have no runs."""
    study = yaml.safe_load(Path(CONFIG).read_text())
    study["evaluate"]["groups"]["sampled"]["base_temperatures"] = [0.5]
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))
    base = RESULTS / "evaluate/pa/base/sampled.parquet"
    sharpened = next(
        path for job in study_here().jobs("evaluate") for path in map(Path, job.outputs) if "base@0.5" in str(path)
    )
    sharpened.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base, sharpened)
    assert _luck(partly(ALL, "pa/base")) == "the luck of problems and of runs."
    assert _luck(partly("pa/base", "pa/base@0.5")) == "the luck of problems; no trained arm takes part."
    for path in RESULTS.glob("evaluate/**/s1/sampled.parquet"):
        path.unlink()
    shutil.rmtree(RESULTS / "evaluate/pa/g3~g1/random-2-s1")
    assert _luck(partly(ALL, "pa/base")).startswith("the luck of problems, not of runs: ")


def test_an_arm_without_answers_is_told(partly: Callable[..., Any]) -> None:
    shutil.rmtree(RESULTS / f"evaluate/{TOP}")
    assert f"{TOP}: has no answers yet" in partly(ALL, TOP, code=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((ALL, f"{ALL}/s0"), "have an arm in common"),
        ((ALL, "pa/g3~g1/al/dpo"), ALL),
        ((ALL, TOP, "--on", "physics"), "maths"),
        ((ALL, TOP, "--on", "mini_maths_easy", "--level", "hard"), "no benchmark of the level hard"),
        ((ALL, TOP, "--on", "in_domain", "--group", "greedy", "--level", "easy"), "no benchmark of the level easy"),
        ((ALL, TOP, "--on", "out_of_domain", "--group", "greedy"), "--on out_of_domain: no benchmark in greedy"),
        ((ALL, TOP, "--group", "half"), "sampled, greedy"),
    ],
)
def test_what_cannot_be_compared_is_told(compare: Callable[..., Any], words: tuple[str, ...], told: str) -> None:
    assert told in compare(*words, code=2)
