"""How every policy answered the items of a benchmark: one character per answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.browsing.scripts import Scripts
from prefdelta.core.answers.accuracy import COUNTS_AS_WRONG
from prefdelta.core.ids import fraction
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.store import tables

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

RIGHT, WRONG, NOT_SOLVED, NOT_COUNTED = "10-?"
STOPPED, CUT, UNKNOWN = "sl."
_COLUMNS = ["benchmark", "prompt_id", "sample", "correct", "finish_reason", "n_tokens", "failure"]


@dataclass(frozen=True, slots=True)
class BenchmarkItems:
    """A benchmark's items, and the tables of Score that hold the policies' answers to them."""

    name: str
    prompts: Path
    samples: int  # answers per item; further answers are left out
    scores: Mapping[int, Path]  # index of a policy -> its table


@dataclass(frozen=True, slots=True)
class _Answers:
    """One policy's answers: an entry per item and draw, items in order, draws within."""

    right: str
    finish: str
    tokens: list[float | None]  # per item, the mean over draws
    shares: "np.ndarray[Any, np.dtype[np.float64]]"  # per item, of the draws that count those that are right


def write_items(scripts: Scripts, index: int, benchmark: BenchmarkItems, with_text: int) -> tuple[int, list[str]]:
    """Write `items/<index>`. Returns (number of items, prompt_ids of those whose answers are shown as text, in order).

    with_text: how many items at most: those on which the policies differ most.
    """
    prompt_ids = tables.read_arrow(benchmark.prompts, Prompt, ["prompt_id"]).column("prompt_id").combine_chunks()
    answers = [_answers(path, benchmark, prompt_ids) for path in benchmark.scores.values()]
    ids: list[str] = prompt_ids.to_pylist()
    chosen = set(_most_different(ids, answers)[:with_text])
    scripts.write(
        f"items/{index}",
        {
            "prompt_ids": ids,
            "samples": benchmark.samples,
            "policies": list(benchmark.scores),
            "right": [its.right for its in answers],
            "finish": [its.finish for its in answers],
            "tokens": [its.tokens for its in answers],
            "has_text": [int(prompt in chosen) for prompt in ids],
        },
    )
    return len(ids), [prompt for prompt in ids if prompt in chosen]


def _answers(path: Path, benchmark: BenchmarkItems, prompt_ids: "pa.Array") -> _Answers:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = tables.read_arrow(path, Score, _COLUMNS)
    mine = pc.and_(pc.equal(rows["benchmark"], benchmark.name), pc.less(rows["sample"], benchmark.samples))
    rows = rows.filter(mine)
    items = pc.index_in(rows["prompt_id"], value_set=prompt_ids).to_numpy()
    places = items * benchmark.samples + rows["sample"].to_numpy()
    wrong = pc.is_in(rows["failure"], value_set=pa.array(sorted(COUNTS_AS_WRONG)))
    of_ungraded = pc.if_else(wrong, NOT_SOLVED, NOT_COUNTED)
    right = pc.coalesce(pc.if_else(rows["correct"], RIGHT, WRONG), of_ungraded)
    ended = pc.case_when(
        pc.make_struct(pc.equal(rows["finish_reason"], "stop"), pc.equal(rows["finish_reason"], "length")),
        *(STOPPED, CUT, UNKNOWN),
    )
    count = len(prompt_ids) * benchmark.samples

    def in_order(values: "pa.ChunkedArray", unknown: str) -> "np.ndarray[Any, np.dtype[np.str_]]":
        ordered = np.full(count, unknown, "U1")
        ordered[places] = values.to_numpy().astype("U1")
        return ordered

    rights = in_order(right, NOT_COUNTED)
    tokens = np.full(count, np.nan)
    tokens[places] = rows["n_tokens"].cast(pa.float64()).to_numpy()
    by_item = rights.reshape(-1, benchmark.samples)
    return _Answers(
        "".join(rights),
        "".join(in_order(ended, UNKNOWN)),
        [None if np.isnan(mean) else round(float(mean), 1) for mean in _means(tokens.reshape(-1, benchmark.samples))],
        _means(np.where(by_item == NOT_COUNTED, np.nan, by_item == RIGHT)),
    )


def _means(values: "np.ndarray[Any, np.dtype[np.float64]]", axis: int = 1) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Means of the values that are known; NaN where none is."""
    import numpy as np

    known = ~np.isnan(values)
    count = known.sum(axis)
    sums = np.where(known, values, 0.0).sum(axis)
    return np.where(count > 0, sums / np.maximum(count, 1), np.nan)


def _most_different(prompt_ids: Sequence[str], answers: Sequence[_Answers]) -> list[str]:
    """The items, those first on which the policies' shares of right answers vary most; then by a hash."""
    import numpy as np

    if not answers:
        return []
    shares = np.stack([its.shares for its in answers])
    spread = np.nan_to_num(_means((shares - _means(shares, 0)) ** 2, 0))
    ranked = zip(
        np.round(-spread, 9).tolist(), (fraction("browse", prompt) for prompt in prompt_ids), prompt_ids, strict=True
    )
    return [prompt for *_, prompt in sorted(ranked)]
