"""The shape of a study that has run, from its results."""

from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.reporting.content import Content
from prefdelta.reporting.numbers.sharpening import grid
from prefdelta.reporting.worlds.shape import PlannedGenerator, StudyPlan, StudyShape


def finished_shape(content: Content, plan: StudyPlan) -> StudyShape:
    """The shape of a study that has at least one arm, and scores of all. Primary groups only: claims read no others."""
    arms = list(dict.fromkeys(arm for experiment in content.experiments.values() for arm in experiment.arms))
    bases = {arm.base for arm in arms}
    groups = {name: group for name, group in content.groups.items() if group.primary}
    scores = content.scores
    samples, items, base_times = {}, {}, dict.fromkeys(groups, 1)
    temperatures: dict[str, list[float]] = {name: [] for name in groups}
    for evaluation in scores.evaluations(primary=True):
        answers = scores.answers(evaluation)
        assert answers is not None, "scores were checked"
        samples[evaluation] = scores.draws(evaluation)
        items[evaluation.benchmark] = answers.n_problems
        times = max(map(answers.draws, answers.rows_of(bases))) // samples[evaluation]
        base_times[evaluation.group] = max(base_times[evaluation.group], times)
        found = [base.temperature for arm in bases for base in grid(answers, arm.policy) if base.temperature]
        temperatures[evaluation.group] = list(dict.fromkeys([*temperatures[evaluation.group], *found]))
    return StudyShape(
        study=content.study,
        seed=content.seed,
        experiments=content.experiments,
        benchmarks={name: content.benchmarks[name] for name in items},
        groups=groups,
        items=items,
        samples=samples,
        base_times=base_times,
        temperatures=temperatures,
        evaluated=dict.fromkeys(groups, arms),
        generators={
            name: PlannedGenerator(count, name in content.confounded, None) for name, count in plan.generators.items()
        },
        recipes=plan.recipes,
        dimensions=[name for name in content.dimensions if name not in plan.composites],
        composites=plan.composites,
        prompts=content.pairings.prompts(),
        tie_seed=plan.tie_seed,
        sets=plan.common_sets(),
        cell_pairs=plan.cell_pairs,
        counted=frozenset({TRAINING_PROMPTS, *items}),
    )
