"""A provider's batch API on loopback: files go up, batches run for a few looks, files come down in another order.

It holds requests to what OpenAI documents: sizes of metadata, unique custom_ids, one endpoint.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .scripted import ScriptedServer, answer, completion

Line = dict[str, Any]  # of an input, output or error file
Outcome = Callable[[Line, "ScriptedBatch"], Line | None]  # what comes of a request; None: it is in no file


def answered(line: Line, **message: Any) -> Line:
    """An output line: HTTP 200 with this message, or with one that names the question."""
    message = message or {"content": f"re: {line['body']['messages'][-1]['content']}"}
    return responded(line, 200, {**completion(**message), "model": line["body"]["model"]})


def responded(line: Line, status: int, body: Any) -> Line:
    """An output line with this HTTP status and body."""
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}


def refused(line: Line, status: int) -> Line:
    return responded(line, status, {"error": {"message": f"scripted {status}"}})


def expired(line: Line) -> Line:
    """A line for a request that the provider did not come to."""
    error = {"code": "batch_expired", "message": "This request could not be executed before the window ended."}
    return {"id": "x", "custom_id": line["custom_id"], "response": None, "error": error}


@dataclass
class ScriptedBatch:
    """A batch as the provider sees it."""

    number: int  # from 0, in the order of creation
    lines: list[Line]
    metadata: dict[str, str]
    window: str
    looks: int = 0
    status: str = "validating"
    files: dict[str, str] = field(default_factory=dict)  # kind -> id
    created_at: float = field(default_factory=time.time)

    @property
    def id(self) -> str:
        return f"batch_{self.number}"

    @property
    def keys(self) -> set[str]:
        return {line["custom_id"] for line in self.lines}


class BatchServer(ScriptedServer):
    """Also serves /v1/files and /v1/batches. A batch has ended after so many looks at it."""

    def __init__(self, outcome: Outcome = lambda line, _: answered(line), looks: int = 1) -> None:
        super().__init__(answer)
        self.outcome, self.looks = outcome, looks
        self.ends_as: Callable[[ScriptedBatch], str] = lambda _: "completed"
        self.fault: Callable[[web.Request], int | None] = lambda _: None  # an HTTP status instead of what is asked
        self.drop_after_create = False
        self.batches: list[ScriptedBatch] = []
        self.others: list[dict[str, Any]] = []  # batches of somebody else, in the same account
        self.files: dict[str, bytes] = {}

    def _routes(self) -> list[web.RouteDef]:
        return [
            *super()._routes(),
            web.post("/v1/files", self._guarded(self._upload)),
            web.get("/v1/files/{id}/content", self._guarded(self._content)),
            web.post("/v1/batches", self._guarded(self._create)),
            web.get("/v1/batches", self._guarded(self._list)),
            web.get("/v1/batches/{id}", self._guarded(self._retrieve)),
        ]

    def _guarded(self, serve: Any) -> Any:
        async def guarded(request: web.Request) -> web.StreamResponse:
            assert request.headers["Authorization"].startswith("Bearer sk-")
            status = self.fault(request)
            if status is not None:
                return web.json_response({"error": {"message": f"scripted {status}"}}, status=status)
            response: web.StreamResponse = await serve(request)
            return response

        return guarded

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        uploaded = form["file"]
        assert isinstance(uploaded, web.FileField)
        name = self._keep(uploaded.file.read())
        return web.json_response(
            {"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "f", "purpose": "batch"}
        )

    def _keep(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name

    async def _content(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.files:
            return web.json_response({"error": {"message": "no such file"}}, status=404)
        return web.Response(body=self.files[name])

    async def _create(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        batch = ScriptedBatch(len(self.batches), lines, asked["metadata"], asked["completion_window"])
        assert asked["endpoint"] == "/v1/chat/completions"
        assert len(batch.metadata) <= 16
        assert all(len(name) <= 64 and len(value) <= 512 for name, value in batch.metadata.items())
        assert 0 < len(lines) <= 50_000
        assert len(batch.keys) == len(lines)
        assert all(0 < len(key) <= 64 for key in batch.keys)
        assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
        self.batches.append(batch)
        if self.drop_after_create:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self._shown(batch))

    async def _list(self, request: web.Request) -> web.Response:
        found = [*self.others, *map(self._shown, self.batches)][::-1]
        if after := request.query.get("after"):
            found = found[[batch["id"] for batch in found].index(after) + 1 :]
        limit = int(request.query.get("limit", 20))
        assert limit <= 100
        return web.json_response({"object": "list", "data": found[:limit], "has_more": len(found) > limit})

    async def _retrieve(self, request: web.Request) -> web.Response:
        (batch,) = [batch for batch in self.batches if batch.id == request.match_info["id"]]
        batch.looks += 1
        if batch.status in ("validating", "in_progress"):
            batch.status = "in_progress"
            if batch.looks >= self.looks:
                self._end(batch)
        return web.json_response(self._shown(batch))

    def _end(self, batch: ScriptedBatch) -> None:
        batch.status = self.ends_as(batch)
        if batch.status == "failed":
            return
        results = [result for line in batch.lines if (result := self.outcome(line, batch)) is not None]
        fine = [result for result in results if (result["response"] or {}).get("status_code") == 200]
        for kind, part in (("output", fine), ("error", [result for result in results if result not in fine])):
            if part:  # providers promise no order
                text = "".join(json.dumps(result, ensure_ascii=False) + "\n" for result in reversed(part))
                batch.files[kind] = self._keep(text.encode())

    def _shown(self, batch: ScriptedBatch) -> dict[str, Any]:
        done = batch.status not in ("validating", "in_progress", "failed")
        counts = {"total": len(batch.lines), "completed": len(batch.lines) if done else 0, "failed": 0}
        errors = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "too many are enqueued"}]}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-0",
            "completion_window": batch.window,
            "status": batch.status,
            "created_at": int(batch.created_at),
            "request_counts": counts,
            "metadata": batch.metadata,
            "errors": errors if batch.status == "failed" else None,
            "output_file_id": batch.files.get("output"),
            "error_file_id": batch.files.get("error"),
        }
