"""Asking a model through the record of calls: a recorded request is not asked again.

A call is known by its key, a hash of all that determines the reply: it is made in `core/asking/requests.py`
(`Request.key`). Only the raw reply is kept. Each run parses and grades it again,
without a call.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefdelta.core.asking.judges import without_judge
from prefdelta.core.asking.requests import Engine, Failure, Reply, Request
from prefdelta.core.errors import StudyError
from prefdelta.records.call import Call
from prefdelta.store.record import Record
from prefdelta.system.log import say
from prefdelta.system.progress import Progress


def judge_calls(record: Path, form: str, generator: str) -> Path:
    """The partition of all judges' replies to one form on the traces of a generator.

    record: `results/<study>/record`. form: with or without a judge's name behind it.
    """
    return record / "calls" / "judge" / f"{without_judge(form)}~{generator}"


def policy_calls(record: Path, policy_key: str) -> Path:
    """The partition of a policy's answers to benchmark items. policy_key: the `key` of its checkpoint or weights."""
    return record / "calls" / "evaluate" / policy_key


@dataclass(frozen=True, slots=True)
class AskedCalls:
    """The calls for a list of requests, in its order, and how many of them were made now."""

    calls: list[Call]
    asked: int
    tokens: int  # in the replies of the calls that were made now


@dataclass(frozen=True, slots=True)
class AskPlan:
    """Requests to a model, in a fixed order, and the partition of the record that keeps the replies."""

    engine: Engine
    requests: Sequence[Request]
    partition: Path

    def ask(self, what: str) -> AskedCalls:
        """One call per request, in order: from the record, or asked now. Raises as `ask_missing` does."""
        return ask_missing(self.engine, self.requests, Record(self.partition, Call), what)

    def missing(self) -> int:
        """How many calls `ask` would make. Read-only."""
        identity = self.engine.identity()
        record = Record(self.partition, Call, only_look=True)
        return len(record.missing({request.key(identity) for request in self.requests}))

    def recorded(self) -> list[Call | None]:
        """One recorded call per request, in order; None if it is not recorded. Read-only."""
        identity = self.engine.identity()
        keys = [request.key(identity) for request in self.requests]
        calls = Record(self.partition, Call, only_look=True).fetch(keys)
        return [calls.get(key) for key in keys]


def ask_missing(engine: Engine, requests: Sequence[Request], record: Record[Call], what: str) -> AskedCalls:
    """One call per request, in order: from the record, or asked of the engine.

    Raises StudyError if requests remain without an answer (transient failures, which are not recorded). All
    replies that came are kept, so the same command asks only for the rest.
    """
    identity = engine.identity()
    plan = [(request.key(identity), request) for request in requests]
    keys = dict.fromkeys(key for key, _ in plan)
    asked, calls = list[str](), dict[str, Call]()
    while len(calls) < len(keys):  # a second time round only if the record turns out to be damaged
        if missing := record.missing(keys):
            say(f"{what}: {len(keys):,} requests, {len(keys) - len(missing):,} of them recorded")
            _ask(engine, identity, plan, missing, record, what)
            asked += missing
        calls = record.fetch(keys)
    say(f"{what}: {len(keys):,} requests, {len(asked):,} of them asked now")
    tokens = sum(calls[key].n_tokens or 0 for key in asked)
    return AskedCalls([calls[key] for key, _ in plan], len(asked), tokens)


def _ask(
    engine: Engine,
    identity: Mapping[str, Any],
    plan: Sequence[tuple[str, Request]],
    missing: set[str],
    record: Record[Call],
    what: str,
) -> None:
    """Ask the missing requests of the plan and record the replies."""
    by_key = dict(plan)
    say(f"{what}: the first missing request is\n{_format(next(by_key[key] for key, _ in plan if key in missing))}")
    transient: list[Failure] = []
    progress = Progress(what, len(by_key), "requests", done=len(by_key) - len(missing))
    with record:
        for result in engine.run(plan, missing):
            if isinstance(result, Failure) and not result.permanent:
                transient.append(result)
            else:
                record.append(_call(result, by_key[result.key], identity))
            progress.add()
    progress.close()
    if unanswered := record.missing(missing):
        last = f"; the last failure: {transient[-1].kind} {transient[-1].detail}" if transient else ""
        raise StudyError(
            f"{what}: {len(unanswered):,} of {len(plan):,} requests got no answer{last}. What did come back is "
            "recorded; run the same command again to ask for the rest."
        )


def _call(result: Reply | Failure, request: Request, identity: Mapping[str, Any]) -> Call:
    question = replace(request, attempt=0).key(dict(identity)) if request.attempt else result.key
    reply = result if isinstance(result, Reply) else None
    failure = result if isinstance(result, Failure) else None
    particulars = result.particulars
    return Call(
        key=result.key,
        question=question,
        attempt=request.attempt,
        text=_in_utf8(result.text),
        finish_reason=reply.finish_reason if reply else None,
        n_tokens=result.n_tokens,
        failure=failure.kind if failure else None,
        model=reply.model if reply else None,
        seconds=reply.seconds if reply else None,
        made_at=time.time(),
        host=socket.gethostname(),
        source_correct=reply.source_correct if reply else None,
        detail=_in_utf8(failure.detail or None) if failure else None,
        asked_model=identity.get("model"),
        reasoning=_in_utf8(particulars.reasoning),
        prompt_tokens=particulars.prompt_tokens,
        cached_tokens=particulars.cached_tokens,
        reasoning_tokens=particulars.reasoning_tokens,
        native_finish=_in_utf8(particulars.native_finish),
        entropy=reply.entropy if reply else None,
    )


def _in_utf8(text: str | None) -> str | None:
    """Text with lone surrogates escaped: JSON may hold them, but UTF-8 cannot."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _format(request: Request) -> str:
    return "\n".join(f"--- {role}\n{text}" for role, text in request.messages) + "\n---"
