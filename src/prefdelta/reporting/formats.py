"""Numbers and names as the page shows them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

NONE = "—"


def percent(share: float | None) -> str:
    """A share as a number of percent, without its sign."""
    return NONE if share is None else f"{100 * share:.1f}"


def small_share(share: float | None) -> str:
    """A share that may be tiny as a number of percent: 0.06, and < 0.01 for what is not 0."""
    if share is None:
        return NONE
    if 0 < share < 0.0001:
        return "< 0.01"
    return "0" if share == 0 else f"{100 * share:.2f}"


def points(share: float | None) -> str:
    """A difference of shares in percentage points, with its sign."""
    return NONE if share is None else _minus(f"{100 * share:+.1f}")


def signed(value: float | None) -> str:
    return NONE if value is None else _minus(f"{value:+.2f}")


def decimal(value: float | None, digits: int = 4) -> str:
    return NONE if value is None else _minus(f"{value:.{digits}f}")


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def reasons(failures: Mapping[str, int]) -> str:
    """Failures by reason, most frequent first."""
    ordered = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name}\u00a0{number:,}" for name, number in ordered) or NONE


def breakable(name: str) -> "Markup":
    """A name that may break into lines after its slashes."""
    from markupsafe import Markup

    return Markup("/<wbr>").join(name.split("/"))


def span(numbers: Sequence[int]) -> str:
    """Smallest to largest: 480–500, or 500."""
    low, high = min(numbers, default=0), max(numbers, default=0)
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def listed(names: Iterable[object]) -> str:
    """Names as a list in a sentence: a, b, c."""
    return ", ".join(map(str, names))


def _minus(text: str) -> str:
    """Minus signs as printed; a zero has none."""
    if float(text) == 0:
        text = text.replace("-", "").replace("+", "")
    return text.replace("-", "−")
