"""The connection to a server, and the meaning of its errors."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from prefdelta.core.asking.requests import Endpoint

if TYPE_CHECKING:
    import openai

LONGEST_WAIT_S = 30.0  # between two tries, unless the server asks for more


def open_client(endpoint: Endpoint, timeout_s: float) -> "openai.AsyncOpenAI":
    """The package's client for a server, which makes one try per request."""
    import openai

    return openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        max_retries=0,
        timeout=timeout_s,
        http_client=openai.DefaultAioHttpClient(),
    )


def description_of(error: Exception) -> str:
    """An error's type and cause. The package calls a refused connection a time-out; the error's cause is right."""
    return f"{type(error).__name__}: {error.__cause__ or error}".rstrip(".")


def never_sent(error: BaseException | None) -> bool:
    """Whether an error is a failed connection, so that nothing was sent. It may be the cause of a package's error."""
    import aiohttp

    while error is not None and not isinstance(error, aiohttp.ClientConnectorError):
        error = error.__cause__ or error.__context__
    return error is not None


def retry_after(header: str | None) -> float:
    """Seconds that a server asks to wait. The header has a number of seconds or a date; 0 if it has neither."""
    try:
        return max(0.0, float(header or 0))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(str(header))
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # not a date, or a date without a time zone
        return 0.0
