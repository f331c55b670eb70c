"""A paper's claims as data: what is claimed, by whom we know it, and how a study of ours tests it."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings

# Over which benchmarks: the mean of those in or out of the training prompts' domain, or every panel of the figures.
Over = Literal["in_domain", "out_of_domain", "panels"]
Direction = Literal["up", "down"]  # which sign the claim gives the number
# Verbatim of the paper; reported by a careful reader; a digest or a redrawn chart, low trust; inferred by us.
Trust = Literal["V", "R", "D", "I"]


class ArmPatterns(Settings):
    """Arms of an experiment: those that match one pattern of each list (`*` stands for any text)."""

    selections: list[str] = Field(default=["*"])  # {k} stands for the size of `share`
    recipes: list[str] = Field(default=["*"])


class Trend(Settings):
    """The slope of the gain over the base along the generators: points per 10 points of generator delta."""

    kind: Literal["trend"]
    experiments: list[str]  # those that a study lacks are left out, here and below
    over: Over
    direction: Direction = "up"


class Bend(Settings):
    """The same slope over the upper half of the generators, minus that over the lower half."""

    kind: Literal["bend"]
    experiments: list[str]
    over: Over
    direction: Direction = "down"


class Gains(Settings):
    """The gain over the base of each of some arms, in points: all of them must have the sign."""

    kind: Literal["gains"]
    experiments: list[str]
    over: Over
    arms: ArmPatterns
    direction: Direction = "up"


class Difference(Settings):
    """The mean of some arms minus the mean of others, in points, for every pairing of its own."""

    kind: Literal["difference"]
    experiments: list[str]
    over: Over
    left: ArmPatterns
    right: ArmPatterns
    share: Annotated[float, Field(gt=0, lt=1)] | None = None  # {k} is the size nearest to this share of all pairs
    margin: Annotated[float, Field(ge=0)] = 0.0  # points by which the left side may be below the right one


class Steadiness(Settings):
    """How much the gain varies with k (standard deviation, points): the left side minus the mean of the right ones."""

    kind: Literal["steadiness"]
    experiments: list[str]
    over: Over
    left: ArmPatterns
    right: ArmPatterns


class DeltaTrend(Settings):
    """The slope of a dimension's mean sample delta: score points per 10 points of generator delta."""

    kind: Literal["delta_trend"]
    experiments: list[str]
    dimension: str
    direction: Direction = "up"


Test = Annotated[Trend | Bend | Gains | Difference | Steadiness | DeltaTrend, Field(discriminator="kind")]


class Reported(Settings):
    """A number that the paper is said to have. Never a target."""

    text: str
    trust: Trust


class ClaimTest(Settings):
    question: str  # what the numbers are, in words
    test: Test


class Claim(Settings):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    claim: str  # in our words
    trust: Trust
    tests: Annotated[list[ClaimTest], Field(min_length=1)]
    reported: list[Reported] = Field(default=[])


class Claims(Settings):
    """The contents of resources/claims.yaml."""

    source: str  # where the claims are made
    claims: list[Claim]
