"""What is said of exported pairs, in the card and in Croissant alike."""

from prefdelta.commands.export.lineage import GeneratorLineage, JudgeLineage
from prefdelta.commands.export.pairs import PairsExport

UNKNOWN_LICENSE = "unknown"

LIMITS = (
    (
        "All traces were written by models, and no person read them. They contain wrong steps and wrong answers; the "
        "rejected side is meant to."
    ),
    (
        "Scores come from a judge that is a model or a program, not from people. Equal scores are frequent: a "
        "selection of the largest deltas is then drawn among ties."
    ),
    "Whether a final answer is right was decided by a program. An answer that it cannot read counts as wrong.",
    "Both sides differ in more than quality: length, style and wording go with the generator.",
    (
        "Traces are stored as their model wrote them, reasoning included. A chat template that drops reasoning from "
        "replies, or opens it in the prompt, shows a trainer another text than prefdelta's training saw."
    ),
)
BIASES = (
    (
        "The chosen side comes from one generator and the rejected side from another (except in swapped pairs), so a "
        "policy can learn to tell the generators apart by style."
    ),
    (
        "Length: truncated traces are left out, and long traces are truncated more often, so hard problems are rarer "
        "than in the source."
    ),
    "The judge's own preferences are in every score, and in every selection by score.",
)
USES = (
    "Study of what models learn from preference pairs: to repeat or vary one arm of the study.",
    "Not for training a model that people will rely on: the texts were selected for an experiment, not for safety.",
)
PERSONAL = (
    "None is known. The problems are of mathematics, science or code, and the traces are models' answers to them."
)


def what_it_is(export: PairsExport) -> str:
    """One paragraph: which pairs these are."""
    pairing = export.pairing
    sides = f"chosen traces by {pairing.chosen}, rejected ones by {pairing.rejected}"
    if export.trained is None:
        return (
            f"All {len(export.pairs):,} eligible pairs of the pairing {export.name} of the prefdelta study "
            f"{export.study}: {sides}."
        )
    arm = export.trained.arm
    swapped = sum(pair.swapped for pair in export.pairs)
    exchanged = f" In {swapped:,} of them the two sides are exchanged." if swapped else ""
    return (
        f"The {len(export.pairs):,} pairs that the arm {arm} of the prefdelta study {export.study} was trained on: "
        f"{sides}, selection {arm.selection}.{exchanged}"
    )


def order(export: PairsExport) -> str:
    """How the rows' order relates to training."""
    if export.trained is None:
        return "Rows are sorted by pair_id."
    if export.method == "kto":
        return (
            "Rows stand in the order of training, both sides of a pair one after the other; train them with "
            'train_sampling_strategy="sequential".'
        )
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
