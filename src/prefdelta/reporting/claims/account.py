"""The ledger for the report's manifest: what programs read."""

from collections.abc import Mapping

from prefdelta.records.details.report import ClaimDetails, NumberDetails, ReportDetails
from prefdelta.reporting.claims.registered import Standing
from prefdelta.reporting.claims.verdicts import NumberResult, PaperClaims


def account(claims: PaperClaims, standings: Mapping[str, Standing]) -> ReportDetails:
    """Verdicts and numbers of all claims. standings: by the id of a claim."""
    return ReportDetails(
        {
            result.claim.id: ClaimDetails(
                result.verdict,
                standings[result.claim.id].registered,
                [_number(number) for number in result.numbers],
                [_number(number) for confound in result.confounds for number in confound.numbers],
                result.claim.claim,
            )
            for result in claims.results
        }
    )


def _number(result: NumberResult) -> NumberDetails:
    number, estimate = result.number, result.number.estimate
    return NumberDetails(
        question=result.question,
        title=number.contrast.name,
        unit=result.unit,
        above=number.above,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n=estimate.n,
        df=estimate.df,
        run_df=estimate.run_df,
        effect=result.effect,
        detectable=result.detectable,
        outcome=result.outcome,
        sums=number.sums,
        over=number.over,
    )
