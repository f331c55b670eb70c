"""The votes of a judge: several verdicts on one trace, and the judgements that they make together."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prefdelta.records.judgement import Judgement
from prefdelta.records.trace import Trace


@dataclass(frozen=True, slots=True)
class Vote:
    """The result of the last attempt at one verdict. `scores` is None exactly if `failure` says why."""

    scores: dict[str, int] | None  # dimension -> 1 to 5
    failure: str | None
    attempts: int
    call_key: str
    words: str | None = None  # the provider's words about a failure


def judgements(trace: Trace, votes: Sequence[Vote], dimensions: Sequence[str]) -> list[Judgement]:
    """One row per dimension.

    A score is the mean of the votes that are verdicts. Without any, the row has the first vote's failure. Without a
    vote the trace was not judged: the row has the failure `unusable_trace`.
    """
    verdicts = [vote.scores for vote in votes if vote.scores is not None]
    failure = None if verdicts else votes[0].failure if votes else "unusable_trace"
    return [
        Judgement(
            prompt_id=trace.prompt_id,
            generator=trace.generator,
            sample=trace.sample,
            dimension=dimension,
            score_sum=sum(scores[dimension] for scores in verdicts) if verdicts else None,
            votes=len(verdicts),
            attempts=sum(vote.attempts for vote in votes),
            call_keys=[vote.call_key for vote in votes],
            failure=failure,
        )
        for dimension in dimensions
    ]


def votes_lost(votes_of_traces: Iterable[Sequence[Vote]]) -> dict[str, int]:
    """Failure -> number of votes that failed while another vote on the same trace is a verdict."""
    lost = Counter[str]()
    for votes in votes_of_traces:
        if any(vote.scores is not None for vote in votes):
            lost.update(vote.failure for vote in votes if vote.failure is not None)
    return dict(sorted(lost.items()))
