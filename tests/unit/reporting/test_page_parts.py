"""Style and scripts of the page, and the policy that lets only them through."""

import base64
import hashlib
from pathlib import Path

from prefdelta.reporting.page_parts import PageParts, security_policy, without_styles


def test_scripts_of_others_come_first_with_their_licences(tmp_path: Path) -> None:
    for name, text in {
        "page.js": "ours();",
        "sort.js": "theirs();",
        "sort.LICENCE": "Free.",
        "a.css": "$accent",
    }.items():
        (tmp_path / name).write_text(f"{text}\n")
    parts = PageParts(sorted(tmp_path.iterdir(), reverse=True))
    assert parts.script() == "/*\nFree.\n*/\ntheirs();\nours();"
    assert parts.style({"accent": "#123456"}) == "#123456"


def test_the_policy_names_the_two_texts_and_nothing_else() -> None:
    policy = dict(part.split(" ", 1) for part in security_policy("a", "b").split("; "))
    expected = base64.b64encode(hashlib.sha256(b"b").digest()).decode()
    assert policy["script-src"] == f"'sha256-{expected}'"
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in str(policy)


def test_style_attributes_of_a_figure_become_attributes_of_their_own() -> None:
    svg = '<path d="M0 0" style="fill: none; stroke: var(--rule)"/><text style="font-family: \'A\'; fill: red">x</text>'
    assert without_styles(svg) == '<path d="M0 0" fill="none" stroke="var(--rule)"/><text fill="red">x</text>'
