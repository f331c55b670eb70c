"""Accuracies and gains of a study under other graders of the same recorded answers.

Prints, for each benchmark of mathematics, how often the other graders of `evaluate.other_graders` agree with ours; and
for each family of arms its gain under each grader, in percentage points with a 95% interval. A gain is marked if its
interval lies above 0 by one grader alone, or if two graders differ by more than 2 points. The verdicts are columns of
the tables of `evaluate`, which grades recorded answers again, without a call, when `evaluate.other_graders` changes.
Asks no model. Read-only.
"""

import argparse
import heapq
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from prefdelta.commands.output import print_line
from prefdelta.commands.snakemake_command import snakemake_command
from prefdelta.commands.study_options import open_study
from prefdelta.commands.text_table import table, wrapped
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import Estimate
from prefdelta.models.weights import open_weights
from prefdelta.records.call import Call
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.reporting import formats
from prefdelta.reporting.graders import COLUMNS, TITLES, GraderAudit, audit_graders
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.stages.evaluate import EvaluateSettings
from prefdelta.store import tables
from prefdelta.store.record import Record
from prefdelta.study.job import StudyJob
from prefdelta.study.study import Study

_END = 200  # characters of an answer that are shown


class _Difference(NamedTuple):
    """An answer on which a grader differs from ours."""

    call_key: str
    score: Score
    arm: str
    job: StudyJob


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    paths = [Path(path) for job in study.jobs("evaluate") for path in job.outputs if Path(path).is_file()]
    config = study.config
    groups = {
        name: BenchmarkGroup(group.title, group.benchmarks, group.primary)
        for name, group in config.evaluate.groups.items()
    }
    bootstrap = Bootstrap(config.report.resamples, config.seed)
    ours = Scores.read(paths, config.study, list(config.benchmarks), groups, bootstrap)
    audit = audit_graders(paths, config.study, ours, groups, bootstrap)
    if audit is None:
        raise StudyError(
            f"{study.results}/evaluate: {len(paths)} tables, and no answer in them was graded by another grader. "
            f"evaluate.other_graders is {config.evaluate.other_graders}; name {' or '.join(COLUMNS)} there, and run: "
            f"{snakemake_command(arguments.configfile)}. It grades what is recorded and asks nothing."
        )
    for line in [*_agreement_lines(audit), "", *_gain_lines(audit)]:
        print_line(line)
    if arguments.show > 0:
        for line in _examples(study, arguments.show):
            print_line(line)


def _agreement_lines(audit: GraderAudit) -> list[str]:
    head = ["benchmark", "group", "grader", "ours %", "theirs %", "ours only", "theirs only", "of", "kappa", "left out"]
    rows = [
        [
            line.evaluation.benchmark,
            line.evaluation.group,
            TITLES[line.grader],
            formats.percent(line.ours.value),
            formats.percent(line.theirs.value),
            formats.count(line.only_ours),
            formats.count(line.only_theirs),
            formats.count(line.both),
            formats.decimal(line.kappa.value, 3),
            formats.count(line.left_out),
        ]
        for line in audit.agreements
    ]
    return ["all answers, by ours and by another grader", *table([head, *rows], right=range(3, 10))]


def _gain_lines(audit: GraderAudit) -> list[str]:
    """The gains, those that depend on the grader first."""
    graders = list(audit.scores)
    rows = [["arm", "benchmark", *(TITLES[grader] for grader in graders), ""]]
    for line in sorted(audit.gains, key=lambda line: not line.remark):
        arm = line.arms[0]
        gains = [_interval(line.gains.get(grader)) for grader in graders]
        name = f"{arm.policy}/{arm.pairing}/{arm.selection}/{arm.recipe}"
        rows.append([name, line.evaluation.benchmark, *gains, line.remark])
    return [
        f"gains in points, with 95% intervals: {len(audit.marked)} of {len(audit.gains)} depend on the grader",
        *table(rows, right=range(2, 2 + len(graders))),
    ]


def _interval(gain: Estimate | None) -> str:
    if gain is None or gain.value is None:
        return formats.NONE
    span = "" if gain.low is None else f" [{formats.points(gain.low)}, {formats.points(gain.high)}]"
    return f"{formats.points(gain.value)}{span}"


def _examples(study: Study, number: int) -> Iterator[str]:
    """Answers on which a grader differs from ours: `number` for each benchmark and grader, drawn by their keys."""
    for (benchmark, grader), found in _differences(study, number).items():
        yield from ("", f"{benchmark}: ours against {TITLES[grader]}")
        for difference in found:
            call, answers = _answer(study, difference), _right_answers(difference)
            score = difference.score
            said = {TITLES[name]: getattr(score, column) for name, column in COLUMNS.items()}
            verdicts = {"ours": _ours(score), **{name: verdict for name, verdict in said.items() if verdict}}
            text = "its call is not in the record" if call is None else f"…{(call.text or '')[-_END:]!r}"
            yield wrapped(f"{difference.arm}, {score.prompt_id}, sample {score.sample}: {text}", "  ")
            listed = ", ".join(f"{name}: {verdict}" for name, verdict in verdicts.items())
            yield wrapped(f"right answer {' or '.join(answers)}; {listed}", "    ")


def _ours(score: Score) -> str:
    return score.failure or ("right" if score.correct else "wrong")


def _differences(study: Study, number: int) -> Mapping[tuple[str, str], Sequence[_Difference]]:
    """(benchmark, grader) -> the answers with the smallest keys on which it differs from ours."""
    found: dict[tuple[str, str], list[_Difference]] = {}
    for job in study.jobs("evaluate"):
        for arm, path in zip(job.arms, map(Path, job.outputs), strict=True):
            for score in tables.read(path, Score) if path.is_file() else []:
                for grader, column in COLUMNS.items():
                    if getattr(score, column) not in (None, _ours(score)):
                        one = _Difference(score.call_key, score, str(arm), job)
                        found.setdefault((score.benchmark, grader), []).append(one)
    return {
        place: heapq.nsmallest(number, differences, key=lambda one: one.call_key)
        for place, differences in sorted(found.items())
    }


def _answer(study: Study, difference: _Difference) -> Call | None:
    """The recorded call of an answer; None if it is gone."""
    settings, record = difference.job.typed_settings, Path(study.record)
    assert isinstance(settings, EvaluateSettings)
    pointers = [Path(path) for path in difference.job.inputs["weights"]]
    place = list(map(str, difference.job.arms)).index(difference.arm)
    policy = open_weights(pointers[place : place + 1], settings.hub, record, only_look=True)
    calls = Record(record / "calls/evaluate" / policy.key, Call, only_look=True)
    return calls.fetch([difference.call_key]).get(difference.call_key)


def _right_answers(difference: _Difference) -> Sequence[str]:
    score = difference.score
    paths = (path for path in map(Path, difference.job.inputs["prompts"]) if path.stem == score.benchmark)
    prompts = (prompt for path in paths for prompt in tables.read(path, Prompt))
    return next((prompt.answers for prompt in prompts if prompt.prompt_id == score.prompt_id), [])
