import pytest

from prefdelta.core.asking.reasoning_marks import without_thinking
from prefdelta.core.asking.stored_reasoning import as_generated, in_one_form, whole_reply
from prefdelta.core.errors import StudyError

STORED = "<think>\nOne and one.\n</think>\n\nTwo."
OPENED, CLOSED = "<|user|>1+1?<|assistant|><think>\n", "<|user|>1+1?<|assistant|><think>\n\n</think>\n\n"
PLAIN = "<|user|>1+1?<|assistant|>"


@pytest.mark.parametrize(
    "text",
    [
        STORED,
        "<think>One and one.</think>Two.",
        "\n<think>\nOne and one.\n\n</think>\nTwo.",
        "One and one.\n</think>\n\nTwo.",  # opened by the prompt
        "\nOne and one.</think>Two.",
    ],
)
def test_reasoning_is_stored_in_one_form_whoever_opened_it(text):
    assert in_one_form(text) == STORED
    assert without_thinking(in_one_form(text)).strip() == without_thinking(text).strip() == "Two."


@pytest.mark.parametrize(
    "text", ["Two.", "", "Two.\n", "The tag <think> opens it.", "First <think>one</think> two.", "  Two."]
)
def test_a_text_whose_reasoning_is_not_marked_at_its_start_is_stored_as_it_is(text):
    assert in_one_form(text) == text


def test_reasoning_that_speaks_of_marks_ends_where_graders_take_it_to_end():
    text = "<think>It says <think>one</think> here.</think>Two."
    assert in_one_form(text) == "<think>\nIt says <think>one</think> here.\n</think>\n\nTwo."
    assert without_thinking(in_one_form(text)).strip() == without_thinking(text)


def test_reasoning_that_stays_open_is_stored_open():
    assert in_one_form("<think>One and") == "<think>\nOne and"
    assert without_thinking(in_one_form("<think>One and")) is None


@pytest.mark.parametrize("text", [STORED, "<think>\n\n</think>\n\nTwo.", "<think>\nOne and", "Two."])
def test_what_is_stored_has_a_form_that_stays(text):
    assert in_one_form(in_one_form(text)) == in_one_form(text)


@pytest.mark.parametrize(
    ("prompt", "generated", "whole"),
    [
        (OPENED, "One and one.\n</think>\n\nTwo.", STORED),
        (OPENED, "One and", "<think>\nOne and"),  # ended without an answer: still reasoning, and no answer
        (OPENED, STORED, STORED),  # a model that opens it once more
        (PLAIN, STORED, STORED),
        (PLAIN, "Two.", "Two."),
        (CLOSED, "Two.", "Two."),
    ],
)
def test_a_reply_holds_the_reasoning_from_where_the_prompt_opened_it(prompt, generated, whole):
    assert whole_reply(prompt, generated) == whole


@pytest.mark.parametrize("mark", ["<think>\n", "<think>", "<think>\n\n"])
def test_a_policy_that_generates_what_it_is_taught_says_what_is_stored(mark):
    prompt = f"<|assistant|>{mark}"
    assert in_one_form(prompt.removeprefix("<|assistant|>") + as_generated(prompt, STORED)) == STORED


@pytest.mark.parametrize(
    ("prompt", "text", "generated"),
    [
        (PLAIN, STORED, STORED),
        (PLAIN, "Two.", "Two."),
        (CLOSED, "Two.", "Two."),
        (OPENED, STORED, "One and one.\n</think>\n\nTwo."),
        (OPENED, "Two.", "\n</think>\n\nTwo."),
        ("<|assistant|><think>", STORED, "\nOne and one.\n</think>\n\nTwo."),
    ],
)
def test_a_policy_is_taught_what_it_would_generate_after_its_prompt(prompt, text, generated):
    assert as_generated(prompt, text) == generated


@pytest.mark.parametrize("text", [STORED, "One and one.\n</think>\n\nTwo."])
def test_a_second_reasoning_is_refused(text):
    with pytest.raises(StudyError, match="closes the reasoning in the prompt already"):
        as_generated(CLOSED, text)
