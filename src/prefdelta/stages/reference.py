"""Stage reference: the log-probability of each trace of one generator under one untrained policy, in nats.

The log-probability is summed over the tokens of the trace, computed once, and shared by every arm that trains on the
trace. The stage needs transformers, but not TRL.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from prefdelta.core.asking.prompt_template import ask_problem
from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.core.failure_limits import count_failures
from prefdelta.core.hub import HubModel
from prefdelta.core.ids import digest
from prefdelta.core.recipes import Precision
from prefdelta.core.settings import Settings
from prefdelta.core.statistics import mean_of_known
from prefdelta.models.chat_templates import in_key
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.models.weights import Weights, open_weights
from prefdelta.records.details.reference import ReferenceDetails
from prefdelta.records.logps import RecordedLogps
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.store.record import Record
from prefdelta.system.log import say
from prefdelta.system.progress import Progress
from prefdelta.training.logps import completion_logps
from prefdelta.training.spelling import UnfitTraceError
from prefdelta.training.tokens import Tokeniser
from prefdelta.workflow import source
from prefdelta.workflow.job import Job, Outcome, start

# Modules that compute a sum from messages and completion. Other imports only decide which sums are needed.
_COMPUTING = (
    "prefdelta.training.logps",
    "prefdelta.training.tokens",
    "prefdelta.training.spelling",
    "prefdelta.models.loading",
    "prefdelta.models.chat_templates",
    "prefdelta.core.asking.stored_reasoning",
)
_MOST_UNFIT = 0.5  # share of a generator's traces; above it the traces are not to blame


class ReferenceSection(Settings):
    template: str
    """File with the slot {problem}: how the policy is asked, here, in training and in evaluation."""

    max_length: Annotated[int, Field(ge=2)]
    """Tokens of prompt and completion, at least 2. A longer trace is not cut, but a typed failure."""

    batch_tokens: Annotated[int, Field(ge=1)]
    """Tokens in one forward pass, at least 1."""

    dtype: Precision = "float32"
    """Precision of the matrix products. It must be the precision of the recipes, or the first loss of DPO is
    not ln 2."""

    threads: Annotated[int, Field(ge=1)] = 1
    """Torch threads, at least 1: part of what determines the bits on a CPU."""


class ReferenceSettings(Settings):
    generator: str
    """Generator whose traces are scored."""

    max_length: int
    """Tokens of prompt and completion. A longer trace is a typed failure."""

    batch_tokens: int
    """Tokens in one forward pass."""

    dtype: Precision
    """Precision of the matrix products."""

    threads: int
    """Torch threads."""

    hub: HubModel | None = None
    """The policy, if it is a model of the hub."""

    system: str | None = None
    """The policy's system prompt."""

    rendering: TemplateSettings = PLAIN
    """Date and settings of the policy's chat template."""


def run(job: Job[ReferenceSettings]) -> Outcome:
    settings = job.settings
    weights = open_weights(job.inputs["weights"], settings.hub, job.record)
    traces, completions, keys = _completions(job, weights)
    record = Record(_partition(job, weights), RecordedLogps)
    sums, computed = _complete(record, completions, settings, weights.folder)
    rows = []
    for trace in traces:
        key = keys.get((trace.prompt_id, trace.sample))
        logps = sums[key] if key else RecordedLogps("", None, None, "unusable_trace")
        rows.append(
            ReferenceLogps(
                prompt_id=trace.prompt_id,
                generator=trace.generator,
                sample=trace.sample,
                logps=logps.logps,
                n_tokens=logps.n_tokens,
                key=key,
                failure=logps.failure,
            )
        )
    tables.write(job.output("reference"), ReferenceLogps, rows)
    tokens = sum(sums[key].n_tokens or 0 for key in computed)
    return Outcome(
        len(rows),
        count_failures(row.failure for row in rows),
        ReferenceDetails(mean_of_known(row.n_tokens for row in rows)),
        {"traces": len(computed), "tokens": tokens},
    )


def missing(job: Job[ReferenceSettings]) -> int:
    """How many traces `run` would score. Nothing is computed or written."""
    weights = open_weights(job.inputs["weights"], job.settings.hub, job.record, only_look=True)
    _, completions, _ = _completions(job, weights)
    return len(Record(_partition(job, weights), RecordedLogps, only_look=True).missing(completions))


def _partition(job: Job[ReferenceSettings], weights: Weights) -> Path:
    return job.record / "reference" / f"{weights.key}~{job.settings.generator}"


def _completions(
    job: Job[ReferenceSettings], weights: Weights
) -> tuple[list[Trace], dict[str, "_Completion"], dict[tuple[str, int], str]]:
    """(all traces, key in the record -> text that is scored, (prompt_id, sample) -> key of a scored trace)."""
    settings = job.settings
    template = job.input("template").read_text(encoding="utf-8").strip()
    problems = {prompt.prompt_id: prompt.text for prompt in tables.read(job.input("prompts"), Prompt)}
    traces = tables.read(job.input("traces"), Trace)
    identity = _identity(settings, weights)
    completions: dict[str, _Completion] = {}
    keys: dict[tuple[str, int], str] = {}
    for trace in traces:
        if trace.usable:
            messages = ask_problem(template, problems[trace.prompt_id], str(job.input("template")), settings.system)
            text = str(trace.text)
            key = digest({**identity, "messages": messages, "completion": text})
            completions[key] = _Completion(messages, text)
            keys[trace.prompt_id, trace.sample] = key
    return traces, completions, keys


@dataclass(frozen=True, slots=True)
class _Completion:
    """A text that is scored as the reply to messages."""

    messages: tuple[tuple[str, str], ...]  # (role, content)
    text: str


def _identity(settings: ReferenceSettings, weights: Weights) -> dict[str, Any]:
    """All that determines a sum besides the messages and the completion."""
    return {
        "weights": weights.identity,
        "max_length": settings.max_length,
        **in_key(weights.folder, settings.rendering),
        "dtype": settings.dtype,
        "threads": settings.threads,
        "versions": [version("torch"), version("transformers")],
        "code": source.digest("prefdelta.training.logps", _COMPUTING[1:], within=_COMPUTING),
    }


def _complete(
    record: Record[RecordedLogps], completions: Mapping[str, _Completion], settings: ReferenceSettings, folder: Path
) -> tuple[dict[str, RecordedLogps], set[str]]:
    """(key -> sum, from the record or computed now; the keys of sums that were computed now)."""
    sums: dict[str, RecordedLogps] = {}
    computed = set[str]()
    while len(sums) < len(completions):  # a second round only if the record is found damaged
        if missing := record.missing(completions):
            counted = f"{len(completions):,} traces, {len(missing):,} of them not yet recorded"
            say(f"reference {settings.generator}: {counted}")
            with record:
                for row in _logps(completions, missing, settings, folder):
                    record.append(row)
            computed |= missing
        sums = record.fetch(completions)
    return sums, computed


def _logps(
    completions: Mapping[str, _Completion], missing: Collection[str], settings: ReferenceSettings, folder: Path
) -> Iterator[RecordedLogps]:
    tokenise = Tokeniser(load_tokenizer(folder), settings.rendering)
    model = load_model(folder, "float32", settings.threads)
    keys, rows = [], []
    failed: dict[str, str] = {}  # key -> failure
    unfit: dict[str, str] = {}  # failure -> the problem of the first trace that has it
    for key in (key for key in completions if key in missing):
        try:
            row = tokenise(completions[key].messages, completions[key].text)
        except UnfitTraceError as error:
            failed[key] = error.failure
            unfit.setdefault(error.failure, str(error))
            continue
        if len(row.prompt) + len(row.completion) > settings.max_length:
            failed[key] = "too_long"
            continue
        keys.append(key)
        rows.append(row)
    counts = Counter(failed.values())
    for failure, first in unfit.items():
        message = (
            f"{counts[failure]:,} of {len(completions):,} traces cannot be trained on ({failure}), for example: {first}"
        )
        if counts[failure] > _MOST_UNFIT * len(completions):
            raise StudyError(
                f"{message} These are too many for single traces to be at fault. See to the tokenizer in {folder}, "
                "which may change what it reads; to the template by which problems are asked; and to the generator, "
                "whose engine may leave its own control tokens in what it says."
            )
        say(f"warning: {message} They are left out, and counted.")
    yield from (RecordedLogps(key, None, None, failure) for key, failure in failed.items())
    progress = Progress(f"reference {settings.generator}", len(rows), "traces")
    for index, logps in completion_logps(model, rows, settings.batch_tokens, settings.dtype):
        yield RecordedLogps(keys[index], logps, len(rows[index].completion), None)
        progress.add()
    progress.close()


if __name__ == "__main__":
    start(
        run,
        ReferenceSettings,
        inputs={
            "prompts": "table of Prompt",
            "traces": "table of Trace",
            "template": "text with the slot {problem}",
            "weights": "pointer to the policy's checkpoint, or none for one of the hub",
        },
        outputs={"reference": "table of ReferenceLogps"},
    )
