"""What goes into a bundle: every table and manifest of a study, what it was planned with, and its report."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prefdelta.core import layout
from prefdelta.core.errors import StudyError
from prefdelta.models.repositories import LOCK
from prefdelta.records.contract import Row
from prefdelta.records.grade import Grade
from prefdelta.records.score import Score
from prefdelta.records.trace import Trace
from prefdelta.store import registrations, tables
from prefdelta.study.study import Study
from prefdelta.system.files import sha256_of

BENCHMARKS = "resources/benchmarks"
_ANNOTATIONS = "annotations"  # the folder of `layout.annotations`
# Stage -> the type of its rows, and the column that holds what a model wrote.
TEXT_COLUMNS: Mapping[str, tuple[type[Row], str]] = {
    "generate": (Trace, "text"),
    "grade": (Grade, "extracted"),
    "evaluate": (Score, "extracted"),
}
_PINS = ("envs/*.txt", "envs/*.yaml", "LICENSE")
# A part of a variable's name, between underscores.
_SECRET = re.compile(r"(^|_)(API)?(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)S?\d*(_|$)", re.IGNORECASE)
_SHORT = 8  # characters: a shorter value stands in many files by chance


@dataclass(frozen=True, slots=True)
class BundledFile:
    """One file of a bundle."""

    name: str  # its path in the bundle: that below the repository's root, or outside/<hash of the content>-<file name>
    path: Path
    about: str
    without: tuple[type[Row], str] | None = None  # type of a table's rows, and a column that is left empty

    def read(self) -> bytes:
        return self.path.read_bytes() if self.without is None else _blanked(self.path, *self.without)


@dataclass(frozen=True, slots=True)
class BundleContents:
    members: list[BundledFile]  # by name
    missing: list[str]  # outputs of the study that are not there yet
    withheld: list[str]  # tables of what people answered, which were not asked for
    last: str  # start of the study's last job, UTC; "" without manifests


def contents_of(study: Study, config: Path, without_texts: bool, with_annotations: bool) -> BundleContents:
    """The files of a bundle.

    Raises StudyError if the study has no outputs yet, if a file holds a secret, or if two files have one name.
    """
    jobs = list(study.all_jobs)
    # The pair browser repeats the tables' texts; its folder can be handed on by itself.
    outputs = {path: job.stage for job in jobs if job.stage != "browse" for path in job.outputs}
    missing = [path for path in outputs if not Path(path).exists()]
    if len(missing) == len(outputs):
        raise StudyError(f"{study.results}: the study has no outputs yet, so there is nothing to bundle. Run it first.")
    found: dict[str, BundledFile] = {}
    given, people = list(_given(study, config)), f"{_ANNOTATIONS}/"
    withheld = [] if with_annotations else sorted({name for name, _, _ in given if name.startswith(people)})
    for name, path, about in given:
        if name in withheld:
            continue
        known = found.setdefault(name, BundledFile(name, path, about))
        if known.path != path and known.read() != path.read_bytes():
            raise StudyError(f"{path}: would have the name {name} in the archive, as {known.path}. Rename one of them.")
    for job in jobs:
        if Path(job.manifest).is_file():
            found[job.manifest] = BundledFile(job.manifest, Path(job.manifest), f"account of the job {job.name}")
    for name, stage in outputs.items():
        for member in _output(Path(name), stage, without_texts):
            found[member.name] = member
    members = [found[name] for name in sorted(found)]
    _check_no_secret(study, members)
    started = (_started(member) for member in members if member.name.endswith(layout.MANIFEST))
    return BundleContents(members, missing, withheld, max(filter(None, started), default=""))


def _given(study: Study, config: Path) -> Iterator[tuple[str, Path, str]]:
    """(name in the bundle, file, what it is) of what the study was planned with."""
    inputs = {
        path for job in study.all_jobs if job.stage != "browse" for paths in job.inputs.values() for path in paths
    }
    texts = {Path(path) for path in inputs if not path.startswith(f"{study.results}/")}
    listed = [(config, "config of the study"), (Path(LOCK), "commits of models and data sets")]
    listed += [(path, "text that a job reads") for path in sorted(texts)]
    listed += [(Path(BENCHMARKS, f"{name}.yaml"), f"benchmark {name}") for name in study.benchmarks]
    prices = [judge.engine.prices for judge in study.config.judge.judges().values() if judge.engine.prices]
    listed += [(Path(path), "prices of a judge") for path in prices]
    listed += [(path, "pinned packages, or licence") for name in _PINS for path in sorted(Path().glob(name))]
    record = Path(study.record) / registrations.FOLDER
    listed += [(path, "registration of the claims, made before training") for path in sorted(record.glob("*.json"))]
    for path, about in listed:
        if path.is_file():
            yield _name_of(path), path, about


def _name_of(path: Path) -> str:
    """A file's name in the bundle."""
    root = Path.cwd()
    for spelt in (Path(os.path.normpath(path.absolute())), path.resolve()):
        if spelt.is_relative_to(root) and spelt.is_file() and spelt.samefile(path):
            return spelt.relative_to(root).as_posix()
    return f"outside/{sha256_of(path)[:12]}-{path.name}"


def _output(path: Path, stage: str, without_texts: bool) -> Iterator[BundledFile]:
    name = path.as_posix()
    quotes = stage == "report" and not layout.is_folder(path)  # the page shows traces, its folder has the figures
    if not path.exists() or (without_texts and quotes):
        return
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not file.name.startswith("."):
                about = "part of the report" if quotes else "figure of the report"
                yield BundledFile(file.as_posix(), file, about)
    elif without_texts and stage in TEXT_COLUMNS:
        row_type, column = TEXT_COLUMNS[stage]
        yield BundledFile(name, path, f"table of {row_type.__name__}, without {column}", (row_type, column))
    else:
        yield BundledFile(name, path, "page of the report" if quotes else f"output of stage {stage}")


def _blanked(path: Path, row_type: type[Row], column: str) -> bytes:
    """The table with nothing in one column, as a file."""
    import pyarrow as pa
    from pyarrow import parquet

    table = tables.read_arrow(path, row_type)
    at = table.column_names.index(column)
    table = table.set_column(at, table.schema.field(column), pa.nulls(len(table), table.schema.field(column).type))
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return bytes(sink.getvalue().to_pybytes())


def _started(member: BundledFile) -> str | None:
    match = re.search(rb'"started": "([0-9TZ:.+-]+)"', member.read())
    return match[1].decode() if match else None


def _check_no_secret(study: Study, members: list[BundledFile]) -> None:
    """Raise StudyError if a text holds the value of an environment variable that looks like a secret."""
    named = {judge.engine.api_key_env for judge in study.config.judge.judges().values()}
    secrets = {
        name: value.encode("utf-8", "surrogateescape")
        for name, value in os.environ.items()
        if (name in named or _SECRET.search(name)) and len(value) >= _SHORT
    }
    for member in members if secrets else []:
        if member.name.endswith(layout.TABLE):  # compressed, and made by models and programs only
            continue
        content = member.read()
        for name, value in secrets.items():
            if value in content:
                raise StudyError(
                    f"{member.path}: holds the value of the environment variable {name}, which must not be shared. "
                    "Nothing was written. Take it out of the file, and replace that secret."
                )
