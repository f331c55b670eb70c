"""A hub on loopback: what huggingface_hub asks of the real one, with real hashes, and repositories that tests push."""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LARGE = (".safetensors", ".parquet")  # the hub keeps these in LFS, where a file's hash is its sha256


@dataclass
class Repository:
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # the last is main
    card: dict[str, Any] = field(default_factory=dict)
    gated: bool = False

    @property
    def main(self) -> str:
        return list(self.commits)[-1]


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class LoopbackHub:
    """A running hub. `tokens`: those that it was shown."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}  # "owner/name" or "datasets/owner/name"
        self.tokens: set[str] = set()
        self.cut: set[str] = set()  # files that arrive without their last byte
        self.refuse_tokens = False
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub._answer(self, with_body=True)

            def do_HEAD(self) -> None:
                hub._answer(self, with_body=False)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.running = True

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.running = False

    def push(self, name: str, files: dict[str, bytes], card: dict[str, Any] | None = None, gated: bool = False) -> str:
        """Add a commit that has these files. Returns it."""
        repository = self.repositories.setdefault(name, Repository())
        repository.gated = gated
        repository.card = card or repository.card
        parts = [f"{len(repository.commits)} {path} {_sha256(data)}" for path, data in sorted(files.items())]
        commit = hashlib.sha1("\n".join(parts).encode()).hexdigest()
        repository.commits[commit] = files
        return commit

    # --- answers ---

    def _answer(self, request: BaseHTTPRequestHandler, with_body: bool) -> None:
        path = urlsplit(request.path).path.strip("/")
        if token := request.headers.get("Authorization"):
            self.tokens.add(token)
        status, headers, body = self._found(path)
        if token and self.refuse_tokens:
            status, headers, body = 401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b""
        if with_body and path.rpartition("/")[2] in self.cut:
            body = body[:-1]
        if error := headers.get("X-Error-Code"):
            body = json.dumps({"error": error}).encode()
        request.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(key, value)
        request.end_headers()
        if with_body:
            request.wfile.write(body)

    def _found(self, path: str) -> tuple[int, dict[str, str], bytes]:
        name, verb, rest = _parsed(path)
        repository = self.repositories.get(name)
        if repository is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if repository.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        revision, _, file = rest.partition("/")
        commit = repository.main if revision in ("", "main") else revision
        if commit not in repository.commits:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        files = repository.commits[commit]
        if verb == "resolve":
            if file not in files:
                return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b""
            headers = {"X-Repo-Commit": commit, "ETag": f'"{_etag(file, files[file])}"'}
            return 200, headers, files[file]
        if verb == "tree":
            return _json([_entry(file, data) for file, data in files.items()])
        siblings = [{"rfilename": file, "size": len(data)} for file, data in files.items()]
        about = {"id": name, "sha": commit, "siblings": siblings, "tags": [], "cardData": repository.card}
        return _json(about)


def _parsed(path: str) -> tuple[str, str, str]:
    """Repository, verb, and what follows: of api/models/a/b/tree/main, datasets/a/b/resolve/main/f and so on."""
    parts = path.removeprefix("api/").removeprefix("models/").split("/")
    length = 3 if parts[0] == "datasets" else 2
    name, rest = "/".join(parts[:length]), parts[length:]
    return name, rest[0] if rest else "", "/".join(rest[1:])


def _json(value: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _entry(file: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": file, "size": len(data), "oid": _git_sha1(data)}
    if file.endswith(LARGE):
        entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 130}
    return entry


def _etag(file: str, data: bytes) -> str:
    return _sha256(data) if file.endswith(LARGE) else _git_sha1(data)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


# --- the machine that uses it -----------------------------------------------------------------------------------------


@dataclass
class Machine:
    """Somebody's checkout and cache: every call is a process of its own, with the real client."""

    folder: Path
    endpoint: str
    within: list[str] = field(default_factory=list)  # words before the command

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """`python ARGUMENTS`, in the checkout."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.cache),
            "CUDA_VISIBLE_DEVICES": "",
            **variables,
        }
        (self.folder / "resources").mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            [*self.within, sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def pin(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return self.run("-m", "prefdelta.commands.main", "pin", *arguments, **variables)

    def call(self, expression: str, **variables: str) -> Any:
        """The value of an expression over `hub` and `HubModel`, or the text of its StudyError."""
        return self.calls(expression, **variables)[0]

    def calls(self, *expressions: str, **variables: str) -> list[Any]:
        """`call` for several, in one process."""
        done = self.run("-c", _CALLS, *expressions, **variables)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def lock_cache(self) -> bool:
        """Have later calls see the cache as on a read-only mount. Returns whether this machine allows that."""
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        self.within = ["unshare", "--mount", "sh", "-c", script, str(self.cache)]
        return shutil.which("unshare") is not None and self.run("-c", "").returncode == 0

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def lock(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "resources/pins.lock.json").read_text()))

    def cached(self) -> set[str]:
        """Names of the files in all snapshots, without the commit."""
        return {path.name for path in self.cache.rglob("snapshots/*/**/*") if path.is_file()}


_CALLS = """
import json, sys, time
from prefdelta.models import data_sets, repositories
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel
time.sleep = lambda seconds: None  # the client's waits between its tries
found = []
for expression in sys.argv[1:]:
    try:
        found.append(eval(expression))
    except StudyError as error:
        found.append(str(error))
print(json.dumps(found, default=str))
"""
