"""Stage grade: whether the final answer of each trace is right."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from prefdelta.core.answers.grading import grade_all, grader_reasons
from prefdelta.core.failure_limits import check_share, count_failures
from prefdelta.core.settings import Settings
from prefdelta.records.details.grade import GradeDetails, SourceAgreement
from prefdelta.records.grade import Grade
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.system import plugins
from prefdelta.system.log import say
from prefdelta.system.processes import cores
from prefdelta.workflow.job import Job, Outcome, start


class GradeSection(Settings):
    """The grades of final answers. The key `grader` of the prompts' source says how they are graded."""

    max_failure_share: Annotated[float, Field(ge=0, le=1)]
    """Largest share of one generator's traces that may have no grade (truncated, without an answer, or not gradable);
    above it the stage stops."""


class GradeSettings(Settings):
    grader: str
    """Name of the grader, a module of prefdelta.graders."""

    max_failure_share: float
    """Largest share of failures; above it the stage stops."""

    def plugins(self) -> list[str]:
        return [f"graders.{self.grader}"]


def run(job: Job[GradeSettings]) -> Outcome:
    grader = plugins.load(f"graders.{job.settings.grader}")
    answers = {prompt.prompt_id: prompt.answers for prompt in tables.read(job.input("prompts"), Prompt)}
    traces = tables.read(job.input("traces"), Trace)
    graded = grade_all(((grader, trace, answers[trace.prompt_id]) for trace in traces), cores())
    grades = [
        Grade(trace.prompt_id, trace.generator, trace.sample, result.extracted, result.correct, result.failure)
        for trace, result in zip(traces, graded, strict=True)
    ]
    failures = count_failures(grade.failure for grade in grades)
    reasons = grader_reasons(graded)
    for reason, count in reasons.items():
        say(f"{count:,} traces cannot be graded: {reason}")
    check_share("grade.max_failure_share", len(grades), failures, job.settings.max_failure_share)
    tables.write(job.output("grades"), Grade, grades)
    details = GradeDetails(
        correct=sum(grade.correct is True for grade in grades),
        grader_said=reasons or None,
        source_agreement=_agreement(traces, grades),
    )
    return Outcome(len(grades), failures, details)


def _agreement(traces: Sequence[Trace], grades: Sequence[Grade]) -> SourceAgreement | None:
    """How our grades agree with those that a data set ships with its traces; None if it ships none."""
    both = Counter(
        (grade.correct, trace.source_correct)
        for trace, grade in zip(traces, grades, strict=True)
        if grade.correct is not None and trace.source_correct is not None
    )
    if not both:
        return None
    return SourceAgreement(
        both_right=both[True, True],
        both_wrong=both[False, False],
        only_ours=both[True, False],
        only_theirs=both[False, True],
    )


if __name__ == "__main__":
    start(
        run,
        GradeSettings,
        inputs={"prompts": "table of Prompt", "traces": "table of Trace"},
        outputs={"grades": "table of Grade"},
    )
