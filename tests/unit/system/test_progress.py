"""Lines of progress, and reading them again."""

import time

import pytest

from prefdelta.system.progress import Progress, Told, last_told


def lines_of(capsys):
    return capsys.readouterr().err.splitlines()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set: clock[0]."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_was_done_before_counts_but_not_for_the_rate(capsys, clock):
    progress = Progress("generate g3", 3_000, "requests", done=2_000)
    clock[0] += 4
    progress.add(400)
    clock[0] += 4
    progress.add(400)
    assert last_told(lines_of(capsys)) == Told("generate g3", 2_400, 3_000, "requests", 100.0, 6.0)
    progress.add(200)
    progress.close()
    assert last_told(lines_of(capsys)) == Told("generate g3", 3_000, 3_000, "requests", 125.0, 0.0)


def test_replies_that_come_in_batches_have_the_rate_of_batches(capsys, clock):
    """The first reply of a batch does not stand for all the time that the batch took."""
    progress = Progress("generate g3", 3_000, "requests")
    for _ in range(2):
        clock[0] += 10
        for _ in range(1_000):
            progress.add()
    assert lines_of(capsys) == ["generate g3: 1,000/3,000 requests, 100.0/s, 20 s left"]


@pytest.mark.parametrize("starts", [0, 600])
def test_the_time_that_a_start_took_is_not_in_the_rate(capsys, clock, starts):
    """Loading a model takes minutes, and its first replies then come at their usual rate."""
    progress = Progress("judge g3", 3_000, "requests")
    clock[0] += starts
    for _ in range(100):
        clock[0] += 0.1
        progress.add()
    first, *_ = (last_told([line]) for line in lines_of(capsys))
    assert first.rate == pytest.approx(10, rel=0.1)
    assert first.left == pytest.approx((3_000 - first.done) / 10, rel=0.1)


def test_the_rate_is_that_of_late(capsys, clock):
    progress = Progress("judge g3", 100_000, "requests")
    for rate in (100, 10):
        for _ in range(120 * rate):
            clock[0] += 1 / rate
            progress.add()
    assert last_told(lines_of(capsys)).rate == pytest.approx(10, rel=0.1)


def test_batches_after_a_long_start_have_their_own_rate_from_the_second_line_on(capsys, clock):
    progress = Progress("generate g3", 3_000, "requests")
    clock[0] += 600
    for _ in range(4):
        clock[0] += 10
        for _ in range(100):
            progress.add()
    _, second, third = (last_told([line]) for line in lines_of(capsys))
    assert (second.rate, third.rate) == (10.0, 10.0)


def test_the_last_line_of_progress_is_found_among_others():
    lines = ["a: 1/9 steps, 0.5/s, 16 s left", "a: 1,200/9,000 steps, 1,000.5/s, 8 s left", "warning: 3/4 of it", ""]
    assert last_told(lines) == Told("a", 1_200, 9_000, "steps", 1000.5, 8.0)
    assert last_told(["a: 0/9 steps, 0.0/s, inf s left"]) == Told("a", 0, 9, "steps", 0.0, None)
    assert last_told(["nothing of the kind"]) is None
