"""How a stage starts: its command line, its checks before and after, and its manifest.

    python -m prefdelta.stages.pair --in pairs=a.parquet ... --out pairs=b.parquet --settings '{...}' --record DIR

A stage reads its inputs, calls core, writes its outputs, and returns an Outcome. Exit codes: 0 done, 1 a defect
(traceback), 2 something a person can put right (message), 143 stopped by SIGTERM with all work so far on disk.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from pydantic import ValidationError

from prefdelta import code, registry
from prefdelta.core.errors import StudyError
from prefdelta.core.settings import Settings
from prefdelta.files import publish_text, sha256_of
from prefdelta.processes import die_with_parent

S = TypeVar("S", bound=Settings)
_VERSIONS = ("snakemake", "torch", "transformers", "trl", "openai", "pyarrow", "pandas")


@dataclass(frozen=True, slots=True)
class Job(Generic[S]):
    """What one run of a stage is given."""

    settings: S
    inputs: Mapping[str, list[Path]]
    outputs: Mapping[str, list[Path]]
    record: Path  # results/<study>/record

    def input(self, name: str) -> Path:
        """The one file of an input."""
        (path,) = self.inputs[name]
        return path

    def output(self, name: str) -> Path:
        """The one file of an output."""
        (path,) = self.outputs[name]
        return path


@dataclass(frozen=True, slots=True)
class Outcome:
    """The sum a stage has to make: rows in = rows fine + rows failed, by reason."""

    rows: int
    failures: Mapping[str, int]
    details: Mapping[str, Any] = field(default_factory=dict)  # what else the report shows of this job


def file_of(paths: Iterable[Path], name: str) -> Path:
    """The one of `paths` that is about `name`: an arm (folders of the path) or a selection (the file's stem)."""
    (found,) = [path for path in paths if (f"/{name}/" in path.as_posix() if "/" in name else path.stem == name)]
    return found


def start(
    run: Callable[[Job[S]], Outcome], settings: type[S], inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> NoReturn:
    """Parse the command line and run the stage. inputs, outputs: name -> what it is, for --help."""
    module = sys.modules["__main__"]
    assert module.__spec__ is not None
    stage = module.__spec__.name
    arguments = _parse(stage, str(module.__doc__), settings, inputs, outputs)
    if arguments.code:  # started by a workflow, not by hand
        die_with_parent(os.getppid())
    signal.signal(signal.SIGTERM, _stop)
    try:
        _run(stage, run, settings, arguments)
    except StudyError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    sys.exit(0)


def _run(stage: str, run: Callable[[Job[S]], Outcome], settings: type[S], arguments: argparse.Namespace) -> None:
    started = time.time()
    try:
        parsed = settings.model_validate_json(arguments.settings)
    except ValidationError as error:
        raise StudyError(f"--settings: {error}") from None
    digest = code.digest(stage, tuple(map(registry.module_of, parsed.plugins())))
    if arguments.code and arguments.code != digest:
        raise StudyError(
            f"the source of {stage} is not the one this job was planned with ({digest}, planned {arguments.code}): it "
            "was edited since. Run the same snakemake command again to plan with the new source."
        )
    job = Job(parsed, arguments.inputs, arguments.outputs, arguments.record)
    outcome = run(job)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    manifest = {
        "stage": stage.rpartition(".")[2],
        "rows": outcome.rows,
        "failures": dict(sorted(outcome.failures.items())),
        "details": outcome.details,
        "settings": json.loads(parsed.model_dump_json()),
        "code": digest,
        "outputs": {
            str(path): sha256_of(path)
            for name, paths in job.outputs.items()
            for path in paths
            if name != "manifest" and path.is_file()
        },
        "run": {
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seconds": round(time.time() - started, 3),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
            "peak_mib": usage.ru_maxrss // 1024,
            "python": sys.version.split()[0],
            "versions": {name: version(name) for name in _VERSIONS},
            "commit": _commit(),
        },
    }
    publish_text(job.output("manifest"), json.dumps(manifest, indent=2) + "\n")


def _parse(
    stage: str, about: str, settings: type[Settings], inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> argparse.Namespace:
    parts = [about, _listed("inputs (--in name=path ...)", inputs)]
    parts += [_listed("outputs (--out name=path ...)", {**outputs, "manifest": "counts, failures, versions (JSON)"})]
    schema = settings.model_json_schema()
    fields = {
        name: f"{info.get('type', info.get('$ref', 'see the schema')).rpartition('/')[2]} {info.get('description', '')}"
        for name, info in schema["properties"].items()
    }
    parts.append(_listed("settings (--settings JSON)", fields))
    parser = argparse.ArgumentParser(
        prog=f"python -m {stage}",
        description="\n".join(parts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--in", dest="inputs", nargs="*", default=[], metavar="NAME=PATH", help="inputs")
    parser.add_argument("--out", dest="outputs", nargs="+", required=True, metavar="NAME=PATH", help="outputs")
    parser.add_argument("--settings", required=True, help="the stage's settings as JSON")
    parser.add_argument("--record", type=Path, required=True, help="folder of the record, results/<study>/record")
    parser.add_argument("--code", default="", help="digest of the source this job was planned with")
    arguments = parser.parse_args()
    for name, allowed in (("inputs", inputs), ("outputs", {**outputs, "manifest": ""})):
        found = _named(getattr(arguments, name))
        if set(found) != set(allowed):
            parser.error(f"{name}: found {sorted(found)}, needs exactly {sorted(allowed)}")
        setattr(arguments, name, found)
    return arguments


def _named(words: list[str]) -> dict[str, list[Path]]:
    """`a=x y b=z` as {"a": [x, y], "b": [z]}; `c=` alone is an empty list."""
    found: dict[str, list[Path]] = {}
    name = ""
    for word in words:
        head, equals, path = word.partition("=")
        if equals and head.isidentifier():
            name = head
            found[name] = [Path(path)] if path else []
        elif name:
            found[name].append(Path(word))
    return found


def _listed(title: str, entries: Mapping[str, str]) -> str:
    return f"{title}:\n" + "\n".join(f"  {name:<14} {text}".rstrip() for name, text in entries.items()) + "\n"


def _commit() -> str | None:
    """The git commit of the source, with a mark if it was edited since; None outside a checkout."""
    command = ["git", "-C", str(code.ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _stop(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)
