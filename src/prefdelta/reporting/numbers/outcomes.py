"""Grades and scores as outcomes: which rows count in an accuracy, and as 1 or 0."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefdelta.core.answers.accuracy import COUNTS_AS_WRONG
from prefdelta.records.grade import Grade
from prefdelta.records.score import Score
from prefdelta.store import tables

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

OUTCOME_COLUMNS = ("correct", "failure")


def read_outcomes(path: Path, row_type: type[Grade | Score], columns: Sequence[str]) -> "pd.DataFrame":
    """The given columns of a table, its failure, and outcome: 1 right, 0 wrong, missing: the row does not count."""
    table = tables.read_arrow(path, row_type, [*columns, *OUTCOME_COLUMNS])
    frame: pd.DataFrame = table.select([*columns, "failure"]).to_pandas()
    return frame.assign(outcome=outcomes(table))


def outcomes(table: "pa.Table") -> "NDArray[np.float64]":
    """1 right, 0 wrong, NaN: the row does not count. table: has the columns `OUTCOME_COLUMNS`."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    wrong = pc.is_in(table.column("failure"), value_set=pa.array(sorted(COUNTS_AS_WRONG)))
    otherwise = np.where(wrong.to_numpy(), 0.0, np.nan)
    correct = table.column("correct").cast(pa.float64()).to_numpy()
    return np.where(np.isnan(correct), otherwise, correct)
