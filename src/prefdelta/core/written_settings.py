"""The settings of a config file as they are written there, with the marks of trust in the comments beside them.

A mark says where a value comes from: [V] the paper's own words, [R] a careful reader of it, [D] a digest or a redrawn
chart, [I] inferred from it, [card] the card of a model or data set. A value without a mark is the study's own choice.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest

OURS = "ours"
NOT_SHOWN = ("compute", "cluster")  # what jobs ask of the machine changes no result
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MARKS = re.compile(r"\[(V|R|D|I|card)\]")


@dataclass(frozen=True, slots=True)
class WrittenSetting:
    """A line of a config: a value, or a section whose comment has a mark."""

    path: str  # dotted, for example judge.sampling.temperature
    value: str  # as JSON; empty: a section
    marks: Sequence[str]  # V, R, D, I or card, as they stand in the comment; none: the study's own choice
    comment: str  # the comment with the marks; empty: none has one

    @property
    def section(self) -> str:
        return self.path.partition(".")[0]


def written_settings(text: str) -> list[WrittenSetting]:
    """The settings of a config (YAML), in its order. Values in braces or brackets, and lists, are one setting.

    A comment belongs to the key on its line, or else to the key on the next line. Keys that a link (`<<: *name`) takes
    over are settings of their own, with the marks of the place that they are taken from. Raises StudyError for a text
    that is not YAML.
    """
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise StudyError(f"the config cannot be read as YAML: {error}. Mend the file, or restore it.") from None
    if not isinstance(root, yaml.MappingNode):
        return []
    comments = _comments(text)
    found = []
    for path, key, value in _lines(root, ""):
        comment = comments.get(key.start_mark.line, "")
        marks = _MARKS.findall(comment)
        if path.partition(".")[0] not in NOT_SHOWN and (value or marks):
            found.append(WrittenSetting(path, value, marks, comment if marks else ""))
    return found


def written_digest(texts: Iterable[str]) -> str:
    """A digest of the settings and marks in configs, whatever their order, style and other comments."""
    found = []
    for text in texts:
        for line in written_settings(text):
            found += [[path, value] for path, value in _leaves(line.path, json.loads(line.value or "null"))]
            found += [[line.path, *line.marks, line.comment]] if line.marks else []
    return digest(sorted(map(json.dumps, found)))[:16]


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The values below a key by their dotted paths, with lists in alphabetical order."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    elif isinstance(value, list):
        yield path, sorted(json.dumps(list(_leaves("", item))) for item in value)
    elif value is not None:
        yield path, value


def _lines(node: yaml.MappingNode, above: str) -> Iterator[tuple[str, yaml.Node, str]]:
    """Path, key and value (as JSON, empty for a section) of every key below a mapping."""
    for name, (key, value) in _keys(node).items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
            yield path, key, ""
            yield from _lines(value, path)
        else:
            yield path, key, json.dumps(_plain(value), ensure_ascii=False)


def _keys(node: yaml.MappingNode) -> Mapping[str, tuple[yaml.Node, yaml.Node]]:
    """The keys of a mapping with their values, those of its links first, as YAML merges them."""
    own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    linked: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                linked = {**_keys(source), **linked}
        else:
            own[str(key.value)] = (key, value)
    return {**linked, **own}


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {name: _plain(value) for name, (_, value) in _keys(node).items()}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return yaml.SafeLoader("").construct_object(node) if node.tag != "tag:yaml.org,2002:timestamp" else node.value


def _comments(text: str) -> Mapping[int, str]:
    """Line (from 0) -> the comment on it, or on the lines above it if it has no other."""
    ends: dict[int, int] = {}  # line -> the column at which the last token on it ends
    for token in yaml.scan(text, Loader=_LOADER):
        start, end = token.start_mark, token.end_mark
        for line in range(start.line, end.line + (end.column > 0)):
            ends[line] = end.column if line == end.line else sys.maxsize
    found: dict[int, str] = {}
    above: list[str] = []
    for number, written in enumerate(text.splitlines()):
        rest = written[ends.get(number, 0) :].strip()
        comment = rest.removeprefix("#").strip() if rest.startswith("#") else ""
        if number in ends and written.strip() != rest:
            found[number] = comment or " ".join(above)
            above = []
        elif comment:
            above.append(comment)
        else:
            above = []
    return found
