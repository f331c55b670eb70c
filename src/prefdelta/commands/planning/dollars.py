"""The cost (USD) of a hosted model's calls that planned jobs would make, as far as it can be estimated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prefdelta.commands.planning.amounts import Amount, Basis
from prefdelta.core.asking.costs import BYTES_PER_TOKEN, TokenUsage, cost
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.engines.openai.account import Spending, read_prices
from prefdelta.study.study import Study

PROBLEM_TOKENS = 200  # tokens of a problem's text: a guess
ASSUMPTIONS = (
    f"a prompt has its template and rubrics, at {BYTES_PER_TOKEN} bytes a token, {PROBLEM_TOKENS} tokens of a problem, "
    "and the trace; nothing of it is in the provider's cache; every verdict takes one request"
)


@dataclass(frozen=True, slots=True)
class Account:
    """How much a study has spent on a hosted model, and its limit."""

    prices: str  # the file of prices
    model: str
    spent: float  # USD so far
    limit: float | None  # USD


def of_calls(engine: OpenAIOptions, texts: Sequence[Path], calls: Amount, trace: Amount, replies: Amount) -> Amount:
    """The cost of `calls` calls, in USD.

    texts: files whose text every prompt holds. trace: tokens of one trace. replies: tokens of all replies together.
    """
    if engine.prices is None:
        return Amount(0)
    if not calls.value:
        return Amount(0, calls.basis)
    prices = read_prices(Path(engine.prices)).of(engine.model, engine.prices)
    fixed = sum(path.stat().st_size for path in texts if path.is_file()) / BYTES_PER_TOKEN + PROBLEM_TOKENS
    prompts = round(calls.value * (fixed + trace.value))
    usd = cost(prices, TokenUsage(prompts, 0, round(replies.value)), engine.batch is not None)
    return Amount(usd, max(Basis.ASSUMED, calls.basis, trace.basis, replies.basis))


def account(study: Study) -> Account | None:
    """The study's account; None without a file of prices."""
    engine = study.config.judge.engine
    if engine.prices is None:
        return None
    spent = Spending.of(engine, Path(study.record) / "spending").spent()
    return Account(engine.prices, engine.model, spent, engine.limit_usd)
