import re
from dataclasses import replace
from pathlib import Path

import pytest

from prefdelta.commands.main import main
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.store import tables

from .made import BENCHMARK, CONFIG, POLICIES, RESULTS

COMMAND = ["audit", "graders", "--configfile", CONFIG]


def score_path(arm: str) -> Path:
    return RESULTS / f"evaluate/{arm}/sampled.parquet"


@pytest.fixture
def graded(checkout: Path) -> list[str]:
    """All answers are right to ours. To the text those of the first arm are wrong: it calls them `1.0`, say."""
    arms = ["pa/base", *POLICIES]
    for arm in arms:
        said = "wrong" if arm == arms[1] else "right"
        rows = tables.read(score_path(arm), Score)
        tables.write(score_path(arm), Score, [replace(row, by_text=row.failure or said) for row in rows])
    names = {row.prompt_id for row in tables.read(score_path("pa/base"), Score)}
    prompts = [Prompt(name, BENCHMARK, "1+0?", ["1"]) for name in names]
    tables.write(RESULTS / f"prompts/{BENCHMARK}.parquet", Prompt, prompts)
    return arms


def test_agreement_and_gains_are_printed_for_each_grader(graded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMAND) == 0
    out = capsys.readouterr().out
    assert re.search(rf"^{BENCHMARK} +sampled +normalised text +[\d.]+ +[\d.]+ +6 +0 +\d+ ", out, re.MULTILINE)
    arm = graded[1].rpartition("/")[0]
    assert re.search(rf"^{re.escape(arm)} +{BENCHMARK} .*differs by", out, re.MULTILINE)
    assert "…" not in out


def test_answers_that_differ_are_shown_with_their_end_and_all_verdicts(
    graded: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "--show", "2"]) == 0
    out = capsys.readouterr().out
    shown = out[out.index(f"{BENCHMARK}: ours against normalised text") :].splitlines()[1:]
    assert len(shown) == 4
    assert re.fullmatch(rf"  {re.escape(graded[1])}, p\d, sample 0: …'a reply'", shown[0])
    assert shown[1] == "    right answer 1; ours: right, normalised text: wrong"


@pytest.mark.usefixtures("checkout")
def test_a_study_that_asked_no_other_grader_is_told_how_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMAND) == 2
    assert "evaluate.other_graders is ['text']; name math_verify or text there" in capsys.readouterr().err
