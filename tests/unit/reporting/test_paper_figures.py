"""What the paper reports in its figures, as data."""

from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.reporting.paper_figures import read_paper_figures

VALUES = Path(__file__).parents[3] / "resources/paper_values.yaml"


def test_the_papers_six_figures_are_in_its_order_and_charts_that_were_redrawn_are_marked() -> None:
    figures = read_paper_figures(VALUES).figures
    assert [figure.number for figure in figures] == [1, 2, 3, 4, 5, 6]
    assert [figure.shows for figure in figures] == ["methods", "scaling", "cells", "filtering", "overlap", "deltas"]
    assert {value.trust for value in figures[1].reported if "71.1" in value.text or "36.5" in value.text} == {"D"}


@pytest.mark.parametrize("text", ["figures: [", "source: x\nfigures: [{ number: one, title: t, shows: s }]\n"])
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "values.yaml").write_text(text)
    with pytest.raises(StudyError, match=r"values\.yaml: cannot be read as what a paper reports"):
        read_paper_figures(tmp_path / "values.yaml")
