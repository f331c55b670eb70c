"""What the config plans for arms and pairs, as planted studies need it."""

from prefdelta.core.recipes import Recipe
from prefdelta.reporting.worlds.shape import PlannedRecipe, StudyPlan
from prefdelta.study.axes import arms_of
from prefdelta.study.config.sections import Config
from prefdelta.training.registry import method_of


def plan_of(config: Config) -> StudyPlan:
    """The plan of a config, with the recipes that arms use."""
    used = {arm.recipe for experiment in config.experiments.values() for arm in arms_of(experiment)}
    return StudyPlan(
        generators={name: generator.samples for name, generator in config.generators.items()},
        recipes={name: _recipe(recipe) for name, recipe in config.train.recipes.items() if name in used},
        composites=config.delta.composites,
        sets=config.filter.sets,
        cell_pairs=config.filter.cell_pairs,
        tie_seed=config.filter.tie_seed,
    )


def plan_in_order(config: Config) -> StudyPlan:
    """The plan in alphabetical order, for settings: the config's order changes nothing once results are there."""
    plan = plan_of(config)
    sets = {
        name: common.model_copy(update={"pairings": sorted(common.pairings)})
        for name, common in sorted(plan.sets.items())
    }
    return plan.model_copy(
        update={
            "generators": dict(sorted(plan.generators.items())),
            "recipes": dict(sorted(plan.recipes.items())),
            "composites": {name: sorted(parts) for name, parts in sorted(plan.composites.items())},
            "sets": sets,
        }
    )


def _recipe(recipe: Recipe) -> PlannedRecipe:
    method, budget = method_of(recipe), recipe.budget
    rows = budget.examples if budget.updates is None else budget.updates * recipe.batch_size
    pairs = None if rows is None else rows / method.rows_per_pair
    return PlannedRecipe(contrasts=len(method.sides) > 1, epochs=budget.epochs, pairs=pairs)
