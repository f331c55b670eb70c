"""Asking models: what a request, a reply and an engine are. Every engine speaks this."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import Field

from prefdelta.core.ids import digest
from prefdelta.core.settings import Settings


class Sampling(Settings):
    """How a model draws its reply."""

    temperature: Annotated[float, Field(ge=0)]  # 0: greedy
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_tokens: Annotated[int, Field(ge=1)]  # completion tokens; a reply that reaches it is truncated
    reasoning_effort: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. With the engine's identity it determines the reply."""

    messages: tuple[tuple[str, str], ...]  # (role, content)
    sampling: Sampling
    seed: int
    sample: int = 0
    attempt: int = 0  # asked again because the reply did not parse
    response_schema: dict[str, Any] | None = field(default=None, hash=False)

    def key(self, identity: dict[str, Any]) -> str:
        """The call's name in the record: a hash of all that determines the reply."""
        return digest(
            {
                "engine": identity,
                "messages": self.messages,
                "sampling": self.sampling.model_dump(),
                "seed": self.seed,
                "sample": self.sample,
                "attempt": self.attempt,
                "response_schema": self.response_schema,
            }
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for the request `key`."""

    key: str
    text: str | None
    finish_reason: str | None
    n_tokens: int | None
    model: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing came back for the request `key`. Only permanent failures are recorded."""

    key: str
    kind: str
    permanent: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to ask. `check` raises StudyError if it is known to have stopped."""

    base_url: str
    api_key: str
    check: Callable[[], None]


class Engine(Protocol):
    """Asks one model. Made cheaply: what is expensive starts with the first request that is missing."""

    def identity(self) -> dict[str, Any]:
        """All that determines a reply besides the request: weights, template, precision, engine and version."""

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        """Reply to the missing requests of a plan, as they finish.

        plan: (key, request) of all requests, in a fixed order: batches may depend on it, and on nothing else.
        """
