"""Grades and scores as outcomes: which rows count in an accuracy, and as 1 or 0."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefdelta.core.answers.accuracy import COUNTS_AS_WRONG
from prefdelta.records.grade import Grade
from prefdelta.records.score import Score
from prefdelta.store import tables

if TYPE_CHECKING:
    import pandas as pd


def read_outcomes(path: Path, row_type: type[Grade | Score], columns: Sequence[str]) -> "pd.DataFrame":
    """The given columns of a table, its failure, and outcome: 1 right, 0 wrong, missing: the row does not count."""
    import numpy as np
    import pandas as pd

    names = [*columns, "correct", "failure"]
    table = tables.read_arrow(path, row_type, names)
    values = {name: table.column(name).to_numpy(zero_copy_only=False) for name in names}
    failure = pd.Series(values["failure"], dtype=object)
    correct = pd.Series(values.pop("correct"), dtype=object)
    wrong = np.where(failure.isin(list(COUNTS_AS_WRONG)).to_numpy(), 0.0, np.nan)
    outcome = np.where(correct.isna(), wrong, correct.eq(True).to_numpy().astype(float))
    return pd.DataFrame({**values, "failure": failure, "outcome": outcome})
