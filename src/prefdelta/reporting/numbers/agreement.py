"""Agreement of two judgings of the same traces: two ways of asking the judge, the same again, or two judges."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError
from prefdelta.core.judging.noise import NoiseShares, noise_shares
from prefdelta.core.layout import place_of
from prefdelta.core.statistics import Estimate
from prefdelta.records.judgement import Judgement
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.store import tables

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_KEY = ["generator", "prompt_id", "sample", "dimension"]
_COLUMNS = [*_KEY, "score_sum", "votes"]


@dataclass(frozen=True, slots=True)
class AgreementLine:
    """One dimension, asked in the study's form and in another one. Intervals are drawn by prompt.

    What is compared are the scores that deltas are made of: means over a trace's votes, of equally many votes in both
    forms unless votes failed. With more votes, a judge's repeat of itself is closer by kappa and difference, but
    rarely equal, because means have more values than votes.
    """

    dimension: str
    main: str  # the study's form
    main_dimensions: int  # number of dimensions in this form
    other: str
    other_dimensions: int
    votes: int  # largest number on one trace
    traces: int  # with a score in both forms
    unscored: int  # judged in both forms, but without a score in at least one
    exact: Estimate  # share of equal scores
    within_one: Estimate
    difference: Estimate  # other form minus main form, score points
    # Of the study's and of the other judging. None: another question was asked, or traces got several votes.
    noise: NoiseShares | None
    kappa: Estimate  # weighted by squared distance: 1 perfect, 0 as by chance. Of means: Lin's (1989) concordance


def agreements(
    main: Iterable[Path],
    compared: Iterable[Path],
    study: str,
    forms: Mapping[str, Sequence[str]],
    compared_forms: Mapping[str, Sequence[str]],
    bootstrap: Bootstrap,
    same_judge: Collection[str] = (),
) -> list[AgreementLine]:
    """One line per dimension and compared form that asks it, grouped by dimension.

    same_judge: the compared forms that ask the study's judge itself the same again.
    Raises StudyError for a form that is not named.
    """
    first, second = _read_judgements(main, study, forms), _read_judgements(compared, study, compared_forms)
    lines = []
    for form, dimension in [(form, dimension) for form, asked in forms.items() for dimension in asked]:
        for other, dimensions in compared_forms.items():
            if dimension not in dimensions or other not in second or form not in first:
                continue
            sides = (scores[scores["dimension"] == dimension] for scores in (first[form], second[other]))
            both = next(sides).merge(next(sides), on=_KEY, suffixes=("_main", "_other"), validate="one_to_one")
            counts = (len(forms[form]), len(dimensions))
            line = agreement_line(dimension, (form, other), counts, both, bootstrap)
            if line.votes == 1 and list(dimensions) == list(forms[form]):
                line = replace(line, noise=_noise(both, other in same_judge))
            lines.append(line)
    return lines


def agreement_line(
    dimension: str, names: tuple[str, str], asked: tuple[int, int], both: "pd.DataFrame", bootstrap: Bootstrap
) -> AgreementLine:
    """The line of one dimension, without noise. names, asked: of the two judgings, and their numbers of dimensions.

    both: prompt_id, and score_sum and votes of the first judging (`_main`) and of the second (`_other`).
    """
    import numpy as np

    scored = both.dropna(subset=["score_sum_main", "score_sum_other"])
    sums_and_votes = (
        scored[f"{name}_{side}"].to_numpy(dtype=float) for side in ("main", "other") for name in ("score_sum", "votes")
    )
    x_sum, x_votes, y_sum, y_votes = sums_and_votes
    x, y = x_sum / x_votes, y_sum / y_votes  # equal means are equal floats
    within_one = abs(x_sum * y_votes - y_sum * x_votes) <= x_votes * y_votes  # exact: 7/3 - 4/3 is 1
    columns = np.stack([np.ones_like(x), x == y, within_one, y - x, x, y, x * x, y * y, (x - y) ** 2], axis=1)
    # Sums by prompt: traces of one prompt are not independent of each other, so prompts are drawn.
    sums = np.zeros((scored["prompt_id"].nunique(), columns.shape[1]))
    np.add.at(sums, scored["prompt_id"].factorize(sort=True)[0], columns)

    def share(column: int) -> Estimate:
        return bootstrap.of_function(
            [sums], lambda means: means[..., column] / means[..., 0], "judging", dimension, names[1], column
        )

    return AgreementLine(
        dimension=dimension,
        main=names[0],
        main_dimensions=asked[0],
        other=names[1],
        other_dimensions=asked[1],
        votes=int(both[["votes_main", "votes_other"]].to_numpy().max(initial=0)),
        traces=len(scored),
        unscored=len(both) - len(scored),
        exact=share(1),
        within_one=share(2),
        difference=share(3),
        noise=None,
        kappa=bootstrap.of_function([sums], weighted_kappa, "judging", dimension, names[1], "kappa"),
    )


def _noise(both: "pd.DataFrame", same_judge: bool) -> NoiseShares:
    scored = both.dropna(subset=["score_sum_main", "score_sum_other"])
    first, second = (scored[f"score_sum_{side}"].astype(int).tolist() for side in ("main", "other"))
    return noise_shares(first, second, same_judge=same_judge)


def weighted_kappa(means: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Cohen's kappa with quadratic weights (Cohen 1968), from the columns of `agreement_line`; NaN if nothing varies.

    The squared distance expected of unrelated ratings with the same marginals is var x + var y + (mean x - mean y)^2.
    It needs no categories, so it is defined for means of votes too: there it is the concordance correlation coefficient
    (Lin 1989).
    """
    import numpy as np

    per_trace = means / means[..., :1]
    x, y, squares_x, squares_y, distance = (per_trace[..., column] for column in range(4, 9))
    expected = squares_x - x**2 + squares_y - y**2 + (x - y) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - distance / np.where(expected > 1e-12, expected, np.nan))


def _read_judgements(
    paths: Iterable[Path], study: str, forms: Mapping[str, Sequence[str]]
) -> "dict[str, pd.DataFrame]":
    """Form -> generator, prompt_id, sample, dimension, score_sum (missing: none), votes."""
    import pandas as pd

    by_form: dict[str, list[pd.DataFrame]] = {}
    for path in sorted(paths):
        form = place_of(path, study).axes["form"]
        if form not in forms:
            raise StudyError(f"{path}: is of the form {form!r}; the forms are {', '.join(forms) or 'none'}.")
        by_form.setdefault(form, []).append(tables.read_arrow(path, Judgement, _COLUMNS).to_pandas())
    return {form: pd.concat(frames, ignore_index=True) for form, frames in by_form.items()}
