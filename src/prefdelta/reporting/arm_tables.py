"""Tables of arms: what all of them gained, how each answered each benchmark, and selections against random ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import Estimate
from prefdelta.reporting.arms import Repeats, families, seed_names, selection_of
from prefdelta.reporting.captions import PAIRED, caption
from prefdelta.reporting.content import Content
from prefdelta.reporting.contrasts import common_part, contrast, gain, named, short_names, where
from prefdelta.reporting.evidence import ExperimentArms, title_of
from prefdelta.reporting.numbers.accuracies import AccuracyLine, Evaluation
from prefdelta.reporting.numbers.experiments import filtering_rows, references
from prefdelta.reporting.numbers.training import training
from prefdelta.reporting.panels import panel_difference, panel_gain, panel_place, panels


@dataclass(frozen=True, slots=True)
class OverviewRow:
    arms: Repeats
    lines: Sequence[AccuracyLine]  # one per primary benchmark


@dataclass(frozen=True, slots=True)
class AccuracyRow:
    kind: Literal["base", "mean", "seed", "arm"]
    line: AccuracyLine


@dataclass(frozen=True, slots=True)
class PolicyRows:
    policy: str
    rows: Sequence[AccuracyRow]


@dataclass(frozen=True, slots=True)
class AccuracyTable:
    """All arms on one benchmark."""

    name: str
    title: str
    group: str
    note: str
    draws: int
    groups: Sequence[PolicyRows]
    not_evaluated: Sequence[str]  # arms
    caption: str  # what its numbers rest on


@dataclass(frozen=True, slots=True)
class AgainstRandom:
    """A selection minus the mean of `draws` random selections of its size."""

    label: str  # without what all rows have in common: `common`
    common: str
    draws: int
    estimates: Sequence[Estimate]  # one per panel


@dataclass(frozen=True, slots=True)
class GainsRow:
    label: str
    gains: Sequence[Estimate]  # one per panel
    seeds: Sequence[str]
    draws: int | None  # number of random selections of this size; None for other selections
    confounded: bool


@dataclass(frozen=True, slots=True)
class UpdatesRow:
    label: str
    updates: tuple[int, ...]  # the distinct numbers among the repeats; empty: unknown


def overview(content: Content) -> list[OverviewRow]:
    """Every arm with its gains on the primary benchmarks: their mean, if it ran with several seeds."""
    evaluations = content.scores.evaluations(primary=True)
    return [
        OverviewRow(repeats, [_line(content, repeats, evaluation) for evaluation in evaluations])
        for repeats in families(content.all_arms())
    ]


def accuracy_table(content: Content, evaluation: Evaluation) -> AccuracyTable:
    """Per policy: its base, then its arms, below the mean of several seeds; and the names of arms not evaluated."""
    arms = content.all_arms()
    evaluated = [arm for arm in arms if content.scores.has(arm, evaluation)]
    groups = []
    for policy in dict.fromkeys([*(arm.policy for arm in arms), *content.scores.policies()]):
        own = [arm for arm in evaluated if arm.policy == policy]
        if rows := list(_rows(content, evaluation, Base(policy), own)):
            groups.append(PolicyRows(policy, rows))
    return AccuracyTable(
        name=evaluation.benchmark,
        title=title_of(content, evaluation),
        group=content.groups[evaluation.group].title,
        note=content.benchmarks[evaluation.benchmark].about,
        draws=content.scores.draws(evaluation) if groups else 1,
        groups=groups,
        not_evaluated=[str(arm) for arm in arms if not content.scores.has(arm, evaluation)],
        caption=_caption(groups),
    )


def _caption(groups: Sequence[PolicyRows]) -> str:
    lines = [row.line for group in groups for row in group.rows]
    estimates = [estimate for line in lines for estimate in (line.accuracy, line.difference)]
    return caption(estimates, arms=[arm for line in lines for arm in line.arms], paired=PAIRED)


def _rows(content: Content, evaluation: Evaluation, base: Base, arms: Sequence[Arm]) -> Iterator[AccuracyRow]:
    if content.scores.has(base, evaluation):
        yield AccuracyRow("base", content.scores.base(base.policy, evaluation))
    for repeats in families(arms):
        if len(repeats) > 1:
            yield AccuracyRow("mean", _line(content, repeats, evaluation))
        for arm in repeats:
            yield AccuracyRow("seed" if len(repeats) > 1 else "arm", _line(content, (arm,), evaluation))


def _line(content: Content, repeats: Repeats, evaluation: Evaluation) -> AccuracyLine:
    """Some repeats on a benchmark, with the name of their gain."""
    line = content.scores.against_base(repeats, evaluation)
    if line.difference is None:
        return line
    return replace(line, difference=named(line.difference, gain(repeats, where(content, "", [evaluation]))))


def against_random(content: Content, experiment: ExperimentArms) -> list[AgainstRandom]:
    """Each selection of k pairs minus the mean of the random selections of k, over the same items."""
    if experiment.figure != "filtering":
        return []
    members = filtering_rows(content.with_controls(experiment))
    sides = [
        (members[row], members[at])
        for at, (first, last) in references(members).items()
        for row in range(first, last + 1)
        if row != at
    ]
    shown = panels(content)
    if not sides or not shown:
        return []
    firsts = [contrast("", [[one] for one in both], panel_place(content, shown[0])) for both in sides]
    firsts = [replace(one, over="") for one in firsts]
    return [
        AgainstRandom(
            _marked(content, label, both[0]),
            common_part(firsts),
            len(both[1]),
            [
                named(
                    panel_difference(content.scores, *both, panel),
                    contrast("", [[one] for one in both], panel_place(content, panel)),
                )
                for panel in shown
            ],
        )
        # The runs are told in each row: a control's own table may have the same arms with more of them.
        for label, both in zip(short_names(firsts, with_runs=True), sides, strict=True)
    ]


def _marked(content: Content, label: str, repeats: Repeats) -> str:
    """A label, with the mark of some arms behind the name of their selection."""
    name = repeats[0].selection
    return label.replace(name, f"{name}{content.mark(*repeats)}", 1)


def gains_table(content: Content, experiment: ExperimentArms) -> list[GainsRow]:
    """The numbers in the experiment's figure; empty if the table of every arm has the same numbers."""
    shown = panels(content)
    if not experiment.several_k and all(len(panel.evaluations) == 1 for panel in shown):
        return []
    with_controls = content.with_controls(experiment)
    members = filtering_rows(with_controls) if experiment.figure == "filtering" else families(with_controls.arms)
    return [
        GainsRow(
            label=label,
            gains=[
                named(panel_gain(content.scores, repeats, panel), gain(repeats, panel_place(content, panel)))
                for panel in shown
            ],
            seeds=seed_names(repeats),
            draws=_random_draws(repeats),
            confounded=content.is_confounded(repeats[0].pairing),
        )
        for label, repeats in zip(content.labels(members), members, strict=True)
    ]


def updates_table(content: Content, experiment: ExperimentArms) -> list[UpdatesRow]:
    """How many updates the arms got, if the experiment compares arms at equal updates."""
    if not experiment.beside:
        return []
    updates = {line.arm: line.updates for line in training(content.jobs) if line.updates is not None}
    members = families(content.with_controls(experiment).arms, merge_draws=True)
    return [
        UpdatesRow(label, tuple(sorted({updates[arm] for arm in repeats if arm in updates})))
        for label, repeats in zip(content.labels(members), members, strict=True)
    ]


def _random_draws(repeats: Repeats) -> int | None:
    draws = {selection_of(arm).seed for arm in repeats}
    return len(draws) if selection_of(repeats[0]).kind == "random" else None
