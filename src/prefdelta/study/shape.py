"""The shape of a study, from its config and what its results already count."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefdelta.core.data.sources import MadeSource
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.reporting.arms import read_arm
from prefdelta.reporting.evidence import BenchmarkLabel, ExperimentArms
from prefdelta.reporting.numbers.accuracies import BenchmarkGroup, Evaluation, Scores
from prefdelta.reporting.numbers.bootstrap import Bootstrap
from prefdelta.reporting.numbers.deltas import Pairings
from prefdelta.reporting.numbers.generators import Grades
from prefdelta.reporting.worlds.assumptions import Assumptions, default_assumptions
from prefdelta.reporting.worlds.measured import measured
from prefdelta.reporting.worlds.shape import PlannedGenerator, StudyShape
from prefdelta.stages.report import ReportSettings
from prefdelta.study.plan import plan_of
from prefdelta.study.study import Study

_UNKNOWN = 1000  # problems of a source that declares none
_MEASURED = ("scores", "grades", "pairs", "deltas")  # inputs of the report


def shape_of(study: Study) -> StudyShape:
    """The shape of a study. Problems are counted where prompts were made, else as many as are declared or kept."""
    config, plan = study.config, plan_of(study.config)
    report = next(iter(study.jobs("report"))).typed_settings
    assert isinstance(report, ReportSettings)
    counted = {source: rows for source in (TRAINING_PROMPTS, *report.benchmarks) if (rows := _counted(study, source))}
    items = {
        source: counted.get(source) or _declared(study, source) for source in (TRAINING_PROMPTS, *report.benchmarks)
    }
    experiments = {
        name: ExperimentArms(
            experiment.title,
            experiment.figure,
            list(map(read_arm, experiment.arms)),
            list(map(read_arm, experiment.beside)),
        )
        for name, experiment in report.experiments.items()
    }
    evaluated = {}
    for name, group in config.evaluate.groups.items():
        asked = experiments.values() if group.experiments is None else [experiments[key] for key in group.experiments]
        evaluated[name] = list(dict.fromkeys(arm for experiment in asked for arm in experiment.arms))
    return StudyShape(
        study=config.study,
        seed=config.seed,
        experiments=experiments,
        benchmarks={
            name: BenchmarkLabel.of(benchmark.title, benchmark.domain, benchmark.difficulty, benchmark.in_domain)
            for name, benchmark in report.benchmarks.items()
        },
        groups={
            name: BenchmarkGroup(group.title, group.benchmarks, group.primary, group.temperature)
            for name, group in report.groups.items()
        },
        items={name: items[name] for name in report.benchmarks},
        samples={
            Evaluation(name, benchmark): group.samples.get(benchmark, study.benchmarks[benchmark].samples)
            for name, group in config.evaluate.groups.items()
            for benchmark in group.benchmarks
        },
        base_times={
            name: config.evaluate.base_samples if group.sampling.temperature > 0 else 1
            for name, group in config.evaluate.groups.items()
        },
        temperatures={name: group.base_temperatures for name, group in config.evaluate.groups.items()},
        evaluated=evaluated,
        generators={
            name: PlannedGenerator(samples, generator.shipped is not None, _aimed_at(study, generator.model))
            for (name, samples), generator in zip(plan.generators.items(), config.generators.values(), strict=True)
        },
        recipes=plan.recipes,
        dimensions=config.dimensions,
        composites=plan.composites,
        prompts=items[TRAINING_PROMPTS],
        tie_seed=plan.tie_seed,
        sets=plan.common_sets(),
        cell_pairs=plan.cell_pairs,
        counted=frozenset(counted),
    )


def assumptions_of(study: Study, shape: StudyShape) -> Assumptions:
    """What is assumed of a study; what its results already show is measured."""
    usual = default_assumptions(shape)
    inputs = next(iter(study.jobs("report"))).inputs
    found = {name: [path for path in map(Path, inputs[name]) if path.is_file()] for name in _MEASURED}
    if not any(found.values()):
        return usual
    bootstrap = Bootstrap(study.config.report.resamples, shape.seed)
    scores = Scores.read(found["scores"], shape.study, list(shape.benchmarks), shape.groups, bootstrap)
    grades = Grades(found["grades"], shape.study)
    pairings = Pairings(found["pairs"], found["deltas"], shape.study, shape.dimensions)
    return measured(usual, shape, scores, grades, pairings)


def _counted(study: Study, source: str) -> int | None:
    """How many prompts of a source were made; None without a manifest."""
    manifest = next(job.manifest for job in study.jobs("prompts") if job.axes["source"] == source)
    try:
        content: Mapping[str, Any] = json.loads(Path(manifest).read_text(encoding="utf-8"))
        rows: int = content["rows"] - sum(content["failures"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return rows


def _declared(study: Study, source: str) -> int:
    """How many prompts of a source there should be."""
    settings = study.prompts_settings(source)
    benchmark = study.benchmarks.get(source)
    items = settings.made.items if isinstance(settings.made, MadeSource) else benchmark.items if benchmark else None
    return min(count for count in (items, settings.limit) if count) if items or settings.limit else _UNKNOWN


def _aimed_at(study: Study, model: str | None) -> float | None:
    """The middle of the window in which a rung must be right on the training prompts' family, sampled as traces are."""
    rung = study.config.models[model].ladder if model else None
    aimed = (study.config.prompts.train_domain, study.config.generate.sampling.temperature)
    windows = [window for window in rung.windows if (window.family, window.temperature) == aimed] if rung else []
    return (windows[0].low + windows[0].high) / 2 if windows else None
