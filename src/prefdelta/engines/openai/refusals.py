"""The meaning of a provider's refusal, from the status and the words in the body.

Providers share the protocol's requests, not its errors: a status means different things at different providers, and
some providers give the reason only in words. The tables below hold what is known of their replies, from their documents
and from public reports; tests/engines/test_openai_refusals.py lists the replies with their sources.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

Meaning = Literal[
    "account",  # money, or a blocked account: no request is answered before somebody mends it
    "ours",  # the key: also no answer before somebody mends it
    "passing",  # load, rates, a model that is being loaded: a later try may be answered
    "this_or_all",  # about this request, or about all: answers to others decide
    "request",  # about this request: it is refused whenever it is asked
]
MOST_WORDS = 1000  # characters of a provider's words that are kept

_PASSING = (
    408,
    409,
    423,
    424,
    425,
    429,
    498,
    499,
)  # statuses below 500. Groq: 498 no capacity, 499 cancelled, 424 a part failed
_ABOUT_THE_REQUEST = (400, 413, 414, 422, 431)
_KEY = (401, 407)


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# Codes and types that are always about money or the account.
_ACCOUNT_CODES = frozenset(
    [
        *("insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "account_deactivated"),  # OpenAI
        *("billing_error", "credit_balance_too_low"),  # Anthropic
        *("blocked_api_access", "organization_restricted"),  # Groq
        *("arrearage", "accountoverdueerror", "exceeded_current_quota_error", "1113"),  # Alibaba, Ark, Moonshot, Zhipu
        *("budget_exceeded", "insufficient_user_quota"),  # LiteLLM, One API
        *("insufficient_balance", "insufficient_credits", "insufficient_funds", "payment_required"),
        *("account_suspended", "key_limit_exceeded"),
    ]
)
_ACCOUNT_WORDS = _any_of(
    r"\bbilling\b",
    r"credit (balance|limit)",
    r"\bspend(ing)?[- ](limit|cap|alert)",
    r"\busage limits?\b",
    r"key limit exceeded",
    r"budget (has been )?exceeded",
    r"payment (is )?(required|method)",
    r"\bunpaid\b|\boverdue\b|\barrear|\bpast invoices?\b|\btop[- ]?up\b|\brecharge\b",
    r"\b(insufficient|not enough|no|out of|without|more|any) (\w+ )?(credits?|balance|funds)\b",
    r"\bused all (of )?(your )?(available )?credits\b",
    r"\b(balance|credits?|funds) (\w+ )?(is |are |has been )?(too low|insufficient|exhausted|depleted|used up)",
    r"exceeded your (current|monthly) (\w+ )*(quota|credits|limit)",
    r"(account|organi[sz]ation|team|workspace)\b.{0,60}\b(suspended|deactivated|disabled|terminated|in good standing)",
    "余额不足|欠费|额度不足",
)
_QUOTA_WORDS = _any_of(r"\bquota\b", r"\b(trial|subscription|plan|licen[cs]e)\b.{0,20}\b(expired|ended|is over)\b")
# Words about rates. Such messages often advertise higher limits for money.
_RATE_WORDS = _any_of(
    r"rate[- _]?limit",
    r"\b(re)?try (again )?(in|after)\b|retry_?delay",
    r"\bper[- ](minute|second|hour|day)\b|\b[RT]P[MDS]\b",
    r"too many (requests|tokens)",
)
_LOAD_WORDS = _any_of(
    r"\b(model|engine|weights|server)\b.{0,80}\bloading\b|\bloading\b.{0,20}\b(model|weights)",
    r"\b(model|engine|server)\b.{0,80}\b(starting up|not (yet )?ready)|warming up|cold start",
    r"overloaded|over capacity|capacity[_ ]exceeded|temporarily unavailable|throttl|too many requests",
    r"\b(server|system|service|model) is (\w+ )?busy",
)
_FLAGGED_WORDS = _any_of(
    r"\bflagged\b|moderation|responsible ?ai|usage polic|data_?inspection_?failed|inappropriate|unsafe|\bsafety\b",
    r"content[-_ ]?(policy|filter|management|safety|security|exists risk)|prohibited content|敏感",
    r"violat\w*\b.{0,60}\b(polic(y|ies)|terms)|\bpolic(y|ies)\b.{0,40}violat",
)
_LENGTH_WORDS = _any_of(
    r"context[-_ ]?(length|window|size)|maximum (model )?length|max_model_len",
    r"(prompt|input) (is )?too long|input tokens|too many tokens|reduce the length|string too long",
    r"must be at least 1, got -",  # vLLM: tokens that the prompt leaves for the reply
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that was answered by an error."""

    status: int | None
    meaning: Meaning
    flagged: bool  # whether the provider says that a filter of contents refused it
    words: str  # the provider's message
    certain: bool = True  # False: only the status says that it is about the request

    @property
    def message(self) -> str:
        """Status and words, for people."""
        words = self.words or "no reason given"
        return words if self.status is None else f"HTTP {self.status}: {words}"

    @property
    def failure(self) -> str:
        """The kind of failure for the request's row, if the refusal is about this request."""
        if self.flagged:
            return "flagged"
        return "rejected" if self.status in _ABOUT_THE_REQUEST else "refused_by_provider"


def refusal_of(status: int | None, body: object, sent: Mapping[str, object]) -> Refusal:
    """The meaning of an error.

    status: of HTTP, or the one in the body of a reply with status 200. body: parsed if it is JSON, else the text.
    sent: the body of the request; an error that names one of its parameters is likely about all requests.
    """
    words, codes = _words(body), {code.lower() for code in _codes(body)}
    text = " ".join([words, *codes])
    if status is None:  # then only a code names the error
        words = ": ".join([*[code for code in _codes(body) if not code.isdecimal()][:1], words])
    flagged = status not in _KEY and bool(_FLAGGED_WORDS.search(text))
    certain = flagged or status not in (400, 422) or bool(_LENGTH_WORDS.search(text))
    return Refusal(status, _meaning(status, codes, text, sent, flagged), flagged, words[:MOST_WORDS], certain)


def refused_with(status: int, text: str, sent: Mapping[str, object], secret: str) -> Refusal:
    """The meaning of an HTTP status other than 200. text: of the reply. secret: is removed from the words."""
    return refusal_of(status, _without(secret, text), sent)


def refused_in(error: object, sent: Mapping[str, object], secret: str) -> Refusal:
    """The meaning of an error that came with HTTP status 200. OpenRouter's `code` is the status that fits the error."""
    code = str(error.get("code")) if isinstance(error, Mapping) else ""
    status = int(code) if re.fullmatch("[45][0-9]{2}", code) else None
    return refusal_of(status, _without(secret, json.dumps({"error": error}, default=str)), sent)


def message_about_account(where: str, refusal: Refusal) -> str:
    """The message for a refusal that ends a run until somebody mends the account."""
    return (
        f"{where} refused with {refusal.message.rstrip('.')}. This is about the account and not about a request, so "
        "nothing is recorded as failed; what was answered is recorded. Top up or mend the account at the provider; "
        "the same command then asks for the rest."
    )


def _without(secret: str, text: str) -> object:
    text = text.replace(secret, "[the key]") if secret else text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _meaning(status: int | None, codes: set[str], text: str, sent: Mapping[str, object], flagged: bool) -> Meaning:
    if status == 402 or codes & _ACCOUNT_CODES:
        return "account"
    if status is not None and status >= 500:
        return "passing"
    if _ACCOUNT_WORDS.search(text) and not ((status is None or status in _PASSING) and _RATE_WORDS.search(text)):
        return "account"
    if status is None:
        return "passing"
    if _QUOTA_WORDS.search(text) and status not in _PASSING:  # with 429 it may be a quota per minute
        return "account"
    if status in _KEY:
        return "ours"
    if status in _PASSING or (not flagged and _LOAD_WORDS.search(text)):
        return "passing"
    if status not in _ABOUT_THE_REQUEST:
        return "this_or_all"
    if not flagged and not _LENGTH_WORDS.search(text) and named_parameters(text, sent):
        return "this_or_all"
    return "request"


def named_parameters(text: str, sent: Mapping[str, object]) -> list[str]:
    """The parameters of a request that an error names; `minimum` for limits of the numbers in its schema."""
    names = [
        name
        for name in sent
        if name not in ("model", "messages", "response_format") and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)
    ]
    if not names and "response_format" in sent:
        if re.search(r"\bm(in|ax)imum\b", text) and re.search(r"schema|integer|number|propert", text, re.IGNORECASE):
            return ["minimum"]
        if re.search(
            r"(response|output)_format|json[_ ]schema|structured[_ ]output|response_schema", text, re.IGNORECASE
        ):
            return ["response_format"]
    return names


def _words(body: object) -> str:
    """The words of a body for people, without parts of the request that it repeats."""
    texts = dict.fromkeys(" ".join(text.split()) for text in _texts(body))
    return " ".join(text for text in texts if text)


def _texts(body: object) -> Iterator[str]:
    if isinstance(body, str):
        yield _unwrapped(body)
    elif isinstance(body, list):
        for item in body:
            yield from _texts(item)
    elif isinstance(body, Mapping):
        if "loc" in body and "msg" in body:  # from pydantic; its `input` is a part of the request
            loc = body["loc"]
            place = ".".join(map(str, loc)) if isinstance(loc, list | tuple) else str(loc)
            yield f"{place}: {body['msg']}"
            return
        for name in ("error", "message", "msg", "detail", "errors"):
            if name in body:
                yield from _texts(body[name])
        metadata = body.get("metadata")  # OpenRouter: the reasons of a filter, or the words of the provider behind it
        if isinstance(metadata, Mapping):
            if isinstance(reasons := metadata.get("reasons"), list):
                yield f"(reasons: {', '.join(map(str, reasons))})"
            yield from _texts(metadata.get("raw"))


def _unwrapped(text: str) -> str:
    """The words of a text. It may be JSON (gateways pass on another server's body as text) or a page of HTML."""
    if text.lstrip()[:1] == "<":
        return re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL | re.IGNORECASE)
    if text.lstrip()[:1] in ("{", "["):
        try:
            return _words(json.loads(text)) or text
        except (ValueError, RecursionError):
            pass
    return text


def _codes(body: object) -> Iterator[str]:
    """All codes and types in a body, which name the error for programs."""
    if isinstance(body, list):
        for item in body:
            yield from _codes(item)
    elif isinstance(body, Mapping):
        for name in ("code", "type", "status", "reason"):
            if isinstance(body.get(name), str | int):
                yield str(body[name])
        if isinstance(body.get("error"), str) and re.fullmatch(r"\w+", body["error"]):
            yield body["error"]
        if isinstance(body.get("param"), str):
            yield body["param"]
        for name in ("error", "innererror", "message", "detail", "details"):
            yield from _codes(body.get(name))
    elif isinstance(body, str) and body.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            yield from _codes(json.loads(body))
