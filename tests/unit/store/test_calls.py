from dataclasses import replace

import pyarrow as pa
import pytest
from pyarrow import parquet

from prefdelta.core.asking.requests import Failure, Reply, Request, Sampling
from prefdelta.core.errors import StudyError
from prefdelta.records.call import Call
from prefdelta.store.calls import ask_missing
from prefdelta.store.record import Record

REQUEST = Request((("user", "1+1?"),), Sampling(temperature=1.0, max_tokens=8), seed=7)
IDENTITY = {"engine": "scripted", "version": 1}


def requests(n):
    return [replace(REQUEST, messages=(("user", f"{index}+1?"),)) for index in range(n)]


class Scripted:
    """An engine without a model. It replies with the last message reversed, or does what `script` says of a message."""

    def __init__(self, **script):
        self.script = {f"{name.removeprefix('q')}+1?": result for name, result in script.items()}
        self.asked = []
        self.plans = []

    def identity(self):
        return IDENTITY

    def run(self, plan, missing):
        self.plans.append([key for key, _ in plan])
        for key, request in plan:
            if key not in missing:
                continue
            text = request.messages[-1][1]
            self.asked.append(text)
            result = self.script.get(text, text[::-1])
            if isinstance(result, Exception):
                raise result
            failed = isinstance(result, tuple)
            yield Failure(key, *result) if failed else Reply(key, result, "stop", 3, "scripted-1", 0.5)


def complete(engine, requests, record, what):
    return ask_missing(engine, requests, record, what).calls


def recorded(folder, request):
    """The row of a request, as another process finds it."""
    key = request.key(IDENTITY)
    return Record(folder, Call).fetch([key]).get(key)


TRANSIENT = ("deadline", False, "HTTP 503")
PERMANENT = ("too_long", True)


def test_replies_come_in_the_order_of_the_requests(tmp_path):
    calls = complete(Scripted(), requests(3), Record(tmp_path, Call), "test")
    assert [call.text for call in calls] == ["?1+0", "?1+1", "?1+2"]


def test_replies_that_finish_in_another_order_are_joined_by_key(tmp_path):
    class Backwards(Scripted):
        def run(self, plan, missing):
            yield from reversed(list(super().run(plan, missing)))

    calls = complete(Backwards(), requests(3), Record(tmp_path, Call), "test")
    assert [call.text for call in calls] == ["?1+0", "?1+1", "?1+2"]


def test_a_second_run_asks_nothing_and_gives_the_same_calls(tmp_path):
    first = complete(Scripted(), requests(3), Record(tmp_path, Call), "test")
    engine = Scripted()
    assert complete(engine, requests(3), Record(tmp_path, Call), "test") == first
    assert engine.plans == []  # not even started


def test_only_what_is_missing_is_asked_for(tmp_path):
    complete(Scripted(), requests(2), Record(tmp_path, Call), "test")
    engine = Scripted()
    complete(engine, requests(4), Record(tmp_path, Call), "test")
    assert engine.asked == ["2+1?", "3+1?"]


def test_an_engine_is_given_the_whole_plan_whatever_is_missing(tmp_path):
    # Its batches depend on the plan, so that a resumed run gives the same text.
    complete(Scripted(), requests(2), Record(tmp_path, Call), "test")
    engine = Scripted()
    complete(engine, requests(4), Record(tmp_path, Call), "test")
    assert engine.plans == [[request.key(IDENTITY) for request in requests(4)]]


def test_a_request_that_stands_twice_is_recorded_once_and_answered_twice(tmp_path):
    calls = complete(Scripted(), requests(1) * 2, Record(tmp_path, Call), "test")
    assert calls[0] == calls[1]


@pytest.mark.parametrize("text", ['{"broken": ', "", " \n\0 ", "é 😀", None])
def test_a_raw_reply_is_kept_as_it_came(text, tmp_path):
    complete(Scripted(q0=text), requests(1), Record(tmp_path, Call), "test")
    assert recorded(tmp_path, requests(1)[0]).text == text


def test_a_lone_surrogate_is_kept_as_its_escape_instead_of_losing_the_segment(tmp_path):
    complete(Scripted(q0="a\ud800b"), requests(2), Record(tmp_path, Call), "test")
    assert [recorded(tmp_path, request).text for request in requests(2)] == ["a\\ud800b", "?1+1"]


def test_what_came_with_a_reply_is_recorded_with_it(tmp_path):
    (call,) = complete(Scripted(), requests(1), Record(tmp_path, Call), "test")
    assert (call.finish_reason, call.n_tokens, call.model, call.seconds) == ("stop", 3, "scripted-1", 0.5)
    assert call.failure is None


def test_a_transient_failure_raises_with_counts_and_the_last_cause(tmp_path):
    with pytest.raises(StudyError, match=r"judge: 1 of 3 requests got no answer; the last failure: deadline HTTP 503"):
        complete(Scripted(q1=TRANSIENT), requests(3), Record(tmp_path, Call), "judge")


def test_a_transient_failure_is_asked_again_and_the_rest_is_not(tmp_path):
    with pytest.raises(StudyError):
        complete(Scripted(q1=TRANSIENT), requests(3), Record(tmp_path, Call), "judge")
    engine = Scripted()
    complete(engine, requests(3), Record(tmp_path, Call), "judge")
    assert engine.asked == ["1+1?"]


def test_an_engine_that_says_nothing_of_a_request_is_found_out(tmp_path):
    class Silent(Scripted):
        def run(self, plan, missing):
            return iter([])

    with pytest.raises(StudyError, match="test: 2 of 2 requests got no answer"):
        complete(Silent(), requests(2), Record(tmp_path, Call), "test")


def test_a_permanent_failure_is_a_call_without_text_that_says_why(tmp_path):
    (call,) = complete(Scripted(q0=PERMANENT), requests(1), Record(tmp_path, Call), "test")
    assert (call.text, call.failure, call.detail) == (None, "too_long", None)


def test_what_came_with_a_permanent_failure_is_recorded_with_it(tmp_path):
    refused = ("refusal", True, "HTTP 200 \ud800", "I must not rate \ud800 this", 5)
    complete(Scripted(q0=refused), requests(1), Record(tmp_path, Call), "test")
    call = recorded(tmp_path, requests(1)[0])
    assert (call.text, call.n_tokens, call.failure) == ("I must not rate \\ud800 this", 5, "refusal")
    assert call.detail == "HTTP 200 \\ud800"


def test_a_permanent_failure_is_not_asked_again(tmp_path):
    complete(Scripted(q0=PERMANENT), requests(1), Record(tmp_path, Call), "test")
    engine = Scripted()
    (call,) = complete(engine, requests(1), Record(tmp_path, Call), "test")
    assert (engine.asked, call.failure) == ([], "too_long")


def test_what_came_back_before_an_engine_crashed_is_kept(tmp_path):
    with pytest.raises(RuntimeError, match="out of memory"):
        complete(Scripted(q2=RuntimeError("out of memory")), requests(4), Record(tmp_path, Call), "test")
    engine = Scripted()
    complete(engine, requests(4), Record(tmp_path, Call), "test")
    assert engine.asked == ["2+1?", "3+1?"]


def test_the_first_missing_prompt_is_shown_in_the_log(tmp_path, capsys):
    complete(Scripted(), requests(1), Record(tmp_path, Call), "test")
    capsys.readouterr()
    complete(Scripted(), requests(3), Record(tmp_path, Call), "test")
    told = capsys.readouterr().err
    assert "test: 3 requests, 1 of them recorded" in told
    assert "--- user\n1+1?\n---" in told


# --- keys -------------------------------------------------------------------------------------------------------------


def test_equal_requests_have_equal_keys():
    assert replace(REQUEST).key(dict(IDENTITY)) == REQUEST.key(IDENTITY)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (("user", "1+2?"),)},
        {"messages": (("system", "1+1?"),)},
        {"messages": (("user", "1+1?"), ("user", ""))},
        {"sampling": Sampling(temperature=0.9, max_tokens=8)},
        {"sampling": Sampling(temperature=1.0, max_tokens=9)},
        {"sampling": Sampling(temperature=1.0, max_tokens=8, top_p=0.9)},
        {"sampling": Sampling(temperature=1.0, max_tokens=8, reasoning_effort="high")},
        {"seed": 8},
        {"sample": 1},
        {"attempt": 1},
        {"response_schema": {"type": "object"}},
    ],
    ids=str,
)
def test_a_key_changes_with_all_that_determines_the_reply(change):
    assert replace(REQUEST, **change).key(IDENTITY) != REQUEST.key(IDENTITY)


@pytest.mark.parametrize("identity", [{}, {**IDENTITY, "version": 2}, {**IDENTITY, "weights": "abc"}])
def test_a_key_changes_with_the_engines_identity(identity):
    assert REQUEST.key(identity) != REQUEST.key(IDENTITY)


def test_a_changed_request_is_asked_and_both_replies_are_kept(tmp_path):
    complete(Scripted(), [REQUEST], Record(tmp_path, Call), "test")
    engine = Scripted()
    complete(engine, [replace(REQUEST, attempt=1)], Record(tmp_path, Call), "test")
    assert engine.asked == ["1+1?"]
    assert recorded(tmp_path, REQUEST) is not None


# --- counts and attempts ----------------------------------------------------------------------------------------------


def test_how_many_were_asked_now_is_told(tmp_path):
    assert ask_missing(Scripted(), requests(2), Record(tmp_path, Call), "test").asked == 2
    assert ask_missing(Scripted(), requests(5), Record(tmp_path, Call), "test").asked == 3
    assert ask_missing(Scripted(), requests(5), Record(tmp_path, Call), "test").asked == 0


def test_all_attempts_at_a_question_share_its_first_key_and_say_their_number(tmp_path):
    complete(Scripted(), [REQUEST], Record(tmp_path, Call), "test")
    complete(Scripted(), [replace(REQUEST, attempt=2)], Record(tmp_path, Call), "test")
    first, third = recorded(tmp_path, REQUEST), recorded(tmp_path, replace(REQUEST, attempt=2))
    assert (first.question, first.attempt) == (first.key, 0)
    assert (third.question, third.attempt) == (first.key, 2)
    assert third.key != first.key


# --- damage -----------------------------------------------------------------------------------------------------------


def segments(folder):
    return sorted(folder.glob("*.parquet"))


def flip(path):
    """One bit in the data of the replies. (A flip in what no row is read from changes nothing, and is no damage.)"""
    group = parquet.read_metadata(path).row_group(0)
    (text,) = (group.column(at) for at in range(group.num_columns) if group.column(at).path_in_schema == "text")
    content = bytearray(path.read_bytes())
    start = text.dictionary_page_offset or text.data_page_offset
    content[start + text.total_compressed_size - 2] ^= 1
    path.write_bytes(content)


def cut_character(path):
    """A valid segment whose text ends inside a character: its bytes are no UTF-8."""
    table = parquet.read_table(path)
    broken = pa.array([b"\xc3"] * len(table), pa.binary()).view(pa.string())
    table = table.set_column(table.schema.get_field_index("text"), table.schema.field("text"), broken)
    parquet.write_table(table, path, write_page_checksum=True)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        cut_character,
    ],
    ids=["flipped bit", "zero length", "torn", "cut character"],
)
def test_a_damaged_segment_is_set_aside_and_only_its_calls_are_made_again(damage, tmp_path, capsys):
    complete(Scripted(), requests(2), Record(tmp_path, Call), "test")
    complete(Scripted(), requests(4), Record(tmp_path, Call), "test")
    damaged = segments(tmp_path)[0]
    damage(damaged)
    capsys.readouterr()
    engine = Scripted()
    calls = complete(engine, requests(4), Record(tmp_path, Call), "test")
    told = capsys.readouterr().err
    assert f"warning: {damaged}: cannot be read as Parquet" in told
    assert f"it is now {damaged}.damaged; what it held will be made again" in told
    assert engine.asked == ["0+1?", "1+1?"]
    assert [found.text for found in calls] == ["?1+0", "?1+1", "?1+2", "?1+3"]
    capsys.readouterr()
    again = Scripted()
    complete(again, requests(4), Record(tmp_path, Call), "test")
    assert (again.asked, "warning" in capsys.readouterr().err) == ([], False)


def test_a_lost_segment_costs_its_own_calls_only(tmp_path):
    complete(Scripted(), requests(2), Record(tmp_path, Call), "test")
    complete(Scripted(), requests(4), Record(tmp_path, Call), "test")
    segments(tmp_path)[1].unlink()
    engine = Scripted()
    complete(engine, requests(4), Record(tmp_path, Call), "test")
    assert engine.asked == ["2+1?", "3+1?"]


def test_a_temporary_file_of_a_killed_writer_is_no_segment(tmp_path, capsys):
    complete(Scripted(), requests(1), Record(tmp_path, Call), "test")
    (tmp_path / ".1-2-abc.parquet.99.tmp").write_bytes(b"half of a segm")
    engine = Scripted()
    complete(engine, requests(1), Record(tmp_path, Call), "test")
    assert engine.asked == []
    assert "warning" not in capsys.readouterr().err
