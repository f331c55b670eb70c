"""Judges beside the study's own, and the names of what they score.

`<dimension>@<judge>` is a dimension as another judge scores it, `<form>@<judge>` a form as it is asked. A bare name is
the study's own judge's.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Sampling
from prefdelta.core.settings import Settings

PEOPLE = "people"  # the judge whose scores come from people's sheets; nothing is asked

JudgeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


def at_judge(name: str, judge: str | None) -> str:
    """The name of a dimension or form of a judge. None: the study's own."""
    return name if judge is None else f"{name}@{judge}"


def without_judge(name: str) -> str:
    """The dimension or form, whoever the judge is."""
    return name.partition("@")[0]


def judge_in(name: str) -> str | None:
    """The judge that a name of a dimension or form names; None: the study's own."""
    return name.partition("@")[2] or None


class OtherJudge(Settings):
    """A second judge. It is asked the study's forms, about the same traces, and draws with seeds of its own."""

    engine: OpenAIOptions | None = None
    """Where it is and how it is asked. Default: the study's judge itself, asked again with other seeds."""

    model: str | None = None
    """Model (of `models`) that a vllm server of `engine` serves. Not for another server or a hosted model."""

    sampling: Sampling | None = None
    """How it draws its verdicts. Default: `judge.sampling`."""

    votes: Annotated[int, Field(ge=1)] | None = None
    """Verdicts on one trace. Default: `judge.votes`."""

    pairings: list[str] = Field(default_factory=list)
    """Pairings whose traces it judges, of the experiments' pairings. Those of arms that train on its selections
    (`top-<dimension>@<judge>-<k>`) are judged anyway."""

    prompts: Annotated[int, Field(ge=1)] | Literal["all"] = 500
    """Number of prompts whose traces it judges, drawn by a hash, or `all`."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge of the study, with the defaults filled in."""

    where: str  # its key in the config
    engine: OpenAIOptions
    model: str | None
    sampling: Sampling
    votes: int
    prompts: int | None = None  # None: all
