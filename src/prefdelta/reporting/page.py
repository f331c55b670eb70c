"""From content and figures to HTML. The template escapes everything but the figures made here."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefdelta.core.durations import duration
from prefdelta.core.errors import StudyError
from prefdelta.reporting import calibration, formats
from prefdelta.reporting.arm_tables import accuracy_table, against_random, gains_table, overview, updates_table
from prefdelta.reporting.arms import common_parts, families
from prefdelta.reporting.content import CONFOUNDED, Content, Experiment
from prefdelta.reporting.drawings import DELTAS, GAPS, OVERLAP
from prefdelta.reporting.figures.canvas import Drawing, inline
from prefdelta.reporting.manifests import commits, jobs_frame, stage_settings, versions, wall_seconds
from prefdelta.reporting.numbers.accuracies import Cell
from prefdelta.reporting.numbers.claims import PaperClaims
from prefdelta.reporting.numbers.curves import ladder_rows, training_rows
from prefdelta.reporting.numbers.drift import check_drift
from prefdelta.reporting.numbers.generators import source_lines
from prefdelta.reporting.numbers.ladder import ladder
from prefdelta.reporting.numbers.spending import stage_lines
from prefdelta.reporting.numbers.training import training
from prefdelta.reporting.numbers.upstream import upstream_lines
from prefdelta.reporting.panels import panels

_FORMATS = ("percent", "points", "signed", "decimal", "count", "reasons", "breakable", "span")


def render(template: Path, content: Content, drawings: Mapping[str, Drawing], claims: PaperClaims) -> str:
    """The page. Raises StudyError if the template cannot be used."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {name: getattr(formats, name) for name in _FORMATS} | {"duration": duration}
    try:
        source = environment.from_string(template.read_text(encoding="utf-8"))
        return source.render(_variables(content, drawings) | {"paper": claims})
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None)
        raise StudyError(f"{template}{f', line {line}' if line else ''}: {error}. Mend the template.") from None


def hex_colour(colour: str) -> str:
    """A colour as #rrggbb: nothing else enters the style sheet. Raises StudyError if it is none."""
    from matplotlib.colors import to_hex

    try:
        return to_hex(colour)
    except ValueError:
        raise StudyError(
            f"report.colour: {colour!r} is no colour; give a name that matplotlib knows or #rrggbb."
        ) from None


def _variables(content: Content, drawings: Mapping[str, Drawing]) -> dict[str, Any]:
    return {
        "study": content.study,
        "title": content.title,
        "about": [" ".join(part.split()) for part in content.about.split("\n\n") if part.strip()],
        "accent": hex_colour(content.colour),
        "resamples": content.resamples,
        "seed": content.seed,
        **_results(content, drawings),
        **_jobs(content),
    }


def _results(content: Content, drawings: Mapping[str, Drawing]) -> dict[str, Any]:
    figures = {name: _pictures(drawing, f"f{number}") for number, (name, drawing) in enumerate(drawings.items(), 1)}
    arms = content.all_arms()
    trained = training(content.manifests)
    scores = content.scores
    pairings = list(dict.fromkeys(line.pairing for line in content.pairings.lines()))
    return {
        "experiments": [
            {**_experiment(content, experiment), "figures": figures.get(key, []), "key": key}
            for key, experiment in content.experiments.items()
        ],
        "drift": check_drift(arms, scores, {line.arm.name: line.method for line in trained}),
        "overview": overview(content),
        "panels": (shown := panels(content)),
        "means": {one.title: [_averaged(content, cell) for cell in one.cells] for one in shown if len(one.cells) > 1},
        "confounded": content.confounded,
        "confounded_note": CONFOUNDED,
        "sources": source_lines(content.manifests),
        "by_upstream": upstream_lines(content.manifests),
        "agreements": content.agreements,
        "cells": [_cell(content, cell) for cell in scores.cells(primary=True)],
        "cell_titles": {cell: content.cell_title(cell) for cell in scores.cells(primary=True)},
        "primary_tables": [accuracy_table(content, cell) for cell in scores.cells(primary=True)],
        "secondary_tables": [accuracy_table(content, cell) for cell in scores.cells(primary=False)],
        "overlaps": content.overlaps,
        "overlap_figures": figures.get(OVERLAP, []),
        "generators": content.grades.lines(),
        "deltas": content.pairings.lines(),
        "delta_figures": figures.get(DELTAS, []),
        "gaps": [(pairing, content.grades.gap(pairing)) for pairing in pairings],
        "gap_figures": figures.get(GAPS, []),
        "lengths": content.pairings.lengths(),
        "with_length": _with_length(content),
        "ladder": ladder_rows(ladder(content.manifests)),
        "training": training_rows(trained),
        "several_policies": len({line.arm.policy for line in trained}) > 1,
        "n_arms": len(arms),
        "n_families": len(families(arms)),
        "n_single_seed": sum(len(members) == 1 for members in families(arms)),
    }


def _jobs(content: Content) -> dict[str, Any]:
    manifests = content.manifests
    jobs = jobs_frame(manifests)
    stages = stage_lines(manifests, content.cpu_budget, content.calibration.factor, calibration.spent())
    return {
        "commits": commits(manifests),
        "versions": versions(manifests),
        "settings": json.dumps({"report": content.settings, **stage_settings(manifests)}, indent=1, ensure_ascii=False),
        "n_jobs": len(jobs),
        "jobs": jobs.to_dict("records"),
        "seconds": float(jobs["seconds"].sum()),
        "wall": wall_seconds(manifests),
        "stages": stages,
        "total": sum(line.cpu_seconds for line in stages),
        "budget": sum(content.cpu_budget.values()),
        "most": max([line.cpu_seconds for line in stages] + [0.001]),
        "peak": max((line.peak_mib for line in stages if line.peak_mib is not None), default=None),
        "calibration": content.calibration,
        "reference": calibration.REFERENCE_SECONDS,
    }


def _cell(content: Content, cell: Cell) -> dict[str, Any]:
    return {"title": content.cell_title(cell), "in_domain": content.benchmarks[cell.benchmark].in_domain}


def _averaged(content: Content, cell: Cell) -> str:
    draws = content.scores.draws(cell)
    return content.cell_title(cell) + (f" (avg@{draws})" if draws > 1 else "")


def _with_length(content: Content) -> dict[str, Any]:
    """Correlations with length: pairings x dimensions."""
    lines = content.pairings.lines()
    dimensions = list(dict.fromkeys(line.dimension for line in lines))
    found = {(line.pairing, line.dimension): line.with_length for line in lines}
    pairings = dict.fromkeys(line.pairing for line in lines)
    rows = {pairing: [found.get((pairing, dimension)) for dimension in dimensions] for pairing in pairings}
    return {"dimensions": dimensions, "rows": rows}


def _experiment(content: Content, experiment: Experiment) -> dict[str, Any]:
    drawn = content.drawn(experiment).arms
    members = families(drawn, merge_draws=experiment.figure == "filtering")
    return {
        "title": experiment.title,
        "figure": experiment.figure,
        "constant": common_parts(experiment.arms),
        "seeds": sorted({arm.seed for arm in experiment.arms}),
        "n_arms": len(experiment.arms),
        "single": any(len(repeats) == 1 for repeats in members),
        "several": any(len(repeats) > 1 for repeats in members),
        "against": against_random(content, experiment),
        "gains": gains_table(content, experiment),
        "updates": updates_table(content, experiment),
        "several_k": experiment.several_k,
        "borrowed": len(drawn) - len(experiment.arms),
        "confounded": any(content.is_confounded(arm.pairing) for arm in experiment.arms),
    }


def _pictures(drawing: Drawing, name: str) -> list[dict[str, Any]]:
    """The same figure for wide and for narrow windows; the style sheet shows one of them."""
    from markupsafe import Markup

    return [
        {"kind": kind, "svg": Markup(inline(drawing, f"{name}{kind[0]}", narrow=kind == "narrow"))}
        for kind in ("wide", "narrow")
    ]
