"""Forming pairs: which two traces of a prompt face each other, and which pairs may be trained on."""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from prefdelta.core.pairs.hashing import digests, in_hex
from prefdelta.core.pairs.joining import column, increasing, numbers, places, rows_at

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]  # numbers of rows in a table, -1 for none

# Why a side has no usable trace; of several reasons the first in this list. A pair's reason is "<side>_<reason>".
_REASONS = ("truncated", "empty", "failed", "missing")
_TRUNCATED, _EMPTY, _FAILED, _MISSING = range(len(_REASONS))
_USABLE = len(_REASONS)
_UNGRADED = -1
_AT_ONCE = 8192  # pairs whose texts are looked at together: they may be megabytes each

TRACE_COLUMNS = ["prompt_id", "sample", "text", "finish_reason", "n_tokens", "failure"]
GRADE_COLUMNS = ["prompt_id", "sample", "correct"]


def form_pairs(
    chosen: str, rejected: str, prompts: "pa.Array", left: "OfferedTraces", right: "OfferedTraces"
) -> "tuple[pa.Table, pa.Table]":
    """(The pool, the pairs of the correctness cells that are not in it), both sorted by pair_id.

    The pool has one pair per prompt: the lowest usable sample on each side, among the judged samples. A sample that is
    not judged has no delta. If such samples were taken where the judged ones are truncated, random draws would have
    these prompts, which are often the hard ones, and selections by delta would not.
    A prompt without a usable trace on both sides keeps its row, with `eligible` False and the reason, so that prompts
    in = pairs out.

    The cells (paper, experiment 3) are of the prompts for which all four exist. On each side, a cell pair takes the
    lowest usable sample of the wanted correctness, judged or not, because no cell uses deltas.

    chosen, rejected: the generators. prompts: their ids, sorted. left, right: what each generator offers for them.
    """
    import numpy as np

    make = _Maker((chosen, rejected), prompts, left, right)
    pool = left.first(left.judged), right.first(right.judged)
    return make.pairs(np.arange(len(prompts)), *pool, pool=True), make.cells(*pool)


@dataclass(frozen=True)
class OfferedTraces:
    """The traces that one side of a pairing offers, sorted by prompt and sample. Each array has a value per trace."""

    traces: "pa.Table"
    place: "Rows"  # of its prompt among the prompts
    judged: "NDArray[np.bool_]"  # whether its sample is among the judged ones
    state: "NDArray[np.int8]"  # its place in _REASONS, or _USABLE
    correct: "NDArray[np.int8]"  # 1, 0, or _UNGRADED
    prompts: int

    @classmethod
    def of(
        cls, prompts: "pa.Array", traces: "pa.Table", grades: "pa.Table", judged: int, parity: int | None = None
    ) -> "OfferedTraces":
        """What a generator offers.

        prompts: their ids, sorted. traces, grades: of the generator, the columns TRACE_COLUMNS of Trace and
        GRADE_COLUMNS of Grade, in any order. judged: how many first samples of a prompt are judged. parity: for a
        generator paired with itself, 0 (even samples) on the chosen side, 1 (odd ones) on the rejected side.
        """
        import numpy as np
        import pyarrow as pa

        # A `string` column has room for 2 GiB of text, in one piece.
        texts = traces.column("text").cast(pa.large_string())
        traces = traces.set_column(traces.column_names.index("text"), "text", texts)
        place, sample = places(column(traces, "prompt_id"), prompts), numbers(traces, "sample")
        offered = place >= 0 if parity is None else (place >= 0) & (sample % 2 == parity)
        if not (offered.all() and increasing(place, sample)):
            rows = np.lexsort((sample, place))
            rows = rows[offered[rows]]
            traces, place, sample = traces.take(pa.array(rows)), place[rows], sample[rows]
        graded = places(column(grades, "prompt_id"), prompts)
        row = rows_at(place, sample, graded, numbers(grades, "sample"))
        correct = np.append(numbers(grades, "correct", _UNGRADED), _UNGRADED)[row]
        kept = traces.select(["sample", "text", "n_tokens"])
        return cls(kept, place, sample < judged, _states(traces), correct.astype(np.int8), len(prompts))

    def first(self, among: "NDArray[np.bool_]") -> "Rows":
        """For each prompt, the usable trace of the lowest sample, of some traces."""
        import numpy as np

        rows = np.flatnonzero(among & (self.state == _USABLE))[::-1]
        first = np.full(self.prompts, -1)
        first[self.place[rows]] = rows  # of several rows the last, which has the lowest sample
        return first

    def reasons(self) -> "NDArray[np.int8]":
        """For each prompt, why none of its judged traces is usable: a place in _REASONS."""
        import numpy as np

        reasons = np.full(self.prompts, _MISSING, np.int8)
        np.minimum.at(reasons, self.place[self.judged], self.state[self.judged])
        return reasons

    def values(self, name: str, rows: "Rows") -> "pa.Array":
        """Values of some traces: a column of them, or the number of characters. Null for -1."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if name == "characters":
            whole = pc.utf8_length(self.traces.column("text")).combine_chunks()
        else:
            whole = column(self.traces, name)
        return whole.take(pa.array(rows, mask=rows < 0))

    def texts(self, rows: "Rows") -> "pa.Array":
        """The texts of some traces that lie near each other."""
        import pyarrow as pa

        begin = int(rows.min())
        near = self.traces.select(["text"]).slice(begin, int(rows.max()) + 1 - begin)
        return column(near, "text").take(pa.array(rows - begin))


def _states(traces: "pa.Table") -> "NDArray[np.int8]":
    """`Trace.unusable_because` of each trace."""
    import numpy as np
    import pyarrow.compute as pc

    truncated = pc.equal(traces.column("finish_reason"), "length").fill_null(False).to_numpy()
    has_text = pc.greater(pc.binary_length(traces.column("text")), 0).fill_null(False).to_numpy()
    failed = pc.is_valid(traces.column("failure")).to_numpy()
    return np.select([failed, truncated, ~has_text], [_FAILED, _TRUNCATED, _EMPTY], _USABLE).astype(np.int8)


@dataclass(frozen=True)
class _Maker:
    """Makes the pairs of one pairing."""

    names: tuple[str, str]
    prompts: "pa.Array"
    left: OfferedTraces
    right: OfferedTraces

    def cells(self, *pool: "Rows") -> "pa.Table":
        """The pairs of the cells, without those that are in the pool. pool: the rows of each side's traces."""
        import numpy as np

        right, wrong = ([side.first(side.correct == value) for side in (self.left, self.right)] for value in (1, 0))
        whole = np.logical_and.reduce([rows >= 0 for rows in (*right, *wrong)])
        found = []
        for chosen, rejected in product((right[0], wrong[0]), (right[1], wrong[1])):
            at = np.flatnonzero(whole & ((chosen != pool[0]) | (rejected != pool[1])))
            found.append((at, chosen[at], rejected[at]))
        at, chosen, rejected = map(np.concatenate, zip(*found, strict=True))
        order = np.argsort(at, kind="stable")
        return self.pairs(at[order], chosen[order], rejected[order], pool=False)

    def pairs(self, at: "Rows", chosen: "Rows", rejected: "Rows", *, pool: bool) -> "pa.Table":
        """Pairs, sorted by id. at: the places of their prompts, in order. chosen, rejected: rows of traces, or -1."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        identical, texts = self._compared(chosen, rejected)
        ids = self._ids(at, chosen, rejected)
        order = np.argsort(ids, kind="stable")
        at, chosen, rejected, identical = at[order], chosen[order], rejected[order], identical[order]
        both = (chosen >= 0) & (rejected >= 0)
        columns: dict[str, pa.Array] = {
            "pair_id": in_hex(ids[order]),
            "prompt_id": self.prompts.take(pa.array(at)),
            "pool": pa.array(np.full(len(at), pool)),
            "texts": pc.if_else(pa.array(both), in_hex(texts[order]), None),
        }
        sides = {"chosen": (self.left, chosen), "rejected": (self.right, rejected)}
        for name, (side, rows) in sides.items():
            for of_pair, of_trace in (("sample", "sample"), ("tokens", "n_tokens"), ("characters", "characters")):
                columns[f"{name}_{of_pair}"] = side.values(of_trace, rows)
            correct = np.append(side.correct, _UNGRADED)[rows]
            columns[f"{name}_correct"] = pa.array(correct == 1, mask=correct == _UNGRADED)
        words = [pc.if_else(columns[f"{name}_correct"], "right", "wrong") for name in sides]
        columns["cell"] = pc.binary_join_element_wise(*words, "-")
        codes = np.select(
            [chosen < 0, rejected < 0, identical],
            [self.left.reasons()[at], _USABLE + self.right.reasons()[at], 2 * _USABLE],
            -1,
        )
        words = [*(f"{name}_{reason}" for name in sides for reason in _REASONS), "identical"]
        columns["reason"] = pa.array(words).take(pa.array(codes, mask=codes < 0))
        columns["eligible"] = pa.array(codes < 0)
        return pa.table(columns)

    def _compared(self, chosen: "Rows", rejected: "Rows") -> "tuple[NDArray[np.bool_], NDArray[np.uint64]]":
        """(Whether the texts of each pair are equal, their digests). Both are 0 where a side has no trace."""
        import numpy as np
        import pyarrow.compute as pc

        both = np.flatnonzero((chosen >= 0) & (rejected >= 0))
        identical, hashes = np.zeros(len(chosen), bool), np.zeros(len(chosen), np.uint64)
        for begin in range(0, len(both), _AT_ONCE):
            rows = both[begin : begin + _AT_ONCE]
            texts = self.left.texts(chosen[rows]), self.right.texts(rejected[rows])
            identical[rows] = pc.equal(*texts).to_numpy(zero_copy_only=False)
            hashes[rows] = digests([], *texts)
        return identical, hashes

    def _ids(self, at: "Rows", chosen: "Rows", rejected: "Rows") -> "NDArray[np.uint64]":
        """The ids of pairs: a hash of generators, prompt and samples."""
        import pyarrow as pa

        samples = self.left.values("sample", chosen), self.right.values("sample", rejected)
        return digests(["pair", *self.names], self.prompts.take(pa.array(at)), *samples)
