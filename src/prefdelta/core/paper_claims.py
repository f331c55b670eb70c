"""A paper's claims as data: what is claimed, by whom we know it, and how a study of ours tests it."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings

# Over which benchmarks: the mean of those in or out of the training prompts' domain, or every panel of the figures.
Over = Literal["in_domain", "out_of_domain", "panels"]
Direction = Literal["up", "down"]  # which sign the claim gives the number
# Verbatim of the paper; reported by a careful reader; a digest or a redrawn chart, low trust; inferred by us.
Trust = Literal["V", "R", "D", "I"]


class Arms(Settings):
    """Arms of an experiment: those that match one pattern of each list (`*` stands for any text)."""

    selections: list[str] = Field(default=["*"])
    """Patterns of selections. {k} stands for the size that `share` gives."""

    recipes: list[str] = Field(default=["*"])
    """Patterns of recipes."""


class Trend(Settings):
    """The slope of the gain over the base along the generators: points per 10 points of generator-level delta."""

    kind: Literal["trend"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    direction: Direction = "up"
    """Sign that the claim gives the number: up is above 0, down is below."""


class Bend(Settings):
    """The same slope over the upper half of the generators, minus that over the lower half."""

    kind: Literal["bend"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    direction: Direction = "down"
    """Sign that the claim gives the number: up is above 0, down is below."""


class Gains(Settings):
    """The gain over the base of each of some arms, in points: all of them must have the sign."""

    kind: Literal["gains"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    arms: Arms
    """Arms whose gain is tested, each by itself."""

    direction: Direction = "up"
    """Sign that the claim gives the number: up is above 0, down is below."""


class Difference(Settings):
    """The mean of some arms minus the mean of others, in points, for every pairing of its own."""

    kind: Literal["difference"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    left: Arms
    """Arms on the left side."""

    right: Arms
    """Arms on the right side, whose value is subtracted."""

    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of all pairs: {k} in a selection is the size nearest to it."""

    margin: Annotated[float, Field(ge=0)] = 0.0
    """Points by which the left side may be below the right one."""


class Steadiness(Settings):
    """How much the gain varies with k (standard deviation, points): the left side minus the mean of the right ones."""

    kind: Literal["steadiness"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    left: Arms
    """Arms on the left side."""

    right: Arms
    """Arms on the right side, whose value is subtracted."""


class DeltaTrend(Settings):
    """The slope of a dimension's mean sample delta: score points per 10 points of generator-level delta."""

    kind: Literal["delta_trend"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose pairings are used. Those that a study lacks are left out."""

    dimension: str
    """Dimension or composite whose mean delta is taken."""

    direction: Direction = "up"
    """Sign that the claim gives the number: up is above 0, down is below."""


Test = Annotated[Trend | Bend | Gains | Difference | Steadiness | DeltaTrend, Field(discriminator="kind")]


class Reported(Settings):
    """A number that the paper is said to have. Never a target."""

    text: str
    """The number, in words."""

    trust: Trust
    """How well it is known."""


class ClaimTest(Settings):
    question: str
    """What the numbers are, in words."""

    test: Test
    """How they are computed."""


class Claim(Settings):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    """Short name: lower-case letters, digits and hyphens."""

    claim: str
    """The claim, in our words."""

    trust: Trust
    """How well it is known that the paper claims it."""

    tests: Annotated[list[ClaimTest], Field(min_length=1)]
    """How a study tests it."""

    reported: list[Reported] = Field(default=[])
    """Numbers that the paper is said to have."""


class Claims(Settings):
    """The contents of resources/claims.yaml."""

    source: str
    """Where the claims are made."""

    claims: list[Claim]
    """The claims, in the order of the report."""
