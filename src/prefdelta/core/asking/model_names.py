"""Whether two names mean one model: providers answer under other names than those in the requests.

A name is taken apart into the model, its version (a date, `@…`), and its precision (`-fp8`, `-AWQ`). Case, the owner
before it and how a request is routed (`:free`) do not count. Two names mean one model if the models are equal and the
version and precision agree where both names say them. A name that merely begins alike
means another model: claude-sonnet-4-5-20250929 is not claude-sonnet-4, and gpt-4o is not gpt-4.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_YEAR, _MONTH, _DAY = r"20[2-9]\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATES = (
    rf"{_YEAR}-?{_MONTH}-?{_DAY}",  # gpt-4o-2024-08-06, claude-sonnet-4-5-20250929
    rf"{_YEAR}-?{_MONTH}",
    rf"{_MONTH}-{_YEAR}",  # command-a-03-2025
    rf"{_MONTH}-{_DAY}",  # gemini-2.5-pro-preview-05-06
    rf"{_MONTH}{_DAY}",  # gpt-4-0613
    rf"2\d{_MONTH}(?:{_DAY})?",  # mistral-large-2411, doubao-seed-1-6-250615
    r"0\d\d",  # gemini-1.5-pro-002
)
_VERSION = re.compile(rf"(.+?)[-_](?:{'|'.join(_DATES)})|(.+)@[^@]+")
_UNPINNED = re.compile(r"(.+)(?:[-:]latest|@(?:latest|default))")
_ROUTE = re.compile(r"(.+):(?:free|nitro|floor|online|extended|exacto|beta|fastest|cheapest|preferred)")
_PRECISION = re.compile(
    r"(.+?)[-_.](?:"
    r"(?:nv|mx|nf|fp|bf|f|int|mxfp|nvfp)(?:4|6|8|16|32)(?:-dynamic|-block)?|w\d+a\d+(?:-g\d+)?|\d-?bit|"
    r"awq|gptq|gguf|ggml|exl2|exl3|mlx|bnb|hqq|aqlm|autoround|quantized|i?q\d(?:_[a-z0-9]+)*)"
)


@dataclass(frozen=True, slots=True)
class _Name:
    model: str
    versions: frozenset[str]
    precisions: frozenset[str]


def same_model(one: str, other: str) -> bool:
    """Whether two names mean one model."""
    first, second = _parse_name(one), _parse_name(other)
    return (
        first.model == second.model
        and _agree(first.versions, second.versions)
        and _agree(first.precisions, second.precisions)
    )


def is_one_of(name: str | None, names: Iterable[str]) -> bool:
    """Whether the name in a reply is accepted for one of `names`. A reply without a name is accepted."""
    return not name or any(same_model(name, accepted) for accepted in names)


def _agree(one: frozenset[str], other: frozenset[str]) -> bool:
    return one <= other or other <= one


def _parse_name(name: str) -> _Name:
    model = name.strip().strip("/").rpartition("/")[2].lower()
    versions, precisions = set[str](), set[str]()
    while True:
        if match := _ROUTE.fullmatch(model) or _UNPINNED.fullmatch(model):
            model = match[1]
        elif match := _VERSION.fullmatch(model):
            rest = match[1] or match[2]
            versions.add(re.sub(r"\W|_", "", model.removeprefix(rest)))
            model = rest
        elif match := _PRECISION.fullmatch(model):
            precisions.add(re.sub(r"\W|_", "", model.removeprefix(match[1])))
            model = match[1]
        else:
            return _Name(model, frozenset(versions), frozenset(precisions))
