"""What the page is made of besides its template: style sheet and scripts, with the policy that lets only them run."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError

if TYPE_CHECKING:
    from markupsafe import Markup

_STYLE_ATTRIBUTE = re.compile(r' style="([^"]*)"')


class PageParts:
    """Files beside the template, by name."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Raises StudyError for a file that cannot be read."""
        self._texts: dict[str, str] = {}
        for path in paths:
            try:
                self._texts[path.name] = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise StudyError(f"{path}: the page's part cannot be read ({error}). Restore the file.") from None

    def style(self, colours: Mapping[str, str]) -> "Markup":
        """The style sheets, with `$name` replaced by its colour (#rrggbb)."""
        text = self._joined(".css")
        for name, colour in colours.items():
            text = text.replace(f"${name}", colour)
        return _raw(text, "style")

    def script(self) -> "Markup":
        """The scripts: those of others with their licences first, then ours."""
        licences = "\n".join(
            f"/*\n{self._texts[name]}\n*/" for name in sorted(self._texts) if name.endswith(".LICENCE")
        )
        return _raw(f"{licences}\n{self._joined('.js', last='page.js')}".strip(), "script")

    def _joined(self, ending: str, last: str = "") -> str:
        names = sorted((name for name in self._texts if name.endswith(ending)), key=lambda name: (name == last, name))
        return "\n".join(self._texts[name] for name in names)


def security_policy(style: str, script: str) -> str:
    """A content security policy under which nothing is fetched, and nothing runs but these two texts."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )


def without_styles(svg: str) -> str:
    """An SVG whose style attributes are presentation attributes, because the policy forbids style attributes.

    Fonts are left to the page's style sheet.
    """
    return _STYLE_ATTRIBUTE.sub(lambda match: _presentation(match[1]), svg)


def _presentation(style: str) -> str:
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return "".join(f' {name.strip()}="{value.strip()}"' for name, _, value in pairs if name.strip() != "font-family")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _raw(text: str, element: str) -> "Markup":
    """A text as the content of an element that is not escaped. Raises StudyError if the text would end it."""
    from markupsafe import Markup

    if f"</{element}" in text.lower():
        raise StudyError(f"a part of the page holds </{element}: write it in another way.")
    return Markup(text)
