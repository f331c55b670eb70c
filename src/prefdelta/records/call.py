"""A call: one request to a model and what came back. The unit of the record of calls."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Call:
    """One row of a partition of the record. Its key is a hash of everything that determines the reply."""

    VERSION: ClassVar[int] = 6
    ADDED: ClassVar[dict[int, tuple[str, ...]]] = {
        5: ("asked_model", "reasoning", "prompt_tokens", "cached_tokens", "reasoning_tokens", "native_finish"),
        6: ("entropy",),
    }
    KEY: ClassVar[tuple[str, ...]] = ("key",)

    key: str
    question: str  # the key of its first attempt: all attempts at one question share it
    attempt: int  # from 0; a later attempt follows a reply that did not parse
    text: str | None  # the raw reply, kept even if it does not parse or is a failure (a refusal)
    finish_reason: str | None
    n_tokens: int | None  # completion tokens
    failure: str | None  # the kind of a permanent failure; a transient one is never recorded
    model: str | None  # as the server named itself
    seconds: float | None  # from request to reply, as the engine saw it
    made_at: float  # Unix time
    host: str
    source_correct: bool | None = None  # whether the data set says that its trace is right
    detail: str | None = None  # more about the failure, e.g. the server's message
    asked_model: str | None = None  # its name in the request, if a server was asked
    reasoning: str | None = None  # if the server keeps it apart from the text
    prompt_tokens: int | None = None
    cached_tokens: int | None = None  # prompt tokens that the provider had in its cache
    reasoning_tokens: int | None = None  # as the provider counts them
    native_finish: str | None = None  # why the reply ended, in the provider's own words
    entropy: float | None = None  # nats, the sum over its tokens, as in `core.asking.requests.Reply`
