"""The connection to a server, and the meaning of its errors.

The openai package gives the headers (the key, the organisation and project of the environment) and the settings of TLS.
The body of a request is posted as it is, and the reply is read as it is: the package would rebuild both as objects of
its own, which costs several times the CPU of sending them, and leaves the reply's types unchecked.
"""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from prefdelta.core.asking.requests import Endpoint

if TYPE_CHECKING:
    import aiohttp

LONGEST_WAIT_S = 30.0  # between two tries, unless the server asks for more
_KEEP_ALIVE_S = 5.0  # of a connection that is not used; servers close theirs after 5 s or later


class StatusError(Exception):
    """The server answered with an HTTP status that is no success."""

    def __init__(self, status: int, text: str, retry_after: str | None) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.text, self.retry_after = status, text, retry_after


class Connection:
    """One server, as the requests of a run share it. The caller limits how many are sent at once, and their time."""

    def __init__(self, session: "aiohttp.ClientSession", base_url: str, proxy: str | None) -> None:
        self._session, self._proxy = session, proxy
        self._url = f"{base_url.rstrip('/')}/chat/completions"

    async def post(self, body: Mapping[str, Any]) -> bytes:
        """Ask for a chat completion: the content of the reply.

        Raises StatusError; aiohttp.ClientError if the connection fails; ValueError if JSON cannot hold the body.
        """
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        async with self._session.post(self._url, data=content, proxy=self._proxy) as reply:
            received = await reply.read()
            if not 200 <= reply.status < 300:
                text = received.decode(errors="replace")
                raise StatusError(reply.status, text, reply.headers.get("Retry-After"))
            return received


@asynccontextmanager
async def connected(endpoint: Endpoint) -> AsyncIterator[Connection]:
    """A connection to a server, until the context is left."""
    import aiohttp

    address = urlsplit(endpoint.base_url)
    connector = aiohttp.TCPConnector(
        limit=0, keepalive_timeout=_KEEP_ALIVE_S, ssl=_tls() if address.scheme == "https" else True
    )
    headers, no_limit = await _headers(endpoint), aiohttp.ClientTimeout(total=None, sock_connect=None)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=no_limit) as session:
        yield Connection(session, endpoint.base_url, None if endpoint.ours else _proxy(address.scheme, address.netloc))


async def _headers(endpoint: Endpoint) -> dict[str, str]:
    """The headers of a request. A server that this job started needs none of those that the package adds."""
    if endpoint.ours:
        return {"Authorization": f"Bearer {endpoint.api_key}", "Content-Type": "application/json"}
    import openai

    transport = openai.DefaultAioHttpClient()
    async with openai.AsyncOpenAI(
        base_url=endpoint.base_url, api_key=endpoint.api_key, http_client=transport
    ) as client:
        headers = {**client.auth_headers, **client.default_headers}
    return {name: value for name, value in headers.items() if isinstance(value, str)}  # others: left out on purpose


def _tls() -> ssl.SSLContext:
    """The package's settings of TLS: SSL_CERT_FILE, SSL_CERT_DIR, or the certificates of the system."""
    import httpx2

    return httpx2.create_ssl_context()


def _proxy(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for an address (HTTPS_PROXY, ALL_PROXY, NO_PROXY); None if there is none."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def description_of(error: Exception) -> str:
    """An error's type and cause. The package calls a refused connection a time-out; the error's cause is right."""
    import aiohttp

    cause = error if isinstance(error, aiohttp.ClientError) else error.__cause__
    return f"{type(error).__name__}: {cause or error}".rstrip(".")


def never_sent(error: Exception) -> bool:
    """Whether an error is a failed connection, so that nothing was sent."""
    import aiohttp

    return isinstance(error, aiohttp.ClientConnectorError)


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
