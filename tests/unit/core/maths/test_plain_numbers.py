import math
import time

import pytest

from prefdelta.core.maths.plain_numbers import as_latex, close, last_number, lists_close, number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-0.5", -0.5),
        ("1,234,567.5", 1234567.5),
        (r"12{,}000", 12000),
        ("12\u2009000", 12000),
        ("1.5e-3", 0.0015),
        ("1.2E+5 N", 120000),
        ("20%", 0.2),
        (r"20\%", 0.2),
        ("12.5 percent", 0.125),
        ("12.5% per year (about)", 0.125),
        ("3.5 m/s^2", 3.5),
        (r"3.5\,\text{m/s}^2", 3.5),
        (r"45^\circ", 45),
        ("60°", 60),
        ("100km/h", 100),
        ("$7$", 7),
        ("about 5.3 m", 5.3),
        ("3 1/2", 3.5),
        ("-3 1/2 m", -3.5),
        ("0.5 (or 50%)", 0.5),
        # Powers of ten, as they are written.
        ("7 × 10^-24", 7e-24),
        ("7 × 10^-24 J", 7e-24),
        ("7×10⁻²⁴J", 7e-24),
        ("\u22127 × 10^\u221224", -7e-24),
        ("7.5 x 10^3", 7500),
        ("7.5x10^(3)", 7500),
        ("3.0 × 10^8 m/s", 3e8),
        ("$3.0 \\times 10^{8}$ m/s", 3e8),
        (r"6.02\times10^{23}", 602 * 10**21),
        (r"2 \cdot 10^{-2}\,\mathrm{J}", 0.02),
        ("6.02 * 10**23", 602 * 10**21),
        ("10^-3", 0.001),
        ("-10^{3} m", -1000),
        ("10⁵", 10**5),
        ("7.5 × 10^3 (N)", 7500),
        ("1.2e5N", 120000),
        (r"$\mathbf{7.5 \times 10^{3}}$", 7500),
        ("(7 × 10^-24)", 7e-24),
        ("1.38 × 10\u221223 J/K", 1.38e-23),  # the text lost that it was raised
        # In other dress.
        ("1 000 000 m", 10**6),
        ("£5", 5),
        ("USD 5", 5),
        ("0.33...", 0.33),
        ("3.2 \u00b5m", 3.2),
        ("5,", 5),
        # Whole numbers are exact; what is out of reach is told as such.
        ("12345678901234567891", 12345678901234567891),
        ("10**400", 10**400),
        ("1e400", 10**400),
        ("-1e99999999999", -math.inf),
        ("1" * 5000, math.inf),
        ("1e-99999999999", 0),
        ("0e99999999999", 0),
        # What is not a number alone.
        (r"\frac{1}{2}", None),
        ("2 pi", None),
        ("2i", None),
        ("3x", None),
        ("2 + 3", None),
        ("2^10", None),
        ("9**9**9", None),
        ("3 1/0", None),
        ("3 divided by 4", None),
        ("3 mod 5", None),
        ("3 to 5", None),
        ("0.5 or 0.6", None),
        ("0.5 squared", None),
        ("five", None),
        ("", None),
    ],
)
def test_plain_numbers_are_read_with_their_units(text, value):
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("so it is 4 in all", 4),
        ("so it is 7 × 10^-24 J", 7e-24),
        ("from 5 to 10^3", 1000),
        ("the acceleration is 9.8 m/s^2", 9.8),
        ("2 g of H2O", 2),
        ("at 3e8 m/s", 3e8),
        ("the rate is 3.03%", 0.0303),
        ("nothing", None),
    ],
)
def test_the_last_number_is_no_exponent_of_a_unit(text, value):
    assert last_number(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "latex"),
    [("2 × 3^-4", r"2  \times  3^{-4}"), ("2 x 10^-3 + 1", r"2 \times 10^{-3} + 1"), ("2*pi", r"2*\pi ")],
)
def test_powers_and_products_are_written_as_latex_has_them(text, latex):
    assert as_latex(text) == latex


@pytest.mark.parametrize(
    "part", ["1", "1 ", "10^", "1e", "1,", "×10^", "1 x ", "-", " ", "1.", "{", "⁻", "1/2 ", "about "]
)
def test_a_loop_of_digits_takes_no_time(part):
    began = time.process_time()
    for read in (number, last_number, as_latex):
        read(part * 50_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("answer", "right", "same"),
    [
        (3.4, 3, True),  # a whole right answer is met after rounding
        (3.6, 3, False),
        (104.0, 100.0, True),  # any other within 4 %
        (104.1, 100.0, False),
        (-95.9, -100.0, False),
        (0.01, 0.0, False),
        (None, 3, False),
        (math.inf, 3, False),
        (-math.inf, 3.0, False),
        (10**400, 3.0, False),
        (10**400, 10**400, True),
        (12345678901234567891, 12345678901234567890, False),
    ],
)
def test_numbers_are_compared_as_theoremqa_does(answer, right, same):
    assert close(answer, right) is same


def test_lists_are_compared_in_any_order_and_never_in_part():
    assert lists_close([2.0, 1.01], [1.0, 2])
    assert not lists_close([1.0], [1, 2])
    assert not lists_close([1.0, None], [1, 2])
    assert not lists_close([1.0, math.inf], [1, 2])
