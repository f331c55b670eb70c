"""Stage report: one self-contained page with all that the study measured.

Every number has an interval, its n and its seeds; arms that answer the same items are compared item by item.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.arms import Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.people.sheet import JudgeVersion
from prefdelta.core.settings import Settings
from prefdelta.core.written_settings import WrittenSetting, written_digest, written_settings
from prefdelta.engines.openai.account import Spending
from prefdelta.reporting import calibration
from prefdelta.reporting.arms import read_arm
from prefdelta.reporting.claims.account import account
from prefdelta.reporting.claims.registered import standing
from prefdelta.reporting.claims.verdicts import judge_claims, read_claims
from prefdelta.reporting.content import Content, Overlaps
from prefdelta.reporting.drawings import drawings
from prefdelta.reporting.evidence import BenchmarkLabel, ExperimentArms
from prefdelta.reporting.example import Example, find_example
from prefdelta.reporting.figures.folder import publish_figures
from prefdelta.reporting.graders import audit_graders
from prefdelta.reporting.judging.people import people_lines
from prefdelta.reporting.judging.reliability import judge_reliability
from prefdelta.reporting.manifests import read_jobs, shipped_generators
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Scores
from prefdelta.reporting.numbers.agreement import agreements
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.reporting.numbers.generators import Grades
from prefdelta.reporting.numbers.ties import tie_lines
from prefdelta.reporting.page import Beside, hex_colour, render
from prefdelta.reporting.page_parts import PageParts
from prefdelta.reporting.paper_figures import read_paper_figures
from prefdelta.reporting.worlds.shape import StudyPlan
from prefdelta.reporting.worlds.table import worlds_table
from prefdelta.store import registrations
from prefdelta.system.files import publish_text
from prefdelta.workflow.job import Job, Outcome, start
from prefdelta.workflow.job_source import job_code


class ReportSection(Settings):
    """The page with all that the study measured."""

    title: str
    """Title of the page."""

    about: str
    """Text at the top of the page: what this study can and cannot show. Empty lines separate paragraphs."""

    resamples: Annotated[int, Field(ge=100)] = 2000
    """Number of resamples behind the intervals of numbers that are no means, such as kappa."""

    colour: str = "#2b6cb0"
    """Colour of the figures, as #rrggbb."""

    overlap: "ReportOverlap | None" = None
    """The pairing and sizes for the figure of overlaps between selections (experiment 5 of the paper). Default: no such
    figure."""

    cpu_budget: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Stage -> the CPU seconds that it should take. The page prints them beside the seconds that it took."""

    claims_note: str = ""
    """Text above the verdicts on the paper's claims: what the verdicts do not show in this study."""

    worlds: Annotated[int, Field(ge=0)] = 0
    """Number of studies planted in each of 12 worlds, for a table of what the claims' rules conclude where the truth is
    known. 0: no table. A study takes half a second of one core with config.yaml, and a tenth with mini. The next report
    of the same results, made by the same source, plants none."""


class ReportOverlap(Settings):
    """How many pairs the top-k sets of two dimensions share."""

    pairing: str
    """The pairing <chosen generator>~<rejected generator>."""

    k: list[Annotated[int, Field(ge=1)]]
    """Sizes of the top sets that are compared."""


class ReportBenchmark(Settings):
    title: str
    """Name in the report."""

    domain: Literal["maths", "stem", "code"]
    """Subject."""

    difficulty: Literal["easy", "hard"] | None
    """Level. None: the benchmark has none."""

    in_domain: bool
    """Whether its domain is the domain of the training prompts."""


class ReportGroup(Settings):
    """Benchmarks evaluated in one way."""

    title: str
    """Name in the report."""

    benchmarks: list[str]
    """Names of its benchmarks, in order."""

    primary: bool
    """Whether the figures show the group. Other groups have tables of their own."""

    temperature: float = 1.0
    """Sampling temperature of the arms. 0: greedy."""


# How an experiment's arms are drawn: along the generators' capability, or one row per arm.
FigureKind = Literal["scaling", "methods", "cells", "filtering", "rows"]


class ReportExperiment(Settings):
    title: str
    """Heading in the report."""

    figure: FigureKind
    """How its arms are drawn."""

    arms: list[str]
    """Its arms, as <policy>/<chosen>~<rejected>/<selection>/<recipe>/s<seed>."""

    beside: list[str] = Field(default=[])
    """Arms of other experiments that should have as many updates as these arms."""


class ReportPeople(Settings):
    """What people's sheets are held against."""

    versions: dict[str, JudgeVersion]
    """Dimension -> the judge's version in this study. A sheet of another version is shown, but corrects nothing."""

    components: dict[str, list[str]]
    """Dimension or composite -> the dimensions of which it is the mean."""


class ReportSettings(ReportSection):
    study: str
    """Name of the study."""

    seed: int
    """Root of all draws."""

    dimensions: list[str]
    """Dimensions and composites, in order."""

    benchmarks: dict[str, ReportBenchmark]
    """Name -> benchmark, in order."""

    groups: dict[str, ReportGroup]
    """Name -> group of `evaluate`, in order."""

    experiments: dict[str, ReportExperiment]
    """Name -> experiment, in order."""

    families: dict[str, str] = Field(default_factory=dict)
    """Generator -> its family, if the config names one: figures join generators of one family."""

    forms: dict[str, list[str]] = Field(default_factory=dict)
    """Form of the judge -> its dimensions."""

    compared: dict[str, list[str]] = Field(default_factory=dict)
    """Other form -> its dimensions."""

    same_judge: list[str] = Field(default_factory=list)
    """Those of the other forms that ask the study's judge the same again."""

    max_drawn_share: float = 0.5
    """Share of a selection's pairs that may be drawn among pairs of equal delta. Above it, its arms are marked."""

    plan: StudyPlan | None = None
    """What planted studies need besides the results. None: no study is planted."""

    people: ReportPeople | None = None
    """None: no sheets were scored by people."""

    example: str | None = None
    """The pairing of which a pair is shown, <chosen generator>~<rejected generator>. None: none is."""

    config: list[str] = Field(default_factory=list)
    """The config files, whose settings are shown with the marks in their comments."""

    written: str = ""
    """A digest of those settings and marks."""


def run(job: Job[ReportSettings]) -> Outcome:
    settings = job.settings
    study = settings.study
    bootstrap = Bootstrap(settings.resamples, settings.seed)
    groups = {
        name: BenchmarkGroup(group.title, group.benchmarks, group.primary, group.temperature)
        for name, group in settings.groups.items()
    }
    experiments = {key: _experiment(experiment) for key, experiment in settings.experiments.items()}
    scores = Scores.read(job.inputs["scores"], study, list(settings.benchmarks), groups, bootstrap)
    scores.check([*scores.arms(), *(arm for experiment in experiments.values() for arm in experiment.arms)])
    pairings = Pairings(job.inputs["pairs"], job.inputs["deltas"], study, settings.dimensions)
    jobs = read_jobs(job.inputs["manifests"], study)
    content = Content(
        study=study,
        title=settings.title,
        about=settings.about,
        colour=settings.colour,
        resamples=settings.resamples,
        seed=settings.seed,
        settings=settings.model_dump(),
        dimensions=settings.dimensions,
        benchmarks={name: _label(benchmark) for name, benchmark in settings.benchmarks.items()},
        groups=groups,
        experiments=experiments,
        scores=scores,
        grades=Grades(job.inputs["grades"], study),
        pairings=pairings,
        overlaps=_overlaps(settings.overlap, pairings),
        jobs=jobs,
        cpu_budget=settings.cpu_budget,
        calibration=calibration.measure(),
        confounded=shipped_generators(jobs),
        agreements=agreements(
            job.inputs["judgements"],
            job.inputs["compared"],
            study,
            settings.forms,
            settings.compared,
            bootstrap,
            settings.same_judge,
        ),
        reliability=judge_reliability(
            pairings,
            settings.dimensions,
            [arm for experiment in experiments.values() for arm in experiment.arms],
        ),
        people=people_lines(
            job.inputs["annotations"],
            job.inputs["sheets"],
            job.inputs["pairs"],
            pairings,
            settings.people.versions if settings.people else {},
            settings.people.components if settings.people else {},
            bootstrap,
        ),
        ties=tie_lines(jobs),
        max_drawn_share=settings.max_drawn_share,
        families=settings.families,
        graders=audit_graders(job.inputs["scores"], study, scores, groups, bootstrap),
    )
    figures = drawings(content)
    publish_figures(job.output("figures"), figures, hex_colour(settings.colour))
    asked = read_claims(job.input("claims"))
    claims = judge_claims(asked, content, settings.claims_note)
    registered = registrations.read(job.record)
    standings = {result.claim.id: standing(result.claim, registered) for result in claims.results}
    worlds = None
    if settings.worlds and settings.plan:
        code = job_code("report", settings)[1]
        worlds = worlds_table(content, asked, settings.plan, settings.worlds, job.record, code)
    beside = Beside(
        parts=PageParts(job.inputs["parts"]),
        paper=read_paper_figures(job.input("paper")),
        written=_written(settings),
        example=_example(job),
        spent_usd=_spent(job.record),
    )
    publish_text(job.output("page"), render(job.input("template"), content, figures, claims, standings, worlds, beside))
    not_counted = {"not_counted": scores.not_counted} if scores.not_counted else {}
    return Outcome(scores.rows, not_counted, account(claims, standings))


def _example(job: Job[ReportSettings]) -> Example | None:
    settings = job.settings
    if settings.example is None:
        return None
    files = [path for name in ("example", "pairs", "deltas", "grades") for path in job.inputs[name]]
    return find_example(files, settings.study, Pairing.parse(settings.example), settings.dimensions, job.record)


def _written(settings: ReportSettings) -> list[WrittenSetting]:
    """The settings of the config files. Raises StudyError if they were edited since the job was planned."""
    texts = [Path(path).read_text(encoding="utf-8") for path in settings.config]
    if texts and written_digest(texts) != settings.written:
        raise StudyError(
            f"{', '.join(settings.config)}: was edited since this job was planned, and the report shows its settings. "
            "Run the same snakemake command again: it plans with the new text."
        )
    return [line for text in texts for line in written_settings(text)]


def _spent(record: Path) -> float | None:
    """USD that the study has spent on hosted models; None if it has no account."""
    folder = record / "spending"
    return Spending(folder).spent() if folder.is_dir() else None


def _experiment(experiment: ReportExperiment) -> ExperimentArms:
    arms, beside = ([read_arm(name) for name in names] for names in (experiment.arms, experiment.beside))
    return ExperimentArms(experiment.title, experiment.figure, arms, beside)


def _label(benchmark: ReportBenchmark) -> BenchmarkLabel:
    return BenchmarkLabel.of(benchmark.title, benchmark.domain, benchmark.difficulty, benchmark.in_domain)


def _overlaps(overlap: ReportOverlap | None, pairings: Pairings) -> Overlaps | None:
    if overlap is None:
        return None
    pairing = Pairing.parse(overlap.pairing)
    return Overlaps(pairing, overlap.k, pairings.overlaps(pairing, overlap.k))


if __name__ == "__main__":
    start(
        run,
        ReportSettings,
        inputs={
            "scores": "tables of Score, evaluate/<arm>/<group>.parquet",
            "pairs": "tables of Pair, pair/<pairing>.parquet",
            "deltas": "tables of Delta, delta/<pairing>/<dimension>.parquet",
            "grades": "tables of Grade, grade/<generator>.parquet",
            "judgements": "tables of Judgement that are compared with others, judge/<generator>/<form>.parquet",
            "compared": "those others, judge/<generator>/<other form>.parquet",
            "claims": "a paper's claims as data (YAML)",
            "template": "the page as a Jinja template (HTML)",
            "parts": "its style sheet and scripts, with the licences of those by others",
            "paper": "what the paper reports in its figures (YAML)",
            "example": "tables of Prompt, Trace and Judgement for the pair that is shown whole",
            "annotations": "tables of Annotation, annotations/<study>/<sheet>.parquet",
            "sheets": "their keys, annotations/<study>/<sheet>.key.json",
            "manifests": "manifests of all other jobs, <stage>/<job>.manifest.json",
        },
        outputs={"page": "HTML", "figures": "folder with every figure as SVG, PDF and CSV"},
    )
