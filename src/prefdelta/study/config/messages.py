"""The error messages about a wrong config: the key, the value found, the values allowed."""

import difflib
import re
from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def listed(where: str, mistakes: list[str]) -> str:
    """The message that lists all mistakes in a file (`where`), one per line."""
    lines = "\n".join(f"  - {mistake}" for mistake in mistakes)
    return f"{where} has {len(mistakes)} mistake(s); nothing was started.\n{lines}"


def unknown(name: str, allowed: Iterable[str]) -> str:
    """The message that a name is not allowed, with the nearest allowed name."""
    choices = sorted(allowed)
    near = difflib.get_close_matches(name, choices, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{name!r} is not known; {hint}allowed: {', '.join(choices) or 'nothing is defined'}"


def explained(model: type[BaseModel], error: ValidationError) -> list[str]:
    """A line for each mistake that pydantic found in the content of a file. model: the type of the file's content."""
    return [_explain(model, details) for details in error.errors()]


def _explain(model: type[BaseModel], error: ErrorDetails) -> str:
    keys, siblings = _place(model, error["loc"])
    place, value = ".".join(keys), error["input"]
    match error["type"]:
        case "extra_forbidden":
            return f"{place}: {unknown(keys[-1], siblings)}"
        case "missing":
            return f"{place}: is missing"
        case "union_tag_invalid":  # for example `method` of a recipe, which decides the allowed keys
            context = error["ctx"]
            tag, allowed = context["tag"], re.findall(r"'([^']+)'", context["expected_tags"])
            return f"{place}.{context['discriminator'].strip(chr(39))}: {unknown(tag, allowed)}"
        case "union_tag_not_found":
            return f"{place}.{error['ctx']['discriminator'].strip(chr(39))}: is missing"
        case "float_type" | "int_type" if isinstance(value, str) and _is_number(value):
            number = f"{float(value):.1e}" if "e" in value.lower() else re.sub(r"^0+(?=\d)", "", value)
            return f"{place}: {value!r} is text to YAML; write it as a number, for example {number} without quotes"
    return f"{place}: found {value!r}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text) is not None


def _place(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """(the keys of an error's location as the file has them, the keys allowed beside the last of them).

    Found by walking the JSON schema, because pydantic puts the tag of a union into the location, which is not a key of
    the file.
    """
    schema = _schema(model)
    definitions = schema.get("$defs", {})

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        options = [option for option in node.get("anyOf", []) if option.get("type") != "null"]
        node = options[0] if options else node
        reference = node.get("$ref")
        return dict(definitions[reference.rpartition("/")[2]]) if reference else node

    keys: list[str] = []
    node, siblings = resolved(schema), {}
    for part in location:
        if part in (tags := node.get("discriminator", {}).get("mapping", {})):
            node = resolved({"$ref": tags[part]})
            continue
        keys.append(str(part))
        siblings = node.get("properties", {})
        if isinstance(part, int):
            node = resolved(node.get("items", {}))
        elif part in siblings:
            node = resolved(siblings[part])
        else:
            patterns = list(node.get("patternProperties", {}).values())
            extra = node.get("additionalProperties")
            node = resolved(patterns[0] if patterns else extra if isinstance(extra, dict) else {})
    return keys, list(siblings)


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()
