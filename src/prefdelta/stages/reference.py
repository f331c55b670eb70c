"""Stage reference: log-probabilities of one generator's traces under one untrained policy, per trace.

They are computed once per trace and shared by every arm that trains on it. Needs transformers, not TRL.
"""

from typing import Annotated

from pydantic import Field

from prefdelta import checkpoints, tables
from prefdelta.core.failures import count_failures
from prefdelta.core.settings import Settings
from prefdelta.core.template import ask_problem
from prefdelta.models import load_model, load_tokenizer
from prefdelta.progress import Progress
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.trace import Trace
from prefdelta.stages.entry import Job, Outcome, start
from prefdelta.training.logps import completion_logps
from prefdelta.training.tokens import tokenise


class ReferenceSection(Settings):
    template: str  # file with the slot {problem}: how the policy is asked, here, in training and in evaluation
    max_length: Annotated[int, Field(ge=2)]  # tokens of prompt + completion; a longer trace is a typed failure, not cut
    batch_tokens: Annotated[int, Field(ge=1)]  # tokens in one forward pass
    dtype: str = "float32"
    threads: Annotated[int, Field(ge=1)] = 1


class ReferenceSettings(Settings):
    generator: Annotated[str, Field(description="whose traces")]
    max_length: Annotated[int, Field(description="tokens of prompt + completion")]
    batch_tokens: Annotated[int, Field(description="tokens in one forward pass")]
    dtype: Annotated[str, Field(description="precision of the forward pass")]
    threads: Annotated[int, Field(description="torch threads")]


def run(job: Job[ReferenceSettings]) -> Outcome:
    settings = job.settings
    _, folder = checkpoints.open_manifest(job.input("weights"), job.record)
    tokenizer, model = load_tokenizer(folder), load_model(folder, settings.dtype, settings.threads)
    template = job.input("template").read_text(encoding="utf-8").strip()
    problems = {prompt.prompt_id: prompt.text for prompt in tables.read(job.input("prompts"), Prompt)}

    rows: list[ReferenceLogps] = []
    wanted, tokens = [], []
    for trace in tables.read(job.input("traces"), Trace):
        failure = None if trace.usable else "unusable_trace"
        if trace.text is not None and failure is None:
            asked = ask_problem(template, problems[trace.prompt_id], str(job.input("template")))
            found = tokenise(tokenizer, asked, trace.text)
            if len(found.prompt) + len(found.completion) <= settings.max_length:
                wanted.append(trace)
                tokens.append(found)
                continue
            failure = "too_long"
        rows.append(ReferenceLogps(trace.prompt_id, trace.generator, trace.sample, None, None, failure))

    progress = Progress(f"reference {settings.generator}", len(wanted), "traces")
    for index, logps in completion_logps(model, tokens, settings.batch_tokens, tokenizer.pad_token_id):
        trace = wanted[index]
        n_tokens = len(tokens[index].completion)
        rows.append(ReferenceLogps(trace.prompt_id, trace.generator, trace.sample, logps, n_tokens, None))
        progress.add()
    progress.close()
    tables.write(job.output("reference"), ReferenceLogps, rows)
    return Outcome(len(rows), count_failures(row.failure for row in rows))


if __name__ == "__main__":
    start(
        run,
        ReferenceSettings,
        inputs={
            "prompts": "table of Prompt",
            "traces": "table of Trace",
            "template": "text with the slot {problem}",
            "weights": "manifest of the policy's checkpoint",
        },
        outputs={"reference": "table of ReferenceLogps"},
    )
