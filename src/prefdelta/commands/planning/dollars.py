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
    """How much a study has spent on hosted judges, and its limit."""

    prices: str  # the file of prices, or several
    model: str  # or several
    spent: float  # USD so far
    limit: float | None  # USD; the lowest of several


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
    """The study's account, which all hosted judges share; None without a file of prices."""
    engines = [judge.engine for judge in study.config.judge.judges().values() if judge.engine.prices is not None]
    if not engines:
        return None
    prices, models = (dict.fromkeys(names) for names in zip(*((str(e.prices), e.model) for e in engines), strict=True))
    spent = Spending.of(engines[0], Path(study.record) / "spending").spent()
    limits = [engine.limit_usd for engine in engines if engine.limit_usd is not None]
    return Account(", ".join(prices), ", ".join(models), spent, min(limits, default=None))
