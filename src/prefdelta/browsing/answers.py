"""The policies' answers to some items of each benchmark, as text."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefdelta.browsing.items import BenchmarkItems
from prefdelta.browsing.scripts import Scripts
from prefdelta.browsing.traces import NOT_RECORDED
from prefdelta.records.call import Call
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.store import tables
from prefdelta.store.record import Record


@dataclass(frozen=True, slots=True)
class ShownAnswers:
    """Which answers are shown as text."""

    benchmarks: Sequence[BenchmarkItems]  # in the order of their indices
    items: Sequence[Sequence[str]]  # by benchmark, the prompt_ids
    draws: int  # first draws of each item
    page: int  # items per page


def write_answers(scripts: Scripts, shown: ShownAnswers, policies: Sequence[Path], work: Path) -> int:
    """Write `answers/<benchmark>/<page>`: every item, and the text of the answers that are shown.

    policies: by index, the record's partition of a policy's answers. work: an empty folder, which may hold all texts
    for a while: they come policy by policy, and go item by item. Returns how many answers are not recorded.
    """
    pages = [
        {prompt: number // shown.page for number, prompt in enumerate(_prompt_ids(benchmark))}
        for benchmark in shown.benchmarks
    ]
    lost = 0
    for policy, partition in enumerate(policies):
        scores = list(_scores(shown, policy))
        calls = Record(partition, Call, only_look=True).fetch({score.call_key for _, score in scores})
        by_page: dict[tuple[int, int], dict[str, list[dict[str, Any]]]] = {}
        for index, score in scores:
            call = calls.get(score.call_key)
            lost += call is None
            its = by_page.setdefault((index, pages[index][score.prompt_id]), {})
            its.setdefault(score.prompt_id, []).append(_entry(score, call))
        for (index, page), entries in by_page.items():
            with (work / f"{index}-{page}").open("a", encoding="utf-8") as file:
                file.write(json.dumps([policy, entries]) + "\n")
    for index, benchmark in enumerate(shown.benchmarks):
        items = tables.read(benchmark.prompts, Prompt)
        for page, start in enumerate(range(0, len(items), shown.page)):
            by_policy = dict(_written(work / f"{index}-{page}"))
            its_items = items[start : start + shown.page]
            scripts.write(f"answers/{index}/{page}", [_item(item, by_policy) for item in its_items])
    return lost


def _prompt_ids(benchmark: BenchmarkItems) -> list[str]:
    ids: list[str] = tables.read_arrow(benchmark.prompts, Prompt, ["prompt_id"]).column("prompt_id").to_pylist()
    return ids


def _scores(shown: ShownAnswers, policy: int) -> Iterator[tuple[int, Score]]:
    """(index of the benchmark, row) of a policy's answers that are shown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for index, (benchmark, items) in enumerate(zip(shown.benchmarks, shown.items, strict=True)):
        if policy not in benchmark.scores:
            continue
        path = benchmark.scores[policy]
        table = tables.read_arrow(path, Score)
        mine = pc.and_(pc.equal(table["benchmark"], benchmark.name), pc.less(table["sample"], shown.draws))
        asked = pc.is_in(table["prompt_id"], value_set=pa.array(items, pa.string()))
        for row in tables.rows_of(path, table.filter(pc.and_(mine, asked)), Score):
            yield index, row


def _entry(score: Score, call: Call | None) -> dict[str, Any]:
    return {
        "sample": score.sample,
        "text": call.text if call else None,
        "extracted": score.extracted,
        "correct": score.correct,
        "finish_reason": score.finish_reason,
        "tokens": score.n_tokens,
        "failure": score.failure if call or score.failure else NOT_RECORDED,
    }


def _written(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(policy, its entries by item) of one page."""
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                policy, entries = json.loads(line)
                yield policy, entries


def _item(item: Prompt, by_policy: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    answered = {
        str(policy): entries[item.prompt_id] for policy, entries in by_policy.items() if item.prompt_id in entries
    }
    return {"id": item.prompt_id, "text": item.text, "answers": item.answers, "by_policy": answered}
