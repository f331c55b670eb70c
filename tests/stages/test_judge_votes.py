"""Stage judge with several votes on a trace. What counts is what the server saw, and what the table says."""

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engines.scripted import Behaviour, ScriptedServer, Seen, body, completion
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.errors import StudyError
from prefdelta.records.delta import Delta
from prefdelta.records.judgement import Judgement
from prefdelta.records.trace import Trace
from prefdelta.stages import delta, judge
from prefdelta.store.tables import read, write
from prefdelta.workflow.job import Job

from .conftest import ITEMS, Made, judge_inputs, judge_settings
from .running import DIMENSIONS, assert_adds_up, read_checked, recorded, run, trace_of

PARTITION = "record/calls/judge/logic~weak"
NOT_ONE = body(completion(content="Sure! I give it a 4."))


@pytest.fixture(scope="module")
def inputs(train_prompts: Made, traces: dict[str, Path]) -> dict[str, Path | list[Path]]:
    return judge_inputs(train_prompts.path, traces["weak"])


@pytest.fixture(autouse=True)
def key_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", "sk-never-to-be-recorded")


def asking(server: ScriptedServer, votes: int, **changes: Any) -> judge.JudgeSettings:
    engine = OpenAIOptions(
        name="openai", model="scripted", base_url=server.base_url, api_key_env="SCRIPTED_KEY", in_flight=8
    )
    return judge_settings(engine=engine, votes=votes, **changes)


def verdict(score: int) -> Behaviour:
    return body(completion(content=f'{{"computational_precision": {score}, "signal_to_noise": 2}}'))


def one_after_the_other(*replies: Behaviour) -> Behaviour:
    """The requests with one question meet these, in the order in which they come."""

    async def reply(request: web.Request, seen: Seen) -> web.StreamResponse:
        return await replies[seen.attempt](request, seen)

    return reply


def precision(path: Path) -> list[Judgement]:
    return [row for row in read_checked(path, Judgement) if row.dimension == "computational_precision"]


def test_only_new_votes_are_asked_and_fewer_votes_ask_nothing(inputs: dict[str, Any], tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.parquet" for number in range(4)]
    with ScriptedServer(one_after_the_other(verdict(4), *[verdict(5)] * 2)) as server:
        for votes, path, new in zip((1, 3, 2, 1), paths, (ITEMS, 2 * ITEMS, 0, 0), strict=True):
            settings = asking(server, votes)
            files = {name: [found] if isinstance(found, Path) else found for name, found in inputs.items()}
            assert judge.missing(Job(settings, files, {}, tmp_path / "record")) == new
            outcome = run(judge, settings, inputs, {"judgements": path}, tmp_path / "record")
            assert (outcome.computed["calls"], outcome.details.requests) == (new, votes * ITEMS)
            assert_adds_up(outcome, 2 * ITEMS, 2 * ITEMS)
    assert paths[3].read_bytes() == paths[0].read_bytes()
    one, three, two = map(precision, paths[:3])
    # The first vote was a 4 and the others were a 5.
    assert {(row.votes, row.attempts, row.score) for row in one} == {(1, 1, 4)}
    assert {(row.votes, row.attempts, row.score) for row in two} == {(2, 2, Fraction(9, 2))}
    assert {(row.votes, row.attempts, row.score) for row in three} == {(3, 3, Fraction(14, 3))}
    for row, more in zip(one, three, strict=True):
        assert more.call_keys[:1] == row.call_keys
        assert len(set(more.call_keys)) == 3
    assert len({seen.body["seed"] for seen in server.seen}) == 3 * ITEMS


def test_the_votes_on_several_samples_of_a_prompt_are_calls_of_their_own(
    inputs: dict[str, Any], traces: dict[str, Path], tmp_path: Path
) -> None:
    # Even if the samples are the same text.
    rows = [
        trace_of(row.prompt_id, "weak", "1+1=2;A:2", sample=s) for row in read(traces["weak"], Trace) for s in (0, 1)
    ]
    write(tmp_path / "t.parquet", Trace, rows)
    with ScriptedServer(verdict(3)) as server:
        of_samples = {**inputs, "traces": tmp_path / "t.parquet"}
        run(judge, asking(server, 2, samples=2), of_samples, {"judgements": tmp_path / "j"}, tmp_path / "record")
    assert len(server.seen) == len({seen.body["seed"] for seen in server.seen}) == 2 * 2 * ITEMS
    assert len(recorded(tmp_path / PARTITION)) == 2 * 2 * ITEMS


def test_a_vote_has_attempts_of_its_own_and_if_all_fail_the_score_is_the_mean_of_the_others(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    outputs, record = {"judgements": tmp_path / "j.parquet"}, tmp_path / "record"
    first_seeds = dict[str, int]()

    async def behaviour(request: web.Request, seen: Seen) -> web.StreamResponse:
        # The vote that came first never is a verdict: its attempts have its seed and those that follow.
        first = first_seeds.setdefault(seen.question, seen.body["seed"])
        return await (NOT_ONE if 0 <= seen.body["seed"] - first < 3 else verdict(5))(request, seen)

    with ScriptedServer(behaviour) as server:
        with pytest.raises(StudyError, match=rf"33\.3% of {3 * ITEMS} rows failed \({ITEMS} not_json\)"):
            run(judge, asking(server, 3, max_failure_share=0.3), inputs, outputs, record)
        assert Counter(seen.question for seen in server.seen) == dict.fromkeys(first_seeds, 3 + 1 + 1)
        outcome = run(judge, asking(server, 3, max_failure_share=0.4), inputs, outputs, record)
    assert outcome.computed["calls"] == 0
    assert_adds_up(outcome, 2 * ITEMS, 2 * ITEMS)
    assert outcome.details.unparseable == outcome.details.votes_lost == {"not_json": ITEMS}
    rows = precision(outputs["judgements"])
    assert {(row.score, row.votes, row.attempts, row.failure) for row in rows} == {(5, 2, 5, None)}
    lost = {call.key for call in recorded(tmp_path / PARTITION) if call.attempt == 2}
    assert all(len(row.call_keys) == 3 and len(lost.intersection(row.call_keys)) == 1 for row in rows)


def test_a_trace_without_any_vote_is_a_failure(inputs: dict[str, Any], tmp_path: Path) -> None:
    outputs = {"judgements": tmp_path / "j.parquet"}
    with ScriptedServer(NOT_ONE) as server:
        settings = asking(server, 2, attempts=2, max_failure_share=1.0)
        outcome = run(judge, settings, inputs, outputs, tmp_path / "record")
    assert len(server.seen) == 2 * 2 * ITEMS
    assert_adds_up(outcome, 2 * ITEMS, 0)
    assert (outcome.details.unparseable, outcome.details.votes_lost) == ({"not_json": 2 * ITEMS}, {})
    rows = read_checked(outputs["judgements"], Judgement)
    assert {(row.score, row.votes, row.attempts, row.failure) for row in rows} == {(None, 0, 4, "not_json")}


def test_equal_means_of_other_votes_have_a_delta_of_exactly_zero(
    inputs: dict[str, Any], train_prompts: Made, traces: dict[str, Path], pairs: Made, tmp_path: Path
) -> None:
    judged = {}
    for generator, scores in {"strong": (1, 2, 2), "weak": (2, 2, 1)}.items():
        judged[generator] = tmp_path / f"{generator}.parquet"
        # In sum 5, whichever vote comes first.
        with ScriptedServer(one_after_the_other(*map(verdict, scores))) as server:
            run(
                judge,
                asking(server, 3, generator=generator),
                {**inputs, "traces": traces[generator]},
                {"judgements": judged[generator]},
                tmp_path / "record",
            )
    settings = delta.DeltaSettings(chosen="strong", rejected="weak", components=DIMENSIONS[:1])
    tables = {"pairs": pairs.path, "judgements": list(judged.values()), "annotations": []}
    run(delta, settings, tables, {"deltas": tmp_path / "d.parquet"}, tmp_path / "record")
    deltas = [row for row in read_checked(tmp_path / "d.parquet", Delta) if row.failure is None]
    assert len(deltas) == 12
    assert {(row.chosen_score, row.rejected_score, row.delta) for row in deltas} == {(5 / 3, 5 / 3, 0.0)}
