"""What judges said of a trace: the scores, and the replies behind them, vote by vote."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefdelta.commands.looking.names import TraceName
from prefdelta.commands.looking.origins import JudgeOrigin, judge_origin, short
from prefdelta.commands.looking.results import Results
from prefdelta.commands.output import Column, print_line, print_quoted, print_table
from prefdelta.core.asking.judges import at_judge, judge_in
from prefdelta.reading.votes import ReadVote, read_votes
from prefdelta.records.judgement import Judgement
from prefdelta.reporting.formats import NONE
from prefdelta.store.calls import judge_calls


@dataclass(frozen=True, slots=True)
class DimensionScore:
    dimension: str  # `<dimension>@<judge>` of a judge beside the study's own
    score: float | None  # 1 (worst) to 5 (best), the mean of the votes
    score_sum: int | None
    votes: int
    attempts: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class FormJudgement:
    """One form's judgement of a trace: its dimensions were asked together, so they share the replies."""

    scores: list[DimensionScore]
    votes: list[ReadVote]
    asked: JudgeOrigin


def judged(results: Results, name: TraceName, dimension: str | None = None) -> list[FormJudgement]:
    """What every judge said of a trace, by form, as far as it is there. dimension: only the forms that ask it."""
    found = []
    for place in results.tables.places("judge", generator=name.generator):
        form = place.axes["form"]
        where = {"prompt_id": name.prompt_id, "sample": name.sample}
        rows = results.tables.rows("judge", Judgement, where, **place.axes)
        asked = [at_judge(row.dimension, judge_in(form)) for row in rows]
        if not rows or (dimension is not None and dimension not in asked):
            continue
        votes = list(read_votes(judge_calls(results.record, form, name.generator), rows))
        found.append(
            FormJudgement(
                scores=[
                    _score(row, asked_as)
                    for row, asked_as in zip(rows, asked, strict=True)
                    if dimension in (None, asked_as)
                ],
                votes=votes[0][1],
                asked=judge_origin(results, name.generator, form, asked),
            )
        )
    return found


def print_judgement(judgement: FormJudgement) -> None:
    """Scores, then every vote: what the judge wrote, and its verdict."""
    print_line(judgement.asked.line)
    print_scores(judgement.scores)
    for number, vote in enumerate(judgement.votes, 1):
        count = f"vote {number} of {len(judgement.votes)}" if len(judgement.votes) > 1 else "vote"
        again = f", attempt {vote.attempt + 1}" if vote.attempt else ""
        print_line(f"{count}{again}, by {vote.judge or 'an unknown judge'}{_failed(vote)}; call {short(vote.call_key)}")
        if vote.reasoning:
            print_line("reasoning:")
            print_quoted(vote.reasoning.strip())
        if vote.reply:
            print_line("reply:")
            print_quoted(vote.reply.strip())


def print_scores(scores: Sequence[DimensionScore]) -> None:
    print_table(
        [
            Column("dimension", lambda row: row.dimension),
            Column("score", lambda row: NONE if row.score is None else f"{row.score:.4g}", right=True),
            Column("votes", lambda row: str(row.votes), right=True),
            Column("attempts", lambda row: str(row.attempts), right=True),
            Column("failure", lambda row: row.failure or ""),
        ],
        scores,
    )


def _score(row: Judgement, dimension: str) -> DimensionScore:
    score = None if row.score is None else float(row.score)
    return DimensionScore(dimension, score, row.score_sum, row.votes, row.attempts, row.failure)


def _failed(vote: ReadVote) -> str:
    if vote.failure == "not_recorded":
        return ": its reply is not in this study's record"
    return f": no verdict ({vote.failure})" if vote.failure else ""
