"""How often generators are right, and how far apart the two generators of a pairing are."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prefdelta.core.arms import Pairing, undrawn
from prefdelta.core.layout import place_of
from prefdelta.core.statistics import Estimate, mean_interval, wilson_interval
from prefdelta.records.details.grade import GradeDetails, SourceAgreement
from prefdelta.records.grade import Grade
from prefdelta.reporting.manifests import FinishedJob, details_of
from prefdelta.reporting.numbers.outcomes import read_outcomes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class GeneratorLine:
    name: str
    accuracy: Estimate
    counted: int  # number of traces that count
    rows: int
    failures: Mapping[str, int]

    def share(self, failure: str) -> float | None:
        return self.failures.get(failure, 0) / self.rows if self.rows else None


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Our grades of shipped traces against the data set's own."""

    name: str
    counts: SourceAgreement
    agreement: Estimate


def source_lines(jobs: Iterable[FinishedJob]) -> list[SourceLine]:
    """One line per generator whose data set grades its traces, by name."""
    lines = []
    for job, details in details_of(jobs, GradeDetails):
        if counts := details.source_agreement:
            agreement = wilson_interval(counts.both_right + counts.both_wrong, counts.total)
            lines.append(SourceLine(job.name, counts, agreement))
    return lines


class Grades:
    """All generators' grades, those of all draws of traces together."""

    def __init__(self, paths: Iterable[Path], study: str) -> None:
        import pandas as pd

        draws: dict[str, list[pd.DataFrame]] = {}
        for path in paths:
            frame = read_outcomes(path, Grade, ["prompt_id", "sample"])
            draws.setdefault(undrawn(place_of(path, study).axes["generator"]), []).append(frame)
        self._frames = {name: pd.concat(frames, ignore_index=True) for name, frames in draws.items()}

    def lines(self) -> list[GeneratorLine]:
        """One line per generator, by name."""
        return [self._generator_line(name) for name in sorted(self._frames)]

    def accuracy(self, name: str) -> Estimate | None:
        """The share of a generator's traces that are right, over all draws; None without grades. name: of any draw."""
        name = undrawn(name)
        return self._generator_line(name).accuracy if name in self._frames else None

    def gap(self, pairing: Pairing) -> Estimate | None:
        """The generator delta: accuracy of chosen minus rejected over the prompts that both have answered.

        It is over all draws of traces, whichever the pairing names. A generator paired with itself takes even samples
        as chosen and odd ones as rejected, as its pairs do.
        """
        pairing = pairing.undrawn
        if not self._frames.keys() >= set(pairing.generators):
            return None
        left, right = self._frames[pairing.chosen], self._frames[pairing.rejected]
        if pairing.chosen == pairing.rejected:
            left, right = left[left["sample"] % 2 == 0], right[right["sample"] % 2 == 1]
        means = (side.dropna(subset="outcome").groupby("prompt_id")["outcome"].mean() for side in (left, right))
        differences = next(means).sub(next(means)).dropna()  # joined by prompt
        return mean_interval(differences.tolist())

    def _generator_line(self, name: str) -> GeneratorLine:
        frame = self._frames[name]
        counted = frame.dropna(subset="outcome")
        failures = Counter(frame["failure"].dropna().tolist())
        return GeneratorLine(name, self._accuracy(name, counted), len(counted), len(frame), failures)

    def _accuracy(self, name: str, counted: "pd.DataFrame") -> Estimate:
        """Wilson's interval if each prompt has one draw; several draws of one prompt are not independent."""
        if counted["prompt_id"].is_unique:
            return wilson_interval(int(counted["outcome"].sum()), len(counted))
        means = counted.groupby("prompt_id")["outcome"].mean()
        return mean_interval(means.tolist())
