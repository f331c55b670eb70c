"""A judge's votes: scores, and the reasoning before them, from the recorded replies."""

from dataclasses import replace
from pathlib import Path

import pytest

from prefdelta.reading.votes import read_votes
from prefdelta.records.call import Call
from prefdelta.store.record import Record
from unit.rows import judgement

CALL = Call("k1", "k1", 0, None, "stop", 9, None, "judge-1", 0.1, 0.0, "host")
VERDICT = '{"factuality": 4, "step_coherence": 2}'
ROWS = [replace(judgement("g3", name, 3), call_keys=["k1"]) for name in ("factuality", "step_coherence")]


def votes(tmp_path: Path, *calls: Call):
    with Record(tmp_path / "both~g3", Call) as record:
        for call in calls:
            record.append(call)
    return [found for _, found in read_votes(tmp_path / "both~g3", ROWS)]


@pytest.mark.parametrize(
    "columns",
    [
        {"text": f"<think>\nThe second step is wrong.\n</think>\n\n{VERDICT}"},
        {"text": VERDICT, "reasoning": "The second step is wrong."},
    ],
    ids=["in the text", "apart from it"],
)
def test_a_vote_has_its_scores_and_the_reasoning_before_them(tmp_path: Path, columns: dict[str, str]) -> None:
    (first,), (second,) = votes(tmp_path, replace(CALL, **columns))
    assert first == second
    assert first.scores == {"factuality": 4, "step_coherence": 2}
    assert "The second step is wrong." in first.reasoning
    assert first.reply.strip() == VERDICT
    assert (first.judge, first.failure) == ("judge-1", None)


def test_a_reply_that_is_no_verdict_is_shown_with_its_failure(tmp_path: Path) -> None:
    (vote,), _ = votes(tmp_path, replace(CALL, text='{"factuality": 9, "step_coherence": 2}'))
    assert (vote.scores, vote.failure) == (None, "out_of_range")
    assert "9" in vote.reply


def test_a_cut_reply_is_all_reasoning(tmp_path: Path) -> None:
    (vote,), _ = votes(tmp_path, replace(CALL, text="", reasoning="And then", finish_reason="length"))
    assert vote.failure == "cut_by_length"
    assert "And then" in vote.reasoning
    assert vote.reply is None


def test_a_reply_that_is_not_recorded_is_told_so(tmp_path: Path) -> None:
    (vote,), _ = votes(tmp_path)
    assert (vote.scores, vote.failure) == (None, "not_recorded")
