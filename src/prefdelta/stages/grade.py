"""Stage grade: whether the final answer of each trace is right."""

from typing import Annotated

from pydantic import Field

from prefdelta import registry, tables
from prefdelta.core.failures import check_share, count_failures
from prefdelta.core.grading import grade_reply
from prefdelta.core.settings import Settings
from prefdelta.records.grade import Grade
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.stages.entry import Job, Outcome, start


class GradeSection(Settings):
    """How a trace is graded is its prompt source's business."""

    max_failure_share: Annotated[float, Field(ge=0, le=1)]  # above it the stage stops


class GradeSettings(Settings):
    grader: Annotated[str, Field(description="module of prefdelta.graders")]
    max_failure_share: Annotated[float, Field(description="above it the stage stops")]

    def plugins(self) -> list[str]:
        return [f"graders.{self.grader}"]


def run(job: Job[GradeSettings]) -> Outcome:
    grader = registry.load(f"graders.{job.settings.grader}")
    answers = {prompt.prompt_id: prompt.answers for prompt in tables.read(job.input("prompts"), Prompt)}
    grades = [
        Grade(
            trace.prompt_id,
            trace.generator,
            trace.sample,
            *grade_reply(grader, trace.text, trace.finish_reason, trace.failure, answers[trace.prompt_id]),
        )
        for trace in tables.read(job.input("traces"), Trace)
    ]
    failures = count_failures(grade.failure for grade in grades)
    check_share("grade.max_failure_share", len(grades), failures, job.settings.max_failure_share)
    tables.write(job.output("grades"), Grade, grades)
    return Outcome(len(grades), failures, {"correct": sum(grade.correct is True for grade in grades)})


if __name__ == "__main__":
    start(
        run,
        GradeSettings,
        inputs={"prompts": "table of Prompt", "traces": "table of Trace"},
        outputs={"grades": "table of Grade"},
    )
