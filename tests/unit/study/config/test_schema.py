import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from prefdelta.core.settings import Settings
from prefdelta.study.config import schema
from unit.study.config.edits import ROOT

SCHEMAS = {name: schema.schema_of(model) for name, model in schema.TYPES.items()}
FILES = {
    "config": [ROOT / "config.yaml", ROOT / "resources/studies/mini.yaml"],
    "benchmark": sorted((ROOT / "resources/benchmarks").glob("*.yaml")),
    "prices": sorted((ROOT / "resources/prices").glob("*.yaml")),
    "claims": [ROOT / "resources/claims.yaml"],
}
CASES = [pytest.param(name, path, id=path.name) for name, paths in FILES.items() for path in paths]


def sections(node: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema that list keys."""
    if isinstance(node, dict):
        if "properties" in node:
            yield node
        for inner in node.values():
            yield from sections(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from sections(inner)


def test_what_is_generated_is_committed() -> None:
    for path, text in schema.generated().items():
        assert (ROOT / path).read_text(encoding="utf-8").splitlines() == text.splitlines(), "run make schema"


def test_a_stale_file_is_told_and_written_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / schema.FOLDER).mkdir(parents=True)
    monkeypatch.setattr("sys.argv", ["schema"])
    assert schema.main() == 0
    monkeypatch.setattr("sys.argv", ["schema", "--check"])
    assert schema.main() == 0
    Path("docs/config.md").write_text("edited by hand")
    assert schema.main() == 1
    assert capsys.readouterr().err == "docs/config.md is stale: run make schema\n"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_closed_at_every_level(name: str) -> None:
    assert all(section["additionalProperties"] is False for section in sections(SCHEMAS[name]))


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_has_a_description_that_says_more_than_its_name(name: str) -> None:
    lacking = [
        f"{section.get('title')}.{key}: {value.get('description')}"
        for section in sections(SCHEMAS[name])
        for key, value in section["properties"].items()
        if not words(value.get("description", "")) - words(key)
    ]
    assert lacking == []


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower())) - {"the", "a", "an", "its", "of"}


class Parent(Settings):
    # A comment is not a description.
    plain: int
    """A number,
    in two lines."""
    given: list["Child"]
    """Some."""


class Child(Parent):
    plain: int = 1
    """Another number."""
    more: str = ""

    def text(self) -> str:
        """Not about a field."""
        return self.more


def test_the_string_below_a_field_describes_it_and_a_subclass_may_say_otherwise():
    parent = Parent.model_json_schema()
    texts = [
        {key: value.get("description") for key, value in section["properties"].items()}
        for section in (parent, parent["$defs"]["Child"])
    ]
    assert texts == [
        {"plain": "A number, in two lines.", "given": "Some."},
        {"plain": "Another number.", "given": "Some.", "more": None},
    ]


@pytest.mark.parametrize(("name", "path"), CASES)
def test_every_committed_file_names_its_schema_and_is_right_by_it(name: str, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named, "the first line names no schema"
    committed = (path.parent / named[1]).resolve()
    assert committed == ROOT / schema.FOLDER / f"{name}.schema.json"
    validator = jsonschema.Draft202012Validator(json.loads(committed.read_text(encoding="utf-8")))
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


def test_an_editor_would_show_a_mistake():
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    content["judge"]["samplse"] = 1
    content["train"]["recipes"]["dpo"]["beta"] = 0
    errors = list(jsonschema.Draft202012Validator(SCHEMAS["config"]).iter_errors(content))
    assert {error.json_path for error in errors} == {"$.judge", "$.train.recipes.dpo"}
