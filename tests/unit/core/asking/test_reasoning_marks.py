import time

import pytest

from prefdelta.core.asking.reasoning_marks import marked_thinking, with_thinking, without_thinking

S1 = ("<|im_start|>think\n", "<|im_start|>answer\n")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>1+1</think>2", "2"),
        ("1+1</think>2", "2"),  # the prompt opened it
        ("2", "2"),
        ("", ""),
        ("<think>1+1=2", None),
        ("<think>a</think>", ""),
        # From the first mark that closes what was opened, marks are text.
        ("<think>a</think>2</think>", "2</think>"),
        ("1+1</think>2</think>3", "2</think>3"),
        ("<think>a</think>The tag <think> was used. 2", "The tag <think> was used. 2"),
        ("<think>a</think>Between <think> and </think>: 2", "Between <think> and </think>: 2"),
        ("a</think>2 <think> b", "2 <think> b"),
        ("<think>I opened <think> before.</think>2", "2"),
        # Blocks within blocks, and blocks that follow each other.
        ("<think>a<think>b</think>c</think>2", "2"),
        ("<think>\n</think>\n\n<think>a</think>\n2", "\n2"),
        ("a</think><think>b</think>2", "2"),
        ("<think></think><think>a", None),
        ("I say <think> is a mark. 2", "I say <think> is a mark. 2"),
        ("Well. <think>a</think>2", "2"),
    ],
)
def test_the_answer_is_what_follows_the_reasoning(text, answer):
    assert without_thinking(text) == answer


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("<|im_start|>think\nso\nso\n<|im_start|>answer\n2", "<think>\nso\nso\n</think>\n\n2"),
        ("so\n<|im_start|>answer\n2", "<think>\nso\n</think>\n\n2"),  # the prompt opened it
        (  # an answer that speaks of its mark
            "<|im_start|>think\nso <|im_start|>answer\nno <|im_start|>answer\n2\n",
            "<think>\nso\n</think>\n\nno <|im_start|>answer\n2\n",
        ),
        (
            "<|im_start|>think\nso\n<|im_start|>answer\n2 <|im_start|>think",
            "<think>\nso\n</think>\n\n2 <|im_start|>think",
        ),
        ("so\n<|im_start|>answer\n2 <|im_start|>think", "<think>\nso\n</think>\n\n2 <|im_start|>think"),
        ("<|im_start|>think so", "<think>\nso\n"),
    ],
)
def test_a_models_own_marks_become_think_marks(text, marked):
    assert marked_thinking(text, *S1) == marked


@pytest.mark.parametrize("text", ["", "2", "<think>\na\n</think>\n\n2", "  spaces stay \n"])
def test_a_text_without_a_models_own_marks_stays_as_it_is(text):
    assert marked_thinking(text, *S1) == text


def test_reasoning_that_is_never_closed_has_no_answer():
    assert without_thinking(marked_thinking("<|im_start|>think\n1+1=2", *S1)) is None


@pytest.mark.parametrize("block", ["<think></think>", "<think><think></think>", "<think>", "</think>"])
def test_a_loop_of_marks_takes_no_time(block):
    began = time.process_time()
    without_thinking(block * 50_000)
    marked_thinking(block * 50_000, "<think>", "</think>")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("reasoning", "text", "truncated", "whole"),
    [
        ("so\n", "2", False, "<think>\nso\n</think>\n\n2"),
        ("so", "\n\n2\n", False, "<think>\nso\n</think>\n\n2\n"),
        ("so", "<think>\nso\n</think>\n\n2", False, "<think>\nso\n</think>\n\n2"),  # it is there already
        ("so", "so\n</think>\n2", False, "so\n</think>\n2"),
        ("so", "The tag <think> has </think>.", False, "<think>\nso\n</think>\n\nThe tag <think> has </think>."),
        ("so", None, True, "<think>\nso\n"),
        ("so", "", False, ""),
        ("so", None, False, None),
        (None, "2", False, "2"),
        ("", "2", False, "2"),
    ],
)
def test_reasoning_that_a_server_keeps_apart_comes_before_its_answer(reasoning, text, truncated, whole):
    assert with_thinking(reasoning, text, truncated) == whole
