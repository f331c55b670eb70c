"""Render and ask some rows of every stage, and say what the stages would cost at full size: before anything is paid.

Of each stage that asks or loads a model: the first prompt as the model sees it, the replies to some rows, whether they
parse or are graded, tokens, seconds, and the cost of the whole stage by these. Each generator answers the first prompts
(generate); each form of each judge rates the traces of one generator, what was written just now included (judge); each
policy scores traces (reference), reads pairs as tokens, without training (train), and answers the first items of each
benchmark (evaluate). A model that cannot be loaded here is rendered, counted, and said why it was not asked.

A hosted judge is asked within --limit-usd, at once and not in a batch. Its replies go to the study's record under the
keys of the run, which then does not pay for them again; so do those of vLLM. Replies of engine transformers and sums of
log-probabilities are forgotten: their last bits depend on what is computed with them. No table of the study is written.

--json prints one object:
  study, rows            name; how many prompts, or items of a benchmark
  jobs                   list of stage, name, model, template, prompt, rendered (else: messages), rows, asked, kept,
                         seconds, facts, not_asked
  cost                   list of stage, jobs, unit, amount, tokens, gpu_hours, core_hours, usd: amounts as in `plan`;
                         usd_by_preview
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefdelta.commands.output import (
    Column,
    add_formats,
    print_facts,
    print_heading,
    print_json,
    print_line,
    print_quoted,
    print_table,
)
from prefdelta.commands.planning.amounts import BASES, Amount, Basis
from prefdelta.commands.planning.dollars import account
from prefdelta.commands.preview.asking import USUAL_LIMIT, Previewer
from prefdelta.commands.preview.full_size import StageCost, full_size
from prefdelta.commands.preview.previewed import PreviewedJob, PreviewedRow
from prefdelta.commands.preview.rows import PreviewRows
from prefdelta.commands.preview.scratch import Scratch
from prefdelta.commands.preview.training import preview_reference, preview_train
from prefdelta.commands.study_options import add_configfile, open_study
from prefdelta.commands.text_table import wrapped
from prefdelta.core.errors import StudyError
from prefdelta.reporting import formats
from prefdelta.study.study import Study

_PREVIEWS: Mapping[str, Callable[[Previewer], Iterator[PreviewedJob]]] = {
    "generate": Previewer.generate,
    "judge": Previewer.judge,
    "reference": preview_reference,
    "train": preview_train,
    "evaluate": Previewer.evaluate,
}
_SHOWN = 90  # characters of a reply in a table


@dataclass(frozen=True, slots=True)
class Preview:
    study: str
    rows: int
    jobs: Sequence[PreviewedJob]
    cost: Sequence[StageCost]


def define(parser: argparse.ArgumentParser) -> None:
    add_configfile(parser)
    add_formats(parser)
    parser.add_argument("--rows", type=int, default=5, metavar="N", help="prompts or items (default: %(default)s)")
    parser.add_argument(
        "--stage", action="append", choices=list(_PREVIEWS), help="only this one; may be repeated (default: all)"
    )
    parser.add_argument(
        "--limit-usd",
        type=float,
        metavar="USD",
        help=f"most that this preview may spend on hosted judges (default: {USUAL_LIMIT:g} where judge.engine.prices "
        "names prices; without prices a limit cannot be kept, and with one such a judge is not asked)",
    )
    parser.add_argument("--full", action="store_true", help="print whole replies, not their beginnings")


def run(arguments: argparse.Namespace) -> None:
    if arguments.rows < 1 or (arguments.limit_usd is not None and arguments.limit_usd <= 0):
        raise StudyError("--rows must be at least 1, and --limit-usd above 0.")
    stages = [stage for stage in _PREVIEWS if stage in (arguments.stage or _PREVIEWS)]
    preview = make_preview(open_study(arguments.configfile), arguments.rows, stages, arguments.limit_usd)
    if arguments.json:
        cost = [{name: _plain(value) for name, value in _fields(one).items()} for one in preview.cost]
        print_json(asdict(preview) | {"cost": cost})
    else:
        _print(preview, arguments.full)


def make_preview(study: Study, rows: int, stages: Sequence[str], limit_usd: float | None) -> Preview:
    with tempfile.TemporaryDirectory(prefix="prefdelta-preview-") as folder:
        scratch = Scratch(Path(folder), study)
        spent = account(study)
        budget = (spent.spent if spent else 0.0, limit_usd)
        previewer = Previewer(study, scratch, PreviewRows(study, scratch, rows), *budget)
        jobs = [job for stage in stages for job in _previewed(stage, previewer)]
    return Preview(study.config.study, rows, jobs, full_size(study, jobs, stages))


def _previewed(stage: str, previewer: Previewer) -> Iterator[PreviewedJob]:
    """The previewed jobs of a stage; an error that concerns them all, such as a data set that is not here, is one."""
    try:
        yield from _PREVIEWS[stage](previewer)
    except StudyError as error:
        yield PreviewedJob(stage, stage, None, not_asked=str(error))


def _fields(cost: StageCost) -> dict[str, Any]:
    return {name: getattr(cost, name) for name in cost.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if not isinstance(value, Amount):
        return value
    known = value.value or value.basis != Basis.AT_LEAST
    return {"value": value.value if known else None, "basis": BASES[value.basis] if known else "not known"}


# --- for people -----------------------------------------------------------------------------------------------------


def _print(preview: Preview, full: bool) -> None:
    print_facts({"study": preview.study, "rows": f"{preview.rows} prompts, or items of each benchmark"})
    for job in preview.jobs:
        _print_job(job, full)
    if preview.cost:
        print_heading("at full size, from an empty record")
        print_table(_COST, preview.cost)
        print_line()
        print_line(
            wrapped(
                "The words behind numbers are those of `prefdelta plan`, which says what is still missing. Tokens are "
                "by these rows. Hours are assumed where single requests were timed, as many at once as in a run; by "
                "rows that were answered together they are an upper bound (at most), for a start is most of it."
            )
        )


def _print_job(job: PreviewedJob, full: bool) -> None:
    print_heading(job.name)
    facts = {name: text for name, text in (("model", job.model), ("template", job.template)) if text}
    if job.not_asked:
        facts["not asked"] = job.not_asked
    elif job.seconds is not None:
        good = sum(row.good for row in job.rows)
        kept = "kept in the record" if job.kept else "not kept"
        facts["asked now"] = f"{job.asked} of {len(job.rows)}, {kept}; {job.seconds:.1f} s with the start"
        facts["usable"] = f"{good} of {len(job.rows)}"
    print_facts(facts | dict(job.facts))
    if job.prompt is not None:
        print_line("first prompt" if job.rendered else "first prompt, as messages")
        print_quoted(job.prompt)
    if job.rows:
        said = [column for column in _ROWS if any(column.cell(row) not in ("", formats.NONE) for row in job.rows)]
        print_table(said, job.rows)
    for row in job.rows if full else ():
        for name, text in (("reasoning", row.reasoning), ("reply", row.reply)):
            if text:
                print_line(f"{name}, {row.about}")
                print_quoted(text)


def _beginning(text: str | None) -> str:
    return "" if text is None else text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _amount(amount: Amount, digits: int = 0) -> str:
    if not amount.value:
        return "not known" if amount.basis == Basis.AT_LEAST else "0"
    number = f"{amount.value:,.{digits}f}" if amount.value >= 10 else f"{amount.value:.2g}"
    return f"{number} {BASES[amount.basis]}"


_ROWS: Sequence[Column[PreviewedRow]] = (
    Column("about", lambda row: row.about),
    Column("tokens", lambda row: formats.count(row.tokens), right=True),
    Column("seconds", lambda row: formats.decimal(row.seconds, 2), right=True),
    Column("ended by", lambda row: row.finish_reason or ""),
    Column("result", lambda row: row.result),
    Column("reply", lambda row: _beginning(row.reply)),
)
_COST: Sequence[Column[StageCost]] = (
    Column("stage", lambda row: row.stage),
    Column("jobs", lambda row: formats.count(row.jobs), right=True),
    Column("amount", lambda row: f"{row.amount.value:,.0f} {row.unit} {BASES[row.amount.basis]}", right=True),
    Column("tokens", lambda row: _amount(row.tokens), right=True),
    Column("GPU-hours", lambda row: _amount(row.gpu_hours, 1), right=True),
    Column("core-hours", lambda row: _amount(row.core_hours, 1), right=True),
    Column("USD", lambda row: _amount(row.usd, 2), right=True),
    Column("USD by these rows", lambda row: formats.decimal(row.usd_by_preview, 2), right=True),
)
