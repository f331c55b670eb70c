"""A provider's batch API: its calls, repeated after passing faults, and the lines of its files."""

import json
import random
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, TypeVar

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.connection import LONGEST_WAIT_S, description_of, retry_after
from prefdelta.engines.openai.refusals import Refusal, message_about_account, refused_with
from prefdelta.system.log import say

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

T = TypeVar("T")
URL: Final = "/v1/chat/completions"


class NotCreatedError(StudyError):
    """The provider said that it created no batch, so it charges nothing."""


class BatchProvider:
    """The batch API behind a client. All methods raise StudyError if the provider refuses, or fails for deadline_s."""

    def __init__(self, client: "openai.OpenAI", options: OpenAIOptions) -> None:
        self.url = str(client.base_url)
        self.key = client.api_key
        self._client, self._options = client, options

    def batches(self) -> list["Batch"]:
        """All batches that the provider remembers."""
        return self._try("list batches", lambda: list(self._client.batches.list(limit=100)))

    def batch(self, batch_id: str) -> "Batch":
        return self._try(f"look at batch {batch_id}", lambda: self._client.batches.retrieve(batch_id))

    def create(self, lines: Mapping[str, bytes], window: str, metadata: dict[str, str]) -> "Batch":
        """A batch of these lines. Raises NotCreatedError, or StudyError if it is not known whether it was created."""
        import openai

        content = b"".join(lines.values())
        try:
            file = self._try(
                "upload", lambda: self._client.files.create(file=("requests.jsonl", content), purpose="batch")
            )
        except StudyError as error:
            raise NotCreatedError(str(error)) from None
        try:
            # Only one try: if a batch was created but the answer got lost, a second try would pay for it twice.
            return self._client.with_options(max_retries=0).batches.create(
                input_file_id=file.id,
                endpoint=URL,
                completion_window=window,  # type: ignore[arg-type]  # providers have other windows than OpenAI's
                metadata=metadata,
            )
        except openai.APIStatusError as error:
            refused = self._refused("create a batch", error)
            raise NotCreatedError(str(refused)) if error.status_code < 500 else refused from None
        except openai.OpenAIError as error:
            raise StudyError(
                f"{self.url}: it is not known whether a batch of {len(lines):,} requests was created ({error}). The "
                "same command looks for it first, and asks for what no batch holds."
            ) from None

    def lines(self, batch: "Batch") -> list[dict[str, Any]]:
        """The parsed lines of a batch's files. Lines that cannot be read are left out, with a warning."""
        files = [file for file in (batch.output_file_id, batch.error_file_id) if file]
        return [line for file in files for line in self._lines_of(batch, file)]

    def _lines_of(self, batch: "Batch", file: str) -> list[dict[str, Any]]:
        import openai

        def content() -> bytes:
            try:
                return self._client.files.content(file).content
            except openai.NotFoundError:
                say(f"warning: batch {batch.id}: its file {file} is gone; what it held is asked again")
                return b""

        lines = []
        # Split only at line feeds: texts may contain other characters that Python takes for the end of a line.
        for line in self._try(f"fetch file {file}", content).split(b"\n"):
            try:
                parsed = json.loads(line) if line.strip() else None
            except ValueError:
                say(f"warning: batch {batch.id}: a line of its file {file} is not JSON; its request is asked again")
                continue
            if isinstance(parsed, dict):
                lines.append(parsed)
        return lines

    def _try(self, what: str, action: Callable[[], T]) -> T:
        """The result of an action that may be repeated. It is repeated until deadline_s while the provider fails."""
        import openai

        deadline = monotonic() + self._options.deadline_s
        wait = self._options.back_off_s
        while True:
            asked_wait = 0.0  # seconds that the server asks to wait
            try:
                return action()
            except openai.APIStatusError as error:
                asked_wait = retry_after(error.response.headers.get("retry-after"))
                passing = self._meaning(error).meaning == "passing"
                if not passing or monotonic() + max(wait, asked_wait) > deadline:
                    raise self._refused(what, error) from None
            except openai.APIError as error:
                if monotonic() + wait > deadline:
                    raise StudyError(
                        f"{self.url}: {what}: no answer for {self._options.deadline_s:g} s (deadline_s): "
                        f"{description_of(error)}. Batches go on at the provider; the same command collects them."
                    ) from None
            sleep(max(asked_wait, random.uniform(0.5, 1) * wait))
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _meaning(self, error: "openai.APIStatusError") -> Refusal:
        # The response itself is read: the error keeps only a part of it, and only one form of words.
        return refused_with(error.status_code, error.response.text, {}, self.key)

    def _refused(self, what: str, error: "openai.APIStatusError") -> StudyError:
        refusal = self._meaning(error)
        if refusal.meaning == "account":
            return StudyError(message_about_account(f"{self.url}: {what}:", refusal))
        return StudyError(
            f"{self.url}: {what}: refused with {refusal.message.rstrip('.')}. Check the "
            "address and the key in the environment, and that this provider has a batch API (without one, leave out "
            "`batch`). Batches that were created go on; the same command collects them."
        )


def request_line(key: str, body: dict[str, Any]) -> bytes:
    """The line of a file of requests."""
    entry = {"custom_id": key, "method": "POST", "url": URL, "body": body}
    return json.dumps(entry).encode() + b"\n"


def response_of(line: Mapping[str, Any]) -> tuple[int | None, Any]:
    """(HTTP status, body) of a line of a batch's files; (None, why) if the request was never begun."""
    response = line.get("response")
    if not isinstance(response, dict) or type(response.get("status_code")) is not int:
        return None, line.get("error")
    return response["status_code"], response.get("body")
