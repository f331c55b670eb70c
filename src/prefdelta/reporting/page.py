"""From content and figures to HTML. The template escapes everything but the figures made here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.arms import Pairing, parse_arm
from prefdelta.core.durations import duration
from prefdelta.core.errors import StudyError
from prefdelta.core.statistics import Estimate
from prefdelta.reporting import calibration, formats
from prefdelta.reporting.arm_tables import (
    AgainstRandom,
    GainsRow,
    UpdatesRow,
    accuracy_table,
    against_random,
    gains_table,
    overview,
    updates_table,
)
from prefdelta.reporting.arms import common_parts, families, seed_names, selection_of
from prefdelta.reporting.balance import balance_lines
from prefdelta.reporting.claims.registered import Standing
from prefdelta.reporting.claims.verdicts import PaperClaims
from prefdelta.reporting.content import CONFOUNDED, Content
from prefdelta.reporting.drawings import DELTAS, GAPS, OVERLAP
from prefdelta.reporting.evidence import ExperimentArms, title_of
from prefdelta.reporting.figures.canvas import Drawing, inline
from prefdelta.reporting.graders import MARGIN, TITLES
from prefdelta.reporting.judging.reliability import MORE_VOTES
from prefdelta.reporting.manifests import commits, jobs_frame, stage_settings, versions, wall_seconds
from prefdelta.reporting.notes import against_caption, captions, experiment_caption, one_seed
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.components import components
from prefdelta.reporting.numbers.drift import check_drift
from prefdelta.reporting.numbers.generators import source_lines
from prefdelta.reporting.numbers.jobs.curves import ladder_rows, training_rows
from prefdelta.reporting.numbers.jobs.ladder import ladder
from prefdelta.reporting.numbers.jobs.spending import stage_lines
from prefdelta.reporting.numbers.jobs.upstream import upstream_lines
from prefdelta.reporting.numbers.replication import beyond_runs, replication
from prefdelta.reporting.numbers.training import training
from prefdelta.reporting.panels import panels
from prefdelta.reporting.sharpening_tables import sharpening_tables
from prefdelta.reporting.worlds.table import WorldsTable

if TYPE_CHECKING:
    from markupsafe import Markup

_FORMATS = ("percent", "points", "signed", "decimal", "count", "reasons", "breakable", "span")


@dataclass(frozen=True, slots=True)
class Picture:
    kind: str  # wide, narrow
    file: str  # name of its files: figures/<file>.svg, .pdf and .csv
    svg: "Markup"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """The head of a column in the table of every arm."""

    title: str
    in_domain: bool


@dataclass(frozen=True, slots=True)
class LengthCorrelations:
    """Correlations of deltas with length: pairings x dimensions."""

    dimensions: Sequence[str]
    rows: Mapping[Pairing, Sequence[Estimate | None]]


@dataclass(frozen=True, slots=True)
class ExperimentSection:
    """The page's content on an experiment."""

    key: str
    title: str
    figure: str
    figures: Sequence[Picture]
    constant: Mapping[str, str]  # the parts of the name that all its arms share
    seeds: Sequence[str]
    n_arms: int
    several: bool  # whether some arms ran with several seeds
    caption: str  # what the gains of its figure rest on
    against: Sequence[AgainstRandom]
    against_caption: str
    gains: Sequence[GainsRow]
    updates: Sequence[UpdatesRow]
    several_k: bool
    unsized: bool  # whether its figure, one of selections, shows some that are not of k pairs
    borrowed: int  # arms of other experiments that its figure shows, too
    confounded: bool
    mostly_drawn: bool  # whether some of the arms shown are


def render(
    template: Path,
    content: Content,
    drawings: Mapping[str, Drawing],
    claims: PaperClaims,
    registrations: Mapping[str, Standing],
    worlds: WorldsTable | None,
) -> str:
    """The page. registrations: by the id of a claim. Raises StudyError if the template cannot be used."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {name: getattr(formats, name) for name in _FORMATS} | {
        "duration": duration,
        "parse_arm": parse_arm,
    }
    try:
        source = environment.from_string(template.read_text(encoding="utf-8"))
        judged = {"paper": claims, "registrations": registrations, "worlds": worlds}
        return source.render(_variables(content, drawings) | judged)
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None)
        raise StudyError(f"{template}{f', line {line}' if line else ''}: {error}. Mend the template.") from None


def hex_colour(colour: str) -> str:
    """A colour as #rrggbb: nothing else enters the style sheet. Raises StudyError for anything else."""
    from matplotlib.colors import to_hex

    try:
        return to_hex(colour)
    except ValueError:
        raise StudyError(
            f"report.colour: {colour!r} is not a colour; give a name that matplotlib knows or #rrggbb."
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
    figures = {
        name: _pictures(drawing, name, f"f{number}") for number, (name, drawing) in enumerate(drawings.items(), 1)
    }
    arms = content.all_arms()
    trained = training(content.jobs)
    scores = content.scores
    primary = scores.evaluations(primary=True)
    pairings = list(dict.fromkeys(line.pairing for line in content.pairings.lines()))
    return {
        "experiments": [
            _section(content, key, experiment, figures.get(key, [])) for key, experiment in content.experiments.items()
        ],
        "drift": (drift := check_drift(arms, scores, {line.arm: line.method for line in trained})),
        "overview": overview(content),
        "replication": replication(content),
        "sharpening": sharpening_tables(content),
        "components": (parts := components(scores, panels(content))),
        "answers_from": sorted({part.answers_from for part in parts} - {""}),
        "beyond": beyond_runs(content),
        "captions": captions(content, drift),
        "one_seed": one_seed(content),
        "panels": (shown := panels(content)),
        "means": {
            panel.title: [_averaged(content, evaluation) for evaluation in panel.evaluations]
            for panel in shown
            if len(panel.evaluations) > 1
        },
        "ties": content.ties,
        "balances": (balances := balance_lines(content.jobs)),
        "off_balance": any(line.is_off and line.balance.matched_on for line in balances),
        "max_drawn_share": content.max_drawn_share,
        "mark": content.mark,
        "mostly_drawn": any(map(content.is_mostly_drawn, arms)),
        "confounded": content.confounded,
        "confounded_note": CONFOUNDED,
        "sources": source_lines(content.jobs),
        "by_upstream": upstream_lines(content.jobs),
        "graders": content.graders,
        "groups": content.groups,
        "grader_titles": TITLES,
        "grader_margin": MARGIN,
        "agreements": content.agreements,
        "reliability": content.reliability,
        "more_votes": MORE_VOTES,
        "people": content.people,
        "columns": [_column(content, evaluation) for evaluation in primary],
        "evaluation_titles": {evaluation: title_of(content, evaluation) for evaluation in primary},
        "primary_tables": [accuracy_table(content, evaluation) for evaluation in primary],
        "secondary_tables": [accuracy_table(content, evaluation) for evaluation in scores.evaluations(primary=False)],
        "overlaps": content.overlaps,
        "overlap_figures": figures.get(OVERLAP, []),
        "generators": content.grades.lines(),
        "deltas": content.pairings.lines(),
        "delta_figures": figures.get(DELTAS, []),
        "gaps": [(pairing, content.grades.gap(pairing)) for pairing in pairings],
        "gap_figures": figures.get(GAPS, []),
        "lengths": content.pairings.lengths(),
        "with_length": _with_length(content),
        "ladder": ladder_rows(ladder(content.jobs)),
        "training": training_rows(trained),
        "several_policies": len({line.arm.policy for line in trained}) > 1,
        "n_arms": len(arms),
    }


def _jobs(content: Content) -> dict[str, Any]:
    jobs = jobs_frame(content.jobs)
    stages = stage_lines(content.jobs, content.cpu_budget, content.calibration.factor, calibration.cpu_seconds())
    return {
        "commits": commits(content.jobs),
        "versions": versions(content.jobs),
        "settings": json.dumps(
            {"report": content.settings, **stage_settings(content.jobs)}, indent=1, ensure_ascii=False
        ),
        "n_jobs": len(jobs),
        "jobs": jobs.to_dict("records"),
        "seconds": float(jobs["seconds"].sum()),
        "wall": wall_seconds(content.jobs),
        "stages": stages,
        "total": sum(line.cpu_seconds for line in stages),
        "budget": sum(content.cpu_budget.values()),
        "most": max([line.cpu_seconds for line in stages] + [0.001]),
        "peak": max((line.peak_mib for line in stages if line.peak_mib is not None), default=None),
        "calibration": content.calibration,
        "reference": calibration.REFERENCE_SECONDS,
    }


def _column(content: Content, evaluation: Evaluation) -> TableColumn:
    return TableColumn(title_of(content, evaluation), content.benchmarks[evaluation.benchmark].in_domain)


def _averaged(content: Content, evaluation: Evaluation) -> str:
    draws = content.scores.draws(evaluation)
    return title_of(content, evaluation) + (f" (avg@{draws})" if draws > 1 else "")


def _with_length(content: Content) -> LengthCorrelations:
    lines = content.pairings.lines()
    dimensions = list(dict.fromkeys(line.dimension for line in lines))
    correlations = {(line.pairing, line.dimension): line.with_length for line in lines}
    pairings = dict.fromkeys(line.pairing for line in lines)
    rows = {pairing: [correlations.get((pairing, dimension)) for dimension in dimensions] for pairing in pairings}
    return LengthCorrelations(dimensions, rows)


def _section(content: Content, key: str, experiment: ExperimentArms, figures: Sequence[Picture]) -> ExperimentSection:
    shown = content.with_controls(experiment).arms
    members = families(shown, merge_draws=experiment.figure == "filtering")
    return ExperimentSection(
        key=key,
        title=experiment.title,
        figure=experiment.figure,
        figures=figures,
        constant=common_parts(experiment.arms),
        seeds=seed_names(experiment.arms),
        n_arms=len(experiment.arms),
        several=any(len(repeats) > 1 for repeats in members),
        caption=experiment_caption(content, experiment),
        against=(against := against_random(content, experiment)),
        against_caption=against_caption(content, experiment, against),
        gains=gains_table(content, experiment),
        updates=updates_table(content, experiment),
        several_k=experiment.several_k,
        unsized=experiment.figure == "filtering" and any(selection_of(arm).k is None for arm in shown),
        borrowed=len(shown) - len(experiment.arms),
        confounded=any(content.is_confounded(arm.pairing) for arm in experiment.arms),
        mostly_drawn=any(map(content.is_mostly_drawn, shown)),
    )


def _pictures(drawing: Drawing, file: str, name: str) -> list[Picture]:
    """The same figure for wide and for narrow windows; the style sheet shows one of them."""
    from markupsafe import Markup

    return [
        Picture(kind, file, Markup(inline(drawing, f"{name}{kind[0]}", narrow=kind == "narrow")))
        for kind in ("wide", "narrow")
    ]
