"""Engine `openai`: any server that speaks the OpenAI chat-completions protocol, through the openai package.

The package's own retries (two of them, ten minutes each) are off. Each request has one deadline for all its tries,
waits with full jitter between them, and honours Retry-After. A request that the server refuses for good is a permanent
failure; one that runs out of time is a transient failure, which is not recorded.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from prefdelta.core.errors import StudyError
from prefdelta.core.options import OpenAIOptions
from prefdelta.core.requests import Endpoint, Failure, Reply, Request

if TYPE_CHECKING:
    import openai

VERSION = 1  # raise it when the same request would get another reply
LONGEST_WAIT_S = 30.0


class OpenAIEngine:
    """Asks the server that `serve` opens; nothing is opened before the first missing request.

    server_identity: what determines the server's replies besides the model's name (its code, its settings).
    """

    def __init__(
        self,
        options: OpenAIOptions,
        serve: Callable[[], AbstractContextManager[Endpoint]],
        server_identity: dict[str, Any],
    ) -> None:
        self._options, self._serve, self._server_identity = options, serve, server_identity

    def identity(self) -> dict[str, Any]:
        return {
            "engine": "openai",
            "version": VERSION,
            "model": self._options.model,
            "server": self._server_identity,
        }

    def run(self, plan: Sequence[tuple[str, Request]], missing: Collection[str]) -> Iterator[Reply | Failure]:
        wanted = [(key, request) for key, request in plan if key in missing]
        with self._serve() as endpoint, asyncio.Runner() as runner:
            results = self._ask_all(endpoint, wanted)

            async def following() -> Reply | Failure | None:
                return await anext(results, None)

            # Ending early (the caller stops, SIGTERM) leaves `runner`, which cancels what is open and closes `results`.
            while (result := runner.run(following())) is not None:
                yield result

    async def _ask_all(self, endpoint: Endpoint, wanted: list[tuple[str, Request]]) -> AsyncGenerator[Reply | Failure]:
        import openai

        results: asyncio.Queue[Reply | Failure | BaseException] = asyncio.Queue()
        waiting = iter(wanted)

        async def work(client: "openai.AsyncOpenAI") -> None:
            try:
                for key, request in waiting:
                    results.put_nowait(await self._ask(client, endpoint, key, request))
            except Exception as error:
                results.put_nowait(error)

        async with openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            max_retries=0,
            timeout=self._options.deadline_s,
            http_client=openai.DefaultAioHttpClient(),
        ) as client:
            workers = [asyncio.create_task(work(client)) for _ in range(self._options.in_flight)]
            try:
                for _ in wanted:
                    result = await results.get()
                    if isinstance(result, BaseException):
                        raise result
                    yield result
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _ask(
        self, client: "openai.AsyncOpenAI", endpoint: Endpoint, key: str, request: Request
    ) -> Reply | Failure:
        """Try until there is a reply, a refusal, or no time left."""
        import openai

        started = monotonic()
        deadline = started + self._options.deadline_s
        mean_wait = self._options.back_off_s
        while True:
            told_to_wait = 0.0
            try:
                async with asyncio.timeout(deadline - monotonic()):
                    return await self._ask_once(client, key, request, started)
            except openai.APIStatusError as error:
                if error.status_code in (401, 403, 404):
                    raise StudyError(
                        f"{endpoint.base_url} refused with HTTP {error.status_code}: {error.message}. Check the model's"
                        f" name ({self._options.model!r}), the address, and the key in the environment."
                    ) from None
                if error.status_code not in (408, 409, 429) and error.status_code < 500:
                    return Failure(key, "rejected", permanent=True, detail=error.message)
                told_to_wait = _retry_after(error.response.headers.get("retry-after"))
                detail = f"HTTP {error.status_code}"
            except TimeoutError:
                return Failure(key, "deadline", permanent=False, detail=f"after {self._options.deadline_s:g} s")
            except (openai.APIConnectionError, openai.APIResponseValidationError, ValueError) as error:
                detail = f"{type(error).__name__}: {error}"
            endpoint.check()
            wait = max(told_to_wait, random.uniform(0, 2 * mean_wait))
            if monotonic() + wait >= deadline:
                return Failure(key, "deadline", permanent=False, detail=detail)
            await asyncio.sleep(wait)
            mean_wait = min(2 * mean_wait, LONGEST_WAIT_S)

    async def _ask_once(
        self, client: "openai.AsyncOpenAI", key: str, request: Request, started: float
    ) -> Reply | Failure:
        from openai.types.chat import ChatCompletion

        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._options.model,
            "messages": [{"role": role, "content": content} for role, content in request.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_completion_tokens": sampling.max_tokens,
            "seed": request.seed + request.attempt,
        }
        if sampling.reasoning_effort is not None:
            body["reasoning_effort"] = sampling.reasoning_effort
        if request.response_schema is not None:
            schema = {"name": "verdict", "schema": request.response_schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        reply = await client.chat.completions.create(**body)
        if not isinstance(reply, ChatCompletion):  # a proxy's page, for example: the package lets other bodies through
            raise ValueError(f"the reply is no chat completion: {str(reply)[:80]!r}")
        # Some gateways answer a passing fault with HTTP 200 and no choice, or one without a message.
        if not reply.choices or reply.choices[0].message is None:
            raise ValueError(f"the reply has no choice: {str(reply)[:80]!r}")
        choice = reply.choices[0]
        tokens = reply.usage.completion_tokens if reply.usage else None
        text = choice.message.content
        if text is None and choice.message.refusal:
            return Failure(key, "refusal", permanent=True, detail=choice.message.refusal)
        return Reply(key, text, choice.finish_reason, tokens, reply.model, monotonic() - started)


def _retry_after(header: str | None) -> float:
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
