"""The config file as types: axes first, then one section per stage, then what jobs ask for."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from prefdelta.core.arms import undrawn
from prefdelta.core.asking.engine_options import GeneratorOptions, ThinkingMarks
from prefdelta.core.asking.requests import Sampling
from prefdelta.core.asking.template_settings import DEFAULT_DATE, Date, Kwargs
from prefdelta.core.compute import Cluster, Compute
from prefdelta.core.data.contamination import Contamination
from prefdelta.core.data.sources import Domain, MadeSource, Source, TraceFields
from prefdelta.core.rungs import LadderSection, Rung
from prefdelta.core.settings import Settings
from prefdelta.stages.browse import BrowseSection
from prefdelta.stages.delta import DeltaSection
from prefdelta.stages.evaluate import EvaluateSection
from prefdelta.stages.filter import FilterSection
from prefdelta.stages.generate import GenerateSection
from prefdelta.stages.grade import GradeSection
from prefdelta.stages.judge import JudgeSection
from prefdelta.stages.pair import PairSection
from prefdelta.stages.reference import ReferenceSection
from prefdelta.stages.report import FigureKind, ReportSection
from prefdelta.stages.train import TrainSection

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Dimension = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
PairingName = Annotated[str, Field(pattern=r"^[^~]+~[^~]+$")]


class Model(Settings):
    """Where a model's weights come from, and how it is asked. Give either `ladder` or `hub`."""

    ladder: Rung | None = None
    """The model is trained here from scratch (mini). This says how."""

    hub: str | None = None
    """Repository on the Hugging Face hub (owner/name), or a local folder (./...) in its place."""

    system: str | None = None
    """System prompt, wherever the model is asked, trained or scored. Default: none."""

    thinking: ThinkingMarks | None = None
    """How the model marks its reasoning. Default: by <think> and </think>."""

    chat_template_kwargs: Kwargs = Field(default_factory=dict)
    """Variables of its chat template, wherever the model is asked, trained or scored: { enable_thinking: true }."""

    size: Name | None = None
    """Name of its size: its jobs ask for `compute.<stage>.sizes.<size>`. Default: what the stage asks for."""

    @model_validator(mode="after")
    def _has_one_origin(self) -> "Model":
        if (self.ladder is None) == (self.hub is None):
            raise ValueError("give either ladder (trained here) or hub (owner/name, or a local folder)")
        if self.ladder and self.chat_template_kwargs:
            raise ValueError("chat_template_kwargs are for models of the hub; the ladder's template has none")
        return self


class Generator(Settings):
    """Who writes traces: a model, or the data set of the training prompts, which ships them."""

    model: Name | None = None
    """Name of a model (of `models`). Give either this or `shipped`."""

    shipped: TraceFields | None = None
    """Columns of `prompts.train` that hold the traces. Give either this or `model`."""

    family: str | None = None
    """Name of its family: a line of a figure joins generators of one family. Default: all without a name are of one."""

    samples: Annotated[int, Field(ge=1)] = 1
    """Traces drawn per prompt. 2 or more for a generator that is paired with itself; correctness cells need several."""

    judged: Annotated[int, Field(ge=1)] | None = None
    """How many first samples per prompt are judged. Default: `judge.samples`."""

    sampling: Sampling | None = None
    """How it draws its traces. Default: `generate.sampling`, which this replaces as a whole."""

    engine: GeneratorOptions | None = None
    """How its model is run. Default: `generate.engine`, which this replaces as a whole."""

    shards: Annotated[int, Field(ge=1)] = 1
    """Number of jobs that share its prompts. An edit draws no trace again."""

    @model_validator(mode="after")
    def _has_one_origin(self) -> "Generator":
        if (self.model is None) == (self.shipped is None):
            raise ValueError("give either model or shipped (traces that prompts.train holds)")
        return self


class Experiment(Settings):
    """Every combination of its lists is one arm. An arm that several experiments name is trained once."""

    title: str
    """Heading in the report."""

    figure: FigureKind = "rows"
    """How its arms are drawn: along the generators' capability (scaling), by method, by correctness cell, by number of
    pairs (filtering), or one row per arm (rows)."""

    policies: list[Name]
    """Policies that are trained (of `policies`)."""

    pairings: list[PairingName]
    """Pairings that they are trained on, each as <chosen generator>~<rejected generator>."""

    selections: list[str]
    """Selections of each pairing's pairs: all, swapped, top-<dimension>-<k>, bottom-<dimension>-<k>,
    top-chosen-<dimension>-<k>, low-rejected-<dimension>-<k>,
    matched-<length|correctness|difficulty|all>-<dimension>-<k>, likely-rejected-<policy>-<k>,
    unlikely-rejected-<policy>-<k>,
    alike-<k>, right-over-wrong-<k>, random-<k>-s<seed>, cell-<right|wrong>-<right|wrong>, common-<set>,
    swapped-<set>."""

    recipes: list[Name]
    """Recipes that they are trained by (of `train.recipes`)."""

    seeds: list[Annotated[int, Field(ge=0)]]
    """Training seeds: each trains in another order of the pairs."""

    draws: Literal["per_seed"] | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = Field(default=[0])
    """Draws of traces that its arms train on. In a draw from 1, both generators of a pairing answer the prompts anew,
    with other seeds. per_seed: training seed s trains on draw s, so there is one arm per seed. A list: every seed
    trains on every draw. Results are means over draws and seeds, and intervals hold both. A new draw adds jobs and
    repeats none: its traces, grades and pairs (for `common-<set>` those of the whole set), verdicts if a selection
    names a dimension, reference log-probabilities, and its arms. The report's tables of deltas are those of draw 0.
    Traces of a data set, or of temperature 0, cannot be drawn again."""

    as_many_updates_as: str | None = None
    """<selection>/<recipe> of arms of other experiments that should get as many updates as these. The figure shows them
    beside, and the report says if the numbers of updates differ."""

    @property
    def repeats(self) -> list[tuple[int, int]]:
        """(draw of traces, training seed) of the arms that differ in nothing else, in order."""
        seeds = sorted(self.seeds)
        if self.draws == "per_seed":
            return [(seed, seed) for seed in seeds]
        return [(draw, seed) for draw in sorted(self.draws) for seed in seeds]


class PromptsSection(Settings):
    """The training prompts. Benchmarks are files of their own in resources/benchmarks."""

    train: Source
    """Where the training prompts come from: a data set, or a procedure (mini)."""

    domain: Domain | None = None
    """Subject of the training prompts; benchmarks of it count as in-domain. Needed for a data set."""

    limit: Annotated[int, Field(ge=1)] | None = None
    """Keep only so many prompts of each source, drawn by seed. Default: all."""

    limits: dict[Name, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Source (`train`, or a benchmark) -> the same for it alone."""

    contamination: Contamination | None = None
    """The gate that keeps items of benchmarks out of the training prompts. Default: none."""

    @property
    def train_domain(self) -> str | None:
        return self.domain or (self.train.family if isinstance(self.train, MadeSource) else None)


class Config(Settings):
    """A study."""

    study: Name
    """Name of the study. Its results lie in results/<study>/."""

    seed: Annotated[int, Field(ge=0)]
    """Root of every draw. An edit draws everything anew."""

    date: Date = DEFAULT_DATE
    """Day that chat templates take for today (ISO), so that prompts do not depend on the day of a run."""

    models: dict[Name, Model]
    """Name -> a model that generates, judges or is trained."""

    generators: dict[Name, Generator]
    """Name -> who writes traces. A new one adds jobs and reruns none."""

    policies: list[Name]
    """Models that are trained (of `models`)."""

    benchmarks: list[Name]
    """Benchmarks that policies are evaluated on, each a file resources/benchmarks/<name>.yaml."""

    dimensions: list[Dimension]
    """Dimensions that the judge scores, each a rubric resources/rubrics/<name>.md."""

    experiments: dict[Name, Experiment]
    """Name -> arms, declared over axes."""

    annotations: list[Name] = Field(default_factory=list)
    """Sheets scored by people that the report holds against the judge, by the names that `prefdelta annotate import`
    prints. Default: none."""

    prompts: PromptsSection
    """Stage `prompts`: training prompts and benchmark items."""

    ladder: LadderSection | None = None
    """Stage `ladder`: how the small models of mini are trained from scratch. Needed if a model has `ladder`."""

    generate: GenerateSection
    """Stage `generate`: traces."""

    grade: GradeSection
    """Stage `grade`: whether the final answers of traces are right."""

    judge: JudgeSection
    """Stage `judge`: scores of traces by dimension."""

    pair: PairSection
    """Stage `pair`: pairs of a chosen and a rejected trace."""

    delta: DeltaSection
    """Stage `delta`: differences of scores within pairs."""

    filter: FilterSection
    """Stage `filter`: selections of pairs."""

    reference: ReferenceSection
    """Stage `reference`: log-probabilities of traces under untrained policies."""

    train: TrainSection
    """Stage `train`: recipes."""

    evaluate: EvaluateSection
    """Stage `evaluate`: the policies' answers to benchmarks."""

    browse: BrowseSection = Field(default_factory=BrowseSection)
    """Stage `browse`: the pair browser."""

    report: ReportSection
    """Stage `report`: the page."""

    compute: dict[str, Compute]
    """Stage -> what one job of it asks for. Default for a stage: one core, 2 GB, an hour."""

    cluster: Cluster = Field(default_factory=Cluster)
    """The site's names for SLURM, for `--profile slurm`."""

    def generator(self, name: str) -> Generator:
        """The section of a generator, by its name in any draw of its traces."""
        return self.generators[undrawn(name)]

    def is_random(self, generator: str) -> bool:
        """Whether a generator's traces can be drawn again: neither shipped nor sampled greedily."""
        its = self.generator(generator)
        return its.model is not None and (its.sampling or self.generate.sampling).temperature > 0
