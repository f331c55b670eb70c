"""Stage prompts: the problems of one source (a training set or one benchmark), as a table.

Example: python -m prefdelta.stages.prompts --in lock= train= --out prompts=p.parquet manifest=p.json --record record
  --settings '{"source": "train", "made": {"family": "maths", "operations": [2], "items": 9, "split": "pairs",
    "grader": "marker"}, "seed": 1, "limit": null}'
"""

from collections import Counter
from itertools import islice
from pathlib import Path

from prefdelta.core.data.contamination import ExcludedPrompts, Ngram, overlaps
from prefdelta.core.data.items import read_items
from prefdelta.core.data.sources import MadeSource, Source
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import digest, fraction, seed_of
from prefdelta.core.settings import Settings
from prefdelta.core.tasks.families import draw_problems
from prefdelta.models.data_sets import dataset_rows
from prefdelta.records.details.prompts import PromptsDetails
from prefdelta.records.prompt import Prompt, problem_of
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome, start


class PromptsSettings(Settings):
    source: str
    """Name of the benchmark, or `train` for the training prompts."""

    made: Source
    """How the source's problems are made, or which data set holds them."""

    seed: int
    """Root of all draws."""

    limit: int | None = None
    """Largest number of prompts, drawn by seed. None: all."""

    ngram: Ngram | None = None
    """Number of words in a row that the gate against contamination compares. None: there is no gate."""


def run(job: Job[PromptsSettings]) -> Outcome:
    settings = job.settings
    prompts, left_out = read_prompts(settings)
    rows = len(prompts) + left_out.total()
    for path in job.inputs.get("lock", []):
        prompts, left_out["contaminated"] = _without_excluded(prompts, path, settings.ngram)
    prompts.sort(key=lambda prompt: fraction("limit", settings.seed, prompt.prompt_id))
    kept = prompts[: settings.limit]
    left_out["over_limit"] = len(prompts) - len(kept)
    left_out = +left_out  # unary plus drops zeros
    if not kept:
        raise StudyError(
            f"prompts of {settings.source!r}: none is left of {rows:,} rows ({_counts(left_out) or 'there are none'})."
        )
    for path in job.inputs.get("train", []):
        _check_clean(kept, tables.read(path, Prompt), settings)
    tables.write(job.output("prompts"), Prompt, kept)
    again = len(kept) - len({problem_of(prompt.prompt_id) for prompt in kept})
    return Outcome(rows, left_out, PromptsDetails(again or None))


def read_prompts(settings: PromptsSettings) -> tuple[list[Prompt], Counter[str]]:
    """(all prompts of a source, reason -> number of rows that make no prompt). The limit is not applied."""
    made, name = settings.made, settings.source
    if isinstance(made, MadeSource):
        seed = seed_of("prompts", settings.seed, name)
        problems = islice(draw_problems(made.family, made.operations, made.split, seed), made.items)
        return [
            Prompt(digest([made.family, problem.question])[:16], name, problem.question, [str(problem.answer())])
            for problem in problems
        ], Counter()
    prompts, left_out = [], Counter[str]()
    rows = dataset_rows(made.dataset, made.revision, made.config, made.split, made.files)
    for _, prompt in read_items(rows, made, name):
        if isinstance(prompt, Prompt):
            prompts.append(prompt)
        else:
            left_out[prompt] += 1
    return prompts, left_out


def _without_excluded(prompts: list[Prompt], lock: Path, ngram: int | None) -> tuple[list[Prompt], int]:
    """(the prompts that are not in the lock, the number of those that are)."""
    excluded = ExcludedPrompts.read(lock.read_text(encoding="utf-8"), str(lock))
    if excluded.ngram != ngram:
        raise StudyError(
            f"{lock}: was written for n-grams of {excluded.ngram} words, but prompts.contamination.ngram is {ngram}. "
            "Write it again: prefdelta decontaminate."
        )
    ids = set(excluded.prompts)
    kept = [prompt for prompt in prompts if prompt.prompt_id not in ids]
    return kept, len(prompts) - len(kept)


def _check_clean(items: list[Prompt], train: list[Prompt], settings: PromptsSettings) -> None:
    """Raise StudyError if a benchmark overlaps with the training prompts."""
    assert settings.ngram is not None
    train_texts, item_texts = ({prompt.prompt_id: prompt.text for prompt in prompts} for prompts in (train, items))
    rules = overlaps(train_texts.items(), item_texts.items(), settings.ngram)
    if not rules:
        return
    overlapping = {item for names in rules.values() for item in names}
    prompt = next(iter(rules))
    item, rule = next(iter(rules[prompt].items()))
    raise StudyError(
        f"{len(overlapping):,} of {len(items):,} items of the benchmark {settings.source!r} share {settings.ngram} "
        f"words in a row, or all characters of a shorter text, with {len(rules):,} of {len(train):,} training prompts "
        f"that the lock does not hold. For example prompt {prompt}: {_excerpt(train_texts[prompt])!r}, and item "
        f"{item}: {_excerpt(item_texts[item])!r} (by {rule}). "
        "A model must not train on what it is tested on. Exclude these prompts with `prefdelta decontaminate`, and "
        "run the same command again; all that rests on the training set is then made again."
    )


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:200]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))


if __name__ == "__main__":
    start(
        run,
        PromptsSettings,
        inputs={
            "lock": "for the training set, if there is a gate: the excluded prompts (JSON)",
            "train": "for a benchmark, if there is a gate: the training prompts (table of Prompt)",
        },
        outputs={"prompts": "table of Prompt"},
    )
