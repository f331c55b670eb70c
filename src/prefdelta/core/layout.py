"""Where a study's files lie: the one table of paths. All paths are made and read by it.

The job `pair/g3~g1` writes `pair/g3~g1.parquet`, its manifest `pair/g3~g1.manifest.json`, its log
`logs/pair/g3~g1.log`, and beside the log its events for programs, all of them in `results/<study>/`. Axes are in
braces; their values have no slash and no tilde. A job of train or evaluate does a batch of arms: it is named after its
first arm, and each arm's output lies under the arm's own name. The rules in workflow/rules spell their paths out;
a test compares them with this table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core.errors import StudyError

_PAIRING = "{chosen}~{rejected}"
_ARM = f"{{policy}}/{_PAIRING}/{{selection}}/{{recipe}}/s{{seed}}"
# Kind of job -> the name of one of its jobs. A kind is a rule; train and evaluate have a rule per batch. `batch` is an
# opaque string made of recipe, seed, first selection and (evaluate) group. No code parses it.
JOBS: Mapping[str, str] = {
    "prompts": "prompts/{source}",
    "ladder": "ladder/{model}/model",
    "generate": "generate/{generator}",
    "generate_shard": "generate/{generator}/shard-{shard}-of-{of}",
    "grade": "grade/{generator}",
    "judge": "judge/{generator}/{form}",
    "pair": f"pair/{_PAIRING}",
    "delta": f"delta/{_PAIRING}/{{dimension}}",
    "filter": f"filter/{_PAIRING}/{{selection}}/t{{order}}",
    "reference": "reference/{policy}/{generator}",
    "train": f"train/{{policy}}/{_PAIRING}/{{batch}}",
    "evaluate": f"evaluate/{{policy}}/{_PAIRING}/{{batch}}",
    "evaluate_base": "evaluate/{policy}/base-{group}",
    "evaluate_sharpened": "evaluate/{policy}/base@{temperature}-{group}",
    "browse": "browse/index",
    "report": "report/index",
}
# Kind of job -> the path of an output, without its ending. It is the job's name unless a job has an output per arm.
OUTPUTS: Mapping[str, str] = {
    **JOBS,
    "train": f"train/{_ARM}/policy",
    "evaluate": f"evaluate/{_ARM}/{{group}}",
    "evaluate_base": "evaluate/{policy}/base/{group}",
    "evaluate_sharpened": "evaluate/{policy}/base@{temperature}/{group}",
}
# Kind of job -> the paths of its further outputs, which are folders.
FOLDERS: Mapping[str, tuple[str, ...]] = {
    "browse": ("browse/app", "browse/data"),
    "report": ("report/figures",),
}
TABLE, MANIFEST, LOG, EVENTS = ".parquet", ".manifest.json", ".log", ".events.jsonl"
# Of outputs that are not tables.
ENDINGS: Mapping[str, str] = {"ladder": ".json", "train": ".json", "browse": ".html", "report": ".html"}
_WHOLE = "[0-9]+"
# Axis -> a regular expression of its values; of all others, no slash and no tilde.
_NUMBERS = {"shard": _WHOLE, "of": _WHOLE, "seed": _WHOLE, "order": _WHOLE, "temperature": "[0-9.]+"}
_ANY_ENDING = re.compile("(" + "|".join(map(re.escape, [MANIFEST, TABLE, LOG, *sorted(set(ENDINGS.values()))])) + ")$")


@dataclass(frozen=True, slots=True)
class Place:
    """What a path says: a kind of job, and the values of its axes."""

    kind: str
    axes: Mapping[str, str]

    @property
    def stage(self) -> str:
        return stage_of(self.kind)


def stage_of(kind: str) -> str:
    """The stage that a kind of job belongs to: its folder."""
    return JOBS[kind].partition("/")[0]


# --- to paths -----------------------------------------------------------------------------------------------------


def results(study: str) -> str:
    """The folder of a study, relative to the working directory."""
    return f"results/{study}"


def job_name(kind: str, **axes: object) -> str:
    """The name of a job, for example `judge/g4/logic`."""
    return JOBS[kind].format(**axes)


def output(kind: str, **axes: object) -> str:
    """The path of an output below `results/<study>/`."""
    return OUTPUTS[kind].format(**axes) + ENDINGS.get(kind, TABLE)


def is_folder(path: str | Path) -> bool:
    """Whether an output is a folder."""
    return Path(path).as_posix().endswith(tuple(f"/{folder}" for each in FOLDERS.values() for folder in each))


def manifest(name: str) -> str:
    """The path of a job's manifest below `results/<study>/`. name: the job's."""
    return name + MANIFEST


def log(name: str) -> str:
    """The path of a job's log below `results/<study>/`. name: the job's."""
    return f"logs/{name}{LOG}"


def events_of(log: Path) -> Path:
    """The file beside a job's log in which the job reports to programs (`system.events`)."""
    return log.with_suffix(EVENTS)


def annotations(study: str, sheet: str) -> str:
    """The table of people's scores on a sheet, relative to the working directory.

    It lies outside of `results/`, because no run can make it again.
    """
    return f"annotations/{study}/{sheet}{TABLE}"


def sheet_key(study: str, sheet: str) -> str:
    """The key of a sheet, relative to the working directory, beside its table."""
    return f"annotations/{study}/{sheet}.key.json"


# --- from paths ---------------------------------------------------------------------------------------------------


def place_of(path: str | Path, study: str) -> Place:
    """The kind of job and axes of an output, from its path. Raises StudyError for a path of another form."""
    return _match(OUTPUTS, name_below(path, study), path)


def place_of_job(name: str) -> Place:
    """The kind and axes of a job, from its name. Raises StudyError for a name of another form."""
    return _match(JOBS, name, name)


def name_below(path: str | Path, study: str) -> str:
    """A path without `results/<study>/` (and `logs/`) and its ending. For a manifest or log this is the job's name.

    Raises StudyError if the path is not in that folder.
    """
    parts = Path(path).parts
    for i in range(len(parts) - 2):
        if parts[i : i + 2] == ("results", study):
            return _ANY_ENDING.sub("", "/".join(parts[i + 2 :]).removeprefix("logs/"))
    raise StudyError(
        f"{path}: is not in a folder results/{study}/. What a file is about is read from its path: give "
        "files where the workflow wrote them."
    )


def _match(patterns: Mapping[str, str], name: str, told: str | Path) -> Place:
    """told: what an error calls it."""
    for kind, pattern in patterns.items():
        if match := re.fullmatch(_expression(pattern), name):
            return Place(kind, match.groupdict())
    raise StudyError(f"{told}: is not a path of this workflow. Paths read: {', '.join(patterns.values())}.")


def _expression(pattern: str) -> str:
    """A regular expression with a group for each axis of a pattern."""

    def group(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{_NUMBERS.get(match[1], '[^/~]+')})"

    return re.sub(r"\\\{(\w+)\\\}", group, re.escape(pattern))
