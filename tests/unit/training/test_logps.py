import math

import pytest

from prefdelta.training.logps import completion_logps
from prefdelta.training.tokens import Tokens, tokenise

from .by_hand import completion_logp, load

# Prompts and completions of different lengths, in no order.
TEXTS = [
    ("Q:5*5+4+1?", "5*5=5;5+4=9;9+1=0;A:0"),
    ("Q:1+1?", "A:2"),
    ("P:a=1;b=a-2;b?", "b=1-2=9;A:9"),
    ("Q:1+1?", ""),
    ("Q:1+1?", "1+1=2;hm;hm;hm;hm;A:2"),
    ("Q:2*3-4?", "2*3=6;6-4=2;A:2"),
    ("Q:1+1?", "1+1=2;A:2"),  # this one and the next are as long together with their prompts, so they share a batch
    ("Q:1+1+1+1?", "3+1=4"),
]


@pytest.fixture(scope="module")
def model(base):
    return load(base)


@pytest.fixture(scope="module")
def rows(tokenizer):
    return [tokenise(tokenizer, [("user", question)], completion) for question, completion in TEXTS]


def sums(model, rows, batch_tokens):
    found = dict(completion_logps(model, rows, batch_tokens))
    return [found[index] for index in range(len(rows))]


@pytest.mark.parametrize("batch_tokens", [1, 60, 10_000], ids=["one by one", "batches", "one batch"])
def test_sums_equal_those_of_a_plain_loop_in_any_batching(batch_tokens, model, rows):
    expected = [completion_logp(model, row.prompt, row.completion) for row in rows]
    assert sums(model, rows, batch_tokens) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_only_the_completions_tokens_are_summed(model, tokenizer):
    # One completion token: minus the log of the softmax over the vocabulary at the prompt's last position.
    row = tokenise(tokenizer, [("user", "Q:1+1?")], "")
    assert sums(model, [row], 1) == pytest.approx([completion_logp(model, row.prompt, row.completion)], abs=1e-5)
    assert len(row.completion) == 1


def test_each_row_comes_once_under_its_own_index(model, rows):
    indices = [index for index, _ in completion_logps(model, rows, 60)]
    assert sorted(indices) == list(range(len(rows)))


def test_rows_in_another_order_have_the_same_sums(model, rows):
    assert sums(model, rows[::-1], 60)[::-1] == pytest.approx(sums(model, rows, 60), rel=1e-6)


@pytest.mark.parametrize("batch_tokens", [1, 60, 10_000], ids=["one by one", "batches", "one batch"])
def test_a_rows_sum_has_the_same_bits_whatever_else_is_computed_with_it(batch_tokens, model, rows):
    # So that a sum that was recorded equals one that is computed later, beside other rows or by another job.
    assert sums(model, rows, batch_tokens) == [sums(model, [row], 1)[0] for row in rows]
    assert sums(model, rows[1::2], batch_tokens) == sums(model, rows, 10_000)[1::2]


def test_a_sum_of_log_probabilities_is_negative_and_finite(model, rows):
    assert all(math.isfinite(value) and value < 0 for value in sums(model, rows, 60))


@pytest.mark.parametrize(
    ("batch_tokens", "expected"),
    [
        (27, [(1, 8), (3, 9), (1, 34)]),  # 3 x 9 = 27 fit
        (26, [(1, 8), (2, 9), (1, 9), (1, 34)]),  # 3 x 9 do not fit. A row longer than a batch goes alone.
    ],
)
def test_a_batch_holds_rows_of_one_length_and_at_most_the_tokens_allowed(batch_tokens, expected, model):
    rows = [Tokens([1] * prompt, [2] * 4) for prompt in (5, 4, 5, 30, 5)]  # 9, 8, 9, 34 and 9 tokens
    shapes = []

    def watch(_, __, more):
        shapes.append(tuple(more["input_ids"].shape))

    handle = model.register_forward_pre_hook(watch, with_kwargs=True)
    try:
        list(completion_logps(model, rows, batch_tokens))
    finally:
        handle.remove()
    assert shapes == expected


def test_no_rows_give_no_sums(model):
    assert list(completion_logps(model, [], 60)) == []
