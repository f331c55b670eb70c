"""What the OpenAI protocol's requests and replies hold, whichever way they travel: one at a time or in a batch."""

import json
from typing import TYPE_CHECKING, Any

from prefdelta.core.options import OpenAIOptions
from prefdelta.core.requests import Failure, Particulars, Reply, Request
from prefdelta.engines.openai_usage import counts_of, found

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

_REASONING = ("reasoning_content", "reasoning")  # DeepSeek, older versions of vLLM; OpenRouter, newer ones
_FINISH = ("native_finish_reason", "stop_reason")  # OpenRouter; vLLM: the token or text that stopped it
VERSION = 1  # raise it when the same request would get another reply


def identity_of(options: OpenAIOptions, server_identity: dict[str, Any]) -> dict[str, Any]:
    """All that determines a reply besides the request. How it travels, and to which address, does not."""
    found = {"engine": "openai", "version": VERSION, "model": options.model, "server": server_identity}
    return {**found, "omit": sorted(options.omit)} if options.omit else found


def body_of(options: OpenAIOptions, request: Request) -> dict[str, Any]:
    """The body of a request, as OpenAI and vLLM understand it. What was not asked for is left out."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": options.model,
        "messages": [{"role": role, "content": content} for role, content in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_completion_tokens": sampling.max_tokens,
        "seed": request.seed + request.attempt,  # the same seed would give the reply that did not parse again
    }
    if sampling.reasoning_effort is not None:
        body["reasoning_effort"] = sampling.reasoning_effort
    if request.response_schema is not None:
        schema = {"name": "verdict", "schema": request.response_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return {name: value for name, value in body.items() if name not in options.omit}


def checked(reply: object) -> "ChatCompletion":
    """A completion with a message. Raises ValueError if the server answered HTTP 200 with anything else."""
    from openai.types.chat import ChatCompletion

    if not isinstance(reply, ChatCompletion):  # a proxy's page, for example: the package lets other bodies through
        raise ValueError(f"the reply is no chat completion: {str(reply)[:80]!r}")
    # Some gateways answer a passing fault with HTTP 200 and no choice, or one without a message.
    if not reply.choices or reply.choices[0].message is None:
        raise ValueError(f"the reply has no choice: {str(reply)[:80]!r}")
    return reply


def result_of(key: str, completion: "ChatCompletion", seconds: float | None) -> Reply | Failure:
    """What a completion says. The package does not check types, and what is of another cannot be recorded."""
    choice = completion.choices[0]
    text: object = choice.message.content
    counts = counts_of(completion.usage)
    told = Particulars(
        reasoning=_first(choice.message, _REASONING),
        prompt_tokens=counts.prompt,
        cached_tokens=counts.cached,
        reasoning_tokens=counts.reasoning,
        native_finish=_first(choice, _FINISH),
    )

    def failure(kind: str, text: str, detail: str = "") -> Failure:
        return Failure(key, kind, True, detail, text, n_tokens=counts.completion, particulars=told)

    if text is None and choice.message.refusal:
        return failure("refusal", str(choice.message.refusal))
    if len(completion.choices) > 1:  # one was asked for, and nothing says which of them is the reply
        several = json.dumps(completion.to_dict(warnings=False)["choices"])
        return failure("several_choices", several, f"{len(completion.choices)} choices")
    if text is not None and not isinstance(text, str):
        return failure("not_text", json.dumps(text))
    finish, model = _text(choice.finish_reason), _text(completion.model)
    return Reply(key, text, finish, counts.completion, model, seconds, particulars=told)


def _first(value: object, names: tuple[str, ...]) -> str | None:
    """The first of these that is there, as text; in JSON where it is of another type."""
    for name in names:
        if (there := found(value, name)) not in (None, ""):
            return there if isinstance(there, str) else json.dumps(there, default=str)
    return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
