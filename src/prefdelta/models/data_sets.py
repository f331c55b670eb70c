"""Data sets of the Hugging Face hub, or local folders in their place: the rows of a split, streamed from its files.

A data set's own loading script is never run, and nothing is unpickled.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.core.pins import CARD_FILES, DATA_FILES, matches
from prefdelta.models.cache import files_in
from prefdelta.models.repositories import folder_digest, local_folder, pinned_revision, pinned_snapshot


def dataset_identity(name: str, revision: str | None) -> str:
    """The identity of a data set's content: <name>@<commit>, or the sha256 of a local folder's files."""
    if is_local(name):
        folder = local_folder("datasets", name)
        return folder_digest(files_in(folder), folder)
    return f"{name}@{pinned_revision('datasets', name, revision)}"


def dataset_rows(
    name: str, revision: str | None, config: str | None, split: str, files: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a split of a data set, in order; images stay bytes. They are streamed from its files.

    files: read these (JSON lines or Parquet) instead of the files of config and split: for data sets with a
    loading script, which is never run.
    Raises StudyError if the data set is not pinned, cannot be fetched or read, or has no such config, split or file.
    """
    if is_local(name):
        where, folder = name, local_folder("datasets", name)
    else:
        revision = pinned_revision("datasets", name, revision)
        where = f"{name}@{revision}"
        script = f"{name.rpartition('/')[2]}.py"  # only to see whether it exists
        folder = pinned_snapshot("datasets", name, revision, files or [*CARD_FILES, script])
    if files:
        for file in files:
            yield from _file_rows(where, folder, file)
        return
    card = _card(folder)
    _check_script(where, folder, bool(card))
    patterns = _patterns(where, card, config, split)
    if not is_local(name) and revision is not None:
        # For the hub, `**/` means one folder or more; the pattern without it means files at the top.
        fetched = [variant for pattern in patterns for variant in (pattern, pattern.replace("**/", ""))] or DATA_FILES
        folder = pinned_snapshot("datasets", name, revision, [*CARD_FILES, *fetched])
    yield from _split_rows(where, folder, config, split, patterns)


def _card(folder: Path) -> dict[str, Any]:
    """Config -> its entry in the data set's card. Empty if there is no card, or it names no configs."""
    from huggingface_hub import DatasetCard

    if not (folder / "README.md").is_file():
        return {}
    try:
        configs = DatasetCard.load(folder / "README.md").data.to_dict().get("configs") or []
        return {str(entry["config_name"]): entry for entry in configs}
    except Exception as error:  # an error of a YAML library, or a card with other fields
        raise StudyError(f"{folder / 'README.md'}: the data set's card cannot be read: {error}") from None


def _check_script(where: str, folder: Path, has_card: bool) -> None:
    if not has_card and (scripts := sorted(path.name for path in folder.glob("*.py"))):
        raise StudyError(
            f"{where}: this data set comes with a loading script ({', '.join(scripts)}), and foreign code is never "
            "run. Name the files to read instead, e.g. files: [test.jsonl]."
        )


def _patterns(where: str, card: dict[str, Any], config: str | None, split: str) -> list[str]:
    """The files of a split that the card names; none if the files' names decide."""
    if not card:
        return []
    chosen = config or next((name for name in card if name == "default" or len(card) == 1), None)
    if chosen not in card:
        problem = f"there is no config {config!r}" if config else "there are several configs, and none was named"
        raise StudyError(f"{where}: {problem}. There are: {', '.join(sorted(card))}.")
    entries = card[chosen].get("data_files")
    if (
        "data_dir" in card[chosen]
        or not isinstance(entries, list)
        or not all(isinstance(entry, dict) for entry in entries)
    ):
        return []
    splits = {entry["split"]: entry["path"] for entry in entries}
    if split not in splits:
        raise StudyError(f"{where}: config {chosen!r} has no split {split!r}. There are: {', '.join(sorted(splits))}.")
    return [splits[split]] if isinstance(splits[split], str) else list(splits[split])


def _split_rows(
    where: str, folder: Path, config: str | None, split: str, patterns: list[str]
) -> Iterator[dict[str, Any]]:
    import datasets

    chosen: dict[str, Any] = {"name": config}
    if patterns:
        chosen["data_files"] = {split: patterns}
    elif config and not (folder / "README.md").is_file() and (folder / config).is_dir():
        chosen = {"data_dir": config}
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # errors are raised in any case
    # Streamed, because the library's cache would know files only by name and date. This cache gets only a lock.
    with TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        try:
            rows = datasets.load_dataset(str(folder), **chosen, split=split, streaming=True, cache_dir=cache)
            yield from rows if rows.features is None else rows.decode(False)
        except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
            raise StudyError(f"{where}: split {split!r} cannot be read from {folder}: {error}") from None


def _file_rows(where: str, folder: Path, file: str) -> Iterator[dict[str, Any]]:
    """The rows of one file."""
    path = folder / file
    if not path.is_file():
        data_files = [name for name in files_in(folder) if matches(name, DATA_FILES)]
        raise StudyError(f"{where}: there is no file {file}. There are: {', '.join(data_files) or 'none of data'}.")
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise StudyError(f"{path}, line {number}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise StudyError(f"{path}, line {number}: {type(row).__name__} found; each line must be an object.")
            yield row


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                yield from batch.to_pylist()
    except (ArrowException, OSError) as error:
        raise StudyError(f"{path}: cannot be read as Parquet: {error}") from None
