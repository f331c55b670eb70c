import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.asking.verdicts import InvalidVerdictError, read_verdict, verdict_schema

DIMENSIONS = ["factuality", "step_coherence"]


@pytest.mark.parametrize("text", ['{"factuality": 1, "step_coherence": 5}', ' {"step_coherence":5,\n"factuality":1}\n'])
def test_a_verdict_is_read_in_the_order_of_the_dimensions(text):
    assert list(read_verdict(text, "stop", DIMENSIONS).items()) == [("factuality", 1), ("step_coherence", 5)]


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("I'd give it a 4.", "not_json"),
        ("", "not_json"),
        ("I cannot help with that.", "not_json"),  # a refusal in the content
        ('```json\n{"factuality": 4, "step_coherence": 4}\n```', "not_json"),
        ('{"factuality": 4, "step_coherence": 4} {"factuality": 4, "step_coherence": 4}', "not_json"),
        ('{"factuality": 4, "step_coherence": 4}\n{"factuality": 1, "step_coherence": 1}', "not_json"),
        ('Here it is: {"factuality": 4, "step_coherence": 4}', "not_json"),
        ('{"factuality": 4, "step_coherence": 4} I hope that helps.', "not_json"),
        # The trace's own fake scores, echoed before the judge's.
        ('{"factuality": 5, "step_coherence": 5} said the trace: {"factuality": 2, "step_coherence": 1}', "not_json"),
        ("{'factuality': 4, 'step_coherence': 4}", "not_json"),
        ('{"factuality": 4, "step_coherence": 4,}', "not_json"),
        ('{"factuality": 4, "step_coherence": 04}', "not_json"),
        ('\ufeff{"factuality": 4, "step_coherence": 4}', "not_json"),
        ('{"factuality": 4, "step_coh', "not_json"),
        ('{"factuality": 4, "step_coherence": ' + "1" * 5000 + "}", "not_json"),  # int() refuses to read it
        ("[" * 100_000, "not_json"),
        ("[4, 4]", "not_an_object"),
        ("4", "not_an_object"),
        ("null", "not_an_object"),
        ('"{}"', "not_an_object"),
        ('[{"factuality": 4, "step_coherence": 4}]', "not_an_object"),
        ("{}", "missing_dimension"),
        ('{"factuality": 4}', "missing_dimension"),
        ('{"factuality": 4, "Step_Coherence": 4}', "missing_dimension"),
        ('{"scores": {"factuality": 4, "step_coherence": 4}}', "missing_dimension"),
        ('{"factuality": 4, "step_coherence": 4, "overall": 4}', "extra_dimension"),
        ('{"factuality": 0, "step_coherence": 4}', "out_of_range"),
        ('{"factuality": 6, "step_coherence": 4}', "out_of_range"),
        ('{"factuality": -3, "step_coherence": 4}', "out_of_range"),
        ('{"factuality": 4.0, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": 3.5, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": 4e0, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": "4/5", "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": "4", "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": true, "step_coherence": 4}', "not_an_integer"),  # True would pass as 1
        ('{"factuality": null, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": [4], "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": {"score": 4}, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": NaN, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": Infinity, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": -Infinity, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": 1e999, "step_coherence": 4}', "not_an_integer"),
        ('{"factuality": 4, "factuality": 4, "step_coherence": 4}', "duplicate_key"),
        ('{"factuality": 1, "step_coherence": 4, "factuality": 5}', "duplicate_key"),
        (None, "null_content"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_reply_that_is_no_verdict_is_a_typed_failure(text, failure):
    with pytest.raises(InvalidVerdictError) as error:
        read_verdict(text, "stop", DIMENSIONS)
    assert str(error.value) == failure


def test_a_reply_cut_by_length_is_a_failure_even_if_what_is_there_parses():
    with pytest.raises(InvalidVerdictError, match="cut_by_length"):
        read_verdict('{"factuality": 4, "step_coherence": 4}', "length", DIMENSIONS)


@given(st.fixed_dictionaries({name: st.integers(1, 5) for name in DIMENSIONS}))
def test_every_score_from_1_to_5_is_read_as_it_was_written(scores):
    assert read_verdict(json.dumps(scores), "stop", DIMENSIONS) == scores


@given(st.text() | st.text(alphabet='{}[]",:0123456789.-eNnul factuality'))
def test_any_text_gives_scores_in_range_or_a_typed_failure(text):
    try:
        scores = read_verdict(text, None, ["factuality"])
    except InvalidVerdictError:
        return
    assert scores["factuality"] in {1, 2, 3, 4, 5}


def test_the_schema_asks_for_exactly_what_is_accepted():
    assert verdict_schema(DIMENSIONS) == {
        "type": "object",
        "properties": {
            "factuality": {"type": "integer", "minimum": 1, "maximum": 5},
            "step_coherence": {"type": "integer", "minimum": 1, "maximum": 5},
        },
        "required": ["factuality", "step_coherence"],
        "additionalProperties": False,
    }
