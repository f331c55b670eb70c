"""Asking through a provider's batch API: requests go up as a file, and their replies come down as one, hours later.

Nothing is remembered here of a batch that runs. Each batch carries, as metadata at the provider, names of requests that
it holds. A run looks through the provider's batches first: what an earlier run of the job began is waited for and
collected, so a job that was stopped pays nothing twice. Replies are joined to requests by `custom_id`, the request's
key; a file of replies has an order of its own.

So a reply that was paid for is given again as long as the provider keeps its file, also after `prefdelta retry` or
`invalidate` has forgotten it. Delete the batch's output file at the provider, or set another `engine.provider`, to have
it asked anew. What was refused or not begun is always asked anew.
"""

import json
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from prefdelta.core.asking.engine_options import BatchOptions, OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.body import ErrorReplyError, about_all, body_of, checked, result_of
from prefdelta.engines.openai.faults import LONGEST_WAIT_S, described, retry_after
from prefdelta.engines.openai.held import REFUSED_IN_A_ROW
from prefdelta.engines.openai.refusals import Refusal, about_the_account, refusal_of, refused_in, refused_with
from prefdelta.system.files import say

if TYPE_CHECKING:
    import openai
    from openai.types import Batch

T = TypeVar("T")
URL: Final = "/v1/chat/completions"
MOST_BYTES = 190_000_000  # in one file; OpenAI takes 200 MB
REMEMBERED_S = 31 * 86_400.0  # how far back to look for batches: OpenAI keeps their files for 30 days
LABEL, ACCOUNT = "prefdelta", "prefdelta-account"  # in a batch's metadata
_NAMES, _NAME = 30, 16  # of a batch's requests in its label, and characters of each: 512 are allowed
_ENDED = ("completed", "failed", "expired", "cancelled")


def run(
    options: OpenAIOptions,
    batch: BatchOptions,
    serve: Callable[[], AbstractContextManager[Endpoint]],
    spending: Spending,
    plan: Sequence[tuple[str, Request]],
    wanted: Mapping[str, Request],
) -> Iterator[Reply | Failure]:
    """Reply to the `wanted` requests of a plan."""
    import openai

    with (
        serve() as endpoint,
        openai.OpenAI(
            base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0, timeout=options.deadline_s
        ) as client,
    ):
        planned = {key for key, _ in plan}
        yield from _Asked(client, options, batch, spending).replies(planned, dict(wanted), len(planned) - len(wanted))


class _Asked:
    """The batches of one run."""

    def __init__(
        self, client: "openai.OpenAI", options: OpenAIOptions, batch: BatchOptions, spending: Spending
    ) -> None:
        self._client, self._options, self._batch, self._spending = client, options, batch, spending
        self._details: dict[str, str] = {}  # why a request was not answered
        self._created: set[str] = set()  # ids of the batches of this run

    def replies(
        self, planned: Collection[str], waiting: dict[str, Request], answered: int
    ) -> Iterator[Reply | Failure]:
        """waiting: what is wanted, by key. answered: how many of the plan are recorded already."""
        rounds = dict.fromkeys(waiting, 0)
        batches = self._begun(planned)
        while True:
            for ended in self._as_they_end(batches):
                for result in self._results(ended, waiting, answered):
                    answered += 1
                    yield result
            for key in [key for key in waiting if rounds[key] == self._batch.rounds]:
                del waiting[key]
                yield Failure(key, "not_in_batch", permanent=False, detail=self._details.get(key, ""))
            if not waiting:
                return
            batches, submitted = self._submit(waiting)
            if not submitted:
                usd = self._spending.worst(next(iter(waiting.values())))
                raise self._spending.at_limit(usd, answered, waiting.values())
            for key in submitted:
                rounds[key] += 1

    def _begun(self, planned: Collection[str]) -> list["Batch"]:
        """What earlier runs of this job began."""
        names = {key[:_NAME] for key in planned}
        since = time() - REMEMBERED_S
        found = []
        for batch in self._tried("list batches", lambda: list(self._client.batches.list(limit=100))):
            mine = not names.isdisjoint(_metadata(batch, LABEL).split())
            if mine and batch.status != "failed" and batch.created_at >= since:
                found.append(batch)
                say(f"batch {batch.id}: begun by an earlier run, {batch.status}; it is collected first")
        return found

    def _submit(self, waiting: Mapping[str, Request]) -> tuple[list["Batch"], list[str]]:
        """Batches of all that is waiting, or of as much as may be spent; and the keys of what they hold."""
        batches, submitted, left = list["Batch"](), list[str](), list(waiting.items())
        while left:
            part, usd, account = self._part(left)
            if not part:
                break
            batches.append(self._create(part, usd, account))
            submitted += part
            left = left[len(part) :]
        return batches, submitted

    def _part(self, left: Sequence[tuple[str, Request]]) -> tuple[dict[str, bytes], float, str]:
        """The lines of the next batch by key, what it costs at most, and where in the account that is set aside."""
        lines, size, usd = dict[str, bytes](), 0, 0.0
        room = self._spending.room()
        for key, request in left[: self._batch.requests]:
            line = _line(key, body_of(self._options, request))
            worst = self._spending.worst(request)
            if (lines and size + len(line) > MOST_BYTES) or usd + worst > room:
                break
            lines[key] = line
            size, usd = size + len(line), usd + worst
        account = self._spending.reserve(usd) if lines else None
        return (lines, usd, account) if account is not None else ({}, 0.0, "")

    def _create(self, lines: Mapping[str, bytes], usd: float, account: str) -> "Batch":
        import openai

        content = b"".join(lines.values())
        names = " ".join(sorted(key[:_NAME] for key in lines)[:_NAMES])
        try:
            file = self._tried(
                "upload", lambda: self._client.files.create(file=("requests.jsonl", content), purpose="batch")
            )
        except StudyError:
            self._spending.settle(account, 0.0)
            raise
        try:
            # Once only: a batch that was created although its answer got lost would be paid for twice.
            batch = self._client.with_options(max_retries=0).batches.create(
                input_file_id=file.id,
                endpoint=URL,
                completion_window=self._batch.window,  # type: ignore[arg-type]  # providers know others than OpenAI's
                metadata={LABEL: names, ACCOUNT: account},
            )
        except openai.APIStatusError as error:
            if error.status_code < 500:
                self._spending.settle(account, 0.0)
            raise self._refused("create a batch", error) from None
        except openai.OpenAIError as error:
            raise StudyError(
                f"{self._client.base_url}: it is not known whether a batch of {len(lines):,} requests was created "
                f"({error}). The same command looks for it first, and asks for what no batch holds."
            ) from None
        self._created.add(batch.id)
        say(
            f"batch {batch.id}: {len(lines):,} requests submitted, {len(content) / 1e6:.1f} MB, at most {usd:,.4f} USD."
            " It goes on at the provider if this job is stopped; the same command then collects it."
        )
        return batch

    def _as_they_end(self, batches: list["Batch"]) -> Iterator["Batch"]:
        """Each batch when it has ended."""
        told: dict[str, str] = {}
        while batches:
            for batch in batches:
                counts = batch.request_counts
                state = f"{batch.status}, {counts.completed:,} of {counts.total:,}" if counts else batch.status
                if told.get(batch.id) != state:
                    say(f"batch {batch.id}: {state}")
                told[batch.id] = state
                if batch.status == "failed" and batch.id in self._created:
                    raise self._failed(batch)
                if batch.status in _ENDED:
                    yield batch
            running = [batch.id for batch in batches if batch.status not in _ENDED]
            if running:
                sleep(self._batch.poll_s)
            batches = [self._look(name) for name in running]

    def _failed(self, batch: "Batch") -> StudyError:
        """The provider took none of a batch's requests."""
        self._spending.settle(_metadata(batch, ACCOUNT), 0.0)
        errors = (batch.errors.data if batch.errors else None) or []
        told = "; ".join(f"{error.code}: {error.message}" for error in errors) or "no reason given"
        said = [{"error": {"code": error.code, "message": error.message}} for error in errors]
        refusal = replace(refusal_of(None, said, {}), words=told)
        if refusal.meaning == "account":
            return StudyError(about_the_account(f"{self._client.base_url}: batch {batch.id}", refusal))
        return StudyError(
            f"{self._client.base_url}: batch {batch.id} was refused as a whole: {told}. None of it was asked or paid."
            " If it is too large for what may be enqueued, lower batch.requests. Other batches of this job go on; the "
            "same command collects them."
        )

    def _look(self, name: str) -> "Batch":
        return self._tried(f"look at batch {name}", lambda: self._client.batches.retrieve(name))

    def _results(self, batch: "Batch", waiting: dict[str, Request], answered: int) -> Iterator[Reply | Failure]:
        """What a batch answered; that is then no longer waiting. Settles what was set aside for it.

        answered: how many requests of the plan were answered before. Raises StudyError after the last result if the
        provider refused requests for a reason that lies in no request. What may lie in one or in all of them
        (`openai_held`) lies in one if others of the batch were answered, or others before and few are refused.
        """
        files = [name for name in (batch.output_file_id, batch.error_file_id) if name]
        lines = [line for name in files for line in self._lines(batch, name)]
        costs = [self._cost(line) for line in lines]
        known = [usd for usd in costs if usd is not None]
        # Where one reply does not say what it cost, all that was set aside stays.
        self._spending.settle(_metadata(batch, ACCOUNT) or batch.id, sum(known) if len(known) == len(costs) else None)
        stopped: Refusal | None = None
        held, others_answered = dict[str, Refusal](), False
        for line in lines:
            key = str(line.get("custom_id"))
            status, body = _response(line)
            if key not in waiting:  # recorded since, or no longer planned
                others_answered |= status == 200
                continue
            found = self._result(key, status, body, waiting[key])
            if isinstance(found, Refusal):
                if batch.id not in self._created:  # refused in an earlier run: the cause may be mended
                    continue
                if found.meaning in ("account", "ours"):
                    stopped = found
                elif found.meaning == "this_or_all" or (found.meaning == "request" and not found.certain):
                    held[key] = found
                elif found.meaning == "request":
                    found = Failure(key, found.failure, permanent=True, detail=found.told)
                else:
                    self._details[key] = found.told
            if isinstance(found, Reply | Failure):
                others_answered |= status == 200
                del waiting[key]
                yield found
        prompts = {waiting[key].messages for key in held}
        if others_answered or (answered and len(prompts) < REFUSED_IN_A_ROW):
            for key, refusal in held.items():
                del waiting[key]
                yield Failure(key, refusal.failure, permanent=True, detail=refusal.told)
        elif held:
            stopped = stopped or next(iter(held.values()))
        if stopped is not None:
            where = f"{self._client.base_url}: batch {batch.id}"
            if stopped.meaning == "account":
                raise StudyError(about_the_account(where, stopped))
            raise StudyError(about_all(where, stopped.told, self._options, self._any_body(waiting)))

    def _any_body(self, waiting: Mapping[str, Request]) -> dict[str, Any]:
        return body_of(self._options, next(iter(waiting.values())))

    def _result(self, key: str, status: int | None, body: Any, request: Request) -> Reply | Failure | Refusal | None:
        """What a line of a batch's files says of a request; None if it is to be asked again."""
        from openai.types.chat import ChatCompletion

        sent = body_of(self._options, request)
        if status != 200:
            return refusal_of(status, body, sent)
        try:
            return result_of(key, checked(ChatCompletion.construct(**body)), None)
        except ErrorReplyError as error:
            return refused_in(error.error, sent, self._client.api_key)
        except (ValueError, TypeError) as error:
            self._details[key] = str(error)
            return None

    def _cost(self, line: Mapping[str, Any]) -> float | None:
        """USD that a line of a batch's files stands for; None if that is not known."""
        from openai.types import CompletionUsage

        status, body = _response(line)
        if status != 200:
            return 0.0  # refused, or never begun
        usage = body.get("usage") if isinstance(body, dict) else None
        return self._spending.cost(CompletionUsage.construct(**usage)) if isinstance(usage, dict) else None

    def _lines(self, batch: "Batch", file: str) -> list[dict[str, Any]]:
        """The lines of a file that a batch left."""
        import openai

        def content() -> bytes:
            try:
                return self._client.files.content(file).content
            except openai.NotFoundError:
                say(f"warning: batch {batch.id}: its file {file} is gone; what it held is asked again")
                return b""

        found = []
        # Split at line feeds alone: texts may hold other marks that Python takes for the end of a line.
        for line in self._tried(f"fetch file {file}", content).split(b"\n"):
            try:
                parsed = json.loads(line) if line.strip() else None
            except ValueError:
                say(f"warning: batch {batch.id}: a line of its file {file} is no JSON; its request is asked again")
                continue
            if isinstance(parsed, dict):
                found.append(parsed)
        return found

    def _tried(self, what: str, action: Callable[[], T]) -> T:
        """The result of something that may be done twice, tried until deadline_s if the provider fails for a while."""
        import openai

        deadline = monotonic() + self._options.deadline_s
        wait = self._options.back_off_s
        while True:
            told_to_wait = 0.0
            try:
                return action()
            except openai.APIStatusError as error:
                told_to_wait = retry_after(error.response.headers.get("retry-after"))
                passing = refused_with(error, {}, self._client.api_key).meaning == "passing"
                if not passing or monotonic() + max(wait, told_to_wait) > deadline:
                    raise self._refused(what, error) from None
            except openai.APIError as error:
                if monotonic() + wait > deadline:
                    raise StudyError(
                        f"{self._client.base_url}: {what}: no answer for {self._options.deadline_s:g} s (deadline_s): "
                        f"{described(error)}. Batches go on at the provider; the same command collects them."
                    ) from None
            sleep(max(told_to_wait, random.uniform(0.5, 1) * wait))
            wait = min(2 * wait, LONGEST_WAIT_S)

    def _refused(self, what: str, error: "openai.APIStatusError") -> StudyError:
        refusal = refused_with(error, {}, self._client.api_key)
        if refusal.meaning == "account":
            return StudyError(about_the_account(f"{self._client.base_url}: {what}:", refusal))
        return StudyError(
            f"{self._client.base_url}: {what}: refused with {refusal.told.rstrip('.')}. Check the "
            "address and the key in the environment, and that this provider has a batch API (without one, leave out "
            "`batch`). Batches that were created go on; the same command collects them."
        )


def _line(key: str, body: dict[str, Any]) -> bytes:
    entry = {"custom_id": key, "method": "POST", "url": URL, "body": body}
    return json.dumps(entry).encode() + b"\n"


def _response(line: Mapping[str, Any]) -> tuple[int | None, Any]:
    """(HTTP status, body) of a line of a batch's files; (None, why) if the request was never begun."""
    response = line.get("response")
    if not isinstance(response, dict) or type(response.get("status_code")) is not int:
        return None, line.get("error")
    return response["status_code"], response.get("body")


def _metadata(batch: "Batch", name: str) -> str:
    return str((batch.metadata or {}).get(name, ""))
