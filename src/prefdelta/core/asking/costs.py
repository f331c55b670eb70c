"""What asking a hosted model costs, in USD: of a reply, the most for a request, and an estimate for a plan."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from prefdelta.core.asking.requests import Request
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import canonical
from prefdelta.core.settings import Settings

MILLION = 1_000_000
HIDDEN_TOKENS = 256  # most tokens of a prompt that are not in its texts: marks of roles, a provider's preamble
BYTES_PER_TOKEN = 4  # about this many in usual text; never less than 1

Price = Annotated[float, Field(ge=0)]  # USD per million tokens


class ModelPrices(Settings):
    """Prices of one model."""

    input: Price
    """USD per million prompt tokens."""

    cached_input: Price | None = None
    """USD per million prompt tokens that the provider had in its cache. Default: `input`."""

    output: Price
    """USD per million completion tokens, reasoning included."""

    batch_discount: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share that the batch API takes off all prices: 0.5 is half the price."""


class PriceFile(Settings):
    """A file in resources/prices."""

    models: dict[str, ModelPrices]
    """Name of a model, as requests carry it (`judge.engine.model`) -> its prices."""

    def of(self, model: str, where: str) -> ModelPrices:
        """The prices of a model. Raises StudyError if there are none."""
        if model not in self.models:
            near = difflib.get_close_matches(model, self.models, n=3, cutoff=0.4)
            hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
            raise StudyError(
                f"{where}: has no prices of the model {model!r}; {hint}It has: {', '.join(sorted(self.models))}. "
                "Add what the provider asks for it, or the limit cannot be kept."
            )
        return self.models[model]


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens that a provider says it has charged for."""

    input: int  # cached ones included
    cached: int
    output: int


def cost(prices: ModelPrices, used: TokenUsage, batch: bool) -> float:
    """USD that a reply costs."""
    cached_price = prices.input if prices.cached_input is None else prices.cached_input
    total = (used.input - used.cached) * prices.input + used.cached * cached_price + used.output * prices.output
    return total / MILLION * (1 - prices.batch_discount if batch else 1)


def worst_cost(prices: ModelPrices, request: Request, batch: bool) -> float:
    """USD that a request costs at most: no tokenizer makes more tokens than a text has bytes."""
    return cost(prices, TokenUsage(_bytes(request) + HIDDEN_TOKENS, 0, request.sampling.max_tokens), batch)


def likely_cost(prices: ModelPrices, requests: Iterable[Request], batch: bool) -> float:
    """USD for all requests, if a token has 4 bytes and every reply is as long as allowed: rather too high."""
    return sum(
        cost(prices, TokenUsage(_bytes(request) // BYTES_PER_TOKEN, 0, request.sampling.max_tokens), batch)
        for request in requests
    )


def _bytes(request: Request) -> int:
    """Bytes of a request's texts. The schema is one of them, because providers put it into the prompt."""
    schema = canonical(request.response_schema) if request.response_schema else b""
    texts = (text for message in request.messages for text in message)
    return len(schema) + sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
