"""One plain HTTP request, by the standard library alone: no client that could mend what a server does wrong."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def post(base_url: str, key: str, content: bytes | Any) -> tuple[int, Any]:
    """Status and parsed body of a chat-completions request."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        with urlopen(Request(f"{base_url}/chat/completions", data, headers), timeout=10) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)
