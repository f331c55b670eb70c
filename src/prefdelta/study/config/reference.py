"""docs/config.md: a table of keys for each section of a file, from its JSON schema."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

HEAD = """# The config, key by key

Written by `make schema` from the types in `src/prefdelta`; do not edit it. Editors with a YAML language server show the
same texts. An unknown key, or a value of another type, is an error that names the key.
"""


@dataclass(frozen=True)
class Part:
    """One kind of file."""

    title: str
    prefix: str  # prefix of the names of its sections; empty for the config
    schema: dict[str, Any]


def page(parts: list[Part]) -> str:
    """The page, in Markdown."""
    names: dict[str, str] = {}
    return "\n".join([HEAD, *(line for part in parts for line in _Sections(part, names).lines())])


class _Sections:
    """The sections of one kind of file, each named by its first place in the file.

    names: definition -> name, for sections already on the page; new ones are added.
    """

    def __init__(self, part: Part, names: dict[str, str]) -> None:
        self._part = part
        self._definitions: dict[str, Any] = part.schema.get("$defs", {})
        self._names = names
        known = set(names)
        self._collect(part.schema, part.prefix)
        self._new = [definition for definition in names if definition not in known]

    def _collect(self, node: dict[str, Any], place: str) -> None:
        """Name the definitions below a section, in the order of its keys."""
        for key, value in node.get("properties", {}).items():
            references = list(self._references(value, f"{place}.{key}".lstrip(".")))
            for definition, inner in references:
                if definition not in self._names:
                    kind = _kind(self._definitions[definition]) if len(references) > 1 else ""
                    self._names[definition] = f"{inner} ({kind})" if kind else inner
                    self._collect(self._definitions[definition], inner)

    def _references(self, node: dict[str, Any], place: str) -> Iterator[tuple[str, str]]:
        """(definition, its place) of all definitions that a key's value may be."""
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2], place
        for option in (*node.get("anyOf", []), *node.get("oneOf", [])):
            yield from self._references(option, place)
        if "items" in node:
            yield from self._references(node["items"], place)
        for values in (node.get("additionalProperties"), *node.get("patternProperties", {}).values()):
            if isinstance(values, dict):
                yield from self._references(values, f"{place}.<name>")

    def lines(self) -> Iterator[str]:
        yield from (f"## {self._part.title}", "", *self._table(self._part.schema))
        for definition in self._new:
            node = self._definitions[definition]
            yield from (f"### `{self._names[definition]}`", "")
            yield from (_escaped(node.get("description", "")), "")
            yield from self._table(node)

    def _table(self, node: dict[str, Any]) -> Iterator[str]:
        yield from ("| key | type | default | |", "|---|---|---|---|")
        required = node.get("required", [])
        for key, value in node["properties"].items():
            default = "required" if key in required else _default(value)
            yield f"| `{key}` | {self._type(value)} | {default} | {_escaped(value.get('description', ''))} |"
        yield ""

    def _type(self, node: dict[str, Any]) -> str:
        if "$ref" in node:
            name = self._names[node["$ref"].rpartition("/")[2]]
            return f"[{_escaped(name)}](#{_anchor(name)})"
        if options := node.get("anyOf") or node.get("oneOf"):
            return " or ".join(self._type(option) for option in options if option.get("type") != "null")
        if "enum" in node or "const" in node:
            return ", ".join(f"`{_written(value)}`" for value in node.get("enum", [node.get("const")]))
        match node.get("type"):
            case "array":
                items = self._type(node["items"])
                return f"list of ({items})" if " or " in items else f"list of {items}"
            case "object":
                values = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
                return f"name → {' or '.join(self._type(value) for value in values if isinstance(value, dict))}"
            case "integer":
                return f"whole number{_range(node)}"
            case "number":
                return f"number{_range(node)}"
            case "boolean":
                return "true or false"
        return "date" if node.get("format") == "date" else "text"


def _kind(definition: dict[str, Any]) -> str:
    """The value of the key that tells alternatives of one section apart, such as `dpo` for a recipe."""
    return next((str(value["const"]) for value in definition["properties"].values() if "const" in value), "")


def _range(node: dict[str, Any]) -> str:
    low, high = node.get("minimum", node.get("exclusiveMinimum")), node.get("maximum", node.get("exclusiveMaximum"))
    least = "" if low is None else f" {'≥' if 'minimum' in node else '&gt;'} {low:g}"
    most = "" if high is None else f" {'≤' if 'maximum' in node else '&lt;'} {high:g}"
    return ",".join(filter(None, (least, most)))


def _default(node: dict[str, Any]) -> str:
    default = node.get("default")
    return "–" if default is None or default in ([], {}, "") else f"`{_written(default)}`"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _escaped(text: str) -> str:
    """A text for a cell of a table, on one line. Code (`...`) stays, except characters that would end the cell."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def _anchor(heading: str) -> str:
    """The address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
