import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prefdelta.core.asking.costs import ModelPrices, PriceFile, TokenUsage, cost, likely_cost, worst_cost
from prefdelta.core.asking.requests import Request, Sampling
from prefdelta.core.asking.verdicts import verdict_schema
from prefdelta.core.errors import StudyError

PRICES = ModelPrices(input=2.0, cached_input=0.5, output=8.0, batch_discount=0.5)


def request(text="rate this", max_tokens=100, schema=None):
    return Request((("user", text),), Sampling(temperature=0.0, max_tokens=max_tokens), seed=0, response_schema=schema)


@pytest.mark.parametrize(
    ("used", "batch", "usd"),
    [
        (TokenUsage(1_000_000, 0, 0), False, 2.0),
        (TokenUsage(1_000_000, 400_000, 0), False, 0.6 * 2.0 + 0.4 * 0.5),
        (TokenUsage(0, 0, 1_000_000), False, 8.0),
        (TokenUsage(1_000_000, 400_000, 1_000_000), True, (1.2 + 0.2 + 8.0) / 2),
        (TokenUsage(0, 0, 0), False, 0.0),
    ],
)
def test_a_reply_costs_what_its_tokens_cost(used, batch, usd):
    assert cost(PRICES, used, batch) == pytest.approx(usd)


def test_cached_tokens_cost_as_much_as_others_if_no_price_is_given():
    plain = ModelPrices(input=2.0, output=8.0)
    assert cost(plain, TokenUsage(1_000_000, 400_000, 0), False) == pytest.approx(2.0)
    assert cost(plain, TokenUsage(1_000_000, 0, 0), True) == pytest.approx(2.0)  # no discount given either


@given(st.text(), st.integers(1, 5000), st.booleans(), st.data())
def test_no_reply_costs_more_than_the_worst_whatever_the_tokenizer(text, max_tokens, batch, data):
    asked = request(text, max_tokens)
    tokens = data.draw(st.integers(0, len(text.encode("utf-8", "surrogatepass")) + 50))
    cached, output = data.draw(st.integers(0, tokens)), data.draw(st.integers(0, max_tokens))
    assert cost(PRICES, TokenUsage(tokens, cached, output), batch) <= worst_cost(PRICES, asked, batch)


def test_a_schema_counts_as_a_part_of_the_prompt():
    asked = request(schema=verdict_schema(["factuality"]))
    assert worst_cost(PRICES, asked, False) > worst_cost(PRICES, request(), False)


def test_the_guess_lies_below_the_worst_and_grows_with_the_requests():
    asked = [request("x" * 4000), request("y" * 8000)]
    # 4 bytes of the word "user" are a token too.
    guess = likely_cost(PRICES, asked, False)
    assert guess == pytest.approx((1001 * 2.0 + 100 * 8.0 + 2001 * 2.0 + 100 * 8.0) / 1e6)
    assert guess < sum(worst_cost(PRICES, each, False) for each in asked)


def test_a_model_without_prices_is_an_error_with_the_nearest_names():
    prices = PriceFile(models={"judge-large": PRICES, "judge-small": PRICES, "other": PRICES})
    assert prices.of("judge-small", "p.yaml") == PRICES
    with pytest.raises(StudyError) as error:
        prices.of("judge-smal", "p.yaml")
    assert "p.yaml: has no prices of the model 'judge-smal'; did you mean 'judge-small' or 'judge-large'?" in str(
        error.value
    )
    assert "judge-large, judge-small, other" in str(error.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": -1.0, "output": 1.0},
        {"input": 1.0},
        {"input": 1.0, "output": float("inf")},
        {"input": 1.0, "output": 1.0, "batch_discount": 50},
        {"input": 1.0, "output": 1.0, "batch": 0.5},
    ],
)
def test_prices_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValidationError):
        ModelPrices.model_validate(wrong)
