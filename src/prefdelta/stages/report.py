"""Stage report: one self-contained page with all that the study measured.

Every number has an interval, its n and its seeds; arms that answer the same items are compared item by item.
"""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings
from prefdelta.files import publish_text
from prefdelta.reporting.frames import Bootstrap, Scores, deltas, generators, manifests, read_arm
from prefdelta.reporting.page import Benchmark, Content, Experiment, render
from prefdelta.stages.entry import Job, Outcome, start


class ReportSection(Settings):
    title: str
    about: str  # what this study can and cannot show; paragraphs separated by empty lines
    resamples: Annotated[int, Field(ge=100)] = 2000  # of the bootstrap behind the intervals of differences
    colour: str = "#2b6cb0"  # of the figures


class ReportBenchmark(Settings):
    title: str
    domain: Literal["maths", "stem", "code"]
    difficulty: Literal["easy", "hard"] | None
    in_domain: bool  # whether its domain is that of the training prompts


class ReportExperiment(Settings):
    title: str
    arms: list[str]  # <policy>/<chosen>~<rejected>/<selection>/<recipe>/s<seed>


class ReportSettings(ReportSection):
    study: Annotated[str, Field(description="name of the study")]
    seed: Annotated[int, Field(description="root of all draws")]
    dimensions: Annotated[list[str], Field(description="dimensions and composites, in order")]
    benchmarks: Annotated[dict[str, ReportBenchmark], Field(description="in order")]
    experiments: Annotated[dict[str, ReportExperiment], Field(description="in order")]


def run(job: Job[ReportSettings]) -> Outcome:
    settings = job.settings
    study = settings.study
    bootstrap = Bootstrap(settings.resamples, settings.seed)
    experiments = [
        Experiment(experiment.title, [read_arm(name) for name in experiment.arms])
        for experiment in settings.experiments.values()
    ]
    scores = Scores(job.inputs["scores"], study, list(settings.benchmarks), bootstrap)
    scores.check([*scores.arms(), *(arm for experiment in experiments for arm in experiment.arms)])
    content = Content(
        study=study,
        title=settings.title,
        about=settings.about,
        colour=settings.colour,
        resamples=settings.resamples,
        seed=settings.seed,
        settings=settings.model_dump(),
        benchmarks={name: _shown(benchmark) for name, benchmark in settings.benchmarks.items()},
        experiments=experiments,
        scores=scores,
        generators=generators(job.inputs["grades"], study),
        deltas=deltas(job.inputs["deltas"], study, settings.dimensions, bootstrap),
        manifests=manifests(job.inputs["manifests"], study),
    )
    publish_text(job.outputs["page"], render(job.input("template"), content))
    return Outcome(len(scores), {"not_counted": scores.not_counted} if scores.not_counted else {})


def _shown(benchmark: ReportBenchmark) -> Benchmark:
    domain = "in domain" if benchmark.in_domain else "out of domain"
    return Benchmark(benchmark.title, ", ".join(filter(None, [benchmark.domain, benchmark.difficulty, domain])))


if __name__ == "__main__":
    start(
        run,
        ReportSettings,
        inputs={
            "scores": "tables of Score, evaluate/<arm>/<group>.parquet",
            "deltas": "tables of Delta, delta/<pairing>/<dimension>.parquet",
            "grades": "tables of Grade, grade/<generator>.parquet",
            "template": "the page as a Jinja template (HTML)",
            "manifests": "manifests of all other jobs, <stage>/<job>.manifest.json",
        },
        outputs={"page": "HTML"},
    )
