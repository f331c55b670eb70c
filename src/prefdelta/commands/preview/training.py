"""The previews of reference and train: some traces are scored, and some pairs are tokenised; nothing is trained."""

from collections.abc import Iterator
from pathlib import Path

from prefdelta.commands.preview.asking import Previewer
from prefdelta.commands.preview.messages import asked_by, tokenizer_folder
from prefdelta.commands.preview.previewed import PreviewedJob, PreviewedRow
from prefdelta.core.arms import Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.models.loading import load_tokenizer
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.trace import Trace
from prefdelta.stages import reference
from prefdelta.stages.reference import ReferenceSettings
from prefdelta.store import tables
from prefdelta.study.job import StudyJob
from prefdelta.training.spelling import UnfitTraceError
from prefdelta.training.tokens import PairTexts, Tokeniser
from prefdelta.workflow.job import Job


def preview_reference(previewer: Previewer) -> Iterator[PreviewedJob]:
    """Each policy, on the traces of the first generator that has some."""
    for job in _first_of_policies(previewer, "reference"):
        yield _reference(previewer, job)


def _first_of_policies(previewer: Previewer, stage: str) -> list[StudyJob]:
    """A job of each policy: of a generator that has traces, if there is one."""
    ready = previewer.rows.with_traces()
    jobs: dict[str, StudyJob] = {}
    for job in sorted(previewer.study.jobs(stage), key=lambda job: job.axes["generator"] not in ready):
        jobs.setdefault(job.axes["policy"], job)
    return list(jobs.values())


def _reference(previewer: Previewer, job: StudyJob) -> PreviewedJob:
    settings, generator = job.typed_settings, job.axes["generator"]
    assert isinstance(settings, ReferenceSettings)
    traces = previewer.rows.traces(generator)
    problems = previewer.rows.problems()
    shown = previewer.shown(job, problems[traces[0].prompt_id] if traces else next(iter(problems.values())))
    if why := previewer.why_not(None, job):
        return PreviewedJob(**shown, not_asked=why)
    if not traces:
        return PreviewedJob(**shown, not_asked=f"there is no usable trace of {generator} yet to score")
    inputs = {
        "prompts": [previewer.rows.table(TRAINING_PROMPTS, traces)],
        "traces": [previewer.scratch.write(Trace, traces, "generate", generator=generator)],
        "template": list(map(Path, job.inputs["template"])),
        "weights": list(map(Path, job.inputs["weights"])),
    }
    output = previewer.scratch.path("reference", policy=job.axes["policy"], generator=generator)
    try:
        asked = Job(settings, inputs, {"reference": [output]}, Path(previewer.study.record))
        kept = reference.missing(asked) == 0
        if not kept:  # sums depend, in their last bits, on the traces that are scored together
            asked = Job(settings, inputs, asked.outputs, previewer.scratch.record)
        manifest = previewer.scratch.run("reference", asked)
    except StudyError as error:
        return PreviewedJob(**shown, not_asked=str(error))
    rows = [
        PreviewedRow(
            about=f"trace {generator}/{row.prompt_id}/{row.sample}",
            reply=None,
            tokens=row.n_tokens,
            result=row.failure or f"{row.logps:.2f} nats",
            good=row.failure is None,
        )
        for row in tables.read(output, ReferenceLogps)
    ]
    done = manifest.run.computed.get("traces", 0)
    return PreviewedJob(**shown, rows=rows, asked=done, seconds=manifest.run.seconds, kept=kept)


def preview_train(previewer: Previewer) -> Iterator[PreviewedJob]:
    """Each policy: pairs of the first pairing of its arms, of two generators that have traces, as its tokens."""
    for job in _first_of_policies(previewer, "reference"):
        yield _train(previewer, job)


def _train(previewer: Previewer, job: StudyJob) -> PreviewedJob:
    policy, settings = job.axes["policy"], job.typed_settings
    assert isinstance(settings, ReferenceSettings)
    study, rows = previewer.study, previewer.rows
    pairings = list(dict.fromkeys(arm.pairing.undrawn for arm in study.arms if arm.policy == policy))
    pairings.sort(key=lambda one: one.chosen == one.rejected)  # of one with itself, a first sample has no other side
    pairing = next((one for one in pairings if all(map(rows.traces, one.generators))), pairings[0])
    problems = rows.problems()
    shown = previewer.shown(job, next(iter(problems.values())))
    shown |= {"stage": "train", "name": f"train/{policy}/{pairing}"}
    folder = tokenizer_folder(study, policy)
    if folder is None:
        return PreviewedJob(**shown, not_asked="the tokenizer of its policy is not on this machine")
    sides = _sides(previewer, pairing)
    if not sides:
        return PreviewedJob(**shown, not_asked=f"there are no usable traces of both generators of {pairing} yet")
    tokeniser = Tokeniser(load_tokenizer(folder), study.rendering(policy))
    found = []
    for prompt_id, (chosen, rejected) in sides.items():
        messages = asked_by(job, problems[prompt_id]).messages
        about, tokens, why = f"pair of prompt {prompt_id}", None, None
        try:
            row = PairTexts(messages, chosen, rejected, None, None).tokenised(tokeniser)
            tokens = len(row.prompt) + max(len(row.chosen), len(row.rejected))
            parts = f"prompt {len(row.prompt)}, chosen {len(row.chosen)}, rejected {len(row.rejected)}"
            why = None if tokens <= settings.max_length else f"too_long: {parts}"
        except UnfitTraceError as error:
            parts, why = "", f"{error.failure}: {error}"
        except StudyError as error:
            return PreviewedJob(**shown, not_asked=str(error))
        found.append(PreviewedRow(about, None, tokens=tokens, result=why or parts, good=why is None))
    longest = max((row.tokens for row in found if row.tokens is not None), default=0)
    return PreviewedJob(
        **shown,
        rows=found,
        facts={"longest row": f"{longest:,} tokens of reference.max_length {settings.max_length:,}"},
    )


def _sides(previewer: Previewer, pairing: Pairing) -> dict[str, tuple[str, str]]:
    """Prompt -> texts of its chosen and its rejected trace, for prompts that have both."""
    chosen, rejected = (
        {trace.prompt_id: str(trace.text) for trace in previewer.rows.traces(name)}
        for name in (pairing.chosen, pairing.rejected)
    )
    return {prompt: (chosen[prompt], rejected[prompt]) for prompt in chosen if prompt in rejected}
