"""What an error that comes over the wire means."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT_S = 30.0  # between two tries, unless the server asks for more


def described(error: Exception) -> str:
    """In words that help: the package calls a refused connection a time-out, but its cause tells the truth."""
    return f"{type(error).__name__}: {error.__cause__ or error}".rstrip(".")


def never_sent(error: BaseException | None) -> bool:
    """Whether there was no connection to send anything over: the packages in between turn it into a time-out."""
    import aiohttp

    while error is not None and not isinstance(error, aiohttp.ClientConnectorError):
        error = error.__cause__ or error.__context__
    return error is not None


def retry_after(header: str | None) -> float:
    """Seconds a server asks to wait, as a number or until a date; 0 if it says neither."""
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(str(header))
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date either, or one without a zone
        return 0.0
