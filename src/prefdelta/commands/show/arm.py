"""An arm, or all repeats of one: its pairs, recipe, training, weights, accuracies and gains.

  prefdelta show arm pa/g3~g1/top-mean-700/dpo/s0 --configfile resources/studies/mini.yaml
  prefdelta show arm pa/g3~g1/top-mean-700/dpo --configfile resources/studies/mini.yaml      all its seeds
  prefdelta show arm pa/base --configfile resources/studies/mini.yaml                        the untrained policy

Accuracies, gains and intervals are those of the report; `prefdelta compare` holds one arm against another.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prefdelta.commands.looking.answers import (
    Answered,
    Side,
    accuracy,
    interval,
    members,
    read_answers,
    report_settings,
    share,
    truncated,
)
from prefdelta.commands.looking.names import find_arms
from prefdelta.commands.looking.origins import short
from prefdelta.commands.looking.results import Results
from prefdelta.commands.looking.selected import SelectionOrder, orders_of
from prefdelta.commands.output import Column, print_facts, print_heading, print_line, print_table
from prefdelta.core.arms import Arm, Base
from prefdelta.core.statistics import Estimate
from prefdelta.records.details.train import TrainDetails, TrainedArm
from prefdelta.reporting import formats
from prefdelta.reporting.arms import seed_names
from prefdelta.store.checkpoints import are_removed

CURVES = ("loss", "rewards/margins", "rewards/accuracies", "grad_norm")  # those shown; --json has the ends of all


@dataclass(frozen=True, slots=True)
class CurveEnds:
    first: float | None
    last: float | None
    updates: int


@dataclass(frozen=True, slots=True)
class ShownArm:
    """One training."""

    arm: str
    state: str  # `trained`, or `not trained yet`
    evaluated_in: list[str]  # groups of benchmarks whose answers are there
    selection: SelectionOrder | None
    recipe: Mapping[str, Any]
    method: str | None
    pairs: int | None  # trained on
    rows: int | None
    updates: int | None
    left_out: Mapping[str, int]  # reason -> pairs
    curves: Mapping[str, CurveEnds]
    differs_from_base: bool | None
    changed_share: float | None
    update_share_bfloat16: float | None
    policy_key: str | None
    weights_sha256: str | None
    folder: str | None  # of the weights
    weights_kept: bool | None  # False: removed once they were evaluated


@dataclass(frozen=True, slots=True)
class ShownAccuracy:
    """On one benchmark, of the arm or the mean over its repeats. Shares, not percent."""

    group: str
    benchmark: str
    primary: bool
    seeds: list[str]
    accuracy: Estimate
    gain: Estimate | None  # over the untrained policy, on the same problems
    paired: int  # problems that count on both sides
    unpaired: int
    items: int  # answers
    counted: int
    truncated: float | None  # share of the answers


@dataclass(frozen=True, slots=True)
class ArmDocument:
    study: str
    name: str
    experiments: list[str]
    arms: list[ShownArm]  # none for an untrained policy
    accuracies: list[ShownAccuracy]


def read(results: Results, arguments: argparse.Namespace) -> ArmDocument:
    side = find_arms(results, arguments.id)
    arms = () if isinstance(side, Base) else side
    settings = report_settings(results)
    groups = [name for name in settings.groups if any(results.scores(arm, name).is_file() for arm in members(side))]
    answered = read_answers(results, groups) if groups else None
    return ArmDocument(
        study=results.name,
        name=arguments.id,
        experiments=[name for name, one in settings.experiments.items() if {*map(str, arms)} & {*one.arms}],
        arms=[_shown(results, arm, list(settings.groups)) for arm in arms],
        accuracies=list(_accuracies(answered, side, {name: group.primary for name, group in settings.groups.items()}))
        if answered
        else [],
    )


def _shown(results: Results, arm: Arm, groups: list[str]) -> ShownArm:
    policy, manifest = results.policy(arm), results.training(arm)
    trained = TrainedArm()
    if policy and manifest and isinstance(manifest.details, TrainDetails):
        trained = manifest.details.arms.get(str(arm), trained)
    orders = [order for _, _, order in orders_of(results, arm.pairing) if str(arm) in order.arms]
    folder = results.record / policy.folder if policy else None
    return ShownArm(
        arm=str(arm),
        state="trained" if policy else "not trained yet",
        evaluated_in=[group for group in groups if results.scores(arm, group).is_file()],
        selection=next(iter(orders), None),
        recipe=(manifest.typed_settings.recipe or {}) if manifest and policy else {},
        method=trained.method,
        pairs=trained.pairs,
        rows=trained.rows,
        updates=trained.updates,
        left_out=trained.left_out,
        curves={name: _ends(values) for name, values in trained.curve.items()},
        differs_from_base=trained.differs_from_base,
        changed_share=trained.changed_share,
        update_share_bfloat16=trained.update_share_bfloat16,
        policy_key=policy.key if policy else None,
        weights_sha256=policy.weights if policy else None,
        folder=str(folder) if folder else None,
        weights_kept=folder.is_dir() and not are_removed(folder) if folder else None,
    )


def _ends(values: Any) -> CurveEnds:
    known = [value for value in values if value is not None]
    return CurveEnds(known[0] if known else None, known[-1] if known else None, len(values))


def _accuracies(answered: Answered, side: Side, primary: Mapping[str, bool]) -> Iterator[ShownAccuracy]:
    """One for each benchmark that the arm has answered: of its repeats, those that have."""
    scores = answered.scores
    for evaluation in scores.evaluations(primary=True):
        there = tuple(arm for arm in members(side) if scores.has(arm, evaluation))
        answers = scores.answers(evaluation)
        if not there or answers is None:
            continue
        arms = tuple(arm for arm in there if isinstance(arm, Arm))
        line = scores.against_base(arms, evaluation) if arms else None
        rows = answers.rows_of(there)
        yield ShownAccuracy(
            group=evaluation.group,
            benchmark=evaluation.benchmark,
            primary=primary[evaluation.group],
            seeds=seed_names(arms),
            accuracy=accuracy(scores, arms or side, [evaluation]),
            gain=line.difference if line else None,
            paired=line.paired if line else int((answers.counted[rows] > 0).sum()),
            unpaired=line.unpaired if line else 0,
            items=int(answers.samples[rows].sum()),
            counted=int(answers.counted[rows].sum()),
            truncated=truncated(scores, arms or side, [evaluation]),
        )


def show(document: ArmDocument, arguments: argparse.Namespace) -> None:
    print_line(f"arm {document.name} of the study {document.study}")
    if document.experiments:
        print_facts({"experiments": ", ".join(document.experiments)})
    for arm in document.arms:
        print_heading(arm.arm)
        print_facts(_facts(arm))
    print_heading("accuracies, in percent, and gains over the untrained policy, in points; 95% intervals")
    if not document.accuracies:
        print_line("not evaluated yet: `prefdelta status` says how far the study is")
        return
    print_table(
        [
            Column("benchmark", lambda row: row.benchmark),
            Column("group", lambda row: row.group if row.primary else f"{row.group} (secondary)"),
            Column("accuracy", lambda row: share(row.accuracy), right=True),
            Column("gain", lambda row: interval(row.gain), right=True),
            Column("problems", lambda row: formats.count(_problems(row)), right=True),
            Column("truncated %", lambda row: formats.percent(row.truncated), right=True),
            Column("seeds", lambda row: ", ".join(row.seeds) or formats.NONE),
        ],
        document.accuracies,
    )


def _problems(row: ShownAccuracy) -> int:
    """Those of the gain, or of the accuracy where no gain is known."""
    return row.accuracy.n if row.gain is None or row.gain.value is None else row.paired


def _facts(arm: ShownArm) -> dict[str, str]:
    facts = {"state": ", ".join([arm.state, *(f"evaluated in {group}" for group in arm.evaluated_in)])}
    if order := arm.selection:
        drawn = f", {order.ties['drawn']:,} of them drawn among ties" if order.ties else ""
        pairs = f"{formats.count(order.pairs)} pairs{drawn}" if order.state == "selected" else order.state
        facts["selection"] = f"{order.selection}, order {order.order}: {pairs}"
    if arm.recipe:
        facts["recipe"] = ", ".join(f"{name} {_setting(value)}" for name, value in arm.recipe.items() if value)
    if arm.updates is not None:
        left_out = f"; left out: {formats.reasons(arm.left_out)}" if arm.left_out else ""
        facts["training"] = f"{formats.count(arm.pairs)} pairs, {arm.updates:,} updates{left_out}"
    for name in CURVES:
        if name in arm.curves:
            facts[name] = f"{_number(arm.curves[name].first)} at first, {_number(arm.curves[name].last)} at the end"
    if arm.differs_from_base is not None:
        facts["differs from base"] = "yes" if arm.differs_from_base else "no"
    if arm.policy_key:
        kept = "" if arm.weights_kept else " (weights removed)"
        facts["weights"] = f"{arm.folder}{kept}; sha256 {short(arm.weights_sha256 or '')}"
    return facts


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {inner}" for name, inner in value.items() if inner is not None)
    return str(value)


def _number(value: float | None) -> str:
    return formats.NONE if value is None else f"{value:.4g}"
