"""`prefdelta show`, `pairs` and `lineage`, on a small study made by hand."""

import csv
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdelta.commands.main import main
from prefdelta.records.call import Call
from prefdelta.records.judgement import Judgement
from prefdelta.records.selection import SelectedPair
from prefdelta.store import tables

from .looked_at import EVIL, EVIL_SHOWN
from .made import CONFIG, RESULTS, record_calls, snapshot

Look = Callable[..., str]
ALL, TOP = "pa/g3~g1/all/dpo", "pa/g3~g1/top-mean-2/dpo"
EVERY = [
    ["show", "trace", "g1/aa01/0"],
    ["show", "judgement", "g1/aa01/0", "--asked"],
    ["show", "pair", "f1"],
    ["show", "arm", ALL],
    ["show", "selection", "g3~g1/top-mean-2"],
    ["show", "item", "mini_code/code00", "--arm", "pa/base"],
    ["pairs", "g3~g1", "--sort", "delta:mean"],
    ["lineage", "f1"],
]
every_command = pytest.mark.parametrize("words", EVERY, ids=lambda words: " ".join(words[:2]))


@pytest.fixture
def look(looked_at: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Look:
    """look(*words) -> what is printed by a command that ends well."""
    monkeypatch.chdir(looked_at)
    return _look(capsys)


@pytest.fixture
def partly(
    looked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Look:
    """The same in a copy of the study, for tests that take results away."""
    monkeypatch.chdir(shutil.copytree(looked_at, tmp_path / "copy"))
    return _look(capsys)


def _look(capsys: pytest.CaptureFixture[str]) -> Look:
    def look(*words: str, code: int = 0) -> str:
        assert main([*words, "--configfile", CONFIG]) == code
        out, err = capsys.readouterr()
        return err if code == 2 else out

    return look


def document(look: Look, *words: str) -> Any:
    return json.loads(look(*words, "--json"))


# --- what they answer -------------------------------------------------------------------------------------------------


def test_a_trace_is_shown_with_its_grade_scores_origin_and_pairs(look: Look) -> None:
    trace = document(look, "show", "trace", "g3/aa01/0")
    assert (trace["problem"], trace["answers"], trace["text"]) == ("1+1?", ["2"], "g3 thinks of aa01. A:2")
    assert (trace["extracted"], trace["correct"], trace["seed"], trace["call_key"]) == ("2", True, 7, "trace-g3-aa01")
    scores = {score["dimension"]: score["score"] for score in trace["scores"]}
    assert scores == {"computational_precision": 5.0, "signal_to_noise": 5.0}
    assert trace["made_by"]["weights"] == "model-g3"
    assert trace["made_by"]["template"] == "resources/templates/problem.md"
    assert trace["made_by"]["sampling"]["temperature"] == 1.0
    assert trace["prompt"]["settings"]["family"] == "maths"
    assert [(pair["pairing"], pair["pair_id"], pair["side"]) for pair in trace["pairs"]] == [("g3~g1", "f1", "chosen")]


def test_a_truncated_trace_says_why_it_is_neither_graded_nor_judged(look: Look) -> None:
    text = look("show", "trace", "g3/cc04")
    assert "not graded: truncated" in text
    assert "no: truncated" in text
    assert text.count("unusable_trace") == 2


def test_a_judgement_has_every_vote_its_reasoning_and_what_was_asked(look: Look) -> None:
    (judgement,) = document(look, "show", "judgement", "g1/aa01/0/signal_to_noise", "--asked")["judgements"]
    assert [(score["dimension"], score["score"]) for score in judgement["scores"]] == [("signal_to_noise", 4.0)]
    (vote,) = judgement["votes"]
    assert vote["scores"] == {"computational_precision": 2, "signal_to_noise": 4}
    assert "g1 errs in aa01" in vote["reasoning"]
    assert judgement["asked"]["template"] == "resources/templates/judge.md"
    assert judgement["asked"]["rubrics"]["signal_to_noise"]["path"] == "resources/rubrics/signal_to_noise.md"


def test_a_second_judge_has_its_votes_too(partly: Look) -> None:
    """The judges of a study share the partition of a form's replies."""
    study = yaml.safe_load(Path(CONFIG).read_text())
    study["judge"]["others"] = {"second": {"pairings": ["g3~g1"], "prompts": "all"}}
    Path(CONFIG).write_text(yaml.safe_dump(study))
    scores = {"computational_precision": 1, "signal_to_noise": 3}
    rows = [Judgement("aa01", "g3", 0, name, score, 1, 1, ["again"], None) for name, score in scores.items()]
    tables.write(RESULTS / "judge/g3/both@second.parquet", Judgement, rows)
    record_calls(
        "judge/both~g3", [Call("again", "again", 0, json.dumps(scores), "stop", 4, None, "other", 0.1, 1.0, "host")]
    )
    own, second = document(partly, "show", "judgement", "g3/aa01/0")["judgements"]
    assert [score["dimension"] for score in second["scores"]] == [f"{name}@second" for name in scores]
    assert [(vote["failure"], vote["judge"], vote["scores"]) for vote in second["votes"]] == [(None, "other", scores)]
    assert own["votes"][0]["judge"] == "rules"
    chosen, _ = document(partly, "show", "pair", "f1")["sides"]
    assert chosen["judgements"][1]["votes"] == second["votes"]


def test_the_text_that_a_judge_was_asked_is_put_together_and_an_edit_since_is_told(partly: Look) -> None:
    (asked,) = document(partly, "show", "judgement", "g3/aa01/0", "--asked")["asked"]
    assert asked["as_then"] is True
    assert "<problem>\n1+1?\n</problem>\n\n<trace>\ng3 thinks of aa01. A:2\n</trace>" in asked["text"]
    assert "## signal_to_noise\nWhat share of the trace" in asked["text"]
    Path("resources/rubrics/signal_to_noise.md").write_text("Another rubric.")
    assert "the judge saw another text" in partly("show", "judgement", "g3/aa01/0", "--asked")


def test_the_pair_with_the_largest_delta_and_why(look: Look) -> None:
    found = document(look, "pairs", "g3~g1", "--sort", "delta:computational_precision", "--top", "1")
    (row,) = found["rows"]
    assert (row["pair_id"], row["deltas"]["computational_precision"], found["with_best"]) == ("f1", 3.0, 1)
    pair = document(look, "show", "pair", row["pair_id"])
    chosen, rejected = pair["sides"]
    assert (chosen["trace"], rejected["trace"]) == ("g3/aa01/0", "g1/aa01/0")
    assert "g1 errs in aa01" in rejected["judgements"][0]["votes"][0]["reasoning"]
    assert [delta["delta"] for delta in pair["deltas"] if delta["dimension"] == "mean"] == [2.0]


def test_a_selection_says_how_much_was_drawn_among_ties(look: Look) -> None:
    assert "1 of 2 (50.0%)" in look("show", "selection", "g3~g1/top-mean-2")
    orders = document(look, "show", "selection", "g3~g1/top-mean-2")["orders"]
    assert [order["ties"]["drawn"] for order in orders] == [1, 1]
    assert [order["trained"] for order in orders] == [[f"{TOP}/s0"], [f"{TOP}/s1"]]
    assert document(look, "show", "selection", "g3~g1/all")["orders"][0]["ties"] is None


def test_only_a_selection_by_a_value_has_best_pairs(partly: Look) -> None:
    assert "\nbest pairs\n" in partly("show", "selection", "g3~g1/top-mean-2")
    for other in ("all", "random-2-s0"):
        text = partly("show", "selection", f"g3~g1/{other}")
        assert "\nfirst pairs\n" in text
        assert "not a selection by a value" in text
    for path in RESULTS.glob("filter/g3~g1/top-mean-2/*.manifest.json"):
        path.unlink()
    text = partly("show", "selection", "g3~g1/top-mean-2")
    assert "drawn among ties  not known" in text


def test_a_lineage_goes_up_to_prompt_weights_and_judge_and_down_to_arms(look: Look) -> None:
    lineage = document(look, "lineage", "g3~g1/f2")
    assert lineage["prompt"]["source"] == "train"
    assert [trace["made_by"]["weights"] for trace in lineage["traces"]] == ["model-g3", "model-pa"]
    assert lineage["traces"][0]["judged_by"][0]["rubrics"].keys() == {"computational_precision", "signal_to_noise"}
    taken = {(one["selection"], one["order"]): one for one in lineage["selections"]}
    assert {key: (one["rank"], one["drawn_among_ties"]) for key, one in taken.items()} == {
        ("all", 0): (1, None),
        ("top-mean-2", 1): (1, True),
        ("random-2-s0", 0): (1, None),
        ("random-2-s1", 0): (0, None),
    }
    assert taken["top-mean-2", 1]["trained"] == [f"{TOP}/s1"]
    assert taken["all", 0]["trained"] == [f"{ALL}/s0", f"{ALL}/s1"]
    first = document(look, "lineage", "f1")["selections"]
    assert [one["drawn_among_ties"] for one in first if one["selection"] == "top-mean-2"] == [False, False]


def test_an_arm_is_shown_with_its_pairs_training_and_gains(look: Look) -> None:
    arm = document(look, "show", "arm", f"{TOP}/s1")
    (shown,) = arm["arms"]
    assert (shown["selection"]["pairs"], shown["selection"]["ties"]["drawn"], shown["pairs"]) == (2, 1, 2)
    assert shown["curves"]["loss"] == {"first": 0.6931, "last": 0.4, "updates": 3}
    assert (shown["policy_key"], shown["weights_kept"]) == ("policy-top-mean-2-1", True)
    assert shown["recipe"]["method"] == "dpo"
    hard = next(
        line for line in arm["accuracies"] if (line["group"], line["benchmark"]) == ("sampled", "mini_maths_hard")
    )
    assert hard["gain"]["n"] == 40
    assert hard["gain"]["low"] < hard["gain"]["value"] < hard["gain"]["high"]


def test_a_name_without_a_seed_is_the_mean_over_repeats_and_base_is_the_untrained_policy(look: Look) -> None:
    family = document(look, "show", "arm", TOP)
    assert [arm["arm"] for arm in family["arms"]] == [f"{TOP}/s0", f"{TOP}/s1"]
    assert {tuple(line["seeds"]) for line in family["accuracies"]} == {("0", "1")}
    draws = document(look, "show", "arm", "pa/g3~g1/random-2/dpo")
    assert len(draws["arms"]) == 4
    base = document(look, "show", "arm", "pa/base")
    assert base["arms"] == []
    truncated = {line["benchmark"]: line["truncated"] for line in base["accuracies"] if line["primary"]}
    assert truncated == dict.fromkeys(["mini_maths_easy", "mini_maths_hard", "mini_code"], 1 / 40)


def test_problems_are_those_of_the_accuracy_where_no_gain_is_known(partly: Look) -> None:
    for path in RESULTS.glob("evaluate/pa/base/*.parquet"):
        path.unlink()
    lines = [line.split() for line in partly("show", "arm", ALL).splitlines() if line.startswith("mini_")]
    assert lines
    assert {(gain, problems) for *_, gain, problems, _, _, _ in lines} == {("—", "40")}


def test_an_item_has_the_answers_of_every_arm_and_the_text_of_one(look: Look) -> None:
    item = document(look, "show", "item", "mini_maths_hard/math00")
    assert {(answer["arm"], answer["group"]) for answer in item["answers"]} >= {
        ("pa/base", "sampled"),
        ("pa/base", "greedy"),
        (f"{ALL}/s0", "sampled"),
    }
    text = look("show", "item", "mini_code/code01", "--arm", f"{ALL}/s0")
    assert "I think 2" in text
    assert "pa/base" not in text


# --- finding pairs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--sort", "delta:mean"], ["f1", "f2", "f3", "f4"]),
        ([], ["f1", "f2", "f3", "f4"]),
        (["--ascending"], ["f1", "f2", "f3", "f4"]),
        (["--sort", "rejected_tokens", "--ascending"], ["f1", "f2", "f3", "f4"]),
        (["--sort", "rejected_tokens"], ["f3", "f2", "f1", "f4"]),
        (["--where", "delta:mean>=1", "--where", "length < 0"], ["f2", "f3"]),
        (["--where", "eligible=false", "--where", "reason=chosen_truncated"], ["f4"]),
        (["--where", "cell!=right-wrong"], []),
        (["--where", "rank:top-mean-2>=0", "--sort", "rank:top-mean-2"], ["f1", "f3"]),
        (["--where", "rank:top-mean-2>=0", "--sort", "rank:top-mean-2", "--ascending"], ["f1", "f3"]),
        (["--where", "rank:top-mean-2<1"], ["f1"]),
        (["--where", "chosen:signal_to_noise=4"], ["f3"]),
    ],
)
def test_pairs_are_sorted_and_found(look: Look, words: list[str], found: list[str]) -> None:
    answer = document(look, "pairs", "g3~g1", *words)
    assert [row["pair_id"] for row in answer["rows"]] == found
    assert (answer["pairs"], answer["matching"]) == (4, len(found))


def test_pairs_as_csv_have_a_column_per_value(look: Look) -> None:
    first, *_ = csv.DictReader(io.StringIO(look("pairs", "g3~g1", "--sort", "delta:mean", "--csv")))
    assert (first["pair_id"], first["deltas.mean"], first["eligible"], first["length"]) == ("f1", "2.0", "true", "0")


def test_a_pair_that_a_selection_did_not_take_has_no_rank_in_it(look: Look) -> None:
    answer = document(look, "pairs", "g3~g1", "--sort", "rank:top-mean-2")
    assert [row["ranks"]["top-mean-2"] for row in answer["rows"]] == [0, 1, None, None]
    assert answer["best"] == 0


def test_a_rank_is_the_same_number_everywhere(look: Look) -> None:
    """As in the table of a selection, from 0."""
    assert "top-mean-2, order 1: rank 1 (from 0) of 2" in look("lineage", "f2")
    lines = look("show", "pair", "f2").splitlines()
    assert "1 of 2" in next(line for line in lines if line.startswith("top-mean-2"))
    text = look("show", "selection", "g3~g1/top-mean-2")
    assert re.findall(r"^ +(\d) +g3~g1/(\w+)", text, re.MULTILINE) == [("0", "f1"), ("1", "f3")]


def test_the_columns_of_csv_do_not_depend_on_the_rows_found(look: Look) -> None:
    words = ("pairs", "g3~g1", "--sort", "rank:top-mean-2", "--where", "delta:mean>=0", "--csv")
    some, none = (look(*words, *more).splitlines() for more in ([], ["--where", "cell=nothing"]))
    assert len(none) == 1
    assert none[0] == some[0]
    assert {"deltas.mean", "chosen_scores.mean", "ranks.top-mean-2"} <= {*none[0].split(",")}


@pytest.mark.parametrize("words", [["pairs", "g3~g1"], ["show", "selection", "g3~g1/all"]], ids=lambda words: words[0])
@pytest.mark.parametrize("number", ["-1", "1.5", "x"])
def test_a_number_of_lines_is_a_whole_number(look: Look, capsys: Any, words: list[str], number: str) -> None:
    with pytest.raises(SystemExit) as ended:
        look(*words, "--top", number)
    assert ended.value.code == 2
    assert f"{number!r} is not a whole number from 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sort", "delta"], "'delta' is nothing that pairs have"),
        (["--sort", "delta:mena"], "mean"),
        (["--where", "rank:top-2<=2"], "top-mean-2"),
        (["--where", "length<short"], "'short' is none"),
        (["--where", "eligible>1"], "eligible is true or false"),
        (["--where", "mean is large"], "'delta:mean>=1'"),
    ],
)
def test_what_pairs_do_not_have_is_told(look: Look, words: list[str], told: str) -> None:
    assert told in look("pairs", "g3~g1", *words, code=2)


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trace", "g9/aa01/0"], "Most alike of its 2: g3, g1"),
        (["trace", "g3/aa/0"], "2 ids among the prompts of g3's traces begin with 'aa'. Give more of it: aa01, aa02"),
        (["trace", "g3/zz/0"], "no id among the prompts of g3's traces begins with 'zz'"),
        (["trace", "g3/aa01/4"], "no sample '4'"),
        (["arm", "pa/base@1.0"], "as in pa/base@1."),
        (["trace", "g3"], "<generator>/<prompt_id>/<sample>"),
        (["judgement", "g3/aa01/0/signal"], "signal_to_noise"),
        (["pair", "f"], "4 ids among the pairs of 1 pairings"),
        (["pair", "g1~g3/f1"], "g3~g1"),
        (["arm", "pa/g3~g1/top-mean-3/dpo"], "pa/g3~g1/top-mean-2/dpo"),
        (["selection", "g3~g1/top-mean-3"], "top-mean-2"),
        (["item", "mini_code/math"], "no id among the items of mini_code"),
    ],
)
def test_a_name_that_does_not_fit_is_told_with_those_that_do(look: Look, words: list[str], told: str) -> None:
    assert told in look("show", *words, code=2)


# --- text of models, and studies that are partly run ------------------------------------------------------------------


@pytest.mark.parametrize("words", EVERY[:4] + EVERY[-2:], ids=lambda words: " ".join(words[:2]))
def test_nothing_that_a_terminal_obeys_is_printed(look: Look, words: list[str]) -> None:
    text = look(*words)
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text)


def test_text_of_a_model_is_shown_behind_a_bar_and_whole_in_json(look: Look) -> None:
    text = look("show", "trace", "g1/aa01")
    assert f"  | {EVIL_SHOWN}\n  | error: not ours\n" in text
    assert document(look, "show", "trace", "g1/aa01")["text"] == EVIL


@every_command
def test_nothing_is_written(look: Look, words: list[str]) -> None:
    before = snapshot()
    look(*words)
    assert snapshot() == before


def _remove(*names: str) -> None:
    for name in names:
        shutil.rmtree(RESULTS / name)


def test_before_arms_are_trained_their_pairs_are_there_and_the_rest_is_said_to_be_missing(partly: Look) -> None:
    _remove("train", "evaluate", "record/policies")
    text = partly("show", "arm", ALL)
    assert "not trained yet" in text
    assert "not evaluated yet" in text
    assert f"{ALL}/s0 (not trained yet)" in partly("lineage", "f1")
    assert "no answers yet" in partly("show", "item", "mini_code/code00")


def test_before_selections_and_deltas_a_pair_says_so(partly: Look) -> None:
    _remove("filter", "delta")
    lineage = document(partly, "lineage", "f1")
    assert (lineage["deltas"], lineage["selections"]) == ([], [])
    assert set(lineage["not_selected_yet"]) == {"all", "top-mean-2", "random-2-s0", "random-2-s1"}
    assert "no deltas yet" in partly("show", "pair", "f1")
    assert "not there yet" in partly("show", "selection", "g3~g1/all")
    assert "delta/g3~g1/mean.parquet: is not there yet" in partly("pairs", "g3~g1", "--sort", "delta:mean", code=2)
    assert "4 of 4 pairs" in partly("pairs", "g3~g1")


def test_before_pairs_and_judgements_a_trace_is_shown_alone(partly: Look) -> None:
    _remove("pair", "judge", "grade")
    text = partly("show", "trace", "g3/aa01")
    assert "not graded yet" in text
    assert "not judged, or not yet" in text
    assert "in no pair, or not paired yet" in text
    assert "is not judged yet" in partly("show", "judgement", "g3/aa01", code=2)
    assert "there are no pairs yet" in partly("show", "pair", "f1", code=2)


def test_a_dimension_that_is_not_judged_yet_is_not_called_unknown(partly: Look) -> None:
    def why(name: str) -> str:
        return partly("show", "judgement", name, code=2)

    assert "'mean' is the mean of computational_precision, signal_to_noise" in why("g3/aa01/0/mean")
    _remove("judge")
    assert "g3/aa01/0 is not judged yet in the form both" in why("g3/aa01/0/signal_to_noise")
    assert "the study has no dimension 'signal'" in why("g3/aa01/0/signal")
    assert "'mean' is the mean of" in why("g3/aa01/0/mean")


def test_a_trace_that_a_judge_is_not_asked_about_is_told_apart_from_one_that_waits(partly: Look) -> None:
    study = yaml.safe_load(Path(CONFIG).read_text())
    study["judge"]["others"] = {"second": {"pairings": ["g3~g1"], "prompts": 1}}
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))
    for generator in ("g3", "g1"):
        tables.write(RESULTS / f"judge/{generator}/both@second.parquet", Judgement, [])
    assert "is not asked about in the form both@second" in partly(
        "show", "judgement", "g3/aa01/0/signal_to_noise@second", code=2
    )


def test_a_side_that_is_not_graded_yet_is_told_apart_from_one_that_cannot_be(partly: Look) -> None:
    _remove("grade")
    assert partly("show", "pair", "f1").count("answer not graded yet;") == 2
    assert [side["graded"] for side in document(partly, "show", "pair", "f1")["sides"]] == [False, False]


@pytest.mark.parametrize("command", ["show", "lineage"])
def test_that_no_selection_took_a_pair_is_final_or_not_yet(partly: Look, command: str) -> None:
    words = ("show", "pair") if command == "show" else ("lineage",)
    assert "no selection takes it: it is not eligible" in partly(*words, "f4")
    (RESULTS / "filter/g3~g1/top-mean-2/t1.parquet").unlink()
    assert "not there yet: top-mean-2" in partly(*words, "f1")
    assert document(partly, *words, "f1")["not_selected_yet"] == ["top-mean-2"]
    for path in RESULTS.glob("filter/**/*.parquet"):
        rows = tables.read(path, SelectedPair)
        tables.write(path, SelectedPair, [row for row in rows if row.pair_id != "f1"])
    assert "no selection took it yet" in partly(*words, "f1")
    tables.write(RESULTS / "filter/g3~g1/top-mean-2/t1.parquet", SelectedPair, [])
    assert "no selection took it\n" in partly(*words, "f1")


@pytest.mark.parametrize("words", [["show", "trace", "g1/aa01/0"], ["pairs", "g3~g1"]], ids=lambda words: words[0])
def test_a_command_that_is_printed_runs_when_it_is_pasted(look: Look, words: list[str]) -> None:
    (hint,) = [line for line in look(*words).splitlines() if "why: prefdelta " in line]
    assert main(shlex.split(hint.partition("why: prefdelta ")[2])) == 0


def test_a_group_that_does_not_exist_is_told(look: Look) -> None:
    assert "sampled, greedy" in look("show", "item", "mini_code/code00", "--group", "nope", code=2)


def test_a_reply_that_is_not_in_the_record_is_told(partly: Look) -> None:
    _remove("record/calls")
    assert "its reply is not in this study's record" in partly("show", "judgement", "g3/aa01")
    assert "its reply is not in this study's record" in partly("show", "item", "mini_code/code01", "--arm", "pa/base")


def test_a_trace_that_no_judge_was_asked_about_has_no_judge(partly: Look) -> None:
    path = RESULTS / "judge/g1/both.parquet"
    rows = tables.read(path, Judgement)
    tables.write(path, Judgement, [replace(row, call_keys=[], failure="unusable_trace") for row in rows])
    lineage = document(partly, "lineage", "f1")
    assert [[judge["form"] for judge in trace["judged_by"]] for trace in lineage["traces"]] == [["both"], []]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_terminal_cannot_write_is_shown_as_its_escape(looked_at: Path, encoding: str) -> None:
    words = [sys.executable, "-m", "prefdelta.commands.main", "compare", "pa/base", ALL, "--configfile", CONFIG]
    done = subprocess.run(words, cwd=looked_at, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u2212" in done.stdout


def test_whoever_reads_may_stop_reading(looked_at: Path) -> None:
    """As `head` does: a command ends like any other program, without a traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "prefdelta.commands.main", "show", "pair", "f1", "--configfile", CONFIG]
    done = subprocess.run(words, cwd=looked_at, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")
