"""Mini's config with edits, and the mistakes that are found in it."""

import copy
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.study.config.files import parse
from small import small

ROOT = Path(__file__).parents[4]
WHERE = "studies/mini.yaml"
MINI = small()
ITEMS = MINI["prompts"]["train"]["items"]
DROP = object()


def edited(**edits):
    """Mini's config with some values replaced, dropped or added; `a__b` is the key b of a."""
    content = copy.deepcopy(MINI)
    del content["experiments"]["equal_updates"]["as_many_updates_as"]  # it names an arm of another experiment
    for place, value in edits.items():
        *above, last = place.split("__")
        section = content
        for key in above:
            section = section[key]
        if value is DROP:
            del section[last]
        else:
            section[last] = value
    return content


def mistakes(**edits):
    """The lines of the error, without the first."""
    with pytest.raises(StudyError) as error:
        parse(edited(**edits), WHERE)
    first, *lines = str(error.value).splitlines()
    assert first == f"{WHERE} has {len(lines)} mistake(s); nothing was started."
    return [line.removeprefix("  - ") for line in lines]


RECIPE = "train__recipes__dpo"
EXPERIMENT = "experiments__filtering"


def group(*benchmarks, **more):
    return {"title": "T", "benchmarks": list(benchmarks), "sampling": {"temperature": 1.0, "max_tokens": 80}, **more}
