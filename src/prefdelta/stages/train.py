"""Stage train: one arm. A policy is trained on the pairs of a selection by a recipe, with a seed.

The checkpoint lies in the record under the hash of all that determines it (token ids and reference log-probabilities of
the rows, recipe, base weights, training code, library versions, seed), so a job that changes none of it trains nothing.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import Field

from prefdelta import checkpoints, code, registry, tables
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest
from prefdelta.core.recipes import Recipe
from prefdelta.core.settings import Settings
from prefdelta.core.template import fill
from prefdelta.models import load_tokenizer
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.stages.entry import Job, Outcome, start
from prefdelta.training.tokens import PreferenceRow, tokenise

_TraceKey = tuple[str, str, int | None]  # generator, prompt_id, sample


class TrainSection(Settings):
    recipes: dict[str, Recipe]  # name -> method and settings


class TrainSettings(Settings):
    chosen: Annotated[str, Field(description="generator of the chosen traces")]
    rejected: Annotated[str, Field(description="generator of the rejected traces")]
    recipe: Annotated[Recipe, Field(description="method and settings")]
    seed: Annotated[int, Field(description="seed of the order of the pairs")]

    def plugins(self) -> list[str]:
        return [f"training.{self.recipe.method}"]


def run(job: Job[TrainSettings]) -> Outcome:
    from importlib.metadata import version

    settings = job.settings
    base, folder = checkpoints.open_manifest(job.input("weights"), job.record)
    rows = _rows(job, folder)
    (method,) = settings.plugins()
    key = digest(
        {
            "rows": [asdict(row) for row in rows],
            "recipe": settings.recipe.model_dump(),
            "seed": settings.seed,
            "base": base.weights,
            "code": code.digest(registry.module_of(method)),
            "versions": [version(name) for name in ("torch", "transformers", "trl", "accelerate")],
        }
    )
    train = registry.load(method)
    policy = checkpoints.made(
        job.record, "policies", key, lambda output: train(folder, rows, settings.recipe, settings.seed, output)
    )
    checkpoints.write_manifest(job.outputs["policy"], policy)
    details = checkpoints.details(job.record, policy)
    return Outcome(len(rows), {}, {**details, "differs_from_base": policy.weights != base.weights})


def _rows(job: Job[TrainSettings], base: Path) -> list[PreferenceRow]:
    """The selection's pairs as tokens with reference log-probabilities, joined by key, in order of rank."""
    settings = job.settings
    tokenizer = load_tokenizer(base)
    template = job.input("template").read_text(encoding="utf-8").strip()
    pairs = {pair.pair_id: pair for pair in tables.read(job.input("pairs"), Pair)}
    problems = {prompt.prompt_id: prompt.text for prompt in tables.read(job.input("prompts"), Prompt)}
    texts: dict[_TraceKey, str | None] = {}
    logps: dict[_TraceKey, float | None] = {}
    for side, generator in (("chosen", settings.chosen), ("rejected", settings.rejected)):
        for trace in tables.read(job.input(f"{side}_traces"), Trace):
            texts[generator, trace.prompt_id, trace.sample] = trace.text
        for row in tables.read(job.input(f"{side}_reference"), ReferenceLogps):
            logps[generator, row.prompt_id, row.sample] = row.logps

    rows = []
    for selected in tables.read(job.input("selected"), SelectedPair):
        pair = pairs[selected.pair_id]
        keys = [
            (settings.chosen, pair.prompt_id, pair.chosen_sample),
            (settings.rejected, pair.prompt_id, pair.rejected_sample),
        ]
        if selected.swapped:
            keys.reverse()
        sums = [logps[key] for key in keys]
        if sums[0] is None or sums[1] is None:
            raise StudyError(
                f"pair {pair.pair_id} was selected, but one of its traces has no reference log-probability: it is "
                "longer than reference.max_length. Raise that as far as the policy can hold, or lower max_tokens."
            )
        asked = fill(template, {"problem": problems[pair.prompt_id]}, str(job.input("template")))
        chosen, rejected = (tokenise(tokenizer, [("user", asked)], str(texts[key])) for key in keys)
        rows.append(PreferenceRow(chosen.prompt, chosen.completion, rejected.completion, sums[0], sums[1]))
    return rows


if __name__ == "__main__":
    start(
        run,
        TrainSettings,
        inputs={
            "prompts": "table of Prompt",
            "pairs": "table of Pair",
            "selected": "table of SelectedPair",
            "chosen_traces": "table of Trace",
            "rejected_traces": "table of Trace",
            "chosen_reference": "table of ReferenceLogps",
            "rejected_reference": "table of ReferenceLogps",
            "template": "text with the slot {problem}",
            "weights": "manifest of the base policy's checkpoint",
        },
        outputs={"policy": "manifest of the trained policy (JSON)"},
    )
