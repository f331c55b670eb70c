from dataclasses import replace

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.records.judgement import Judgement
from prefdelta.reporting.numbers.agreement import agreements
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.store import tables
from unit.rows import judgement

BOOTSTRAP = Bootstrap(500, 1)
FORMS = {"logic": ["factuality", "step_coherence"]}


def table(folder, form, dimension_scores, generator="g1"):
    """dimension_scores: dimension -> score per prompt, or a list of its votes; None: no verdict."""
    path = folder / f"results/tiny/judge/{generator}/{form}.parquet"
    rows = [
        replace(judgement(generator, dimension, *(score if isinstance(score, list) else [score])), prompt_id=f"p{i}")
        for dimension, scores in dimension_scores.items()
        for i, score in enumerate(scores)
    ]
    tables.write(path, Judgement, rows)
    return path


def compare(folder, first, second):
    main = table(folder, "logic", {"factuality": first, "step_coherence": first})
    other = table(folder, "single", {"factuality": second})
    return agreements([main], [other], "tiny", FORMS, {"single": ["factuality"]}, BOOTSTRAP)


def test_one_dimension_by_hand(tmp_path):
    (line,) = compare(tmp_path, [5, 4, 3, 2, 1, 3, 4], [5, 5, 3, 1, 3, None])
    assert (line.dimension, line.main, line.other) == ("factuality", "logic", "single")
    assert (line.main_dimensions, line.other_dimensions) == (2, 1)
    assert (line.votes, line.traces, line.unscored) == (1, 5, 1)  # the seventh prompt is not of the sample
    assert (line.exact.value, line.within_one.value, line.exact.n) == (0.4, 0.8, 5)
    assert line.difference.value == pytest.approx(2 / 5)
    # Squared distances 0 1 0 1 4; means 3 and 3.4, variances 2 and 2.24.
    assert line.kappa.value == pytest.approx(1 - (6 / 5) / (2 + 2.24 + 0.4**2))
    assert line.difference.low < line.difference.value < line.difference.high


def test_a_repeat_that_gives_the_same_scores_agrees_perfectly_and_shows_no_interval_of_width_0(tmp_path):
    (line,) = compare(tmp_path, [5, 4, 3, 2, 1], [5, 4, 3, 2, 1])
    assert (line.exact.value, line.kappa.value, line.kappa.low) == (1.0, 1.0, None)


def test_what_is_said_of_one_dimension_stands_together(tmp_path):
    mains = [table(tmp_path, "logic", {"factuality": [1, 2], "step_coherence": [3, 4]})]
    others = [table(tmp_path, "single", {"factuality": [1, 2]})]
    others.append(table(tmp_path, "again", {"factuality": [1, 3], "step_coherence": [3, 4]}))
    compared = {"single": ["factuality"], "again": ["factuality", "step_coherence"]}
    lines = agreements(mains, others, "tiny", FORMS, compared, BOOTSTRAP)
    assert [(line.dimension, line.other, line.other_dimensions) for line in lines] == [
        ("factuality", "single", 1),
        ("factuality", "again", 2),
        ("step_coherence", "again", 2),
    ]


def test_means_of_votes_are_compared_exactly(tmp_path):
    # 2 and 2, of 4/2 and 6/3; 7/3 and 4/3, which floats put farther apart than 1; 5/3 and 3; 4 and no verdict.
    first = [[2, 2], [2, 2, 3], [1, 2, 2], [4, 4, 4]]
    (line,) = compare(tmp_path, first, [[2, 2, 2], [1, 1, 2], [3, 3, 3], [None, None, None]])
    assert (line.votes, line.traces, line.unscored) == (3, 3, 1)
    assert (line.exact.value, line.within_one.value) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert line.difference.value == pytest.approx((0 - 1 + 4 / 3) / 3)
    # In thirds: 6 7 5 and 6 4 9. Squared distances 0 9 16; means 6 and 19/3, variances 2/3 and 38/9.
    assert line.kappa.value == pytest.approx(1 - (25 / 3) / (2 / 3 + 38 / 9 + (1 / 3) ** 2))


def test_where_nothing_varies_there_is_no_kappa(tmp_path):
    (line,) = compare(tmp_path, [4, 4, 4], [4, 4, 4])
    assert (line.exact.value, line.kappa.value) == (1.0, None)


def test_traces_of_one_prompt_are_drawn_together(tmp_path):
    mains = [table(tmp_path, "logic", {"factuality": [3, 3]}, generator) for generator in ("g1", "g2")]
    others = [table(tmp_path, "single", {"factuality": [3, 4]}, generator) for generator in ("g1", "g2")]
    (line,) = agreements(mains, others, "tiny", FORMS, {"single": ["factuality"]}, BOOTSTRAP)
    assert (line.traces, line.difference.n, line.difference.value) == (4, 2, 0.5)
    assert (line.difference.low, line.difference.high) == (0.0, 1.0)  # of two prompts: neither, one, both


def test_a_table_of_an_unknown_form_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="of the form 'single'; the forms are other"):
        agreements([], [table(tmp_path, "single", {"factuality": [1]})], "tiny", FORMS, {"other": []}, BOOTSTRAP)
