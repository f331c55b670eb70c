"""Asking through a provider's batch API: requests are uploaded as a file, and replies come as a file hours later.

This machine stores nothing about a running batch. Each batch carries, as metadata at the provider, names of the
requests in it. A run first lists the provider's batches, waits for those that an earlier run of the job began, and
collects them, so a job that was stopped pays nothing twice. Replies are joined to requests by `custom_id`, the
request's key, because a file of replies has an order of its own.

So a reply that was paid for comes back as long as the provider keeps its file, even after `prefdelta retry` or
`invalidate` has deleted it here. To have it asked again, delete the batch's output file at the provider, or set another
`engine.provider`. Requests that were refused or not begun are always asked again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from time import sleep, time
from typing import TYPE_CHECKING, Any

from prefdelta.core.asking.engine_options import BatchOptions, OpenAIOptions
from prefdelta.core.asking.requests import Endpoint, Failure, Reply, Request
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.account import Spending
from prefdelta.engines.openai.batch_provider import BatchProvider, NotCreatedError, request_line, response_of
from prefdelta.engines.openai.body import ErrorReplyError, body_of, checked_completion, message_about_all, result_of
from prefdelta.engines.openai.refusal_quarantine import REFUSED_IN_A_ROW
from prefdelta.engines.openai.refusals import Refusal, message_about_account, refusal_of, refused_in
from prefdelta.system.log import say

if TYPE_CHECKING:
    from openai.types import Batch

MOST_BYTES = 190_000_000  # most bytes of one file; OpenAI takes 200 MB
REMEMBERED_S = 31 * 86_400.0  # how far back to look for batches: OpenAI keeps their files for 30 days
LABEL, ACCOUNT = "prefdelta", "prefdelta-account"  # keys in a batch's metadata
_NAMES, _NAME = 30, 16  # most names of requests in a batch's label, and characters of each; a label may have 512
_ENDED = ("completed", "failed", "expired", "cancelled")


def run(
    options: OpenAIOptions,
    batch: BatchOptions,
    serve: Callable[[], AbstractContextManager[Endpoint]],
    spending: Spending,
    plan: Sequence[tuple[str, Request]],
    wanted: Mapping[str, Request],
) -> Iterator[Reply | Failure]:
    """Replies to the `wanted` requests of a plan."""
    import openai

    with (
        serve() as endpoint,
        openai.OpenAI(
            base_url=endpoint.base_url, api_key=endpoint.api_key, max_retries=0, timeout=options.deadline_s
        ) as client,
    ):
        planned = {key for key, _ in plan}
        batches = _BatchRun(BatchProvider(client, options), options, batch, spending)
        yield from batches.replies(planned, dict(wanted), len(planned) - len(wanted))


class _BatchRun:
    """The batches of one run."""

    def __init__(
        self, provider: BatchProvider, options: OpenAIOptions, batch: BatchOptions, spending: Spending
    ) -> None:
        self._provider, self._options, self._batch, self._spending = provider, options, batch, spending
        self._details: dict[str, str] = {}  # why a request was not answered
        self._created: set[str] = set()  # ids of the batches of this run

    def replies(
        self, planned: Collection[str], waiting: dict[str, Request], answered: int
    ) -> Iterator[Reply | Failure]:
        """waiting: key -> request that is wanted. answered: number of the plan's requests that are recorded already."""
        rounds = dict.fromkeys(waiting, 0)
        batches = self._begun(planned)
        while True:
            for ended in self._as_they_end(batches):
                for result in self._take_results(ended, waiting, answered):
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
        """The batches that earlier runs of this job began."""
        names = {key[:_NAME] for key in planned}
        since = time() - REMEMBERED_S
        begun = []
        for batch in self._provider.batches():
            mine = not names.isdisjoint(_metadata(batch, LABEL).split())
            if mine and batch.status != "failed" and batch.created_at >= since:
                begun.append(batch)
                say(f"batch {batch.id}: begun by an earlier run, {batch.status}; it is collected first")
        return begun

    def _submit(self, waiting: Mapping[str, Request]) -> tuple[list["Batch"], list[str]]:
        """(batches of all waiting requests, or of as many as the limit allows; the keys of these requests)."""
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
        """(the lines of the next batch by key, the most it costs, the name of that amount in the account)."""
        lines, size, usd = dict[str, bytes](), 0, 0.0
        room = self._spending.room()
        for key, request in left[: self._batch.requests]:
            line = request_line(key, body_of(self._options, request))
            worst = self._spending.worst(request)
            if (lines and size + len(line) > MOST_BYTES) or usd + worst > room:
                break
            lines[key] = line
            size, usd = size + len(line), usd + worst
        account = self._spending.reserve(usd) if lines else None
        return (lines, usd, account) if account is not None else ({}, 0.0, "")

    def _create(self, lines: Mapping[str, bytes], usd: float, account: str) -> "Batch":
        names = " ".join(sorted(key[:_NAME] for key in lines)[:_NAMES])
        try:
            batch = self._provider.create(lines, self._batch.window, {LABEL: names, ACCOUNT: account})
        except NotCreatedError:
            self._spending.settle(account, 0.0)
            raise
        self._created.add(batch.id)
        megabytes = sum(map(len, lines.values())) / 1e6
        say(
            f"batch {batch.id}: {len(lines):,} requests submitted, {megabytes:.1f} MB, at most {usd:,.4f} USD."
            " It goes on at the provider if this job is stopped; the same command then collects it."
        )
        return batch

    def _as_they_end(self, batches: list["Batch"]) -> Iterator["Batch"]:
        """Each batch when it has ended."""
        states: dict[str, str] = {}  # id of a batch -> its state as last shown
        while batches:
            for batch in batches:
                counts = batch.request_counts
                state = f"{batch.status}, {counts.completed:,} of {counts.total:,}" if counts else batch.status
                if states.get(batch.id) != state:
                    say(f"batch {batch.id}: {state}")
                states[batch.id] = state
                if batch.status == "failed" and batch.id in self._created:
                    raise self._failed(batch)
                if batch.status in _ENDED:
                    yield batch
            running = [batch.id for batch in batches if batch.status not in _ENDED]
            if running:
                sleep(self._batch.poll_s)
            batches = [self._provider.batch(batch_id) for batch_id in running]

    def _failed(self, batch: "Batch") -> StudyError:
        """The error that the provider took none of a batch's requests."""
        self._spending.settle(_metadata(batch, ACCOUNT), 0.0)
        errors = (batch.errors.data if batch.errors else None) or []
        reasons = "; ".join(f"{error.code}: {error.message}" for error in errors) or "no reason given"
        bodies = [{"error": {"code": error.code, "message": error.message}} for error in errors]
        refusal = replace(refusal_of(None, bodies, {}), words=reasons)
        if refusal.meaning == "account":
            return StudyError(message_about_account(f"{self._provider.url}: batch {batch.id}", refusal))
        return StudyError(
            f"{self._provider.url}: batch {batch.id} was refused as a whole: {reasons}. None of it was asked or paid."
            " If it is too large for what may be enqueued, lower batch.requests. Other batches of this job go on; the "
            "same command collects them."
        )

    def _take_results(self, batch: "Batch", waiting: dict[str, Request], answered: int) -> Iterator[Reply | Failure]:
        """The results of a batch. Their requests then no longer wait, and the amount that was set aside is settled.

        answered: how many requests of the plan were answered before. Raises StudyError after the last result if the
        provider refused requests for a reason that is about all of them. A reason that may be about one request or all
        (`refusal_quarantine`) is about one if others of the batch were answered, or if others were answered before and
        few are refused.
        """
        lines = self._provider.lines(batch)
        costs = [self._cost(line) for line in lines]
        known = [usd for usd in costs if usd is not None]
        # If any reply does not say what it cost, the whole amount stays set aside.
        self._spending.settle(_metadata(batch, ACCOUNT) or batch.id, sum(known) if len(known) == len(costs) else None)
        stopped: Refusal | None = None
        held, others_answered = dict[str, Refusal](), False
        for line in lines:
            key = str(line.get("custom_id"))
            status, body = response_of(line)
            if key not in waiting:  # recorded since, or no longer planned
                others_answered |= status == 200
                continue
            result = self._result(key, status, body, waiting[key])
            if isinstance(result, Refusal):
                if batch.id not in self._created:  # refused in an earlier run; the cause may be mended since
                    continue
                if result.meaning in ("account", "ours"):
                    stopped = result
                elif result.meaning == "this_or_all" or (result.meaning == "request" and not result.certain):
                    held[key] = result
                elif result.meaning == "request":
                    result = Failure(key, result.failure, permanent=True, detail=result.message)
                else:
                    self._details[key] = result.message
            if isinstance(result, Reply | Failure):
                others_answered |= status == 200
                del waiting[key]
                yield result
        prompts = {waiting[key].messages for key in held}
        if others_answered or (answered and len(prompts) < REFUSED_IN_A_ROW):
            for key, refusal in held.items():
                del waiting[key]
                yield Failure(key, refusal.failure, permanent=True, detail=refusal.message)
        elif held:
            stopped = stopped or next(iter(held.values()))
        if stopped is not None:
            where = f"{self._provider.url}: batch {batch.id}"
            if stopped.meaning == "account":
                raise StudyError(message_about_account(where, stopped))
            raise StudyError(message_about_all(where, stopped.message, self._options, self._any_body(waiting)))

    def _any_body(self, waiting: Mapping[str, Request]) -> dict[str, Any]:
        return body_of(self._options, next(iter(waiting.values())))

    def _result(self, key: str, status: int | None, body: Any, request: Request) -> Reply | Failure | Refusal | None:
        """The result of a request from a line of a batch's files; None if the request is to be asked again."""
        sent = body_of(self._options, request)
        if status != 200:
            return refusal_of(status, body, sent)
        try:
            return result_of(key, checked_completion(body), None)
        except ErrorReplyError as error:
            return refused_in(error.error, sent, self._provider.key)
        except ValueError as error:
            self._details[key] = str(error)
            return None

    def _cost(self, line: Mapping[str, Any]) -> float | None:
        """USD that the request of a line of a batch's files cost; None if it is not known."""
        status, body = response_of(line)
        if status != 200:
            return 0.0  # refused, or never begun
        usage = body.get("usage") if isinstance(body, dict) else None
        return self._spending.cost(usage) if isinstance(usage, dict) else None


def _metadata(batch: "Batch", name: str) -> str:
    return str((batch.metadata or {}).get(name, ""))
