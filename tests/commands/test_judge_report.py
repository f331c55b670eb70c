"""`prefdelta judge-report`, on a study whose numbers can be reckoned by hand (`audited`)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdelta.commands.main import main
from prefdelta.records.call import Call
from prefdelta.records.judgement import Judgement
from prefdelta.store import tables
from prefdelta.store.calls import judge_calls
from prefdelta.store.record import Record

from .audited import PROMPTS, SCORES
from .made import CONFIG, DIMENSIONS, RECORD, RESULTS

pytestmark = pytest.mark.usefixtures("audited")
COMMAND = ["judge-report", "--configfile", CONFIG]
PRICES = "resources/prices/example.yaml"


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Any:
    """report(*options) -> what --json prints."""

    def run(*options: str) -> dict[str, Any]:
        assert main([*COMMAND, "--json", *options]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


def edit_judge(**values: Any) -> None:
    study = yaml.safe_load(Path(CONFIG).read_text())
    study["judge"] |= values
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))


def test_judged_traces_scores_and_deltas(report: Any) -> None:
    found = report()
    judged = {row["dimension"]: row for row in found["judged"]}
    assert set(judged) == set(DIMENSIONS)
    row = judged[DIMENSIONS[0]]
    assert [row[name] for name in ("traces", "scored", "not_asked", "asked_again")] == [16, 14, 2, 1]
    assert row["failures"] == {}
    scores = next(one for one in found["scores"] if (one["dimension"], one["generator"]) == (DIMENSIONS[0], "g3"))
    known = [score for score in SCORES["g3"] if score]
    assert scores["mean"] == pytest.approx(sum(known) / 7)
    assert scores["shares"] == pytest.approx({"1": 0, "2": 0, "3": 2 / 7, "4": 2 / 7, "5": 3 / 7})
    deltas = {row["dimension"]: row for row in found["deltas"]}
    assert deltas["mean"]["mean"]["value"] == pytest.approx(14 / 6)
    assert deltas["mean"]["ties"]["value"] == 0


def test_replies_with_their_tokens_dollars_and_failures(report: Any) -> None:
    edit_judge(engine={"name": "openai", "model": "example-judge", "base_url": "https://judge", "prices": PRICES})
    edit_judge(engine=yaml.safe_load(Path(CONFIG).read_text())["judge"]["engine"] | {"replies_as": "any"})
    found = report()
    (replies,) = found["replies"]
    assert (replies["asked"], replies["models"]) == ("example-judge", {"rules": 15})
    assert (replies["prompt_tokens"], replies["reply_tokens"], replies["reasoning_tokens"]) == (1500, 60, None)
    assert replies["usd"] == pytest.approx((1500 * 1.0 + 60 * 4.0) / 1e6)
    (kind,) = found["failures"]
    assert (kind["failure"], kind["replies"], kind["of"]) == ("not_json", 1, 15)
    (example,) = kind["examples"]
    assert (example["generator"], example["attempt"], example["reply"]) == ("g1", 0, "\x1b[31mthree, I'd say")


def test_a_terminal_obeys_nothing_of_a_reply(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMAND) == 0
    out = capsys.readouterr().out
    assert r"  | \x1b[31mthree, I'd say" in out
    assert "\x1b" not in out


def test_no_example_is_shown_if_none_is_asked_for(report: Any) -> None:
    (kind,) = report("--examples", "0")["failures"]
    assert (kind["replies"], kind["examples"]) == (1, [])


def test_votes_on_a_trace_are_held_against_each_other(report: Any) -> None:
    """Second votes of g3's traces: one point lower on p0 and p1, else equal."""
    edit_judge(votes=2)
    path = RESULTS / "judge/g3/both.parquet"
    with Record(judge_calls(RECORD, "both", "g3"), Call) as record:
        for prompt, score in zip(PROMPTS[:7], SCORES["g3"][:7], strict=True):
            assert score is not None
            verdict = json.dumps(dict.fromkeys(DIMENSIONS, score - (prompt in ("p0", "p1"))))
            key = f"verdict-g3-{prompt}-second"
            record.append(Call(key, key, 0, verdict, "stop", 4, None, "rules", 0.1, 1.0, "host"))
    judged = (
        replace(row, call_keys=[*row.call_keys, f"verdict-g3-{row.prompt_id}-second"], votes=2)
        if row.call_keys
        else row
        for row in tables.read(path, Judgement)
    )
    tables.write(path, Judgement, judged)
    votes = {row["dimension"]: row for row in report()["votes"]}
    assert set(votes) == set(DIMENSIONS)
    row = votes[DIMENSIONS[0]]
    assert (row["traces"], row["exact"]["value"], row["within_one"]["value"]) == (7, pytest.approx(5 / 7), 1.0)
    assert row["difference"]["value"] == pytest.approx(-2 / 7)


def test_a_study_without_judgements_is_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    for generator in ("g3", "g1"):
        (RESULTS / f"judge/{generator}/both.parquet").unlink()
    assert main(COMMAND) == 2
    assert "prefdelta preview" in capsys.readouterr().err
