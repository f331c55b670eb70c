"""The table of how alike matched pairs and top sets are."""

from prefdelta.records.details.filter import CovariateBalance, FilterDetails, MatchQuality
from prefdelta.records.manifest import JobRun, Manifest
from prefdelta.reporting.balance import balance_lines
from prefdelta.reporting.manifests import FinishedJob


def job(name: str, *after: float | None) -> FinishedJob:
    """A job that matched a length, and a correctness if `after` has a second value."""
    balance = [
        CovariateBalance(covariate, covariate == "length", 1.0, 2.0, 3.0, 0.5, value)
        for covariate, value in zip(("length", "chosen_right"), after, strict=False)
    ]
    details = FilterDetails(match=MatchQuality(5, 20, 3, 1, "tokens", balance)) if after else FilterDetails()
    manifest = Manifest(stage="filter", rows=25, failures={}, details=details, settings={}, run=JobRun("", 0, 0, 0))
    return FinishedJob(name, Manifest.from_json(manifest.to_json()))


def test_each_covariate_shows_the_order_in_which_the_sets_are_least_alike_and_marks_more_than_a_tenth() -> None:
    jobs = [
        job("g3~g1/matched-length-mean-5/t1", -0.3, 0.0),
        job("g3~g1/matched-length-mean-5/t0", 0.1, -0.1),
        job("g3~g1/matched-all-mean-5/t0", None),
        job("g3~g1/top-mean-5/t0"),
    ]
    found = [
        (line.selection, line.balance.covariate, line.balance.after, line.is_off, line.orders)
        for line in balance_lines(jobs)
    ]
    assert found == [
        ("matched-length-mean-5", "length", -0.3, True, [0, 1]),
        ("matched-length-mean-5", "chosen_right", -0.1, False, [0, 1]),
        ("matched-all-mean-5", "length", None, True, [0]),
    ]
