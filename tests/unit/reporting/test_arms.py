import pytest

from prefdelta.core.errors import StudyError
from prefdelta.reporting.arms import (
    common_parts,
    families,
    read_arm,
    seed_names,
    selection_of,
    short_labels,
    without_draw,
)

DRAWS = [read_arm(f"pico/big~small/random-9-s{draw}/dpo/s{seed}") for draw in (1, 0) for seed in (0, 1)]


def test_a_selection_is_taken_apart():
    top, random = (read_arm(f"pico/big~small/{name}/dpo/s3") for name in ("top-clarity-9", "random-9-s1"))
    assert (selection_of(top).kind, selection_of(top).k, selection_of(top).seed) == ("top", 9, None)
    assert (without_draw(top), without_draw(random)) == ("top-clarity-9", "random-9")


@pytest.mark.parametrize("name", ["pico/base", "pico/a~b/all/dpo/3", "pico/a~b/best/dpo/s3"])
def test_other_names_are_errors(name):
    with pytest.raises(StudyError):
        read_arm(name)


def test_draws_are_repeats_only_where_asked():
    assert [len(members) for members in families(DRAWS)] == [2, 2]
    (merged,) = families(DRAWS, merge_draws=True)
    assert [(selection_of(arm).seed, arm.seed) for arm in merged] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_draws_of_traces_are_repeats_like_seeds():
    arms = [read_arm(f"pico/{pairing}/all/dpo/s1") for pairing in ("big@2~small@2", "big~small", "other~small")]
    first, other = families(arms)
    assert [str(arm.pairing) for arm in first] == ["big~small", "big@2~small@2"]
    assert seed_names(first) == ["1", "1@2"]
    assert short_labels([first, other]) == ["big~small", "other~small"]
    assert common_parts(first)["pairing"] == "big~small"


def test_labels_say_what_differs():
    arms = [read_arm(f"pico/big~small/{name}/dpo/s0") for name in ("all", "cell-right-wrong")]
    assert short_labels([(arm,) for arm in arms]) == ["all", "right over wrong"]
    recipes = [read_arm(f"pico/big~small/all/{name}/s0") for name in ("dpo", "kto")]
    assert short_labels([(arm,) for arm in recipes]) == ["dpo", "kto"]
    assert short_labels([(recipes[0],)]) == ["all"]
    assert common_parts(recipes) == {"policy": "pico", "pairing": "big~small", "selection": "all"}
