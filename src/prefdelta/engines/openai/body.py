"""The bodies of requests and replies in the OpenAI protocol, sent one at a time or in a batch."""

import json
from dataclasses import dataclass
from typing import Any

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Failure, Particulars, Reply, Request
from prefdelta.engines.openai.refusals import named_parameters
from prefdelta.engines.openai.usage import counts_of

_REASONING = ("reasoning_content", "reasoning")  # DeepSeek, older versions of vLLM; OpenRouter, newer versions of vLLM
_FINISH = ("native_finish_reason", "stop_reason")  # OpenRouter; vLLM: the token or text that stopped it
VERSION = 1  # raise it when the same request would get another reply


def identity_of(options: OpenAIOptions, server_identity: dict[str, Any]) -> dict[str, Any]:
    """All that determines a reply besides the request. How and to which address the request is sent is not included."""
    identity = {"engine": "openai", "version": VERSION, "model": options.model, "server": server_identity}
    if options.omit:
        identity["omit"] = sorted(set(options.omit))
    if options.rename:
        identity["rename"] = dict(sorted(options.rename.items()))
    if options.response_format != "json_schema":
        identity["response_format"] = options.response_format
    return identity


def body_of(options: OpenAIOptions, request: Request) -> dict[str, Any]:
    """The body of a request, as OpenAI and vLLM understand it. Settings that were not asked for are left out."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": options.model,
        "messages": [{"role": role, "content": content} for role, content in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_completion_tokens": sampling.max_tokens,
        "seed": request.seed + request.attempt,  # with the same seed the reply that did not parse would come again
    }
    if sampling.reasoning_effort is not None:
        body["reasoning_effort"] = sampling.reasoning_effort
    if request.response_schema is not None:
        body["response_format"] = _response_format(options, request.response_schema)
    return provider_body(options, body)


def provider_body(options: OpenAIOptions, body: dict[str, Any]) -> dict[str, Any]:
    """A body for this provider: with its names of parameters, without parameters that it refuses."""
    renamed = {str(name): other for name, other in options.rename.items()}
    return {renamed.get(name, name): value for name, value in body.items() if name not in options.omit}


def _response_format(options: OpenAIOptions, schema: dict[str, Any]) -> dict[str, Any]:
    if options.response_format == "json_object":
        return {"type": "json_object"}
    if options.response_format == "json_schema_enum":
        schema = _with_enums(schema)
    return {"type": "json_schema", "json_schema": {"name": "verdict", "schema": schema, "strict": True}}


def _with_enums(schema: Any) -> Any:
    """A JSON schema in which each range of whole numbers is a list of these numbers."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "integer" and {"minimum", "maximum"} <= schema.keys():
        rest = {name: value for name, value in schema.items() if name not in ("minimum", "maximum")}
        return {**rest, "enum": list(range(schema["minimum"], schema["maximum"] + 1))}
    return {name: _with_enums(value) for name, value in schema.items()}


def message_about_all(where: str, refused_with: str, options: OpenAIOptions, sent: dict[str, Any]) -> str:
    """The message for a refusal that concerns every request."""
    hint = f"Check the model's name ({options.model!r}), the address, and the key in the environment."
    return (
        f"{where} refused with {refused_with.rstrip('.')}. {_advice(options, refused_with, sent) or hint} None of the "
        "requests that were refused alike is recorded as failed; the same command asks for them."
    )


def _advice(options: OpenAIOptions, message: str, sent: dict[str, Any]) -> str | None:
    """What to set in the config if an error names a parameter of a request; None if it names none."""
    names = named_parameters(message, sent)
    if not names:
        return None
    if names == ["minimum"]:
        return (
            "If it does not take minimum and maximum in a schema, set engine.response_format: json_schema_enum, which "
            "lists the numbers instead."
        )
    ours = {other: asked for asked, other in options.rename.items()}
    if renamed := [name for name in names if name in ours]:
        return f"Its words name {renamed[0]}: mend engine.rename, which sends {ours[renamed[0]]} under this name."
    listed = ", ".join(names)
    others = ", ".join(f"{name}: {'max_tokens' if name == 'max_completion_tokens' else '...'}" for name in names)
    advice = f"Its words name {listed}. What it does not take is left out by engine.omit: [{listed}]"
    if names == ["response_format"]:
        return f"{advice}, and engine.response_format: json_object asks for JSON without a schema."
    return f"{advice}, or sent under another name by engine.rename: {{{others}}}."


class ErrorReplyError(ValueError):
    """The server answered with HTTP 200, but the body is an error."""

    def __init__(self, error: object) -> None:
        super().__init__(f"the reply is an error: {str(error)[:400]}")
        self.error = error


@dataclass(frozen=True, slots=True)
class Completion:
    """A chat completion with a message. Values are as the server sent them, and may be of any type."""

    choices: list[object]
    choice: dict[str, object]  # the first
    message: dict[str, object]  # of the first choice
    usage: object
    model: object


def read_completion(content: bytes) -> Completion:
    """The completion in the content of a reply. Raises as `checked_completion`."""
    try:
        reply = json.loads(content)
    except (ValueError, RecursionError):  # for example a proxy's page
        reply = content.decode(errors="replace")
    return checked_completion(reply)


def checked_completion(reply: object) -> Completion:
    """The completion that a reply is.

    Raises ValueError if the server answered HTTP 200 with anything else; ErrorReplyError if that is an error.
    """
    if not isinstance(reply, dict):
        raise ValueError(f"the reply is not a chat completion: {str(reply)[:80]!r}")
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if error := reply.get("error") or (isinstance(choice, dict) and choice.get("error")):
        raise ErrorReplyError(error)
    # On a passing fault some gateways answer with HTTP 200 and no choice, or a choice without a message.
    if not isinstance(choices, list) or not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise ValueError(f"the reply has no choice: {str(reply)[:80]!r}")
    return Completion(choices, choice, choice["message"], reply.get("usage"), reply.get("model"))


def result_of(key: str, completion: Completion, seconds: float | None) -> Reply | Failure:
    """The result that a completion holds. Types are checked here."""
    choice, message = completion.choice, completion.message
    text = message.get("content")
    counts = counts_of(completion.usage)
    particulars = Particulars(
        reasoning=_first(message, _REASONING),
        prompt_tokens=counts.prompt,
        cached_tokens=counts.cached,
        reasoning_tokens=counts.reasoning,
        native_finish=_first(choice, _FINISH),
    )

    def failure(kind: str, text: str, detail: str = "") -> Failure:
        return Failure(key, kind, True, detail, text, n_tokens=counts.completion, particulars=particulars)

    if text is None and message.get("refusal"):
        return failure("refusal", str(message["refusal"]))
    if len(completion.choices) > 1:  # one was asked for, and nothing says which of them is the reply
        several = json.dumps(completion.choices)
        return failure("several_choices", several, f"{len(completion.choices)} choices")
    if text is not None and not isinstance(text, str):
        return failure("not_text", json.dumps(text))
    finish, model = _text(choice.get("finish_reason")), _text(completion.model)
    return Reply(key, text, finish, counts.completion, model, seconds, particulars=particulars)


def _first(values: dict[str, object], names: tuple[str, ...]) -> str | None:
    """The first of these values that is not empty: as text, or as JSON if it has another type."""
    for name in names:
        if (content := values.get(name)) not in (None, ""):
            return content if isinstance(content, str) else json.dumps(content)
    return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
