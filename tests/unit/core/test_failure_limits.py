import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.failure_limits import check_share, count_failures


def test_failures_are_counted_by_kind_and_none_is_no_failure():
    assert count_failures(["truncated", None, "empty", "truncated", None]) == {"truncated": 2, "empty": 1}


@pytest.mark.parametrize(("failed", "allowed"), [(0, 0.0), (20, 0.2), (100, 1.0)])
def test_a_share_up_to_what_is_allowed_passes(failed, allowed):
    check_share("generate.max_failure_share", 100, {"truncated": failed}, allowed)


def test_a_table_without_rows_passes():
    check_share("generate.max_failure_share", 0, {}, 0.0)


def test_a_share_above_stops_and_tells_the_kinds_most_frequent_first_and_the_key():
    with pytest.raises(StudyError) as error:
        check_share("judge.max_failure_share", 2000, {"not_json": 12, "out_of_range": 100}, 0.05)
    # 112 / 2000 = 5.6%
    expected = "5.6% of 2,000 rows failed (100 out_of_range, 12 not_json); judge.max_failure_share allows 5.0%."
    assert str(error.value).startswith(expected)


def test_kinds_add_up_when_the_share_is_checked():
    with pytest.raises(StudyError, match=r"20\.0% of 100 rows"):
        check_share("pair.max_failure_share", 100, {"chosen_truncated": 10, "identical": 10}, 0.19)
