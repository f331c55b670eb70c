"""Whether prompts that arms really train on overlap with items of a benchmark.

By the rule of the gate (`prefdelta decontaminate`): as many words in a row as prompts.contamination.ngram (13 without a
gate), or all characters of a shorter text. The gate keeps prompts out before a run; this looks at the pairs that were
selected. With --traces it also looks for items in the chosen and rejected texts of these pairs: by characters, a short
item may be found in a longer calculation that has nothing to do with it. Exit code 1 if more items overlap with prompts
than --limit. Asks no model. Read-only.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.commands.audit.finding import Finding, FoundTable
from prefdelta.commands.audit.report_inputs import present
from prefdelta.commands.output import Column
from prefdelta.core import layout
from prefdelta.core.arms import Pairing
from prefdelta.core.data.contamination import Contamination, Rule, counts_by_benchmark, overlaps
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.reporting import formats
from prefdelta.store import tables
from prefdelta.study.study import Study

_RULES: tuple[Rule, ...] = ("words", "characters")
_EXCERPT = 100  # characters of a text that are shown
TABLES = ("benchmarks", "overlaps")


@dataclass(frozen=True, slots=True)
class ContaminatedBenchmark:
    benchmark: str
    items: int
    items_by_words: int  # that overlap with a prompt by words in a row
    prompts_by_words: int
    items_by_characters: int
    prompts_by_characters: int
    items_in_traces: int | None  # None: not looked for


@dataclass(frozen=True, slots=True)
class Overlap:
    prompt_id: str
    item: str  # <benchmark>:<item>
    rule: str  # words or characters
    arms: int  # that train on a pair of the prompt
    prompt_text: str  # the beginnings of both
    item_text: str


_BENCHMARKS: Sequence[Column[ContaminatedBenchmark]] = (
    Column("benchmark", lambda row: row.benchmark),
    Column("items", lambda row: formats.count(row.items), right=True),
    Column("by words", lambda row: formats.count(row.items_by_words), right=True),
    Column("with prompts", lambda row: formats.count(row.prompts_by_words), right=True),
    Column("by characters", lambda row: formats.count(row.items_by_characters), right=True),
    Column("with prompts", lambda row: formats.count(row.prompts_by_characters), right=True),
    Column("in traces", lambda row: formats.count(row.items_in_traces), right=True),
)
_OVERLAPS: Sequence[Column[Overlap]] = (
    Column("prompt", lambda row: row.prompt_id),
    Column("item", lambda row: row.item),
    Column("by", lambda row: row.rule),
    Column("arms", lambda row: formats.count(row.arms), right=True),
    Column("text of the prompt", lambda row: row.prompt_text),
    Column("text of the item", lambda row: row.item_text),
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
    outputs = StudyTables(study.outputs, study.config.study)
    arms_of, pairs_of = _trained_on(study, outputs)
    texts = _prompts(outputs, TRAINING_PROMPTS)
    trained = {prompt: texts[prompt] for prompt in sorted(arms_of)}
    items = {name: _prompts(outputs, name) for name in study.benchmarks}
    named = {f"{name}:{item}": text for name, its in items.items() for item, text in its.items()}
    overlapping = overlaps(trained.items(), named.items(), ngram)
    in_traces: Counter[str] | None = None
    if arguments.traces:
        found = overlaps(_texts(outputs, pairs_of), named.items(), ngram)
        in_traces = Counter(item.partition(":")[0] for item in {item for rules in found.values() for item in rules})
    by_rule = {rule: counts_by_benchmark(overlapping, rule) for rule in _RULES}
    rows = [
        ContaminatedBenchmark(
            name,
            len(its),
            *by_rule["words"].get(name, (0, 0)),
            *by_rule["characters"].get(name, (0, 0)),
            items_in_traces=None if in_traces is None else in_traces[name],
        )
        for name, its in items.items()
    ]
    listed = [
        Overlap(prompt, item, rule, arms_of[prompt], _excerpt(trained[prompt]), _excerpt(named[item]))
        for prompt, found in overlapping.items()
        for item, rule in found.items()
    ]
    hit = {one.item for one in listed}
    title = (
        f"{len(trained):,} of {len(texts):,} training prompts are trained on, in "
        f"{sum(map(len, pairs_of.values())):,} different pairs: items that overlap with them, by {ngram} words in a "
        "row or by all characters of a shorter text"
    )
    found_tables: list[FoundTable[Any]] = [FoundTable("benchmarks", title, ContaminatedBenchmark, _BENCHMARKS, rows)]
    if arguments.list:
        shown = listed[: arguments.list]
        found_tables.append(FoundTable("overlaps", f"{len(listed):,} overlaps", Overlap, _OVERLAPS, shown))
    return Finding(
        audit="contamination",
        study=study.config.study,
        tables=found_tables,
        conclusion=_conclusion(len(hit), len(overlapping), arguments.limit),
        over_limit=len(hit) > arguments.limit,
        limit={"--limit": arguments.limit},
    )


def _trained_on(study: Study, outputs: StudyTables) -> tuple[Counter[str], dict[Pairing, set[str]]]:
    """(Prompt -> how many arms train on a pair of it, pairing -> the pairs of it that some arm trains on).

    Raises StudyError if no pairs have been selected yet.
    """
    arms_of, pairs_of = Counter[str](), dict[Pairing, set[str]]()
    prompt_of: dict[Pairing, dict[str, str]] = {}
    for arm in study.arms:
        pairing = arm.pairing
        for path in present([Path(study.results) / f"{study.filter_job(arm)}{layout.TABLE}"]):
            if pairing not in prompt_of:
                table = outputs.arrow("pair", Pair, ["pair_id", "prompt_id"], **pairing.axes)
                prompt_of[pairing] = dict(
                    zip(*(table.column(name).to_pylist() for name in ("pair_id", "prompt_id")), strict=True)
                )
            chosen = tables.read_arrow(path, SelectedPair, ["pair_id"]).column("pair_id").to_pylist()
            pairs_of.setdefault(pairing, set()).update(chosen)
            arms_of.update({prompt_of[pairing][pair] for pair in chosen})
    if not arms_of:
        raise StudyError(
            f"{study.results}/filter: no pairs have been selected yet, so nothing is trained on. Before a run, "
            "`prefdelta decontaminate` compares all training prompts with the benchmarks."
        )
    return arms_of, pairs_of


def _texts(outputs: StudyTables, pairs_of: Mapping[Pairing, set[str]]) -> Iterator[tuple[str, str]]:
    """(Name, text) of each trace of these pairs, each once."""
    wanted: dict[str, set[tuple[str, int | None]]] = {}
    for pairing, pairs in pairs_of.items():
        for pair in outputs.rows("pair", Pair, None, **pairing.axes):
            if pair.pair_id in pairs:
                wanted.setdefault(pairing.chosen, set()).add((pair.prompt_id, pair.chosen_sample))
                wanted.setdefault(pairing.rejected, set()).add((pair.prompt_id, pair.rejected_sample))
    for generator, keys in wanted.items():
        for trace in outputs.rows("generate", Trace, generator=generator):
            if (trace.prompt_id, trace.sample) in keys and trace.text:
                yield f"{generator}/{trace.prompt_id}/{trace.sample}", trace.text


def _prompts(outputs: StudyTables, source: str) -> dict[str, str]:
    return {row.prompt_id: row.text for row in outputs.rows("prompts", Prompt, source=source)}


def _excerpt(text: str) -> str:
    return " ".join(text.split())[:_EXCERPT]


def _conclusion(items: int, prompts: int, limit: int) -> str:
    if items > limit:
        return (
            f"{items:,} items overlap with {prompts:,} prompts that are trained on (--limit {limit}): gains on their "
            "benchmarks may be memory. Exclude these prompts with `prefdelta decontaminate`; --list names them. It "
            "does not follow that a gain is memory: compare it on the other items."
        )
    return (
        f"{items:,} items overlap with prompts that are trained on (--limit {limit}). It does not follow that the "
        "models have never seen the items: what the base models were trained on is not known here, and a paraphrase is "
        "not found."
    )
