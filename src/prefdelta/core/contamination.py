"""Contamination: training prompts that share words in a row with an item of a benchmark.

Texts are compared as their words and numbers in lower case; marks, spaces and LaTeX's backslashes do not count. A text
of fewer words than an n-gram has is one gram by itself: it overlaps only with a text of the same words.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Self

from pydantic import Field, ValidationError

from prefdelta.core.errors import StudyError
from prefdelta.core.settings import Settings, mistakes

Ngram = Annotated[int, Field(ge=1, description="words in a row that two texts must not share")]
_WORD = re.compile(r"[^\W_]+")


class Contamination(Settings):
    """The gate that keeps items of benchmarks out of the training prompts."""

    ngram: Ngram = 13  # ours; GPT-3's
    lock: str  # file of the excluded prompts, written by `prefdelta decontaminate`


class ExcludedPrompts(Settings):
    """The lock: training prompts that are left out. No reasons in it: a further reason must make nothing anew."""

    ngram: Ngram
    prompts: list[str]  # ids, in order

    @classmethod
    def read(cls, text: str, where: str) -> Self:
        """The content of a lock file. `where` names it in errors. Raises StudyError."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            found = mistakes(error)
            raise StudyError(
                f"{where}: not a lock file of excluded prompts: {found}. Write it again: prefdelta decontaminate."
            ) from None

    def text(self) -> str:
        """The lock file's text: the same for the same prompts."""
        return json.dumps({"ngram": self.ngram, "prompts": sorted(self.prompts)}, indent=1) + "\n"


def overlaps(prompts: Iterable[tuple[str, str]], items: Iterable[tuple[str, str]], ngram: int) -> dict[str, list[str]]:
    """Which prompts share an n-gram with which items: prompt -> items, both in order.

    prompts, items: (name, text). The items' grams are held in memory (about 150 bytes each), the prompts stream by.
    """
    names: list[str] = []
    holders: dict[str, list[int]] = {}  # gram -> the items that have it
    for name, text in items:
        for gram in set(_grams(text, ngram)):
            holders.setdefault(gram, []).append(len(names))
        names.append(name)
    found: dict[str, set[int]] = {}
    for prompt, text in prompts:
        for gram in _grams(text, ngram):
            if gram in holders:
                found.setdefault(prompt, set()).update(holders[gram])
    return {prompt: sorted(names[item] for item in found[prompt]) for prompt in sorted(found)}


def counts_by_benchmark(found: Mapping[str, Iterable[str]]) -> dict[str, tuple[int, int]]:
    """From prompt -> <benchmark>:<item> to benchmark -> (its items that overlap, the prompts they overlap with)."""
    items: dict[str, set[str]] = {}
    prompts: dict[str, set[str]] = {}
    for prompt, names in found.items():
        for name in names:
            benchmark = name.partition(":")[0]
            items.setdefault(benchmark, set()).add(name)
            prompts.setdefault(benchmark, set()).add(prompt)
    return {benchmark: (len(items[benchmark]), len(prompts[benchmark])) for benchmark in sorted(items)}


def _grams(text: str, ngram: int) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    if len(words) < ngram:
        if words:
            yield " ".join(words)
        return
    # Cut out of one text: three times as fast as joining the words of each gram.
    joined = " ".join(words)
    starts = [0]
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    for first in range(len(words) - ngram + 1):
        yield joined[starts[first] : starts[first + ngram] - 1]
