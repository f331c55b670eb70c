"""The documentation site: README, CONTRIBUTING and docs/, by Sphinx. `make docs` builds it; a warning is an error.

The sources are the files as they lie in the repository, so their links work in both places.
"""

import shutil
from pathlib import Path
from typing import Any

project = "prefdelta"
author = "the prefdelta authors"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "benchmarks/README.md",
    "findings/README.md",
]
myst_heading_anchors = 4  # links to headings, as on code hosts
nitpicky = True
html_theme = "furo"
html_title = "prefdelta"
html_show_sourcelink = False
html_copy_source = False

# Heading of the sidebar -> its pages, in order.
SECTIONS = {
    "Using it": ["docs/fears", "docs/running", "docs/full", "docs/cluster", "docs/reruns", "docs/faults"],
    "Reading results": [
        "docs/browser",
        "docs/looking",
        "docs/auditing",
        "docs/sharing",
        "docs/report-figures",
        "docs/claims",
        "docs/worlds",
        "docs/intervals",
        "docs/sharpening",
        "docs/people",
        "docs/mini",
        "docs/sweep",
    ],
    "Its parts": [
        "docs/config",
        "docs/browsing",
        "docs/pins",
        "docs/judges",
        "docs/graders",
        "docs/training",
        "docs/vocabulary",
    ],
    "Changing it": [
        "docs/extending",
        "docs/adding-a-method",
        "docs/life-of-a-job",
        "docs/porting-a-scheduler",
        "CONTRIBUTING",
        "benchmarks/README",
        "findings/README",
        "CHANGELOG",
    ],
}


def contents() -> str:
    """The sidebar, as a part of the first page that is not shown on it."""
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(f"/{page}" for page in pages) + "\n```\n"
        for caption, pages in SECTIONS.items()
    )


def complete(app: Any, page: str, source: list[str]) -> None:
    """Give the first page the sidebar. Diagrams that code hosts draw are shown as what they are written in."""
    if page == root_doc:
        source[0] += contents()
    source[0] = source[0].replace("```mermaid", "```text")


def name_first_page(app: Any, error: Exception | None) -> None:
    """Web servers look for index.html."""
    if error is None:
        shutil.copy(Path(app.outdir, f"{root_doc}.html"), Path(app.outdir, "index.html"))


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", complete)
    app.connect("build-finished", name_first_page)
