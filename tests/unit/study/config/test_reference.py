import re
from typing import Literal

from pydantic import Field

from prefdelta.core.settings import Settings
from prefdelta.study.config.reference import Part, page
from unit.study.config.edits import ROOT


class Inner(Settings):
    """A part."""

    name: Literal["a"] = "a"
    """Kind: <first> of | `<several>`."""


class Other(Settings):
    """Another part."""

    name: Literal["b"]
    """Kind."""


class File(Settings):
    many: dict[str, Inner | Other]
    """Some."""
    share: float = Field(0.5, ge=0, lt=1)
    """A share."""
    names: list[str] | None = None
    """Names."""


def test_a_section_is_a_table_of_its_keys_and_parts_are_linked():
    assert page([Part("File", "", File.model_json_schema())]).partition("## File")[2].splitlines() == [
        "",
        "",
        "| key | type | default | |",
        "|---|---|---|---|",
        "| `many` | name → [many.&lt;name> (a)](#manyname-a) or [many.&lt;name> (b)](#manyname-b) | required | Some. |",
        "| `share` | number ≥ 0, &lt; 1 | `0.5` | A share. |",
        "| `names` | list of text | – | Names. |",
        "",
        "### `many.<name> (a)`",
        "",
        "A part.",
        "",
        "| key | type | default | |",
        "|---|---|---|---|",
        "| `name` | `a` | `a` | Kind: &lt;first> of \\| `<several>`. |",
        "",
        "### `many.<name> (b)`",
        "",
        "Another part.",
        "",
        "| key | type | default | |",
        "|---|---|---|---|",
        "| `name` | `b` | required | Kind. |",
    ]


def test_every_link_of_the_page_leads_to_a_heading():
    text = (ROOT / "docs/config.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(re.findall(r"\(#([^)]*)\)", text)) <= set(anchors)
