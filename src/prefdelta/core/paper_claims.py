"""A paper's claims as data: what is claimed, how we know of it, and how a study tests it."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings

# The benchmarks: a mean over those in or out of the training prompts' domain, or every panel of the figures.
Over = Literal["in_domain", "out_of_domain", "panels"]
Direction = Literal["up", "down"]  # the sign of the number, as the claim has it
# V: verbatim from the paper. R: reported by a careful reader. D: from a digest or a redrawn chart, low trust.
# I: inferred by us.
Trust = Literal["V", "R", "D", "I"]


class ArmPatterns(Settings):
    """Arms of an experiment: those that match one pattern of each list (`*` stands for any text)."""

    selections: list[str] = Field(default=["*"])
    """Patterns of selections. {k} stands for the size that `share` gives."""

    recipes: list[str] = Field(default=["*"])
    """Patterns of recipes."""


class Trend(Settings):
    """The slope of the gain over the base along the generators: points per 10 points of generator delta."""

    kind: Literal["trend"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    direction: Direction = "up"
    """Sign that the claim gives the number: up is above 0, down is below."""


class Bend(Settings):
    """The slope of `trend` over the upper half of the generators, minus the slope over the lower half."""

    kind: Literal["bend"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    direction: Direction = "down"
    """Sign that the claim gives the number: up is above 0, down is below."""


class Gains(Settings):
    """The gain of each of some arms over its base, in points. All gains must have the claimed sign."""

    kind: Literal["gains"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    arms: ArmPatterns
    """Arms whose gain is tested, each by itself."""

    direction: Direction = "up"
    """Sign that the claim gives the number: up is above 0, down is below."""


class Difference(Settings):
    """The mean of some arms minus the mean of others, in points, for each pairing separately."""

    kind: Literal["difference"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    left: ArmPatterns
    """Arms on the left side."""

    right: ArmPatterns
    """Arms on the right side, whose value is subtracted."""

    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of all pairs: {k} in a selection is the size nearest to it."""

    margin: Annotated[float, Field(ge=0)] = 0.0
    """Points by which the left side may be below the right one."""


class Steadiness(Settings):
    """How much the gain varies with k (standard deviation, points): the left side minus the mean of the right side."""

    kind: Literal["steadiness"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used. Those that a study lacks are left out."""

    over: Over
    """Benchmarks that are averaged: in_domain, out_of_domain, or each panel of the figure by itself."""

    left: ArmPatterns
    """Arms on the left side."""

    right: ArmPatterns
    """Arms on the right side, whose value is subtracted."""


class DeltaTrend(Settings):
    """The slope of a dimension's mean sample delta: score points per 10 points of generator delta."""

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
    """A number that the paper is said to have. It is never a target."""

    text: str
    """The number, in words."""

    trust: Trust
    """How well the number is known."""


class ClaimTest(Settings):
    question: str
    """What the test measures, in words."""

    test: Test
    """How it is measured."""


class Claim(Settings):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    """Short name: lower-case letters, digits and hyphens."""

    claim: str
    """The claim, in our words."""

    trust: Trust
    """How well it is known that the paper makes this claim."""

    tests: Annotated[list[ClaimTest], Field(min_length=1)]
    """How a study tests the claim."""

    reported: list[Reported] = Field(default=[])
    """Numbers that the paper is said to have."""


class Claims(Settings):
    """The contents of resources/claims.yaml."""

    source: str
    """Where the claims are made."""

    claims: list[Claim]
    """The claims, in the order of the report."""
