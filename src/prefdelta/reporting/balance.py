"""How alike each matched selection and the top set are that it was matched to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefdelta.core.arms import Pairing
from prefdelta.core.layout import place_of_job
from prefdelta.records.details.filter import CovariateBalance, FilterDetails, MatchQuality
from prefdelta.reporting.arms import pairing_at
from prefdelta.reporting.manifests import FinishedJob, details_of

LIMIT = 0.1  # standard deviations: a larger mean difference counts as imbalance (Austin 2009)


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One covariate of a matched selection, of the order in which the sets are least alike."""

    pairing: Pairing
    selection: str
    orders: Sequence[int]  # the orders of equal deltas with which its pairs were matched
    match: MatchQuality
    balance: CovariateBalance

    @property
    def is_off(self) -> bool:
        """Whether the sets are not alike in this."""
        return _distance(self.balance) > LIMIT


def balance_lines(jobs: Iterable[FinishedJob]) -> list[BalanceLine]:
    """The covariates of each pairing and matched selection, in the order of the jobs."""
    matches: dict[tuple[Pairing, str], dict[int, MatchQuality]] = {}
    for job, details in details_of(jobs, FilterDetails):
        if details.match is not None:
            axes = (place := place_of_job(f"{job.stage}/{job.name}")).axes
            matches.setdefault((pairing_at(place), axes["selection"]), {})[int(axes["order"])] = details.match
    lines: list[BalanceLine] = []
    for (pairing, selection), by_order in matches.items():
        worst: dict[str, BalanceLine] = {}
        for match in by_order.values():
            for balance in match.balance:
                line = BalanceLine(pairing, selection, sorted(by_order), match, balance)
                known = worst.setdefault(balance.covariate, line)
                if _distance(balance) > _distance(known.balance):
                    worst[balance.covariate] = line
        lines += worst.values()
    return lines


def _distance(balance: CovariateBalance) -> float:
    return float("inf") if balance.after is None else abs(balance.after)
