"""Tables of arms: what all of them gained, how each answered each benchmark, and selections against random ones."""

from typing import Any

from prefdelta.reporting.arms import families, short_labels
from prefdelta.reporting.content import Content, Experiment
from prefdelta.reporting.numbers.accuracies import AccuracyLine, Cell
from prefdelta.reporting.numbers.experiments import filtering_rows, references
from prefdelta.reporting.numbers.training import training
from prefdelta.reporting.panels import panel_difference, panel_gain, panels


def overview(content: Content) -> list[dict[str, Any]]:
    """Every arm: its gains on the primary benchmarks, as a mean where it ran with several seeds."""
    cells = content.scores.cells(primary=True)
    return [
        {"arms": members, "lines": [content.scores.compare(members, cell) for cell in cells]}
        for members in families(content.all_arms())
    ]


def accuracy_table(content: Content, cell: Cell) -> dict[str, Any]:
    """Per policy: its base, then its arms, with the mean of several seeds above them; those not evaluated, by name."""
    arms = content.all_arms()
    evaluated = [arm for arm in arms if content.scores.has(arm.name, cell)]
    groups = []
    for policy in dict.fromkeys([*(arm.policy for arm in arms), *content.scores.policies()]):
        rows: list[dict[str, Any]] = []
        if content.scores.has(f"{policy}/base", cell):
            rows.append(_row("base", content.scores.base(policy, cell)))
        for members in families(arm for arm in evaluated if arm.policy == policy):
            if len(members) > 1:
                rows.append(_row("mean", content.scores.compare(members, cell)))
            kind = "seed" if len(members) > 1 else "arm"
            rows += [_row(kind, content.scores.compare((arm,), cell)) for arm in members]
        if rows:
            groups.append({"policy": policy, "rows": rows})
    benchmark = content.benchmarks[cell.benchmark]
    return {
        "name": cell.benchmark,
        "title": content.cell_title(cell),
        "group": content.groups[cell.group].title,
        "note": benchmark.about,
        "draws": content.scores.draws(cell) if groups else 1,
        "groups": groups,
        "not_evaluated": [arm.name for arm in arms if not content.scores.has(arm.name, cell)],
    }


def against_random(content: Content, experiment: Experiment) -> list[dict[str, Any]]:
    """Each selection of k pairs minus the mean of the random ones of k, over the same items."""
    if experiment.figure != "filtering":
        return []
    members = filtering_rows(content.drawn(experiment))
    labels = short_labels(members)
    shown = panels(content)
    rows = []
    for at, (first, last) in references(members).items():
        for row in range(first, last + 1):
            if row != at:
                found = [panel_difference(content.scores, members[row], members[at], one.cells) for one in shown]
                rows.append({"label": labels[row], "draws": len(members[at]), "estimates": found})
    return rows


def gains_table(content: Content, experiment: Experiment) -> list[dict[str, Any]]:
    """What the experiment's figure shows, in numbers; empty where the table of every arm has the same ones."""
    shown = panels(content)
    if not experiment.several_k and all(len(one.cells) == 1 for one in shown):
        return []
    filtering = experiment.figure == "filtering"
    members = filtering_rows(content.drawn(experiment)) if filtering else families(content.drawn(experiment).arms)
    return [
        {
            "label": label,
            "gains": [panel_gain(content.scores, repeats, one.cells) for one in shown],
            "seeds": sorted({arm.seed for arm in repeats}),
            "draws": len({arm.draw for arm in repeats}) if repeats[0].kind == "random" else None,
            "confounded": content.is_confounded(repeats[0].pairing),
        }
        for label, repeats in zip(short_labels(members), members, strict=True)
    ]


def updates_table(content: Content, experiment: Experiment) -> list[dict[str, Any]]:
    """How many updates the arms got, where they should have got equal numbers of them."""
    if not experiment.beside:
        return []
    made = {line.arm.name: line.updates for line in training(content.manifests) if line.updates is not None}
    members = families(content.drawn(experiment).arms, merge_draws=True)
    return [
        {"label": label, "updates": tuple(sorted({made[arm.name] for arm in repeats if arm.name in made}))}
        for label, repeats in zip(short_labels(members), members, strict=True)
    ]


def _row(kind: str, line: AccuracyLine) -> dict[str, Any]:
    return {"kind": kind, "line": line}
