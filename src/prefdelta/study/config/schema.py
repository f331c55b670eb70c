"""JSON schemas of the files that a person writes, and docs/config.md, made from the types and their descriptions.

    python -m prefdelta.study.config.schema            write them (`make schema`)
    python -m prefdelta.study.config.schema --check    exit with 1 if one is stale (`make check`)

Run it in the root of the checkout. Editors read the schemas: each file names its own in its first line.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from prefdelta.core.asking.costs import PriceFile
from prefdelta.core.data.sources import Benchmark
from prefdelta.core.paper_claims import Claims
from prefdelta.study.config.reference import Part, page
from prefdelta.study.config.sections import Config

FOLDER = "workflow/schemas"
PAGE = "docs/config.md"
TYPES: dict[str, type[BaseModel]] = {"config": Config, "benchmark": Benchmark, "prices": PriceFile, "claims": Claims}


class _WithoutTitles(GenerateJsonSchema):
    """Keys have no titles: pydantic's only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def literal_schema(self, schema: Any) -> Any:
        """Values in alphabetical order. Two Literals of the same values have the order of the first one made."""
        allowed: dict[str, Any] = super().literal_schema(schema)
        return {**allowed, "enum": sorted(allowed["enum"], key=str)} if "enum" in allowed else allowed

    def sort(self, value: Any, parent_key: str | None = None) -> Any:
        """Keep the order of the fields. Definitions are in alphabetical order: theirs depends on what ran before."""
        return {**value, "$defs": dict(sorted(value["$defs"].items()))} if "$defs" in value else value


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a file."""
    return model.model_json_schema(schema_generator=_WithoutTitles)


def generated() -> dict[str, str]:
    """Path of each file that is made from the types -> its text."""
    schemas = {name: schema_of(model) for name, model in TYPES.items()}
    texts = {f"{FOLDER}/{name}.schema.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}
    parts = [
        Part("config.yaml", "", schemas["config"]),
        Part("resources/benchmarks/&lt;name&gt;.yaml", "benchmark", schemas["benchmark"]),
        Part("resources/prices/&lt;name&gt;.yaml", "prices", schemas["prices"]),
    ]
    return {**texts, PAGE: page(parts)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is stale")
    check = parser.parse_args().check
    stale = {path: text for path, text in generated().items() if _text(Path(path)) != text}
    if check:
        sys.stderr.writelines(f"{path} is stale: run make schema\n" for path in stale)
        return 1 if stale else 0
    for path, text in stale.items():
        Path(path).write_text(text, encoding="utf-8")
    return 0


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
