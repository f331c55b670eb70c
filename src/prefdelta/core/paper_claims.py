"""A paper's claims as data: what is claimed, how we know of it, and how a study tests it."""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.ids import digest
from prefdelta.core.settings import Settings

# The benchmarks: a mean over all, or over those in or out of the training prompts' domain, or every panel of figures.
Over = Literal["all", "in_domain", "out_of_domain", "panels"]
# What a gain is over: the untrained policy, or the same at the temperature that makes it as sure as the arm.
Against = Literal["base", "sharpened"]
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
    """The slope of the gain over the base along the generators: points per 10 points of generator delta.

    A generator paired with itself is no dose, so it is left out: a step from no delta to any delta is no trend. So are
    generators whose traces a data set ships, which differ in more than their capability.
    """

    kind: Literal["trend"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used."""

    over: Over
    """Benchmarks that are averaged: all, in_domain, out_of_domain, or each panel of the figures by itself."""

    against: Against = "base"
    """What gains are over: base, or sharpened: the untrained policy at the temperature at which its answers have the
    mean token entropy of the arm's, by benchmark. What is left is gained beyond sharpening."""

    part: Literal["all", "lower half"] = "all"
    """Generators along which the slope is taken. The halves share their middle place, or
    two of them if the number of generators is even."""


class LevelsOff(Settings):
    """Over the upper half of the generators, the gain changes by less than a share of what it is where the half begins.

    Two one-sided tests (Schuirmann 1987), in points: the change by the slope of `trend` over the upper half, minus the
    share of the gain, is below 0; plus the share, it is above 0.
    """

    kind: Literal["levels_off"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used."""

    over: Over
    """Benchmarks that are averaged: all, in_domain, out_of_domain, or each panel of the figures by itself."""

    share: Annotated[float, Field(gt=0, lt=1)]
    """Share of the gain by which it may change, in either direction."""


class Gains(Settings):
    """The gain of each of some arms over its base, in points: above 0.

    A generator paired with itself has nothing to teach, so its arms are left out.
    """

    kind: Literal["gains"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used."""

    over: Over
    """Benchmarks that are averaged: all, in_domain, out_of_domain, or each panel of the figures by itself."""

    against: Against = "base"
    """What gains are over: base, or sharpened: the untrained policy at the temperature at which its answers have the
    mean token entropy of the arm's, by benchmark. What is left is gained beyond sharpening."""

    arms: ArmPatterns
    """Arms whose gain is tested, each family by itself."""


class Difference(Settings):
    """The mean of some arms minus the mean of others, in points, for each pairing separately: above 0."""

    kind: Literal["difference"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used."""

    over: Over
    """Benchmarks that are averaged: all, in_domain, out_of_domain, or each panel of the figures by itself."""

    against: Against = "base"
    """What gains are over: base, or sharpened: the untrained policy at the temperature at which its answers have the
    mean token entropy of the arm's, by benchmark. What is left is gained beyond sharpening."""

    left: ArmPatterns
    """Arms on the left side."""

    right: ArmPatterns
    """Arms on the right side, whose value is subtracted."""

    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of all pairs: {k} in a selection is the size nearest to it."""


class Retains(Settings):
    """The gain of some arms keeps a share of the gain of others, and the others do gain.

    Two numbers, in points, above 0: the right side's gain, and the left side's gain minus `keeps` x the right side's.
    """

    kind: Literal["retains"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used."""

    over: Over
    """Benchmarks that are averaged: all, in_domain, out_of_domain, or each panel of the figures by itself."""

    left: ArmPatterns
    """Arms on the left side."""

    right: ArmPatterns
    """Arms on the right side, of whose gain the left side keeps a share."""

    keeps: Annotated[float, Field(gt=0, lt=1)]
    """Share of the right side's gain that the left side keeps at least."""

    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of all pairs: {k} in a selection is the size nearest to it."""


class Steadiness(Settings):
    """How much the gain varies with k (variance, squared points): the left side minus the mean of the right side.

    Below 0. What items and runs add to a variance is the same on both sides, so it cancels.
    """

    kind: Literal["steadiness"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used."""

    over: Over
    """Benchmarks that are averaged: all, in_domain, out_of_domain, or each panel of the figures by itself."""

    left: ArmPatterns
    """Arms on the left side."""

    right: ArmPatterns
    """Arms on the right side, whose value is subtracted."""


class GridSlopes(Settings):
    """The gain over the base on how capable both sides are: gain = a x chosen + b x rejected, by least squares.

    Capability is a generator's accuracy on the training prompts. Two numbers, in points per 10 points of accuracy: a,
    above 0, and b, below 0. If the delta is the cause, b is about -a; if the chosen side alone is, b is 0. Generators
    whose traces a data set ships are left out; a generator paired with itself is a place like any other.
    """

    kind: Literal["grid"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose arms are used: chosen and rejected generators must vary by themselves."""

    over: Over
    """Benchmarks that are averaged: all, in_domain, out_of_domain, or each panel of the figures by itself."""


class DeltaTrend(Settings):
    """The slope of a dimension's mean sample delta: score points per 10 points of generator delta, above 0."""

    kind: Literal["delta_trend"]
    """Kind of test."""

    experiments: list[str]
    """Experiments (of the config) whose pairings are used."""

    dimension: str
    """Dimension or composite whose mean delta is taken."""

    given_length: bool = False
    """Whether the part of a delta that the length difference of its pair explains is subtracted first: by the slope of
    delta on length difference within pairings."""


Test = Annotated[
    Trend | LevelsOff | Gains | Difference | Retains | Steadiness | GridSlopes | DeltaTrend, Field(discriminator="kind")
]


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

    effect: Annotated[float, Field(gt=0)]
    """How far beyond its bound a number lies if the claim is true in a size that matters, in the test's unit. A study
    that cannot see this much is underpowered."""


class Confound(Settings):
    """Another cause that would give the same findings."""

    cause: str
    """The cause, in a word or two: length, correctness."""

    control: ClaimTest | Annotated[list[ClaimTest], Field(min_length=1)] | None = None
    """The test that takes the cause apart from the claim, or a list of such tests, which must all hold. Default: none,
    so the claim stays confounded with it."""

    @property
    def controls(self) -> list[ClaimTest]:
        """All tests that take the cause apart from the claim."""
        if self.control is None:
            return []
        return self.control if isinstance(self.control, list) else [self.control]


class Claim(Settings):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    """Short name: lower-case letters, digits and hyphens."""

    claim: str
    """The claim, in our words."""

    trust: Trust
    """How well it is known that the paper makes this claim."""

    tests: Annotated[list[ClaimTest], Field(min_length=1)]
    """How a study tests the claim: it holds if all do."""

    confounds: list[Confound] = Field(default=[])
    """Other causes that would pass the tests as well."""

    reported: list[Reported] = Field(default=[])
    """Numbers that the paper is said to have."""

    def digest(self) -> str:
        """A hash of what is tested: an edit makes it another claim. Texts and reported numbers do not count."""
        tested = self.model_dump(mode="json", include={"id", "tests", "confounds"})
        for asked in [tested["tests"], *(confound["control"] for confound in tested["confounds"])]:
            for test in asked if isinstance(asked, list) else [asked] if asked else []:
                del test["question"]
        return digest(tested)


class Claims(Settings):
    """The contents of resources/claims.yaml."""

    source: str
    """Where the claims are made."""

    claims: list[Claim]
    """The claims, in the order of the report."""
