"""The same answers under three graders, with numbers made by hand."""

from pathlib import Path

import pytest

from prefdelta.core.arms import Arm, Pairing
from prefdelta.records.score import Score
from prefdelta.reporting.graders import GraderAudit, audit_graders
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.store import tables

ITEMS = 40
GROUPS = {"near": BenchmarkGroup("Near", ["sums", "letters"], primary=True)}
SUMS = Evaluation("near", "sums")
FORM, REAL = (Arm("pico", Pairing("big", "small"), name, "dpo", 0) for name in ("all", "swapped"))
BOOTSTRAP = Bootstrap(500, 1)


def answer(number: int, ours: str, math_verify: str | None = None, text: str | None = None) -> Score:
    verdict = {"right": True, "wrong": False}.get(ours)
    failure = ours if verdict is None else None
    benchmark = "sums" if text else "letters"
    key = f"key-{number}"
    others = {"by_math_verify": math_verify, "by_text": text}
    return Score(benchmark, f"{number:02}", 0, None, verdict, "stop", 9, key, failure, **others)


def verdict(number: int, right: int) -> str:
    return "right" if number < right else "wrong"


def audit(folder: Path, answers: dict[str, list[Score]]) -> GraderAudit | None:
    paths = [folder / f"results/tiny/evaluate/{arm}/near.parquet" for arm in answers]
    for path, rows in zip(paths, answers.values(), strict=True):
        tables.write(path, Score, rows)
    ours = Scores.read(paths, "tiny", ["sums", "letters"], GROUPS, BOOTSTRAP)
    return audit_graders(paths, "tiny", ours, GROUPS, BOOTSTRAP)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> GraderAudit:
    """`FORM` gains 20 of 40 items by ours and none by the text, which math-verify says too, but for a time-out of it.

    `REAL` gains the same 10 items by all three.
    """
    letters = [answer(number, "right") for number in range(3)]  # graded by ours alone
    base = [answer(n, verdict(n, 10), verdict(n, 10), verdict(n, 10)) for n in range(ITEMS)]
    form = [answer(n, verdict(n, 30), verdict(n, 10), verdict(n, 10)) for n in range(ITEMS - 1)]
    form.append(answer(ITEMS - 1, "wrong", "time_out", "wrong"))
    real = [answer(n, verdict(n, 20), verdict(n, 20), verdict(n, 20)) for n in range(ITEMS)]
    answers = {"pico/base": [*base, *letters], str(FORM): [*form, *letters], str(REAL): real}
    found = audit(tmp_path_factory.mktemp("audit"), answers)
    assert found is not None
    return found


def test_agreement_is_counted_over_all_answers_that_both_count(audited: GraderAudit) -> None:
    by_math_verify, by_text = audited.agreements
    assert [line.evaluation for line in audited.agreements] == [SUMS, SUMS]
    assert (by_text.grader, by_text.both, by_text.left_out) == ("text", 120, 0)
    assert (by_text.only_ours, by_text.only_theirs) == (20, 0)
    # Right by ours 10 + 30 + 20 of 120, by the text 10 + 10 + 20; they agree on 100.
    assert (by_text.ours.value, by_text.theirs.value) == (pytest.approx(60 / 120), pytest.approx(40 / 120))
    assert by_text.kappa.value == pytest.approx((100 / 120 - 1 / 2) / (1 - 1 / 2))
    assert (by_math_verify.both, by_math_verify.left_out) == (119, 1)


def test_a_gain_that_one_grader_alone_sees_is_marked(audited: GraderAudit) -> None:
    (line,) = audited.marked
    assert line.arms == (FORM,)
    assert {name: gain.value for name, gain in line.gains.items()} == {"ours": 0.5, "math_verify": 0.0, "text": 0.0}
    assert line.gains["math_verify"].n == ITEMS - 1  # the item with the time-out counts for neither side
    assert line.seen_by == ["ours"]
    assert audited.remark([FORM], SUMS) == "above 0 by ours only; differs by 50.0 points"


def test_a_gain_that_all_graders_see_is_not_marked(audited: GraderAudit) -> None:
    (line,) = [line for line in audited.gains if line.arms == (REAL,)]
    assert line.seen_by == ["ours", "math_verify", "text"]
    assert audited.remark([REAL], SUMS) == ""


def test_sizes_that_differ_by_more_than_the_margin_are_marked(tmp_path: Path) -> None:
    base = [answer(n, "wrong", "wrong", "wrong") for n in range(ITEMS)]
    arm = [answer(n, verdict(n, 20), verdict(n, 20), verdict(n, 19)) for n in range(ITEMS)]
    found = audit(tmp_path, {"pico/base": base, str(FORM): arm})
    assert found is not None
    assert found.remark([FORM], SUMS) == "differs by 2.5 points"


def test_without_other_graders_there_is_nothing_to_audit(tmp_path: Path) -> None:
    assert audit(tmp_path, {"pico/base": [answer(n, "right") for n in range(3)]}) is None
