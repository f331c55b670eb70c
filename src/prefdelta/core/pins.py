"""Pins: the commit at which each model and data set of the hub is used, with sizes and licence.

They are in resources/pins.lock.json, which only `prefdelta pin` writes.
"""

import json
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from prefdelta.core.errors import StudyError
from prefdelta.core.hub import Revision
from prefdelta.core.settings import Settings, mistakes

Kind = Literal["models", "datasets"]
Bytes = Annotated[int, Field(ge=0)]
NOUNS: dict[Kind, str] = {"models": "model", "datasets": "data set"}

# Patterns of the paths that may be loaded from a repository. No other files are ever fetched: no code, and no pickles.
MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
CARD_FILES = ("README.md", ".huggingface.yaml", "dataset_infos.json")
_ENDINGS = ("parquet", "arrow", "jsonl", "json", "csv", "tsv", "jsonl.gz", "json.gz", "csv.gz", "jsonl.zst")
DATA_FILES = tuple(f"*.{ending}" for ending in _ENDINGS)


def matches(file: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(file, pattern) for pattern in patterns)


def may_be_loaded(kind: Kind, file: str) -> bool:
    """Whether a file (its path in a repository) is of a form that may be loaded.

    Of a model, only files at the top level may be loaded: its folders hold the same weights in other formats. Not all
    safetensors at the top level are loaded; `files_to_load` says which.
    """
    if kind == "models":
        return "/" not in file and matches(file, MODEL_FILES)
    return file in CARD_FILES or matches(file, DATA_FILES)


def shard_files(index: str | None) -> set[str]:
    """The files of a model's weights: those that its index (a JSON text) names; without an index, the single file.

    Other safetensors (`consolidated.safetensors`) hold the same weights in other formats.
    Raises ValueError if the index cannot be read.
    """
    if index is None:
        return {WEIGHTS}
    try:
        return set(map(str, json.loads(index)["weight_map"].values()))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it has no weight_map as it should be ({error})") from None


def files_to_load(files: Iterable[str], index: str | None) -> list[str]:
    """The files of a model that may be loaded (paths in its repository). Raises ValueError like `shard_files`."""
    shards = shard_files(index)
    loadable = [file for file in files if may_be_loaded("models", file)]
    return [file for file in loadable if file in shards or not file.endswith(".safetensors")]


def hub_path(kind: Kind, name: str) -> str:
    """A repository as the hub's addresses and `prefdelta pin` write it: datasets/<owner>/<name>, or <owner>/<name>."""
    return f"datasets/{name}" if kind == "datasets" else name


class Pin(Settings):
    """One repository of the hub at one commit."""

    revision: Revision
    """Commit of the repository."""

    bytes: Bytes
    """Total size of `files`, in bytes."""

    licence: str | None
    """Licence as the repository's card names it. None: it names none."""

    files: dict[str, Bytes]
    """Path of each file that may be loaded -> its size in bytes."""

    @model_validator(mode="after")
    def _sum_of_files(self) -> Self:
        if self.bytes != sum(self.files.values()):
            raise ValueError(f"bytes is {self.bytes}, but the files have {sum(self.files.values())} together")
        return self


class Pins(Settings):
    """The content of the lock file."""

    models: dict[str, Pin] = Field(default_factory=dict)
    """Name of a model's repository -> its pin."""

    datasets: dict[str, Pin] = Field(default_factory=dict)
    """Name of a data set's repository -> its pin."""

    @classmethod
    def read(cls, text: str, where: str) -> Self:
        """The pins in the text of a lock file. `where` names it in errors. Raises StudyError."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StudyError(
                f"{where}: not a lock file of pins: {mistakes(error)}. Only `prefdelta pin` writes it: put back the "
                f"committed one, or write {json.dumps(EMPTY)} into it and run `prefdelta pin`."
            ) from None

    def text(self) -> str:
        """The lock file's text: the same for the same pins."""
        return json.dumps(self.model_dump(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def of(self, kind: Kind) -> dict[str, Pin]:
        return self.models if kind == "models" else self.datasets

    def revision(self, kind: Kind, name: str) -> str | None:
        """The commit at which a repository is used. None: not pinned."""
        pin = self.of(kind).get(name)
        return pin.revision if pin else None

    def unpinned(self, kind: Kind, names: list[str]) -> list[str]:
        """The names that have no pin."""
        return [name for name in names if name not in self.of(kind)]

    def with_pin(self, kind: Kind, name: str, pin: Pin) -> Self:
        """These pins and one more. It replaces an older pin of the same repository."""
        return self.model_copy(update={kind: {**self.of(kind), name: pin}})


EMPTY = Pins().model_dump()
