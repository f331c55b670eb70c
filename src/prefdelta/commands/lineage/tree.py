"""A lineage as a tree for people: what the pair was made from, then what was made from it."""

from collections import Counter
from dataclasses import replace

from prefdelta.commands.lineage.document import LineageDocument, TraceLineage
from prefdelta.commands.looking.origins import GeneratorOrigin, JudgeOrigin, listed, short
from prefdelta.commands.looking.selected import TakenPair, none_took_it
from prefdelta.commands.output import Branch
from prefdelta.reporting import formats


def tree(document: LineageDocument) -> Branch:
    state = "eligible" if document.eligible else f"not eligible: {document.reason}"
    up = [Branch(f"prompt {document.prompt_id}", [Branch(document.prompt.line)]), *map(_trace, document.traces)]
    if judges := _judges(document):
        up.append(Branch("judged by", judges))
    down = [Branch(_deltas(document)), *map(_selection, document.selections)]
    if not document.selections:
        down.append(Branch(none_took_it(document.eligible, document.not_selected_yet)))
    if document.eligible and document.not_selected_yet:
        down.append(Branch(f"not there yet: {', '.join(document.not_selected_yet)}"))
    name = f"pair {document.pairing}/{document.pair_id} of the study {document.study} ({state})"
    return Branch(name, [Branch("made from", up), Branch("went into", down)])


def _trace(trace: TraceLineage) -> Branch:
    about = f"{trace.side} {trace.trace}: {formats.count(trace.n_tokens)} tokens, ended by {trace.finish_reason}"
    scores = ", ".join(f"{score.dimension} {score.failure or f'{score.score:.4g}'}" for score in trace.scores)
    return Branch(
        about,
        [
            Branch(f"generator {trace.made_by.line}", _generator(trace.made_by)),
            Branch(f"seed {trace.seed}; call {short(trace.call_key)}"),
            Branch(f"scores: {scores}" if scores else "not judged, or not yet"),
        ],
    )


def _judges(document: LineageDocument) -> list[Branch]:
    """Each judge once; twice, if it judged the two traces by other texts or settings."""
    found: list[tuple[JudgeOrigin, list[str]]] = []
    for trace in document.traces:
        for judge in trace.judged_by:
            sides = next(
                (sides for other, sides in found if other == replace(judge, answered_as=other.answered_as)), None
            )
            if sides is None:
                found.append((judge, [trace.side]))
            else:
                sides.append(trace.side)
    both = {trace.side for trace in document.traces}
    return [
        Branch(judge.line if set(sides) == both else f"{judge.line} (the {sides[0]} trace)", _judge(judge))
        for judge, sides in found
    ]


def _deltas(document: LineageDocument) -> str:
    known = [f"{one.dimension} {formats.signed(one.delta)}" for one in document.deltas if one.delta is not None]
    failed = Counter(one.failure for one in document.deltas if one.failure is not None)
    none = "; ".join(f"{count} without a delta: {failure}" for failure, count in failed.items())
    return f"deltas: {'; '.join(filter(None, [', '.join(known), none]))}" if document.deltas else "no deltas yet"


def _generator(made_by: GeneratorOrigin) -> list[Branch]:
    return [
        *_text("template", made_by.template, made_by.template_sha256),
        *([Branch(f"sampling: {listed(made_by.sampling)}")] if made_by.sampling else []),
        *([Branch(f"made with commit {made_by.source_commit} of this package")] if made_by.source_commit else []),
    ]


def _judge(judge: JudgeOrigin) -> list[Branch]:
    rubrics = [
        line for name, text in judge.rubrics.items() for line in _text(f"rubric {name}", text["path"], text["sha256"])
    ]
    template = _text("template", judge.template, judge.template_sha256)
    return [*template, *rubrics, *([Branch(f"sampling: {listed(judge.sampling)}")] if judge.sampling else [])]


def _text(what: str, path: str | None, sha256: str | None) -> list[Branch]:
    return [Branch(f"{what}: {path}, sha256 {short(sha256)}")] if path and sha256 else []


def _selection(taken: TakenPair) -> Branch:
    drawn = {True: ", drawn among ties", False: ", not drawn among ties", None: ""}[taken.drawn_among_ties]
    swapped = ", sides exchanged" if taken.swapped else ""
    arms = [Branch(arm if arm in taken.trained else f"{arm} (not trained yet)") for arm in taken.arms]
    order = f", order {taken.order}" if taken.order else ""
    return Branch(f"{taken.selection}{order}: rank {taken.rank:,} (from 0) of {taken.of:,}{drawn}{swapped}", arms)
