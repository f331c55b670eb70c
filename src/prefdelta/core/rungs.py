"""Rungs: the small models of mini's ladder, as settings. `prefdelta.training.ladder` trains them."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from prefdelta.core.settings import Settings
from prefdelta.core.tasks.corpus import ErrorRates
from prefdelta.core.tasks.families import FamilyName
from prefdelta.core.tasks.misconceptions import NONE, Misconception, Misconceptions

Lengths = Annotated[list[Annotated[int, Field(ge=1, le=15)]], Field(min_length=1)]
Temperature = Annotated[float, Field(ge=0)]


class Corpus(Settings):
    """Traces of one family that a model learns from."""

    family: FamilyName
    """Family of the problems."""

    operations: Lengths
    """Lengths of the problems in operations, from 1 to 15, equally likely."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    """Share of the rows relative to the model's other corpora, above 0."""


class HeldMisconceptions(Settings):
    """The misconceptions that a model's corpora show."""

    table: str
    """Name of the table in `ladder.misconceptions`."""

    factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    """What the rates of the table are multiplied by, above 0 to 1."""


class Window(Settings):
    """Range of accuracy on validation problems. A trained model outside it is rejected."""

    family: FamilyName
    """Family of the problems."""

    operations: Lengths
    """Lengths of the problems in operations, from 1 to 15."""

    low: Annotated[float, Field(ge=0, le=1)]
    """Least accuracy, from 0 to 1."""

    high: Annotated[float, Field(ge=0, le=1)]
    """Largest accuracy, from `low` to 1."""

    items: Annotated[int, Field(ge=1)] | None = None
    """Validation problems, at least 1. None: `ladder.measured_items`."""

    temperature: Temperature = 1.0
    """Sampling temperature of the answers, at least 0. 0 is greedy."""

    best_over: list[Temperature] = Field(default_factory=list)
    """Other temperatures, at least 0, none of which may mend the model: see `at_most_above`."""

    at_most_above: Annotated[float, Field(ge=0, le=1)] | None = None
    """How far the best accuracy over the temperatures `best_over` may lie above that at `temperature`, from 0 to 1.
    Given exactly if `best_over` is."""

    @model_validator(mode="after")
    def _ends_fit(self) -> "Window":
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        if bool(self.best_over) != (self.at_most_above is not None):
            raise ValueError("give best_over and at_most_above together, or neither")
        return self


class Rung(Settings):
    """One model. Its width, its steps and its error rates determine its capability."""

    architecture: Literal["llama", "gpt2"] = "llama"
    """Architecture, by its name in transformers."""

    width: Annotated[int, Field(ge=8)]
    """Width of the hidden states, at least 8: a multiple of 2 x heads."""

    layers: Annotated[int, Field(ge=1)]
    """Transformer blocks, at least 1."""

    heads: Annotated[int, Field(ge=1)]
    """Attention heads per layer, at least 1."""

    steps: Annotated[int, Field(ge=1)]
    """Steps of the optimisers, at least 1."""

    batch_size: Annotated[int, Field(ge=1)]
    """Traces per step, at least 1."""

    corpora: Annotated[list[Corpus], Field(min_length=1)]
    """Corpora that the model learns from, at least one."""

    error_rates: ErrorRates
    """How often the traces are corrupted, by kind of error."""

    misconceptions: HeldMisconceptions | None = None
    """Systematic errors of the traces beside the random ones. None: no trace has any."""

    seed: int
    """Seed of the first weights and of the rows; a repeated attempt takes the next seed."""

    windows: list[Window]
    """Ranges of accuracy that must all hold. Empty: the model is used untested."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "Rung":
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 x heads ({2 * self.heads})")
        return self


class LadderSection(Settings):
    """Settings that all rungs share."""

    muon_learning_rate: Annotated[float, Field(gt=0)]
    """Peak learning rate of Muon, which trains the hidden matrices, above 0."""

    adamw_learning_rate: Annotated[float, Field(gt=0)]
    """Peak learning rate of AdamW, which trains embeddings, head and norms, above 0."""

    warmup_steps: Annotated[int, Field(ge=0)]
    """Steps in which the rates rise to their peaks, at least 0."""

    decay_share: Annotated[float, Field(ge=0, le=1)]
    """Last share of the steps, from 0 to 1, in which the rates fall to 0."""

    attempts: Annotated[int, Field(ge=1)]
    """Largest number of trainings, at least 1, each with the next seed, until a model is inside its windows."""

    measured_items: Annotated[int, Field(ge=1)]
    """Validation problems per window, at least 1, where the window does not say."""

    threads: Annotated[int, Field(ge=1)] = 1
    """Torch threads, at least 1: part of what determines the bits on a CPU."""

    misconceptions: dict[str, list[Misconception]] = Field(default_factory=dict)
    """Tables of systematic errors by name, which models hold with a factor (`models.<name>.ladder.misconceptions`)."""

    @model_validator(mode="after")
    def _contexts_differ(self) -> "LadderSection":
        for name, rows in self.misconceptions.items():
            for context, times in Counter(row.context for row in rows).items():
                if times > 1:
                    raise ValueError(f"misconceptions.{name} has {times} rows for one context: {context}")
        return self

    def held_by(self, rung: Rung) -> Misconceptions:
        """The misconceptions of a rung's corpora. Raises KeyError if no table has the name that the rung gives."""
        held = rung.misconceptions
        return Misconceptions(self.misconceptions[held.table], held.factor) if held else NONE
