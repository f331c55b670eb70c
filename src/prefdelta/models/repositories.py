"""Models and data sets of the Hugging Face hub, or local folders in their place.

A repository is fetched at its pinned commit into the cache of huggingface_hub and read from there, so that offline
there is the same commit or none. (`datasets` itself, offline, takes whatever commit it has seen last.) No code of a
repository is run, and nothing is unpickled: only weights as safetensors and data as text or tables are fetched.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel, is_local
from prefdelta.core.ids import digest
from prefdelta.core.pins import (
    CARD_FILES,
    DATA_FILES,
    INDEX,
    MODEL_FILES,
    NOUNS,
    WEIGHTS,
    Kind,
    Pins,
    files_to_load,
    hub_path,
    matches,
    shard_files,
)
from prefdelta.models.cache import HASHERS, cached, files_in, how_to_mend, hub_errors_told, snapshot
from prefdelta.system.files import sha256_of

LOCK = Path("resources/pins.lock.json")
_MOST_HASHED = 2**30  # bytes, in passing
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def read_pins(path: Path = LOCK) -> Pins:
    """The lock file. Without one nothing is pinned. Raises StudyError if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Pins()
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: the lock file of pins cannot be read: {error}") from None
    return Pins.read(text, str(path))


def fetch(kind: Kind, name: str, revision: str) -> None:
    """Have all files of a repository that may be loaded in the cache, checked."""
    if kind == "models":
        model_folder(HubModel(name=name, revision=revision))
    else:
        _snapshot(kind, name, revision, [*CARD_FILES, *DATA_FILES])


# --- models -----------------------------------------------------------------------------------------------------------


def model_folder(model: HubModel) -> tuple[str, Path]:
    """What identifies a model's weights, and its folder in Hugging Face format, fetched if need be.

    The identity is <name>@<commit>; of a local folder, the sha256 of its files.
    Raises StudyError if the model is not pinned, cannot be had, is not whole, or is made of pickles or code.
    """
    if is_local(model.name):
        folder = local_folder("models", model.name)
        return _folder_digest(_loaded_of(model.name, folder), folder), folder
    revision = _pinned("models", model.name, model.revision)
    # The index first: it says which of the weights are needed.
    small = [pattern for pattern in MODEL_FILES if pattern != "*.safetensors"]
    folder = _snapshot("models", model.name, revision, small)
    named = sorted(_weights_of(f"{model.name}@{revision}", folder))
    folder = _snapshot("models", model.name, revision, [*small, *named])
    _check_model(f"{model.name}@{revision}", folder)
    return f"{model.name}@{revision}", folder


def named(model: HubModel) -> str:
    """What identifies a model's weights, as `model_folder` has it: nothing is fetched, and nothing large is read.

    Raises StudyError if the model is not pinned, or is a local folder that would take long to hash.
    """
    if not is_local(model.name):
        return f"{model.name}@{_pinned('models', model.name, model.revision)}"
    folder = local_folder("models", model.name)
    files = _loaded_of(model.name, folder)
    if sum((folder / path).stat().st_size for path in files) > _MOST_HASHED:
        raise StudyError(f"{folder}: what identifies it is not known before all of it is read.")
    return _folder_digest(files, folder)


def folder_of(model: HubModel) -> Path:
    """Where a model's files lie on this machine, whether they are there or not."""
    if is_local(model.name) or model.revision is None:
        return Path(model.name)
    return cached("models", model.name, model.revision)


def local_folder(kind: Kind, name: str) -> Path:
    """The folder that stands in a repository's place; no content is hashed. Raises StudyError as `model_folder`."""
    folder = Path(name)
    if not folder.is_dir():
        raise StudyError(f"{name}: there is no such folder in {Path.cwd()}; it is named as the {NOUNS[kind]} to use.")
    if kind == "models":
        _check_model(name, folder)
    return folder


def model_files(name: str, revision: str, files: Sequence[str]) -> list[str]:
    """Of the files of a model on the hub, those that may be loaded. Its index is read, if it has one."""
    from huggingface_hub import hf_hub_download

    index = None
    if INDEX in files:
        with hub_errors_told("models", name, revision), TemporaryDirectory() as folder:
            index = Path(hf_hub_download(name, INDEX, revision=revision, local_dir=folder)).read_text(encoding="utf-8")
    try:
        return files_to_load(files, index)
    except ValueError as error:
        raise StudyError(f"{name}@{revision}: {INDEX} cannot be read: {error}.") from None


def weight_files(folder: Path) -> list[Path]:
    """The files of weights of a model's folder that are loaded."""
    return sorted(path for name in _weights_of(str(folder), folder) if (path := folder / name).is_file())


def _weights_of(where: str, folder: Path) -> set[str]:
    try:
        return shard_files((folder / INDEX).read_text(encoding="utf-8") if (folder / INDEX).is_file() else None)
    except ValueError as error:
        raise StudyError(f"{where}: {folder / INDEX} cannot be read: {error}. {how_to_mend(where, folder)}") from None


def _loaded_of(where: str, folder: Path) -> list[str]:
    """The paths in a model's folder of all files that may be loaded."""
    index = folder / INDEX
    _weights_of(where, folder)  # tells what is wrong with the index
    return files_to_load(files_in(folder), index.read_text(encoding="utf-8") if index.is_file() else None)


def _check_model(where: str, folder: Path) -> None:
    """Raise StudyError unless a folder holds a whole model, in safetensors, that needs no code of its own."""
    if not (folder / "config.json").is_file():
        raise StudyError(f"{where}: {folder} has no config.json, so it is no model in Hugging Face format.")
    for file in ("config.json", "tokenizer_config.json"):
        if (folder / file).is_file() and "auto_map" in _read_json(folder / file):
            raise StudyError(
                f"{where}: {folder / file} asks for code that comes with the model (`auto_map`). Such code is never "
                "run: take a model of an architecture that transformers itself has."
            )
    shards = _shards(where, folder)
    if WEIGHTS not in shards and (folder / WEIGHTS).is_file():
        raise StudyError(
            f"{where}: {folder} has its weights twice, as {WEIGHTS} and as {INDEX} names them, and libraries differ in "
            f"which they load. Remove one of the two (the commit's own files are those of {INDEX})."
        )
    for file, tensors in shards.items():
        if lacking := sorted(tensors - _tensors(where, folder, file)):
            raise StudyError(
                f"{where}: {folder / file} lacks {len(lacking)} of the tensors that {INDEX} says are in it, e.g. "
                f"{lacking[0]}. {how_to_mend(where, folder)}"
            )


def _shards(where: str, folder: Path) -> dict[str, set[str]]:
    """File of weights -> the tensors that the index says are in it. Raises StudyError if a file is missing."""
    shards: dict[str, set[str]] = {} if (folder / INDEX).is_file() else {WEIGHTS: set()}
    if not shards:
        for tensor, file in _read_json(folder / INDEX).get("weight_map", {}).items():
            shards.setdefault(file, set()).add(tensor)
    missing = sorted(file for file in shards if not (folder / file).is_file())
    if shards and not missing:
        return shards
    if pickles := sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern)):
        raise StudyError(
            f"{where}: {folder} has its weights as pickles ({', '.join(pickles)}), which can hold any code and are "
            "never read. Convert them to safetensors, or take a model that has them."
        )
    raise StudyError(
        f"{where}: the model is not whole, so it is not loaded: {folder} lacks "
        f"{', '.join(missing) or f'files of weights ({INDEX} names none)'}. {how_to_mend(where, folder)}"
    )


def _tensors(where: str, folder: Path, shard: str) -> set[str]:
    """Names of the tensors in a safetensors file. Raises StudyError if it is cut, or no such file."""
    path = folder / shard
    size, needed = path.stat().st_size, 0
    header: dict[str, Any] = {}
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")  # of the header, which says where each tensor ends
            if length < size:
                header = json.loads(file.read(length))
                header.pop("__metadata__", None)
                needed = 8 + length + max((one["data_offsets"][1] for one in header.values()), default=0)
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    if needed != size:
        told = f"it has {size:,} of {needed:,} bytes" if needed else "its header cannot be read"
        raise StudyError(f"{where}: {path} is no whole safetensors file: {told}. {how_to_mend(where, folder)}")
    return set(header)


# --- data sets --------------------------------------------------------------------------------------------------------


def dataset_identity(name: str, revision: str | None) -> str:
    """What identifies a data set's content: <name>@<commit>; of a local folder, the sha256 of its files."""
    if is_local(name):
        folder = local_folder("datasets", name)
        return _folder_digest(files_in(folder), folder)
    return f"{name}@{_pinned('datasets', name, revision)}"


def dataset_rows(
    name: str, revision: str | None, config: str | None, split: str, files: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a split of a data set, in order; images stay bytes. They are streamed from its files.

    files: read these (JSON lines or Parquet) instead of what config and split name: for data sets that come with a
    loading script, which is never run.
    Raises StudyError if the data set is not pinned, cannot be had or read, or has no such config, split or file.
    """
    if is_local(name):
        where, folder = name, local_folder("datasets", name)
    else:
        revision = _pinned("datasets", name, revision)
        where = f"{name}@{revision}"
        script = f"{name.rpartition('/')[2]}.py"  # only to see whether there is one
        folder = _snapshot("datasets", name, revision, files or [*CARD_FILES, script])
    if files:
        for file in files:
            yield from _file_rows(where, folder, file)
        return
    card = _card(folder)
    _check_script(where, folder, bool(card))
    patterns = _patterns(where, card, config, split)
    if not is_local(name) and revision is not None:
        # Where `**/` stands for no folder at all, the hub's patterns need it left out.
        fetched = [variant for one in patterns for variant in (one, one.replace("**/", ""))] or DATA_FILES
        folder = _snapshot("datasets", name, revision, [*CARD_FILES, *fetched])
    yield from _split_rows(where, folder, config, split, patterns)


def _card(folder: Path) -> dict[str, Any]:
    """Config -> what the data set's card says of it. Empty if there is no card, or none that names configs."""
    from huggingface_hub import DatasetCard

    if not (folder / "README.md").is_file():
        return {}
    try:
        configs = DatasetCard.load(folder / "README.md").data.to_dict().get("configs") or []
        return {str(one["config_name"]): one for one in configs}
    except Exception as error:  # a YAML library's, or of what is not as it should be
        raise StudyError(f"{folder / 'README.md'}: the data set's card cannot be read: {error}") from None


def _check_script(where: str, folder: Path, has_card: bool) -> None:
    if not has_card and (scripts := sorted(path.name for path in folder.glob("*.py"))):
        raise StudyError(
            f"{where}: this data set comes with a loading script ({', '.join(scripts)}), and foreign code is never "
            "run. Name the files to read instead, e.g. files: [test.jsonl]."
        )


def _patterns(where: str, card: dict[str, Any], config: str | None, split: str) -> list[str]:
    """The files of a split as the card names them; none if it leaves that to the files' names."""
    if not card:
        return []
    chosen = config or next((name for name in card if name == "default" or len(card) == 1), None)
    if chosen not in card:
        told = f"there is no config {config!r}" if config else "there are several configs, and none was named"
        raise StudyError(f"{where}: {told}. There are: {', '.join(sorted(card))}.")
    said = card[chosen].get("data_files")
    if "data_dir" in card[chosen] or not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        return []
    splits = {one["split"]: one["path"] for one in said}
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
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what goes wrong is raised, too
    # Streamed from the files. A copy in the cache would go by their names and dates; this one gets only a lock.
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
        there = [one for one in files_in(folder) if matches(one, DATA_FILES)]
        raise StudyError(f"{where}: there is no file {file}. There are: {', '.join(there) or 'none of data'}.")
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


# --- pins and folders -------------------------------------------------------------------------------------------------


def _pinned(kind: Kind, name: str, revision: str | None) -> str:
    if revision is None:
        raise StudyError(
            f"{name}: this {NOUNS[kind]} is not pinned to a commit. Where the hub can be reached, run `prefdelta pin "
            f"{hub_path(kind, name)}`, which writes {LOCK}; or put a local folder (./…) in its place."
        )
    return revision


def _snapshot(kind: Kind, name: str, revision: str, patterns: Sequence[str]) -> Path:
    """The folder in the cache with a repository's files of these patterns, whole."""
    pin = read_pins().of(kind).get(name)
    return snapshot(kind, name, revision, patterns, pin if pin and pin.revision == revision else None)


def _folder_digest(files: Sequence[str], folder: Path) -> str:
    """Sha256 over the names and contents of files, in hex."""
    with ThreadPoolExecutor(HASHERS) as pool:
        hashes = pool.map(lambda file: sha256_of(folder / file), files)
        return digest(dict(zip(files, hashes, strict=True)))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StudyError(f"{path}: cannot be read as JSON: {error}") from None
