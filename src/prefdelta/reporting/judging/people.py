"""The judge held against people: agreement, errors, and mean deltas corrected by people's sheets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from prefdelta.core.arms import Pairing
from prefdelta.core.ids import seed_of
from prefdelta.core.people.estimates import (
    NO_ERRORS,
    JudgeErrors,
    StratifiedSample,
    cells_of,
    corrected_mean,
    judge_errors,
    people_mean,
)
from prefdelta.core.people.sampling import label_of
from prefdelta.core.people.sheet import JudgeVersion, Sheet, SheetRow, frame_of
from prefdelta.core.statistics import NOTHING, Estimate, mean_interval, wilson_interval
from prefdelta.records.annotation import Annotation
from prefdelta.records.pair import Pair
from prefdelta.reporting.numbers.agreement import weighted_kappa
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.store import sheets, tables

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scores = tuple[float, float]  # of the chosen and the rejected trace


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """Of two raters on the same traces, weighted as the pairs were drawn. Intervals are drawn by pair, per stratum."""

    exact: Estimate  # share of traces with equal scores
    kappa: Estimate  # with quadratic weights


@dataclass(frozen=True, slots=True)
class PeopleLine:
    """One sheet and dimension. A pair's score by people is the mean over those who scored it."""

    sheet: str
    pairing: Pairing
    dimension: str
    annotators: int
    drawn: int  # pairs of the sheet
    scored: int  # by people, and by the judge
    edited: Sequence[str]  # what was edited since the export; if anything was, nothing below has a value
    with_judge: RaterAgreement
    among: RaterAgreement  # every two people on the same pair
    errors: JudgeErrors
    judge_share: Estimate  # of all pairs, those whose chosen trace the judge scores higher
    judge_mean: Estimate  # the judge's mean delta over all pairs
    people_mean: Estimate  # by the sheet alone
    corrected_mean: Estimate  # the judge's, corrected by the sheet


_NO_AGREEMENT = RaterAgreement(NOTHING, NOTHING)


def people_lines(
    annotations: Iterable[Path],
    keys: Iterable[Path],
    pairs: Iterable[Path],
    pairings: Pairings,
    versions: Mapping[str, JudgeVersion],
    components: Mapping[str, Sequence[str]],
    bootstrap: Bootstrap,
) -> list[PeopleLine]:
    """One line per sheet and dimension; of composites those whose dimensions the sheet asks for.

    pairs: tables of Pair. versions: dimension -> the judge's version now. components: dimension or composite -> its
    dimensions.
    """
    lines = []
    found = list(zip(annotations, keys, strict=True))
    texts = {pair.pair_id: pair.texts for path in (pairs if found else ()) for pair in tables.read(path, Pair)}
    for path, key in found:
        sheet, rows = sheets.read(key), tables.read(path, Annotation)
        for name, parts in components.items():
            if set(parts) <= set(sheet.dimensions):
                lines.append(_line(sheet, rows, name, parts, pairings, texts, versions, bootstrap))
    return lines


def _line(
    sheet: Sheet,
    annotations: Sequence[Annotation],
    name: str,
    parts: Sequence[str],
    pairings: Pairings,
    texts: Mapping[str, str | None],
    versions: Mapping[str, JudgeVersion],
    bootstrap: Bootstrap,
) -> PeopleLine:
    import numpy as np

    pairing = Pairing.parse(sheet.pairing)
    by_people = _scores(annotations, parts)
    judged = {
        pair_id: (row.chosen_score, row.rejected_score)
        for pair_id, row in pairings.rows(pairing, name).items()
        if row.delta is not None and row.chosen_score is not None and row.rejected_score is not None
    }
    scored = [row for row in sheet.rows if row.pair_id in by_people and row.pair_id in judged]
    edited = _edited(sheet, parts, pairings, texts, versions)
    sample = StratifiedSample.of([row.stratum for row in scored], [stratum.size for stratum in sheet.strata])
    deltas = [chosen - rejected for chosen, rejected in judged.values()]
    better = sum(delta > 0 for delta in deltas)
    agreement = among = _NO_AGREEMENT
    errors, mean, corrected = NO_ERRORS, NOTHING, NOTHING
    if sample is not None and not edited:
        people = np.array([_mean_delta(by_people[row.pair_id]) for row in scored])
        judge = np.array([judged[row.pair_id][0] - judged[row.pair_id][1] for row in scored])
        mean = people_mean(sample, people)
        corrected = corrected_mean(sample, people, judge, fmean(deltas))
        strata = _strata(sheet, pairings)
        cells = cells_of(
            {pair_id: (strata[pair_id], sides[0] > sides[1]) for pair_id, sides in judged.items() if pair_id in strata},
            {row.pair_id: bool(delta > 0) for row, delta in zip(scored, people, strict=True)},
        )
        errors = judge_errors(cells, seed_of("people", bootstrap.seed, sheet.sheet, name))
        means = [[_mean_scores(by_people[row.pair_id]), judged[row.pair_id]] for row in scored]
        what = (sheet.sheet, name)
        agreement = _agreement(sample, [[(two[0], two[1])] for two in means], bootstrap, *what, "judge")
        among = _among(sheet, [row for row in scored if len(by_people[row.pair_id]) > 1], by_people, bootstrap, what)
    return PeopleLine(
        sheet=sheet.sheet,
        pairing=pairing,
        dimension=name,
        annotators=len({annotator for row in scored for annotator in by_people[row.pair_id]}),
        drawn=len(sheet.rows),
        scored=len(scored),
        edited=edited,
        with_judge=agreement,
        among=among,
        errors=errors,
        judge_share=wilson_interval(better, len(deltas)),
        judge_mean=mean_interval(deltas),
        people_mean=mean,
        corrected_mean=corrected,
    )


def _strata(sheet: Sheet, pairings: Pairings) -> dict[str, int]:
    """pair_id -> index of its stratum, of all pairs that the sheet was drawn from."""
    order = {stratum.label: index for index, stratum in enumerate(sheet.strata)}
    rows = pairings.rows(Pairing.parse(sheet.pairing), sheet.by)
    labels = {pair_id: label_of(row.delta) for pair_id, row in rows.items() if row.delta is not None}
    return {pair_id: order[label] for pair_id, label in labels.items() if label in order}


def _scores(annotations: Iterable[Annotation], parts: Sequence[str]) -> dict[str, dict[str, Scores]]:
    """pair_id -> annotator -> means over the dimensions `parts`, of those who scored all of them."""
    found: dict[tuple[str, str], dict[str, Annotation]] = {}
    for row in annotations:
        if row.dimension in parts:
            found.setdefault((row.pair_id, row.annotator), {})[row.dimension] = row
    scores: dict[str, dict[str, Scores]] = {}
    for (pair_id, annotator), rows in sorted(found.items()):
        if len(rows) == len(parts):
            chosen, rejected = (
                sum(values) / len(parts)
                for values in zip(*((row.chosen_score, row.rejected_score) for row in rows.values()), strict=True)
            )
            scores.setdefault(pair_id, {})[annotator] = (chosen, rejected)
    return scores


def _mean_scores(by_annotator: Mapping[str, Scores]) -> Scores:
    return fmean(one[0] for one in by_annotator.values()), fmean(one[1] for one in by_annotator.values())


def _mean_delta(by_annotator: Mapping[str, Scores]) -> float:
    """Exactly 0 where as many points were given to either side: sums of whole numbers come first."""
    chosen, rejected = (sum(one[side] for one in by_annotator.values()) for side in (0, 1))
    return (chosen - rejected) / len(by_annotator)


def _edited(
    sheet: Sheet,
    parts: Sequence[str],
    pairings: Pairings,
    texts: Mapping[str, str | None],
    versions: Mapping[str, JudgeVersion],
) -> list[str]:
    """What differs from what the sheet was exported for: judge, rubric, template, pairs (which ones, or their texts).

    texts: pair_id -> digest of both texts.
    """
    changed = {what for part in parts for what in versions[part].changed(sheet.versions[part])}
    rows = pairings.rows(Pairing.parse(sheet.pairing), sheet.by)
    if frame_of({pair_id: texts.get(pair_id) for pair_id, row in rows.items() if row.delta is not None}) != sheet.frame:
        changed.add("pairs")
    return [what for what in (*JudgeVersion.model_fields, "pairs") if what in changed]


def _among(
    sheet: Sheet,
    rows: Sequence[SheetRow],
    by_people: Mapping[str, Mapping[str, Scores]],
    bootstrap: Bootstrap,
    what: tuple[str, str],
) -> RaterAgreement:
    """Of every two people, on the pairs that several scored."""
    sample = StratifiedSample.of([row.stratum for row in rows], [stratum.size for stratum in sheet.strata])
    if sample is None:
        return _NO_AGREEMENT
    twos = [list(combinations(by_people[row.pair_id].values(), 2)) for row in rows]
    return _agreement(sample, twos, bootstrap, *what, "people")


def _agreement(
    sample: StratifiedSample,
    compared: Sequence[Sequence[tuple[Scores, Scores]]],
    bootstrap: Bootstrap,
    *what: str,
) -> RaterAgreement:
    """compared: for each scored pair of the sample the scores of every two raters."""
    import numpy as np

    sums = np.array([_columns(twos) for twos in compared])
    # The bootstrap takes the plain mean over its parts, so a stratum's share of all pairs goes into its values.
    strata = range(len(sample.sizes))
    parts = [len(strata) * sample.shares[one] * sums[sample.strata == one] for one in strata]
    return RaterAgreement(
        exact=bootstrap.of_function(parts, _exact, "people", *what, "exact"),
        kappa=bootstrap.of_function(parts, weighted_kappa, "people", *what, "kappa"),
    )


def _exact(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    return means[..., 1] / means[..., 0]


def _columns(twos: Sequence[tuple[Scores, Scores]]) -> "NDArray[np.float64]":
    """Sums over the traces of a pair, in the columns of `numbers.agreement`."""
    import numpy as np

    x, y = (np.array([score for two in twos for score in two[rater]]) for rater in (0, 1))
    columns = [np.ones_like(x), x == y, abs(x - y) <= 1, y - x, x, y, x * x, y * y, (x - y) ** 2]
    return np.array([float(np.sum(column)) for column in columns])
