"""A checkpoint: weights on disk, named by the content from which they were made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The contents of `ladder/<model>/model.json` and `train/<arm>/policy.json`: the same bytes on every run."""

    key: str  # hash of all that determines the weights
    weights: str  # sha256 over every file of the checkpoint, by name
    folder: str  # folder of the weights, relative to the record (results/<study>/record), for example policies/<key>
