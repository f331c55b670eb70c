"""Rows for tests, with every column that a test does not name set to something plain."""

from dataclasses import replace

from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.records.trace import Trace

_TRACE = Trace("p1", "strong", 0, "A:1", "stop", 4, 7, "key", None)
_GRADE = Grade("p1", "strong", 0, "1", True, None)
_PAIR = Pair("pair1", "p1", 0, 0, True, "right-wrong", 4, 4, True, False, True, None)
_JUDGEMENT = Judgement("p1", "strong", 0, "factuality", 3, 1, 1, ["key"], None)


def trace(prompt_id="p1", generator="strong", sample=0, **columns):
    return replace(_TRACE, prompt_id=prompt_id, generator=generator, sample=sample, **columns)


def grade(prompt_id="p1", generator="strong", sample=0, **columns):
    return replace(_GRADE, prompt_id=prompt_id, generator=generator, sample=sample, **columns)


def pair(pair_id="pair1", **columns):
    return replace(_PAIR, pair_id=pair_id, **columns)


def judgement(generator, dimension, *votes, **columns):
    """votes: scores; None for one that failed."""
    scores = [vote for vote in votes if vote is not None]
    rated = {"score_sum": sum(scores), "failure": None} if scores else {"score_sum": None, "failure": "not_json"}
    return replace(_JUDGEMENT, generator=generator, dimension=dimension, votes=len(scores), **(rated | columns))


def delta(pair_id, value):
    if value is None:
        return Delta(pair_id, None, 3.0, None, "chosen_unjudged")
    return Delta(pair_id, 3.0 + value, 3.0, value, None)
