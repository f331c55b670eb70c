"""The sandbox for code that models wrote, if a grader runs any."""

import re
import secrets
import time
from collections.abc import Iterator

from prefdelta.commands.checks.check_result import NOT_NEEDED, CheckResult, fail, ok
from prefdelta.commands.checks.programs import answer
from prefdelta.commands.checks.subject import Subject
from prefdelta.core.answers.grading import GradingError
from prefdelta.graders.sandbox import Jail, require


def sandbox(subject: Subject) -> Iterator[CheckResult]:
    """Run a program in the sandbox, with its real profile, that prints a secret of this process."""
    sources = [subject.config.prompts.train, *(benchmark.source for benchmark in subject.study.benchmarks.values())]
    if not any(source.grader == "code" for source in sources):
        yield NOT_NEEDED
        return
    require()
    token, start = secrets.token_hex(8), time.monotonic()
    try:
        with Jail(f"print({token!r})") as jail:
            run = jail.script("")
    except GradingError as error:
        yield fail(f"the sandbox broke: {error}", "Look into what it said; code benchmarks are not graded without it.")
        return
    if not run.well or run.output.decode(errors="replace").strip() != token:
        yield fail(
            f"a program in the sandbox printed {run.output[:80]!r} and not what it should",
            "Code would be graded wrongly: leave code benchmarks out, or grade on another machine.",
        )
        return
    version = re.sub(r"[^\d.]", "", answer("bwrap", "--version"))
    nodes = "; nodes may differ: srun prefdelta doctor" if subject.on_slurm else ""
    yield ok(f"bubblewrap {version} ran a program in {time.monotonic() - start:.1f} s on this machine{nodes}")
