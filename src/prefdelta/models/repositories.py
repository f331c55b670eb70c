"""Models of the Hugging Face hub, or local folders in their place; and functions that data sets share with them.

A repository is fetched at its pinned commit into the cache of huggingface_hub and read from there, so offline work uses
the same commit or none. (`datasets` itself, offline, takes the commit that it has seen last.) No code of a repository
is run, and nothing is unpickled: only weights in safetensors and data as text or tables are fetched.
"""

import json
from collections.abc import Sequence
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
    shard_files,
)
from prefdelta.models.cache import HASHERS, cached, explain_hub_errors, files_in, how_to_mend, snapshot
from prefdelta.system.files import sha256_of

LOCK = Path("resources/pins.lock.json")
_MOST_HASHED = 2**30  # bytes that `identity_of` hashes
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def read_pins(path: Path = LOCK) -> Pins:
    """The pins of the lock file. Without the file nothing is pinned. Raises StudyError if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Pins()
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: the lock file of pins cannot be read: {error}") from None
    return Pins.read(text, str(path))


def fetch(kind: Kind, name: str, revision: str) -> None:
    """Fetch all files of a repository that may be loaded into the cache, and check them."""
    if kind == "models":
        model_folder(HubModel(name=name, revision=revision))
    else:
        pinned_snapshot(kind, name, revision, [*CARD_FILES, *DATA_FILES])


# --- models -----------------------------------------------------------------------------------------------------------


def model_folder(model: HubModel) -> tuple[str, Path]:
    """(the identity of a model's weights, its folder in Hugging Face format, fetched if needed).

    The identity is <name>@<commit>, or the sha256 of a local folder's files.
    Raises StudyError if the model is not pinned, cannot be fetched, is not whole, or consists of pickles or code.
    """
    if is_local(model.name):
        folder = local_folder("models", model.name)
        return folder_digest(_loaded_of(model.name, folder), folder), folder
    revision = pinned_revision("models", model.name, model.revision)
    # Fetch the index first: it says which weights are needed.
    small = [pattern for pattern in MODEL_FILES if pattern != "*.safetensors"]
    folder = pinned_snapshot("models", model.name, revision, small)
    weight_names = sorted(_weights_of(f"{model.name}@{revision}", folder))
    folder = pinned_snapshot("models", model.name, revision, [*small, *weight_names])
    _check_model(f"{model.name}@{revision}", folder)
    return f"{model.name}@{revision}", folder


def identity_of(model: HubModel) -> str:
    """The identity of a model's weights, as in `model_folder`. Nothing is fetched, and nothing large is read.

    Raises StudyError if the model is not pinned, or is a local folder that would take long to hash.
    """
    if not is_local(model.name):
        return f"{model.name}@{pinned_revision('models', model.name, model.revision)}"
    folder = local_folder("models", model.name)
    files = _loaded_of(model.name, folder)
    if sum((folder / path).stat().st_size for path in files) > _MOST_HASHED:
        raise StudyError(f"{folder}: what identifies it is known only after all of it is read.")
    return folder_digest(files, folder)


def folder_of(model: HubModel) -> Path:
    """The folder of a model's files on this machine, even if it does not exist."""
    if is_local(model.name) or model.revision is None:
        return Path(model.name)
    return cached("models", model.name, model.revision)


def local_folder(kind: Kind, name: str) -> Path:
    """The local folder in place of a repository. No content is hashed. Raises StudyError like `model_folder`."""
    folder = Path(name)
    if not folder.is_dir():
        raise StudyError(
            f"{name}: there is no such folder in {Path.cwd()}; the config names it as the {NOUNS[kind]} to use."
        )
    if kind == "models":
        _check_model(name, folder)
    return folder


def model_files(name: str, revision: str, files: Sequence[str]) -> list[str]:
    """The files of a model on the hub that may be loaded. Its index is read, if it has one."""
    from huggingface_hub import hf_hub_download

    index = None
    if INDEX in files:
        with explain_hub_errors("models", name, revision), TemporaryDirectory() as folder:
            index = Path(hf_hub_download(name, INDEX, revision=revision, local_dir=folder)).read_text(encoding="utf-8")
    try:
        return files_to_load(files, index)
    except ValueError as error:
        raise StudyError(f"{name}@{revision}: {INDEX} cannot be read: {error}.") from None


def weight_files(folder: Path) -> list[Path]:
    """The files of weights in a model's folder that are loaded."""
    return sorted(path for name in _weights_of(str(folder), folder) if (path := folder / name).is_file())


def _weights_of(where: str, folder: Path) -> set[str]:
    try:
        return shard_files((folder / INDEX).read_text(encoding="utf-8") if (folder / INDEX).is_file() else None)
    except ValueError as error:
        raise StudyError(f"{where}: {folder / INDEX} cannot be read: {error}. {how_to_mend(where, folder)}") from None


def _loaded_of(where: str, folder: Path) -> list[str]:
    """The paths in a model's folder of all files that may be loaded."""
    index = folder / INDEX
    _weights_of(where, folder)  # raises if the index cannot be read
    return files_to_load(files_in(folder), index.read_text(encoding="utf-8") if index.is_file() else None)


def _check_model(where: str, folder: Path) -> None:
    """Raise StudyError unless a folder holds a whole model, in safetensors, that needs no code of its own."""
    if not (folder / "config.json").is_file():
        raise StudyError(f"{where}: {folder} has no config.json, so it is not a model in Hugging Face format.")
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
    """Names of the tensors in a safetensors file. Raises StudyError if the file is cut, or not of that format."""
    from safetensors import SafetensorError, safe_open

    path = folder / shard
    try:
        with safe_open(path, framework="numpy") as file:
            return set(file.keys())
    except SafetensorError as error:
        raise StudyError(
            f"{where}: {path} is not a complete safetensors file: {error}. {how_to_mend(where, folder)}"
        ) from None


# --- pins and folders -------------------------------------------------------------------------------------------------


def pinned_revision(kind: Kind, name: str, revision: str | None) -> str:
    """The revision. Raises StudyError if it is None, because the repository is not pinned."""
    if revision is None:
        raise StudyError(
            f"{name}: this {NOUNS[kind]} is not pinned to a commit. Where the hub can be reached, run `prefdelta pin "
            f"{hub_path(kind, name)}`, which writes {LOCK}; or put a local folder (./…) in its place."
        )
    return revision


def pinned_snapshot(kind: Kind, name: str, revision: str, patterns: Sequence[str]) -> Path:
    """The folder in the cache with a repository's files of these patterns, whole."""
    pin = read_pins().of(kind).get(name)
    return snapshot(kind, name, revision, patterns, pin if pin and pin.revision == revision else None)


def folder_digest(files: Sequence[str], folder: Path) -> str:
    """Sha256 over the names and contents of files, in hex."""
    with ThreadPoolExecutor(HASHERS) as pool:
        hashes = pool.map(lambda file: sha256_of(folder / file), files)
        return digest(dict(zip(files, hashes, strict=True)))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise StudyError(f"{path}: cannot be read as JSON: {error}") from None
