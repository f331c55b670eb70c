"""Types for asking models: request, reply, engine."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import Field

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.core.settings import Settings

CRASHES_IN_A_ROW = 5  # if this many prompts crash an engine with no answer in between, the engine is to blame


class Sampling(Settings):
    """How a model draws its replies."""

    temperature: Annotated[float, Field(ge=0)]
    """Sampling temperature. 0 is greedy decoding."""

    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus sampling: the share of probability that is sampled from, above 0 and up to 1."""

    max_tokens: Annotated[int, Field(ge=1)]
    """Largest number of completion tokens, reasoning included. A reply that reaches it is truncated."""

    reasoning_effort: str | None = None
    """How much the model reasons, as its chat template or server calls it, for example medium. It is an error if the
    template does not use it."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model. The request and the engine's identity determine the reply."""

    messages: tuple[tuple[str, str], ...]  # (role, content)
    sampling: Sampling
    seed: int
    sample: int = 0
    attempt: int = 0  # from 0; above 0: asked again because the reply did not parse
    response_schema: dict[str, Any] | None = field(default=None, hash=False)
    prompt_id: str | None = None  # the prompt of the messages; only engine `dataset` needs it, and it is not in the key
    with_entropy: bool = False  # whether the reply says its entropy, which changes no text and is not in the key

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
class Particulars:
    """More that a server may say of a reply. A field is None if the server does not say it."""

    reasoning: str | None = None  # if the server keeps it apart from the text
    prompt_tokens: int | None = None
    cached_tokens: int | None = None  # of the prompt tokens
    reasoning_tokens: int | None = None
    native_finish: str | None = None  # why the reply ended, in the provider's own words


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the request `key`."""

    key: str
    text: str | None
    finish_reason: str | None
    n_tokens: int | None
    model: str | None = None
    seconds: float | None = None
    source_correct: bool | None = None  # what a data set says of its own trace
    particulars: Particulars = Particulars()
    # Nats, the sum over its tokens: of the distributions that they were drawn from, or an unbiased estimate of it, the
    # sum of their -ln p. None: not asked for, not known, or greedy.
    entropy: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the request `key` has no usable answer. Only permanent failures are recorded."""

    key: str
    kind: str
    permanent: bool
    detail: str = ""  # what is known of the cause, e.g. the server's message
    text: str | None = None  # the reply in place of an answer: a refusal, or, as JSON, a value that is not a text
    n_tokens: int | None = None  # of the text
    particulars: Particulars = Particulars()


class CrashQuarantine:
    """Requests that crashed the engine when they were asked alone: permanent failures of kind `crashed_engine`.

    The failures are held back until another request is answered. A broken engine crashes on every request, and must not
    leave a permanent failure behind for each.
    """

    def __init__(self) -> None:
        self._held: list[Failure] = []
        self._prompts: set[tuple[tuple[str, str], ...]] = (
            set()
        )  # of the requests held back; several samples of a prompt count once
        self._answered = False

    def blame(self, key: str, request: Request, detail: str) -> None:
        """Hold a request back. Raises StudyError if by now the engine is to blame."""
        self._held.append(Failure(key, "crashed_engine", permanent=True, detail=detail))
        self._prompts.add(request.messages)
        if len(self._prompts) == CRASHES_IN_A_ROW:
            self._give_up()

    def settle(self, result: Reply | Failure) -> list[Reply | Failure]:
        """The result; after an answer also the failures that were held back, because it shows that the engine works."""
        if isinstance(result, Failure) and not result.permanent:
            return [result]
        self._answered = True
        proven, self._held = self._held, []
        self._prompts.clear()
        return [result, *proven]

    def rest(self) -> list[Failure]:
        """The failures still held back at the end. Raises StudyError if all of several prompts crashed the engine."""
        if len(self._prompts) > 1 and not self._answered:
            self._give_up()
        return self._held

    def _give_up(self) -> None:
        raise StudyError(
            f"each of the last {len(self._prompts)} prompts that were asked alone crashed the engine, with no answer "
            f"in between (the last time: {self._held[-1].detail}). So the engine is to blame and not the prompts: none "
            "of these is recorded as failed. See the log above and mend the cause; the same command goes on from what "
            "is recorded."
        )


class ServerStoppedError(StudyError):
    """A server that this job started has stopped. It can be started again."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server to ask."""

    base_url: str
    api_key: str
    check: Callable[[], None]  # raises ServerStoppedError if it is known to have stopped
    ours: bool = False  # this job started the server, so nobody else mends it


def canary(model: str) -> dict[str, Any]:
    """The body of a tiny completion. An engine can be dead behind a healthy `/health`; only a reply proves it alive."""
    return {"model": model, "messages": [{"role": "user", "content": "Say OK."}], "max_completion_tokens": 16}


class Engine(Protocol):
    """Asks one model. An engine is cheap to make: expensive work starts with the first missing request."""

    def identity(self) -> dict[str, Any]:
        """All that determines a reply besides the request: weights, template, precision, engine and version."""

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        """Reply to the missing requests of a plan, as they finish.

        plan: (key, request) of all requests, in a fixed order: batches may depend on it, and on nothing else.
        """
