"""Contamination: training prompts that overlap with an item of a benchmark.

Two rules find overlaps between texts without typesetting (core/data/comparable.py). `words`: the prompt has n words of
the item in a row; spaces and marks between them do not count. `characters`, for a text of fewer than n words: all its
letters, digits and signs of arithmetic are in the other text, or are all of it except a label such as `5. (10 points)`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from prefdelta.core.data.comparable import Comparable
from prefdelta.core.errors import StudyError
from prefdelta.core.settings import Settings, mistakes

Ngram = Annotated[int, Field(ge=1, description="words in a row that two texts must not share")]
Rule = Literal["words", "characters"]


class Contamination(Settings):
    """The gate that keeps items of benchmarks out of the training prompts."""

    ngram: Ngram = 13  # GPT-3 used 13
    """Number of words in a row that a training prompt must not share with an item of a benchmark."""

    lock: str
    """File with the training prompts that are left out. `prefdelta decontaminate` writes it."""


class ExcludedPrompts(Settings):
    """The lock: training prompts that are left out. It has no reasons, so that a further reason reruns nothing."""

    ngram: Ngram
    """Number of words in a row by which the prompts were compared with the benchmarks."""

    prompts: list[str]
    """Ids of the prompts that are left out, sorted."""

    @classmethod
    def read(cls, text: str, where: str) -> Self:
        """The content of a lock file. `where` names it in errors. Raises StudyError."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problems = mistakes(error)
            raise StudyError(
                f"{where}: not a lock file of excluded prompts: {problems}. Write it again: prefdelta decontaminate."
            ) from None

    def text(self) -> str:
        """The lock file's text: the same for the same prompts."""
        return json.dumps({"ngram": self.ngram, "prompts": sorted(self.prompts)}, indent=1) + "\n"


def overlaps(
    prompts: Iterable[tuple[str, str]], items: Iterable[tuple[str, str]], ngram: int
) -> dict[str, dict[str, Rule]]:
    """Which prompts overlap with which items, and by which rule: prompt -> item -> rule, both in order.

    prompts, items: (name, text). The items are held in memory (0.8 GB for 17,000), the prompts stream by.
    """
    known = [(name, Comparable.of(text)) for name, text in items]
    by_words, by_characters = _WordIndex(ngram), _CharacterIndex()
    for place, (_, item) in enumerate(known):
        by_words.add(item, place)
        if len(item.words) < ngram:
            by_characters.add(item, place)
    rules: dict[str, dict[str, Rule]] = {}
    short, short_names = _CharacterIndex(), list[str]()

    def note(prompt: str, place: int, rule: Rule) -> None:
        rules.setdefault(prompt, {}).setdefault(known[place][0], rule)

    for name, text in prompts:
        prompt = Comparable.of(text)
        for place in by_words.holders_in(prompt):
            note(name, place, "words")
        for place in by_characters.holders_in(prompt):
            note(name, place, "characters")
        if len(prompt.words) < ngram:
            short.add(prompt, len(short_names))
            short_names.append(name)
    for place, (_, item) in enumerate(known):
        for number in short.holders_in(item):
            note(short_names[number], place, "characters")
    return {prompt: dict(sorted(rules[prompt].items())) for prompt in sorted(rules)}


class _TextIndex:
    """Short texts with their holders, to be found at given places of a longer text."""

    def __init__(self, prefix: int) -> None:
        """prefix: number of characters that each text has at least."""
        self._prefix = prefix
        self._lengths: dict[str, tuple[int, ...]] = {}  # prefix -> lengths of the texts that begin with it
        self._holders: dict[str, tuple[int, ...]] = {}

    def add(self, text: str, holder: int) -> None:
        holders = self._holders.get(text, ())
        if not holders:
            beginning = text[: self._prefix]
            lengths = self._lengths.get(beginning, ())
            if len(text) not in lengths:
                self._lengths[beginning] = (*lengths, len(text))
        if holder not in holders[-1:]:
            self._holders[text] = (*holders, holder)

    def matches(self, text: str, borders: Sequence[int]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """(start, end, holders) of each short text that begins and ends at a border."""
        prefix, lengths = self._prefix, self._lengths
        ends = set[int]()
        for first in borders:
            for length in lengths.get(text[first : first + prefix], ()):
                last = first + length
                if holders := self._holders.get(text[first:last]):
                    ends = ends or set(borders)
                    if last in ends:
                        yield first, last, holders


class _WordIndex:
    """Rule `words`: the letters and digits of n words of an item in a row are in a prompt, whatever its spaces."""

    _LONG = 24  # characters; a beginning of this length nearly always belongs to one text only

    def __init__(self, ngram: int) -> None:
        self._ngram = ngram
        self._long, self._others = _TextIndex(max(ngram, self._LONG)), _TextIndex(ngram)

    def add(self, item: Comparable, holder: int) -> None:
        words = item.words
        letters = "".join(words)
        ends = list(accumulate(map(len, words), initial=0))
        for first, last in zip(ends, ends[self._ngram :], strict=False):
            index = self._long if last - first >= max(self._ngram, self._LONG) else self._others
            index.add(letters[first:last], holder)

    def holders_in(self, prompt: Comparable) -> set[int]:
        text, borders = prompt.letters()
        if len(text) < self._ngram:
            return set()
        return {
            holder
            for index in (self._long, self._others)
            for _, _, holders in index.matches(text, borders)
            for holder in holders
        }


class _CharacterIndex:
    """Rule `characters`: all letters, digits and signs of arithmetic of a short text are in another text, or are the
    whole of it.

    Only a long text, or a shorter one with a number in it, is searched for within others.
    """

    _LONG, _WITH_NUMBER = 30, 12  # characters

    def __init__(self) -> None:
        self._parts, self._whole = _TextIndex(self._WITH_NUMBER), dict[str, list[int]]()

    def add(self, short: Comparable, holder: int) -> None:
        text = short.unlabelled()
        if not text:
            return
        self._whole.setdefault(text, []).append(holder)
        if len(text) >= (self._WITH_NUMBER if any(map(str.isdigit, text)) else self._LONG):
            self._parts.add(text, holder)

    def holders_in(self, other: Comparable) -> set[int]:
        text, borders = other.characters()
        holders_found = set(self._whole.get(other.unlabelled(), ()))
        for first, last, holders in self._parts.matches(text, borders):
            if not holders_found.issuperset(holders) and other.stands_alone(first, last):
                holders_found.update(holders)
        return holders_found


def counts_by_benchmark(overlapping: Mapping[str, Mapping[str, Rule]], rule: Rule) -> dict[str, tuple[int, int]]:
    """Benchmark -> (how many of its items overlap, with how many prompts), by one rule.

    overlapping: prompt -> <benchmark>:<item> -> rule, as `overlaps` returns it.
    """
    items: dict[str, set[str]] = {}
    prompts: dict[str, set[str]] = {}
    for prompt, names in overlapping.items():
        for name, by in names.items():
            if by == rule:
                benchmark = name.partition(":")[0]
                items.setdefault(benchmark, set()).add(name)
                prompts.setdefault(benchmark, set()).add(prompt)
    return {benchmark: (len(items[benchmark]), len(prompts[benchmark])) for benchmark in sorted(items)}
