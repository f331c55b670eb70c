"""Rungs: what the small models of mini's ladder are. Values only; `prefdelta.training.ladder` trains them."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings
from prefdelta.core.tasks.corpus import ErrorRates
from prefdelta.core.tasks.families import FamilyName


class Corpus(Settings):
    """Traces of one family that a model learns from."""

    family: FamilyName
    operations: list[Annotated[int, Field(ge=1)]]  # lengths of its problems, equally likely
    weight: Annotated[float, Field(gt=0)] = 1.0  # share of the rows, against the model's other corpora


class Rung(Settings):
    """One model. Its capability is made by its width, its steps and the error rates of its corpora."""

    architecture: Literal["llama"] = "llama"
    width: Annotated[int, Field(ge=8)]
    layers: Annotated[int, Field(ge=1)]
    heads: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]  # traces per step
    corpora: list[Corpus]
    error_rates: ErrorRates
    seed: int


class LadderSection(Settings):
    """What all rungs share."""

    muon_learning_rate: Annotated[float, Field(gt=0)]  # for matrices
    adamw_learning_rate: Annotated[float, Field(gt=0)]  # for embeddings, head and norms
    warmup_steps: Annotated[int, Field(ge=0)]
    decay_share: Annotated[float, Field(ge=0, le=1)]  # last share of the steps, in which the rate falls to 0
    threads: Annotated[int, Field(ge=1)] = 1  # torch threads: part of what determines the bits on a CPU
