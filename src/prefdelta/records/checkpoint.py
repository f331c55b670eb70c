"""A checkpoint: weights on disk, named by the content they were made from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The contents of `ladder/<model>.json` and `train/<arm>/policy.json`: deterministic, nothing else in it."""

    key: str  # hash of all that determines the weights
    weights: str  # sha256 over every file of the checkpoint, by name
    folder: str  # where the files lie, relative to the study's results folder
