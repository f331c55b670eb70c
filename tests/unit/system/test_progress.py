"""Lines of progress, and the same as events."""

import time

import pytest

from prefdelta.system import events
from prefdelta.system.events import Report
from prefdelta.system.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set: clock[0]."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def reports(monkeypatch):
    found = []
    monkeypatch.setattr(events, "report", found.append)
    return found


def test_what_was_done_before_counts_but_not_for_the_rate(reports, clock):
    progress = Progress("generate g3", 3_000, "requests", done=2_000)
    clock[0] += 4
    progress.add(400)
    clock[0] += 4
    progress.add(400)
    assert reports == [Report("generate g3", 2_400, 3_000, "requests", 100.0, 6.0)]
    progress.add(200)
    progress.close()
    assert reports[-1] == Report("generate g3", 3_000, 3_000, "requests", 125.0, 0.0)


def test_replies_that_come_in_batches_have_the_rate_of_batches(capsys, clock):
    """The first reply of a batch does not stand for all the time that the batch took."""
    progress = Progress("generate g3", 3_000, "requests")
    for _ in range(2):
        clock[0] += 10
        for _ in range(1_000):
            progress.add()
    assert capsys.readouterr().err == "generate g3: 1,000/3,000 requests, 100.0/s, 20 s left\n"


@pytest.mark.parametrize("starts", [0, 600])
def test_the_time_that_a_start_took_is_not_in_the_rate(reports, clock, starts):
    """Loading a model takes minutes, and its first replies then come at their usual rate."""
    progress = Progress("judge g3", 3_000, "requests")
    clock[0] += starts
    for _ in range(100):
        clock[0] += 0.1
        progress.add()
    first = reports[0]
    assert first.per_second == pytest.approx(10, rel=0.1)
    assert first.seconds_left == pytest.approx((3_000 - first.done) / 10, rel=0.1)


def test_the_rate_is_that_of_late(reports, clock):
    progress = Progress("judge g3", 100_000, "requests")
    for rate in (100, 10):
        for _ in range(120 * rate):
            clock[0] += 1 / rate
            progress.add()
    assert reports[-1].per_second == pytest.approx(10, rel=0.1)


def test_batches_after_a_long_start_have_their_own_rate_from_the_second_line_on(reports, clock):
    progress = Progress("generate g3", 3_000, "requests")
    clock[0] += 600
    for _ in range(4):
        clock[0] += 10
        for _ in range(100):
            progress.add()
    _, second, third = reports
    assert (second.per_second, third.per_second) == (10.0, 10.0)


def test_before_anything_is_done_the_time_left_is_not_known(capsys, reports, clock):
    Progress("a", 9, "steps").close()
    assert reports == [Report("a", 0, 9, "steps", 0.0, None)]
    assert capsys.readouterr().err == "a: 0/9 steps, 0.0/s, inf s left\n"
