"""Stage reference: log-probabilities of one generator's traces under one untrained policy, per trace.

They are computed once per trace and shared by every arm that trains on it. Needs transformers, not TRL.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from prefdelta.core.asking.rendering import PLAIN, Rendering
from prefdelta.core.errors import StudyError
from prefdelta.core.failures import count_failures
from prefdelta.core.hub import HubModel
from prefdelta.core.ids import digest
from prefdelta.core.recipes import Precision
from prefdelta.core.settings import Settings
from prefdelta.core.statistics import mean_of_known
from prefdelta.core.template import ask_problem
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
from prefdelta.system.files import say
from prefdelta.system.progress import Progress
from prefdelta.training.logps import completion_logps
from prefdelta.training.spelling import UnfitTraceError
from prefdelta.training.tokens import tokenise
from prefdelta.workflow import source
from prefdelta.workflow.job import Job, Outcome, start

# What computes a sum from messages and completion. What else is imported decides only which sums are asked for.
_COMPUTING = (
    "prefdelta.training.logps",
    "prefdelta.training.tokens",
    "prefdelta.training.spelling",
    "prefdelta.models.loading",
    "prefdelta.models.chat_templates",
    "prefdelta.core.asking.thoughts",
)
_MOST_UNFIT = 0.5  # of a generator's traces; above it not they are to blame


class ReferenceSection(Settings):
    template: str  # file with the slot {problem}: how the policy is asked, here, in training and in evaluation
    max_length: Annotated[int, Field(ge=2)]  # tokens of prompt + completion; a longer trace is a typed failure, not cut
    batch_tokens: Annotated[int, Field(ge=1)]  # tokens in one forward pass
    dtype: Precision = "float32"  # of the matrix products; that of the recipes, or the first loss is not ln 2
    threads: Annotated[int, Field(ge=1)] = 1


class ReferenceSettings(Settings):
    generator: Annotated[str, Field(description="whose traces")]
    max_length: Annotated[int, Field(description="tokens of prompt + completion")]
    batch_tokens: Annotated[int, Field(description="tokens in one forward pass")]
    dtype: Annotated[Precision, Field(description="precision of the matrix products")]
    threads: Annotated[int, Field(description="torch threads")]
    hub: Annotated[HubModel | None, Field(description="the policy, if it is of the hub")] = None
    system: Annotated[str | None, Field(description="the policy's system prompt")] = None
    rendering: Annotated[Rendering, Field(description="date and settings of the policy's chat template")] = PLAIN


def run(job: Job[ReferenceSettings]) -> Outcome:
    settings = job.settings
    weights = open_weights(job.inputs["weights"], settings.hub, job.record)
    traces, scored, keys = _scored(job, weights)
    record = Record(_partition(job, weights), RecordedLogps)
    found, computed = _complete(record, scored, settings, weights.folder)
    rows = []
    for trace in traces:
        its_key = keys.get((trace.prompt_id, trace.sample))
        logps = found[its_key] if its_key else RecordedLogps("", None, None, "unusable_trace")
        rows.append(
            ReferenceLogps(
                prompt_id=trace.prompt_id,
                generator=trace.generator,
                sample=trace.sample,
                logps=logps.logps,
                n_tokens=logps.n_tokens,
                key=its_key,
                failure=logps.failure,
            )
        )
    tables.write(job.output("reference"), ReferenceLogps, rows)
    tokens = sum(found[key].n_tokens or 0 for key in computed)
    return Outcome(
        len(rows),
        count_failures(row.failure for row in rows),
        ReferenceDetails(mean_of_known(row.n_tokens for row in rows)),
        {"traces": len(computed), "tokens": tokens},
    )


def missing(job: Job[ReferenceSettings]) -> int:
    """How many traces `run` would score. It only looks."""
    weights = open_weights(job.inputs["weights"], job.settings.hub, job.record, only_look=True)
    _, scored, _ = _scored(job, weights)
    return len(Record(_partition(job, weights), RecordedLogps, only_look=True).missing(scored))


def _partition(job: Job[ReferenceSettings], weights: Weights) -> Path:
    return job.record / "reference" / f"{weights.key}~{job.settings.generator}"


def _scored(
    job: Job[ReferenceSettings], weights: Weights
) -> tuple[list[Trace], dict[str, "_Scored"], dict[tuple[str, int], str]]:
    """All traces; what is scored, by its key in the record; the key of each (prompt, sample) that is."""
    settings = job.settings
    template = job.input("template").read_text(encoding="utf-8").strip()
    problems = {prompt.prompt_id: prompt.text for prompt in tables.read(job.input("prompts"), Prompt)}
    traces = tables.read(job.input("traces"), Trace)
    scored: dict[str, _Scored] = {}
    keys: dict[tuple[str, int], str] = {}
    for trace in traces:
        if trace.usable:
            asked = ask_problem(template, problems[trace.prompt_id], str(job.input("template")), settings.system)
            one = _Scored(asked, str(trace.text))
            key = digest({**_identity(settings, weights), "messages": asked, "completion": one.completion})
            scored[key] = one
            keys[trace.prompt_id, trace.sample] = key
    return traces, scored, keys


@dataclass(frozen=True, slots=True)
class _Scored:
    """What is scored: a completion after messages."""

    messages: tuple[tuple[str, str], ...]  # (role, content)
    completion: str


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
    record: Record[RecordedLogps], scored: Mapping[str, _Scored], settings: ReferenceSettings, folder: Path
) -> tuple[dict[str, RecordedLogps], set[str]]:
    """The sums by key, from the record or computed now, and the keys of those that were computed now."""
    found: dict[str, RecordedLogps] = {}
    computed = set[str]()
    while len(found) < len(scored):  # a second time round only if the record turns out to be damaged
        if missing := record.missing(scored):
            say(f"reference {settings.generator}: {len(scored):,} traces, {len(missing):,} of them not yet recorded")
            with record:
                for row in _logps(scored, missing, settings, folder):
                    record.append(row)
            computed |= missing
        found = record.fetch(scored)
    return found, computed


def _logps(
    scored: Mapping[str, _Scored], missing: Collection[str], settings: ReferenceSettings, folder: Path
) -> Iterator[RecordedLogps]:
    tokenizer, model = load_tokenizer(folder), load_model(folder, "float32", settings.threads)
    keys, tokens = [], []
    failed: dict[str, str] = {}  # by key
    unfit: dict[str, str] = {}  # failure -> of the first trace, what is wrong with it
    for key in (key for key in scored if key in missing):
        try:
            found = tokenise(tokenizer, scored[key].messages, scored[key].completion, settings.rendering)
        except UnfitTraceError as error:
            failed[key] = error.failure
            unfit.setdefault(error.failure, str(error))
            continue
        if len(found.prompt) + len(found.completion) > settings.max_length:
            failed[key] = "too_long"
            continue
        keys.append(key)
        tokens.append(found)
    counts = Counter(failed.values())
    for failure, first in unfit.items():
        told = f"{counts[failure]:,} of {len(scored):,} traces cannot be trained on ({failure}), for example: {first}"
        if counts[failure] > _MOST_UNFIT * len(scored):
            raise StudyError(
                f"{told} These are too many for single traces to be at fault. See to the tokenizer in {folder}, which "
                "may change what it reads; to the template by which problems are asked; and to the generator, whose "
                "engine may leave its own control tokens in what it says."
            )
        say(f"warning: {told} They are left out, and counted.")
    yield from (RecordedLogps(key, None, None, failure) for key, failure in failed.items())
    progress = Progress(f"reference {settings.generator}", len(tokens), "traces")
    for at, logps in completion_logps(model, tokens, settings.batch_tokens, settings.dtype):
        yield RecordedLogps(keys[at], logps, len(tokens[at].completion), None)
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
            "weights": "manifest of the policy's checkpoint, or none for one of the hub",
        },
        outputs={"reference": "table of ReferenceLogps"},
    )
