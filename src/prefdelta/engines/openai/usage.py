"""The tokens that a completion says it used, under the names that providers give them. Any number may be missing."""

from dataclasses import dataclass

_MOST = 2**63 - 1  # largest number that a column holds


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens; None where the provider does not say, or not as a whole number."""

    prompt: int | None  # with cached ones
    cached: int | None
    completion: int | None
    reasoning: int | None
    charged: int | None  # charged as output: xAI and Google count reasoning only in the total, not in the completion


def counts_of(usage: object) -> Counts:
    """The counts in a completion's `usage`, of any type."""
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    cached = _count(usage, "prompt_tokens_details", "cached_tokens")
    if cached is None:
        cached = _count(usage, "prompt_cache_hit_tokens")  # DeepSeek
    total = _count(usage, "total_tokens")
    charged = completion if None in (prompt, completion, total) else max(completion or 0, (total or 0) - (prompt or 0))
    return Counts(prompt, cached, completion, _count(usage, "completion_tokens_details", "reasoning_tokens"), charged)


def lookup(value: object, *names: str) -> object:
    """The value at a path of names in nested dicts or attributes; None if it is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def _count(usage: object, *names: str) -> int | None:
    value = lookup(usage, *names)
    return value if type(value) is int and 0 <= value <= _MOST else None
