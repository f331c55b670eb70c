import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.ids import canonical, digest, fraction, seed_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_canonical_text_has_sorted_keys_and_no_spaces():
    assert canonical({"b": [1, 2.5], "a": None}) == b'{"a":null,"b":[1,2.5]}'


def test_canonical_text_is_utf8_not_escapes():
    assert canonical("é") == b'"\xc3\xa9"'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_canonical_refuses_numbers_that_json_lacks(number):
    with pytest.raises(ValueError, match="JSON"):
        canonical({"x": number})


def test_digest_is_sha256_of_the_canonical_text():
    assert digest({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


@given(st.dictionaries(st.text(), json_values, min_size=2, max_size=5))
def test_digest_does_not_depend_on_the_order_of_keys(value):
    assert digest(dict(reversed(value.items()))) == digest(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a", "bc"], ["ab", "c"]),  # where one part ends and the next begins
        ([1], ["1"]),
        ([None], []),
        ([["a"], "b"], ["a", ["b"]]),
        ([1, 2], [2, 1]),
        ([True], [1]),
    ],
)
def test_digest_tells_apart_values_that_look_alike(one, other):
    assert digest(one) != digest(other)


@given(st.lists(st.text() | st.integers(), max_size=3))
def test_a_seed_fits_a_signed_64_bit_integer(parts):
    assert 0 <= seed_of(*parts) < 2**63


def test_a_seed_changes_with_each_part_of_the_draws_name():
    names = [("generate", 0, "weak", "p1", 0), ("generate", 1, "weak", "p1", 0), ("generate", 0, "strong", "p1", 0)]
    names += [("generate", 0, "weak", "p2", 0), ("generate", 0, "weak", "p1", 1), ("judge", 0, "weak", "p1", 0)]
    assert len({seed_of(*name) for name in names}) == len(names)


@given(st.lists(st.text() | st.integers(), max_size=3))
def test_a_fraction_lies_in_the_half_open_unit_interval(parts):
    assert 0 <= fraction(*parts) < 1


def test_fractions_are_spread_evenly():
    drawn = [fraction("spread", index) for index in range(2000)]
    # A fifth is 400; the standard deviation of the count is sqrt(2000 * 0.2 * 0.8) = 18.
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        assert abs(sum(low <= value < low + 0.2 for value in drawn) - 400) < 4 * 18
