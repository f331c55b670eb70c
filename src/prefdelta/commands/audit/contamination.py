"""Whether prompts that arms really train on overlap with items of a benchmark.

By the rule of the gate (`prefdelta decontaminate`): as many words in a row as prompts.contamination.ngram (13 without a
gate), or all characters of a shorter text. The gate keeps prompts out before a run; this looks at the pairs that were
selected. With --traces it also looks for items in the chosen and rejected texts of these pairs: by characters, a short
item may be found in a longer calculation that has nothing to do with it. Exit code 1 if more items overlap with prompts
than --limit. Asks no model. Read-only.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prefdelta.commands.audit.finding import Column, Finding, FoundTable, count
from prefdelta.commands.report_inputs import present
from prefdelta.core import layout
from prefdelta.core.arms import Pairing
from prefdelta.core.data.contamination import Contamination, Rule, counts_by_benchmark, overlaps
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.study.study import Study

_RULES: tuple[Rule, ...] = ("words", "characters")
_EXCERPT = 100  # characters of a text that are shown
_BENCHMARKS = (
    Column("benchmark", "benchmark"),
    Column("items", "items", count),
    Column("items_by_words", "by words", count),
    Column("prompts_by_words", "with prompts", count),
    Column("items_by_characters", "by characters", count),
    Column("prompts_by_characters", "with prompts", count),
    Column("items_in_traces", "in traces", count),
)
_OVERLAPS = (
    Column("prompt_id", "prompt"),
    Column("item", "item"),
    Column("rule", "by"),
    Column("arms", "arms", count),
    Column("prompt", "text of the prompt"),
    Column("text", "text of the item"),
)


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit",
        type=int,
        default=0,
        metavar="N",
        help="items that may overlap with a prompt that is trained on (default: %(default)s: a model must not train on "
        "what it is tested on)",
    )
    parser.add_argument("--traces", action="store_true", help="look for items in the traces that are trained on, too")
    parser.add_argument(
        "--list", type=int, default=0, metavar="N", help="name the first N prompts and items that overlap"
    )


def find(study: Study, arguments: argparse.Namespace) -> Finding:
    gate = study.config.prompts.contamination
    ngram = gate.ngram if gate else int(Contamination.model_fields["ngram"].default)
    arms_of, traces = _trained_on(study)
    texts = {row.prompt_id: row.text for row in _prompts(study, TRAINING_PROMPTS)}
    trained = {prompt: texts[prompt] for prompt in sorted(arms_of)}
    items = {name: {f"{name}:{row.prompt_id}": row.text for row in _prompts(study, name)} for name in study.benchmarks}
    all_items = {name: text for its in items.values() for name, text in its.items()}
    overlapping = overlaps(trained.items(), all_items.items(), ngram)
    in_traces = Counter[str]()
    if arguments.traces:
        rules = overlaps(_texts(study, traces), all_items.items(), ngram)
        in_traces.update(item.partition(":")[0] for item in {item for found in rules.values() for item in found})
    by_rule = {rule: counts_by_benchmark(overlapping, rule) for rule in _RULES}
    rows: list[list[Any]] = []
    for name, its in items.items():
        counts = [number for rule in _RULES for number in by_rule[rule].get(name, (0, 0))]
        rows.append([name, len(its), *counts, in_traces[name] if arguments.traces else None])
    listed = [
        [prompt, item, rule, arms_of[prompt], _excerpt(trained[prompt]), _excerpt(all_items[item])]
        for prompt, found in overlapping.items()
        for item, rule in found.items()
    ][: arguments.list]
    hit = {item for found in overlapping.values() for item in found}
    pairs = sum(map(len, traces.values()))
    return Finding(
        audit="contamination",
        study=study.config.study,
        tables=[
            FoundTable(
                "benchmarks",
                f"{len(trained):,} of {len(texts):,} training prompts are trained on, in {pairs:,} different pairs. Items "
                f"that overlap with them, by {ngram} words in a row or by all characters of a shorter text",
                _BENCHMARKS,
                rows,
            ),
            *([FoundTable("overlaps", "overlaps", _OVERLAPS, listed)] if arguments.list else []),
        ],
        conclusion=_conclusion(len(hit), len(overlapping), arguments.limit),
        over_limit=len(hit) > arguments.limit,
        limit={"--limit": arguments.limit},
    )


def _trained_on(study: Study) -> tuple[Counter[str], dict[Pairing, set[str]]]:
    """(Prompt -> how many arms train on a pair of it, pairing -> the pairs of it that some arm trains on).

    Raises StudyError if no pairs have been selected yet.
    """
    arms_of, pairs_of = Counter[str](), dict[Pairing, set[str]]()
    prompt_of: dict[Pairing, dict[str, str]] = {}
    for arm in study.arms:
        pairing = arm.pairing
        for path in present([Path(study.results) / f"{study.filter_job(arm)}{layout.TABLE}"]):
            if pairing not in prompt_of:
                table = tables.read_arrow(_path(study, "pair", **pairing.axes), Pair, ["pair_id", "prompt_id"])
                prompt_of[pairing] = dict(zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True))
            chosen = tables.read_arrow(path, SelectedPair, ["pair_id"]).column("pair_id").to_pylist()
            pairs_of.setdefault(pairing, set()).update(chosen)
            arms_of.update({prompt_of[pairing][pair] for pair in chosen})
    if not arms_of:
        raise StudyError(
            f"{study.results}/filter: no pairs have been selected yet, so nothing is trained on. Before a run, "
            "`prefdelta decontaminate` compares all training prompts with the benchmarks."
        )
    return arms_of, pairs_of


def _texts(study: Study, pairs_of: Mapping[Pairing, set[str]]) -> Iterable[tuple[str, str]]:
    """(Name, text) of each trace of these pairs, each once."""
    wanted: dict[str, set[tuple[str, int | None]]] = {}
    for pairing, pairs in pairs_of.items():
        for pair in tables.read(_path(study, "pair", **pairing.axes), Pair):
            if pair.pair_id in pairs:
                for generator, sample in ((pairing.chosen, pair.chosen_sample), (pairing.rejected, pair.rejected_sample)):
                    wanted.setdefault(generator, set()).add((pair.prompt_id, sample))
    for generator, keys in wanted.items():
        for trace in tables.read(_path(study, "generate", generator=generator), Trace):
            if (trace.prompt_id, trace.sample) in keys and trace.text:
                yield f"{generator}/{trace.prompt_id}/{trace.sample}", trace.text


def _prompts(study: Study, source: str) -> list[Prompt]:
    return tables.read(_path(study, "prompts", source=source), Prompt)


def _path(study: Study, kind: str, **axes: str) -> Path:
    return Path(study.results) / layout.output(kind, **axes)


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:_EXCERPT]


def _conclusion(items: int, prompts: int, limit: int) -> str:
    if items > limit:
        return (
            f"{items:,} items overlap with {prompts:,} prompts that are trained on (--limit {limit}): gains on their "
            "benchmarks may be memory. Exclude these prompts with `prefdelta decontaminate`; --list names them. It does "
            "not follow that a gain is memory: compare it on the other items."
        )
    return (
        f"{items:,} items overlap with prompts that are trained on (--limit {limit}). It does not follow that the models "
        "have never seen the items: what the base models were trained on is not known here, and a paraphrase is not "
        "found."
    )
