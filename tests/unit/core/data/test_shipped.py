from typing import Any

import pytest

from prefdelta.core.data.shipped import ShippedTrace, read_traces
from prefdelta.core.data.sources import TraceFields
from prefdelta.core.errors import StudyError

NAN = float("nan")


def traces(generations: Any, **more: Any) -> list[ShippedTrace]:
    """more: what the columns `complete`, `finish` and `correct` hold; one that is not given is not named."""
    fields = TraceFields(generations="g", **{name: name for name in more})
    return read_traces({"g": generations, **more}, fields, "o/d, row 7")


def one(**more: Any) -> ShippedTrace:
    (trace,) = traces(["a trace"], **more)
    return trace


@pytest.mark.parametrize(
    ("generations", "texts"),
    [
        ("<think>\n2+3\n</think>\n\n5", ["<think>\n2+3\n</think>\n\n5"]),
        (["a", "b"], ["a", "b"]),
        (("a",), ["a"]),
        (["a", None, "c"], ["a", None, "c"]),
        ("", [""]),  # an empty trace, which is counted as such
        ("[1, 2]", ["[1, 2]"]),  # an answer
        ("[not a list]", ["[not a list]"]),
        (None, []),
        (NAN, []),
        ("NaN", []),
        ([], []),
    ],
)
def test_a_text_is_one_trace_and_a_list_has_several(generations, texts):
    assert [trace.text for trace in traces(generations)] == texts


@pytest.mark.parametrize(
    ("generations", "message"),
    [
        (7, "column 'g' holds int '7'"),
        ({"text": "a"}, "column 'g' holds dict "),
        (b"a", "column 'g' holds bytes "),
        ([["a"]], "column 'g' holds a list of list "),
        ([{"role": "assistant", "content": "a"}], "Chat messages are not read: name a column that has the trace alone"),
        (["a", 7], "column 'g' holds a list of int '7'"),
        ('["a", "b"]', "holds a list that is written as one text"),
        ("['a', 'b']", "holds a list that is written as one text"),
        ('[{"content": "a"}]', "holds a list that is written as one text"),
    ],
)
def test_traces_of_another_form_are_refused_with_column_and_row(generations, message):
    with pytest.raises(StudyError, match=f"o/d, row 7: .*{message}"):
        traces(generations)


@pytest.mark.parametrize("value", [True, "true", "True", "TRUE", " yes ", "1", 1, 1.0])
def test_what_is_read_as_true(value):
    assert one(correct=value) == one(correct=[value]) == ShippedTrace("a trace", "stop", correct=True)
    assert one(complete=value).finish_reason == one(complete=[value]).finish_reason == "stop"


@pytest.mark.parametrize("value", [False, "false", "False", "FALSE", "no", "0", 0, 0.0])
def test_what_is_read_as_false(value):
    assert one(correct=value) == one(correct=[value]) == ShippedTrace("a trace", "stop", correct=False)
    assert one(complete=value).finish_reason == one(complete=[value]).finish_reason == "length"


@pytest.mark.parametrize("value", [None, NAN, "NaN", "", [None], [NAN]])
def test_what_says_nothing_of_a_trace(value):
    assert one(correct=value).correct is None
    assert one(finish=value).finish_reason == "stop"
    assert one(complete=value).finish_reason == "length"  # not said to be whole, ...
    assert one(complete=value, finish="stop").finish_reason == "stop"  # ... but by its server
    assert one(complete=True, finish=value).finish_reason == "stop"


@pytest.mark.parametrize("column", ["correct", "complete"])
@pytest.mark.parametrize("value", ["maybe", "wrong", 2, -1, 0.5, {"ok": True}, [[True]], ["stop"]])
def test_what_is_neither_true_nor_false_is_refused(column, value):
    with pytest.raises(StudyError, match=f"o/d, row 7: column '{column}' holds .*, where true or false should be"):
        one(**{column: value})


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
    ],
)
def test_what_servers_say_of_the_end_of_a_trace(said, reason):
    assert one(finish=said).finish_reason == one(finish=[said]).finish_reason == reason
    assert one(finish=said, complete=False).finish_reason == ("length" if reason == "stop" else reason)
    assert one(finish=said, complete=True).finish_reason == reason


@pytest.mark.parametrize("value", ["done?", True, 3, {"reason": "stop"}])
def test_another_word_for_the_end_of_a_trace_is_refused(value):
    with pytest.raises(StudyError, match=r"o/d, row 7: column 'finish' holds .*, where a server's reason should be"):
        one(finish=value)


def test_values_belong_to_the_traces_at_their_places():
    found = traces(["a", None, "c"], complete=[True, None, False], finish=None, correct=["yes", None, 0])
    assert [(trace.text, trace.finish_reason, trace.correct) for trace in found] == [
        ("a", "stop", True),
        (None, "length", None),
        ("c", "length", False),
    ]


@pytest.mark.parametrize(
    ("generations", "value", "message"),
    [
        (["a", "b"], [True], "column 'correct' holds a list of 1, and column 'g' has 2 traces"),
        (["a"], [True, False], "column 'correct' holds a list of 2, and column 'g' has 1 traces"),
        ("a", [], "column 'correct' holds a list of 0, and column 'g' has 1 traces"),
        (None, [True], "column 'correct' holds a list of 1, and column 'g' has 0 traces"),
        (["a", "b"], True, "column 'correct' holds one value, bool 'True', and column 'g' has 2 traces"),
    ],
)
def test_other_numbers_of_values_than_of_traces_are_refused(generations, value, message):
    with pytest.raises(StudyError, match=f"o/d, row 7: {message}"):
        traces(generations, correct=value)


def test_a_row_without_a_trace_needs_no_values():
    assert traces(None, complete=False, finish="error", correct=None) == []
