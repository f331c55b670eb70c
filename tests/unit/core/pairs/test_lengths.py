from prefdelta.core.pairs.lengths import CHARACTERS, TOKENS, length_differences
from unit.rows import pair


def of_lengths(name, tokens, characters):
    sides = {"tokens": tokens, "characters": characters}
    columns = {
        f"{side}_{unit}": length
        for unit, both in sides.items()
        for side, length in zip(("chosen", "rejected"), both, strict=True)
    }
    return pair(name, **columns)


def test_differences_are_in_tokens_where_every_trace_has_a_count():
    pairs = [of_lengths("a", (9, 4), (90, 40)), of_lengths("b", (3, 4), (31, 30))]
    assert length_differences(pairs) == ({"a": 5, "b": -1}, TOKENS)


def test_one_trace_without_a_count_makes_all_differences_those_of_characters():
    pairs = [of_lengths("a", (None, 4), (90, 40)), of_lengths("b", (3, 4), (31, 30))]
    assert length_differences(pairs) == ({"a": 50, "b": 1}, CHARACTERS)


def test_a_pair_that_has_neither_is_left_out_and_nothing_stands_for_it():
    pairs = [of_lengths("a", (None, 4), (90, 40)), of_lengths("b", (3, 4), (None, None))]
    assert length_differences(pairs) == ({"a": 50}, CHARACTERS)
    assert length_differences([]) == ({}, TOKENS)
