"""Stage report: one self-contained page with all that the study measured.

Every number has an interval, its n and its seeds; arms that answer the same items are compared item by item.
"""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings
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
    raise SystemExit("being written")


if __name__ == "__main__":
    start(
        run,
        ReportSettings,
        inputs={
            "scores": "tables of Score, evaluate/<arm>/<group>.parquet",
            "deltas": "tables of Delta, delta/<pairing>/<dimension>.parquet",
            "grades": "tables of Grade, grade/<generator>.parquet",
            "manifests": "manifests of all other jobs, <stage>/<job>.manifest.json",
        },
        outputs={"page": "HTML"},
    )
