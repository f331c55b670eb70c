"""What the OpenAI protocol's requests and replies hold, whichever way they travel: one at a time or in a batch."""

import json
from typing import TYPE_CHECKING, Any

from prefdelta.core.options import OpenAIOptions
from prefdelta.core.requests import Failure, Reply, Request

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

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
    counted: object = completion.usage.completion_tokens if completion.usage else None
    tokens = counted if type(counted) is int else None
    if text is None and choice.message.refusal:
        return Failure(key, "refusal", permanent=True, text=str(choice.message.refusal), n_tokens=tokens)
    if len(completion.choices) > 1:  # one was asked for, and nothing says which of them is the reply
        found = json.dumps(completion.to_dict(warnings=False)["choices"])
        told = f"{len(completion.choices)} choices"
        return Failure(key, "several_choices", permanent=True, detail=told, text=found, n_tokens=tokens)
    if text is not None and not isinstance(text, str):
        return Failure(key, "not_text", permanent=True, text=json.dumps(text), n_tokens=tokens)
    return Reply(key, text, _text(choice.finish_reason), tokens, _text(completion.model), seconds)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
