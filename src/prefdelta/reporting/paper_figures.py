"""The paper's figures, and what it is known to report in each: to stand beside what was measured, never a target."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from prefdelta.core.errors import StudyError
from prefdelta.core.settings import Settings


class FigureValue(Settings):
    """Something that the paper reports in a figure."""

    text: str
    """What is reported, in our words."""

    trust: Literal["V", "R", "D", "I"]
    """V in the paper's own words, R by a careful reader of it, D from a digest or a redrawn chart, I inferred by us."""


class PaperFigure(Settings):
    """A figure of the paper."""

    number: int
    """Its place in the paper's order."""

    title: str
    """What it shows, in our words."""

    shows: str
    """The study's experiment that repeats it, or `overlap` or `deltas`: the report's figures of those names."""

    reported: list[FigureValue] = Field(default_factory=list)
    """What the paper reports in it."""


class PaperFigures(Settings):
    """What is known of the figures of a paper."""

    source: str
    """The paper."""

    figures: list[PaperFigure]
    """Its figures, in order."""


def read_paper_figures(path: Path) -> PaperFigures:
    """The figures of a file (YAML). Raises StudyError if it is missing or wrong."""
    import yaml
    from pydantic import ValidationError

    try:
        return PaperFigures.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise StudyError(
            f"{path}: cannot be read as what a paper reports: {error}. Mend the file, or restore it."
        ) from None
