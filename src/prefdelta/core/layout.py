"""Where a study's files lie: one pattern per kind of file, from which all paths are made and read.

Paths here are relative to `results/<study>/` and have no ending. A job of the name `pair/g3~g1` writes
`pair/g3~g1.parquet`, its manifest `pair/g3~g1.manifest.json`, its log `logs/pair/g3~g1.log`, and beside it its events
for programs. An axis is what stands in braces; its value holds no slash and no tilde. A job of train or evaluate does
several arms: its name says what they share, and each arm's output lies under the arm's own name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError

_PAIRING = "{chosen}~{rejected}"
_ARM = f"{{policy}}/{_PAIRING}/{{selection}}/{{recipe}}/s{{seed}}"
# Kind of job (a rule; `train` and `evaluate` have a rule per batch) -> the name of one of its jobs.
JOBS: Mapping[str, str] = {
    "prompts": "prompts/{source}",
    "ladder": "ladder/{model}/model",
    "generate": "generate/{generator}",
    "generate_shard": "generate/{generator}/shard-{shard}-of-{of}",
    "grade": "grade/{generator}",
    "judge": "judge/{generator}/{form}",
    "pair": f"pair/{_PAIRING}",
    "delta": f"delta/{_PAIRING}/{{dimension}}",
    "filter": f"filter/{_PAIRING}/{{selection}}",
    "reference": "reference/{policy}/{generator}",
    "train": f"train/{{policy}}/{_PAIRING}/{{recipe}}-s{{seed}}-{{first}}",  # first: of the batch's selections
    "evaluate": f"evaluate/{{policy}}/{_PAIRING}/{{recipe}}-s{{seed}}-{{first}}-{{group}}",
    "evaluate_base": "evaluate/{policy}/base-{group}",
    "report": "report/index",
}
# Where a job's output is not named as the job is: one output per arm.
OUTPUTS: Mapping[str, str] = {
    **JOBS,
    "train": f"train/{_ARM}/policy",
    "evaluate": f"evaluate/{_ARM}/{{group}}",
    "evaluate_base": "evaluate/{policy}/base/{group}",
}
ENDINGS: Mapping[str, str] = {"ladder": ".json", "train": ".json", "report": ".html"}
TABLE, MANIFEST, LOG, EVENTS = ".parquet", ".manifest.json", ".log", ".events.jsonl"


@dataclass(frozen=True, slots=True)
class Place:
    """What a path says: which kind of job, and its axes."""

    kind: str
    axes: Mapping[str, str]

    @property
    def stage(self) -> str:
        return OUTPUTS[self.kind].partition("/")[0]


def job_name(kind: str, **axes: object) -> str:
    """The name of a job, for example `judge/g4/logic`."""
    return JOBS[kind].format(**axes)


def output(kind: str, **axes: object) -> str:
    """The path of an output below `results/<study>/`, with its ending."""
    return OUTPUTS[kind].format(**axes) + ENDINGS.get(kind, TABLE)


def log_of(manifest: Path, results: Path) -> Path:
    """The log of the job that writes a manifest. Raises ValueError for another path. results: `results/<study>`."""
    name = manifest.relative_to(results).as_posix()
    if not name.endswith(MANIFEST):
        raise ValueError(f"{manifest}: does not end in {MANIFEST}")
    return results / "logs" / f"{name.removesuffix(MANIFEST)}{LOG}"


def events_of(log: Path) -> Path:
    """The file beside a job's log in which the job reports to programs (`system.events`)."""
    return log.with_suffix(EVENTS)


def place_of(path: str | Path, study: str) -> Place:
    """What an output is about, from its path below `results/<study>/`. Raises StudyError for a path of another form."""
    return _read(OUTPUTS, path, study)


def job_of(path: str | Path, study: str) -> Place:
    """Which job a manifest or log is of, from its path. Raises StudyError for a path of another form."""
    return _read(JOBS, path, study)


def name_below(path: str | Path, study: str) -> str:
    """A path without `results/<study>/` (and `logs/`) and without its ending: of a manifest or log, the job's name.

    Raises StudyError if the path is not in that folder.
    """
    parts = Path(path).parts
    for i in range(len(parts) - 2):
        if parts[i : i + 2] == ("results", study):
            name = "/".join(parts[i + 2 :]).removeprefix("logs/")
            return re.sub(r"(\.manifest)?\.(parquet|json|html|log)$", "", name)
    raise StudyError(
        f"{path}: is not in a folder results/{study}/. What a file is about is read from its path: give "
        "files where the workflow wrote them."
    )


def _read(patterns: Mapping[str, str], path: str | Path, study: str) -> Place:
    name = name_below(path, study)
    for kind, pattern in patterns.items():
        if match := re.fullmatch(_expression(pattern), name):
            return Place(kind, match.groupdict())
    raise StudyError(f"{path}: is not a path of this workflow. Paths read: {', '.join(patterns.values())}.")


def _expression(pattern: str) -> str:
    return re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/~]+)", re.escape(pattern))
