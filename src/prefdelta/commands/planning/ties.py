"""Selections by a value of which much is drawn among equal pairs, by the manifests of filter."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prefdelta.commands.planning.observed_speed import ObservedSpeed
from prefdelta.core.arms import Pairing
from prefdelta.records.details.filter import TieCounts
from prefdelta.study.study import Study


@dataclass(frozen=True, slots=True)
class SelectionTies:
    pairing: str
    selection: str
    counts: TieCounts

    def as_json(self) -> dict[str, Any]:
        counts = asdict(self.counts) | {"drawn_share": round(self.counts.drawn_share, 3)}
        return {"pairing": self.pairing, "selection": self.selection, **counts}


@dataclass(frozen=True, slots=True)
class Ties:
    limit: float  # filter.max_drawn_share
    selections: Sequence[SelectionTies]  # those whose pairs are selected already, in the order of the config

    @property
    def over(self) -> list[SelectionTies]:
        """The selections with a larger drawn share than the limit."""
        return [one for one in self.selections if one.counts.drawn_share > self.limit]


def find_ties(study: Study, finished: ObservedSpeed) -> Ties:
    """The ties of each pairing and selection by a value that has a manifest, one for all its orders."""
    found = {}
    for job in study.jobs("filter"):
        if counts := finished.manifest(job.name).get("details", {}).get("ties"):
            pairing, selection = str(Pairing(job.axes["chosen"], job.axes["rejected"])), job.axes["selection"]
            found[pairing, selection] = SelectionTies(pairing, selection, TieCounts(**counts))
    return Ties(study.config.filter.max_drawn_share, list(found.values()))
