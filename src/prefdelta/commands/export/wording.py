"""What is said of exported pairs, in the card and in Croissant alike."""

import json
import math

from prefdelta.commands.export.columns import OF_TRL, Format
from prefdelta.commands.export.lineage import GeneratorLineage, JudgeLineage
from prefdelta.commands.export.pairs import ArmTraining, PairsExport
from prefdelta.core.asking.template_settings import TemplateSettings

UNKNOWN_LICENSE = "unknown"

USES = (
    "Study of what models learn from preference pairs: to repeat or vary one arm of the study.",
    "Not for training a model that people will rely on: the texts were selected for an experiment, not for safety.",
)
PERSONAL = (
    "None is known. The problems are of mathematics, science or code, and the traces are models' answers to them."
)


def limits(export: PairsExport) -> list[str]:
    """What the data do not hold, or hold only in part."""
    read = "people read only those that they scored" if export.by_people else "no person read them"
    wrong = "" if export.is_self_paired else "; the rejected side is meant to"
    people = "; only those called @people come from people" if export.by_people else ", not from people"
    told = [
        f"All traces were written by models, and {read}. They contain wrong steps and wrong answers{wrong}.",
        (
            f"Scores come from a judge that is a model or a program{people}. Equal scores are frequent: a selection of "
            "the largest deltas is then drawn among ties."
        ),
        (
            "Whether a final answer is right was decided by a program. Where it could read no answer, nothing is said "
            "of right and wrong."
        ),
        (
            "Traces are stored as their model wrote them, reasoning included. A chat template that drops reasoning "
            "from replies, or opens it in the prompt, shows a trainer another text than prefdelta's training saw."
        ),
    ]
    if not export.is_self_paired:
        told.append("Both sides differ in more than quality: length, style and wording go with the generator.")
    return told


def biases(export: PairsExport) -> list[str]:
    """What is over-represented, or can be learnt in place of quality."""
    sides = (
        "Both sides come from one generator, by the number of the sample alone: neither side is better by design."
        if export.is_self_paired
        else "The chosen side comes from one generator and the rejected side from another (except in swapped pairs), "
        "so a policy can learn to tell the generators apart by style."
    )
    return [
        sides,
        (
            "Length: truncated traces are left out, and long traces are truncated more often, so hard problems are "
            "rarer than in the source."
        ),
        "The judge's own preferences are in every score of its own, and in every selection by such a score.",
    ]


def what_it_is(export: PairsExport) -> str:
    """One paragraph: which pairs these are."""
    pairing = export.pairing
    sides = (
        f"both traces by {pairing.chosen}, even samples chosen and odd ones rejected"
        if export.is_self_paired
        else f"chosen traces by {pairing.chosen}, rejected ones by {pairing.rejected}"
    )
    if export.trained is None:
        return (
            f"All {len(export.pairs):,} eligible pairs of the pairing {export.name} of the prefdelta study "
            f"{export.study}: {sides}."
        )
    arm = export.trained.arm
    swapped = sum(pair.swapped for pair in export.pairs)
    exchanged = f" In {swapped:,} of them the two sides are exchanged." if swapped else ""
    return (
        f"The {len(export.pairs):,} pairs that the arm {arm} of the prefdelta study {export.study} was given to train "
        f"on: {sides}, selection {arm.selection}.{exchanged}{_budget(export.trained)}"
    )


def _budget(trained: ArmTraining) -> str:
    """How much of the pairs was seen, if it is known: a budget may end before the first pass, or go on after it."""
    updates, rows, batch = trained.details.updates, trained.details.rows, int(trained.recipe["batch_size"])
    if not updates or not rows:
        return ""
    passes = updates / math.ceil(rows / batch)
    some = " So it has not seen all of them." if passes < 1 else ""
    return f" It made {updates:,} updates of up to {batch:,} rows, {passes:.2f} passes over its {rows:,} rows.{some}"


def rendering(settings: TemplateSettings) -> str:
    """How the policy's chat template was rendered in training."""
    given = json.dumps(settings.chat_template_kwargs, ensure_ascii=False)
    variables = f" and the variables {given}" if settings.chat_template_kwargs else ""
    return f"Chat template: rendered for the date {settings.date}{variables}"


def order(export: PairsExport, form: Format) -> str:
    """How the rows' order relates to training."""
    if export.trained is None:
        return "Rows are sorted by pair_id."
    if export.method == "kto":
        advice = '; train them with train_sampling_strategy="sequential"' if form in OF_TRL else ""
        return f"Rows stand in the order of training, both sides of a pair one after the other{advice}."
    return (
        f"Rows stand in the order in which TRL's trainer was given them; it shuffles them by its seed "
        f"({export.trained.arm.seed})."
    )


def generator_sentence(generator: GeneratorLineage) -> str:
    return f"{generator.name}: {generator.model}; {generator.drawn}"


def judge_sentence(judge: JudgeLineage) -> str:
    named = ", ".join(judge.named_itself)
    revision = f", commit {judge.revision}" if judge.revision else ""
    return (
        f"form {judge.form} ({', '.join(judge.dimensions)}): {judge.model}{revision}, "
        f"named in its replies: {named or 'nothing'}; "
        f"{judge.votes} {'vote' if judge.votes == 1 else 'votes'} per trace"
    )
