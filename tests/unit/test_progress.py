"""Lines of progress, and reading them again."""

import pytest

from prefdelta.progress import Progress, Told, last_told


def lines_of(capsys):
    return capsys.readouterr().err.splitlines()


def test_what_was_done_before_counts_but_not_for_the_rate(capsys):
    progress = Progress("generate g3", 3_000, "requests", done=2_000, every=0.0)
    progress.add(500)
    told = last_told(lines_of(capsys))
    assert (told.what, told.done, told.total, told.unit) == ("generate g3", 2_500, 3_000, "requests")
    assert told.left == pytest.approx(500 / told.rate, abs=1)
    progress.add(500)
    progress.close()
    assert last_told(lines_of(capsys)).left == 0


def test_the_last_line_of_progress_is_found_among_others():
    lines = ["a: 1/9 steps, 0.5/s, 16 s left", "a: 1,200/9,000 steps, 1,000.5/s, 8 s left", "warning: 3/4 of it", ""]
    assert last_told(lines) == Told("a", 1_200, 9_000, "steps", 1000.5, 8.0)
    assert last_told(["a: 0/9 steps, 0.0/s, inf s left"]) == Told("a", 0, 9, "steps", 0.0, None)
    assert last_told(["nothing of the kind"]) is None
