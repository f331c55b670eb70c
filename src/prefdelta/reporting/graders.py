"""Whether a gain depends on the grader: accuracies and gains by other graders of the same answers, beside ours.

Training changes the form of answers, and graders differ in the forms that they read. A gain that one grader alone sees
may be a gain in form.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from prefdelta.core.arms import Arm
from prefdelta.core.layout import place_of
from prefdelta.core.statistics import Estimate
from prefdelta.records.score import Score
from prefdelta.reporting.arms import Repeats, arm_at, families
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.answers import BenchmarkAnswers
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.gains import POINTS, gain_weights
from prefdelta.reporting.numbers.outcomes import outcomes
from prefdelta.store import tables

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

OURS = "ours"
COLUMNS: Mapping[str, str] = {"math_verify": "by_math_verify", "text": "by_text"}  # other grader -> column of Score
TITLES: Mapping[str, str] = {OURS: "ours", "math_verify": "math-verify alone", "text": "normalised text"}
MARGIN = 0.02  # a gain that differs by more between two graders, as a share, is marked
_UNREAD = ("extracted", "call_key", "finish_reason")  # long columns of Score that nothing here needs


@dataclass(frozen=True, slots=True)
class GraderAgreement:
    """One other grader's verdicts on all answers to one benchmark, beside ours."""

    evaluation: Evaluation
    grader: str
    both: int  # answers that count by both graders
    only_ours: int  # right by ours alone
    only_theirs: int
    left_out: int  # answers without a verdict of one of the two, such as a time-out
    ours: Estimate  # accuracy over `both`, problems drawn
    theirs: Estimate
    kappa: Estimate  # Cohen's (1960)


@dataclass(frozen=True, slots=True)
class GraderGain:
    """The gain of an arm, or the mean over its repeats, under each grader."""

    arms: Repeats
    evaluation: Evaluation
    gains: Mapping[str, Estimate]  # by grader, ours first

    @property
    def seen_by(self) -> list[str]:
        """The graders under which the interval of the gain lies above 0."""
        return [grader for grader, gain in self.gains.items() if gain.low is not None and gain.low > 0]

    @property
    def spread(self) -> float:
        """The largest difference between two graders' gains, as a share."""
        values = [gain.value for gain in self.gains.values() if gain.value is not None]
        return max(values, default=0.0) - min(values, default=0.0)

    @property
    def remark(self) -> str:
        """In what the gain depends on the grader; empty if it does not."""
        remarks = []
        if len(self.gains) > 1 and len(self.seen_by) == 1:
            remarks.append(f"above 0 by {TITLES[self.seen_by[0]]} only")
        if self.spread > MARGIN:
            remarks.append(f"differs by {POINTS * self.spread:.1f} points")
        return "; ".join(remarks)


@dataclass(frozen=True)
class GraderAudit:
    """The verdicts of all graders on the same answers."""

    scores: Mapping[str, Scores]  # by grader, ours first; those of others have only benchmarks that they graded
    agreements: Sequence[GraderAgreement]

    @cached_property
    def gains(self) -> list[GraderGain]:
        """A line per benchmark with several graders and per family of arms."""
        lines = []
        for evaluation in dict.fromkeys(line.evaluation for line in self.agreements):
            by = {name: scores for name, scores in self.scores.items() if scores.answers(evaluation) is not None}
            for repeats in families(self._arms(evaluation)):
                gains = {
                    name: scores.weighted_difference(gain_weights(repeats), [evaluation])
                    for name, scores in by.items()
                    if all(scores.has(arm, evaluation) and scores.has(arm.base, evaluation) for arm in repeats)
                }
                lines.append(GraderGain(repeats, evaluation, gains))
        return lines

    @property
    def marked(self) -> list[GraderGain]:
        """The gains that depend on the grader."""
        return [line for line in self.gains if line.remark]

    def remark(self, arms: Sequence[Arm], evaluation: Evaluation) -> str:
        """In what the gain of some repeats depends on the grader; empty if it does not, or if nothing says so."""
        return self._remarks.get((tuple(arms), evaluation), "")

    @cached_property
    def _remarks(self) -> dict[tuple[Repeats, Evaluation], str]:
        return {(line.arms, line.evaluation): line.remark for line in self.gains}

    def _arms(self, evaluation: Evaluation) -> list[Arm]:
        """The arms that have scores there, with their base."""
        ours = self.scores[OURS]
        return [arm for arm in ours.arms() if ours.has(arm, evaluation) and ours.has(arm.base, evaluation)]


def audit_graders(
    paths: Iterable[Path], study: str, ours: Scores, groups: Mapping[str, BenchmarkGroup], bootstrap: Bootstrap
) -> GraderAudit | None:
    """What the tables of Score at these paths say of other graders; None if no other grader was asked.

    ours: our scores, from the same tables.
    """
    import pyarrow.compute as pc

    answers: dict[str, dict[Evaluation, BenchmarkAnswers]] = {grader: {} for grader in COLUMNS}
    verdicts: dict[tuple[Evaluation, str], _Verdicts] = {}
    columns = [field.name for field in fields(Score) if field.name not in _UNREAD]
    for path in sorted(paths):
        table = tables.read_arrow(path, Score, columns)
        place = place_of(path, study)
        for grader, column in COLUMNS.items():
            graded = table.filter(pc.is_valid(table.column(column)))
            for benchmark in sorted(pc.unique(graded.column("benchmark")).to_pylist()):
                rows = graded.filter(pc.equal(graded.column("benchmark"), benchmark))
                evaluation = Evaluation(place.axes["group"], benchmark)
                theirs = _by_other(rows, column)
                answers[grader].setdefault(evaluation, BenchmarkAnswers(benchmark)).add(str(arm_at(place)), theirs)
                verdicts.setdefault((evaluation, grader), _Verdicts()).add(rows, outcomes(theirs))
    others = {
        grader: Scores({evaluation: read.matrix() for evaluation, read in found.items()}, groups, bootstrap)
        for grader, found in answers.items()
        if found
    }
    order = [Evaluation(name, benchmark) for name, group in groups.items() for benchmark in group.benchmarks]
    agreements = [
        verdicts[evaluation, grader].agreement(evaluation, grader, bootstrap)
        for evaluation in order
        for grader in COLUMNS
        if (evaluation, grader) in verdicts
    ]
    return GraderAudit({OURS: ours, **others}, agreements) if agreements else None


def _by_other(rows: "pa.Table", column: str) -> "pa.Table":
    """Rows of Score as if another grader had graded them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    verdict = rows.column(column)
    decided = pc.is_in(verdict, value_set=pa.array(["right", "wrong"]))
    correct = pc.if_else(decided, pc.equal(verdict, "right"), pa.scalar(None, pa.bool_()))
    failure = pc.if_else(decided, pa.scalar(None, pa.string()), verdict)
    for name, values in (("correct", correct), ("failure", failure)):
        rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    return rows


class _Verdicts:
    """How often two graders agree on answers to one benchmark, by prompt."""

    def __init__(self) -> None:
        self._cells: dict[str, NDArray[np.int64]] = {}  # prompt -> answers by ours x theirs: wrong, right
        self._left_out = 0

    def add(self, rows: "pa.Table", theirs: "NDArray[np.float64]") -> None:
        import numpy as np

        ours = outcomes(rows)
        known = ~np.isnan(ours) & ~np.isnan(theirs)
        self._left_out += int((~known).sum())
        cells = 2 * ours[known].astype(int) + theirs[known].astype(int)
        prompts = rows.column("prompt_id").to_numpy()[known]
        names, places = np.unique(prompts, return_inverse=True)
        counts = np.bincount(4 * places + cells, minlength=4 * len(names)).reshape(len(names), 4)
        for name, its_counts in zip(names, counts, strict=True):
            self._cells[name] = self._cells.get(name, 0) + its_counts

    def agreement(self, evaluation: Evaluation, grader: str, bootstrap: Bootstrap) -> GraderAgreement:
        import numpy as np

        cells = np.array([self._cells[name] for name in sorted(self._cells)], dtype=float).reshape(-1, 4)
        total = cells.sum(axis=0).astype(int)
        what = ("graders", evaluation.group, evaluation.benchmark, grader)
        return GraderAgreement(
            evaluation=evaluation,
            grader=grader,
            both=int(total.sum()),
            only_ours=int(total[2]),
            only_theirs=int(total[1]),
            left_out=self._left_out,
            ours=bootstrap.of_function([cells], _share((2, 3)), *what, "ours"),
            theirs=bootstrap.of_function([cells], _share((1, 3)), *what, "theirs"),
            kappa=bootstrap.of_function([cells], _kappa, *what, "kappa"),
        )


def _share(columns: Sequence[int]) -> "Callable[[NDArray[np.float64]], NDArray[np.float64]]":
    """The share of answers in some cells, from the means of all four."""
    return lambda means: means[..., list(columns)].sum(axis=-1) / means.sum(axis=-1)


def _kappa(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Cohen's kappa (Cohen 1960), from the means of the cells of `_Verdicts`; NaN if both say one thing of all."""
    import numpy as np

    cells = means / means.sum(axis=-1, keepdims=True)
    ours, theirs = cells[..., 2] + cells[..., 3], cells[..., 1] + cells[..., 3]
    expected = ours * theirs + (1 - ours) * (1 - theirs)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((cells[..., 0] + cells[..., 3] - expected) / np.where(expected < 1, 1 - expected, np.nan))
