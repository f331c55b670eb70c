"""Rungs: what the small models of mini's ladder are. Values only; `prefdelta.training.ladder` trains them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from prefdelta.core.settings import Settings
from prefdelta.core.tasks.corpus import ErrorRates
from prefdelta.core.tasks.families import FamilyName

Lengths = Annotated[list[Annotated[int, Field(ge=1, le=15)]], Field(min_length=1)]


class Corpus(Settings):
    """Traces of one family that a model learns from."""

    family: FamilyName
    operations: Lengths  # lengths of its problems, equally likely
    weight: Annotated[float, Field(gt=0)] = 1.0  # share of the rows, against the model's other corpora


class Window(Settings):
    """Where a trained model's accuracy at temperature 1 must lie, on validation problems, for it to be used."""

    family: FamilyName
    operations: Lengths
    low: Annotated[float, Field(ge=0, le=1)]
    high: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _low_is_below_high(self) -> "Window":
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class Rung(Settings):
    """One model. Its capability is made by its width, its steps and the error rates of its corpora."""

    architecture: Literal["llama", "gpt2"] = "llama"
    width: Annotated[int, Field(ge=8)]
    layers: Annotated[int, Field(ge=1)]
    heads: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]  # traces per step
    corpora: Annotated[list[Corpus], Field(min_length=1)]
    error_rates: ErrorRates
    seed: int
    windows: list[Window]  # all must hold; none: the model is used untested

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "Rung":
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 x heads ({2 * self.heads})")
        return self


class LadderSection(Settings):
    """What all rungs share."""

    muon_learning_rate: Annotated[float, Field(gt=0)]  # for matrices
    adamw_learning_rate: Annotated[float, Field(gt=0)]  # for embeddings, head and norms
    warmup_steps: Annotated[int, Field(ge=0)]
    decay_share: Annotated[float, Field(ge=0, le=1)]  # last share of the steps, in which the rate falls to 0
    attempts: Annotated[int, Field(ge=1)]  # trainings, each with the next seed, until a model is inside its windows
    measured_items: Annotated[int, Field(ge=1)]  # validation problems per window
    threads: Annotated[int, Field(ge=1)] = 1  # torch threads: part of what determines the bits on a CPU
