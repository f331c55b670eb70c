"""A study's account with a hosted model: before a request is sent, the most that it may cost is set aside.

The account is the folder record/spending: each process appends to a file of its own, and all files are summed before
anything is sent, so that the limit holds for all jobs of a study together, without a lock. When the outcome of a
request is known, the amount set aside is replaced by what the provider says it charged. An amount that is never settled
counts as spent: a job that was killed may have been charged for it. To start a new account, delete the folder.
"""

import itertools
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import yaml
from pydantic import ValidationError

from prefdelta.core.asking.costs import ModelPrices, PriceFile, TokenUsage, cost, likely_cost, worst_cost
from prefdelta.core.asking.engine_options import OpenAIOptions
from prefdelta.core.asking.requests import Request
from prefdelta.core.errors import StudyError
from prefdelta.engines.openai.usage import counts_of
from prefdelta.system.files import explain_full_disk
from prefdelta.system.instance import INSTANCE
from prefdelta.system.log import say

_numbers = itertools.count()


class Spending:
    """The account, as one job sees it. Without prices nothing is counted and everything may be sent."""

    def __init__(
        self, folder: Path, prices: ModelPrices | None = None, limit_usd: float | None = None, batch: bool = False
    ) -> None:
        self.limit_usd = limit_usd
        self._folder, self._prices, self._batch = folder, prices, batch
        self._own = folder / f"{INSTANCE}.jsonl"
        self._read_up_to: dict[Path, int] = {}  # bytes
        self._amounts: dict[str, tuple[bool, float]] = {}  # name -> (settled, USD)
        self._spent = 0.0

    @classmethod
    def of(cls, options: OpenAIOptions, folder: Path) -> Self:
        """The account in `folder`. Raises StudyError if the file of prices cannot be read or lacks the model."""
        if options.prices is None:
            return cls(folder)
        prices = read_prices(Path(options.prices)).of(options.model, options.prices)
        return cls(folder, prices, options.limit_usd, options.batch is not None)

    def spent(self) -> float:
        """USD that the whole study has spent by now, with all that is set aside."""
        for path in sorted(self._folder.glob("*.jsonl")):
            self._read(path)
        return self._spent

    def room(self) -> float:
        """USD that may still be set aside."""
        return math.inf if self.limit_usd is None else self.limit_usd - self.spent()

    def worst(self, request: Request) -> float:
        """USD that a request costs at most."""
        return worst_cost(self._prices, request, self._batch) if self._prices else 0.0

    def reserve(self, usd: float) -> str | None:
        """Set an amount aside. Returns a name by which to settle it, or None if it would exceed the limit."""
        if self._prices is None:
            return ""
        if usd > self.room():
            return None
        name = f"{INSTANCE}.{next(_numbers)}"
        # Write, then sum again: if two jobs do this at once, at least one of them sees the amount of the other.
        self._write(name, usd, settled=False)
        if self.room() < 0:
            self._write(name, 0.0, settled=True)
            return None
        return name

    def settle(self, name: str, usd: float | None) -> None:
        """Replace an amount that any job set aside with the actual cost. None: unknown, so the amount stays."""
        if self._prices is not None and usd is not None:
            self._write(name, usd, settled=True)

    def cost(self, usage: object) -> float | None:
        """USD for the tokens that a provider says it charged; None if it does not say.

        usage: of a completion.
        """
        if self._prices is None:
            return None
        counts = counts_of(usage)
        if counts.prompt is None or counts.charged is None:
            return None
        cached = min(counts.cached or 0, counts.prompt)
        return cost(self._prices, TokenUsage(counts.prompt, cached, counts.charged), self._batch)

    def announce(self, requests: Iterable[Request]) -> None:
        """Say what is about to be spent."""
        if self._prices is None:
            return
        asked = list(requests)
        limit = "no limit" if self.limit_usd is None else f"limit_usd {self.limit_usd:,.2f}"
        say(
            f"spending: {len(asked):,} requests, estimated at {likely_cost(self._prices, asked, self._batch):,.4f} USD "
            f"(4 bytes per token, replies as long as max_tokens allows) and certainly below "
            f"{sum(map(self.worst, asked)):,.4f} USD; the study has spent {self.spent():,.4f} USD, {limit}"
        )

    def at_limit(self, usd: float, answered: int, rest: Iterable[Request]) -> StudyError:
        """The error that ends a run because the next request costs up to `usd`, which exceeds the limit."""
        left = list(rest)
        likely = likely_cost(self._prices, left, self._batch) if self._prices else 0.0
        return StudyError(
            f"limit_usd ({self.limit_usd:,.4f} USD for the whole study) is reached: {self.spent():,.4f} USD are spent, "
            f"with what other jobs have set aside and what was cut off before its cost was known ({self._folder}), and "
            f"the next request may cost {usd:,.4f} USD. {answered:,} requests of this job are answered and recorded; "
            f"{len(left):,} remain, estimated at {likely:,.4f} USD. Raise limit_usd, or lower sampling.max_tokens (it "
            "decides what a request may cost); the same command then asks for the rest."
        )

    def _write(self, name: str, usd: float, settled: bool) -> None:
        # With a line break on either side, so that part of a line, left by a full disk, stays apart and does not count.
        # The file is opened and closed each time, because closing makes the line visible to other hosts on NFS.
        line = f"\n{json.dumps({'name': name, 'usd': usd, 'settled': settled})}\n"
        self._folder.mkdir(parents=True, exist_ok=True)
        with explain_full_disk(self._own, lambda: len(line)), self._own.open("a", encoding="utf-8") as stream:
            stream.write(line)

    def _read(self, path: Path) -> None:
        """Add up what was appended to a file since the last look."""
        start = self._read_up_to.get(path, 0)
        if path.stat().st_size <= start:
            return
        with path.open("rb") as stream:
            stream.seek(start)
            whole, newline, _ = stream.read().rpartition(b"\n")
        self._read_up_to[path] = start + len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
                name, amount = entry["name"], (bool(entry["settled"]), float(entry["usd"]))
            except (ValueError, KeyError, TypeError):  # an empty line, or part of one
                continue
            before = self._amounts.get(name, (False, 0.0))
            self._amounts[name] = after = max(before, amount)
            self._spent += after[1] - before[1]


def read_prices(path: Path) -> PriceFile:
    """A file of prices. Raises StudyError if it is missing or wrong."""
    try:
        return PriceFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise StudyError(
            f"{path}: cannot be read as prices: {error}\nSee resources/prices/example.yaml for what it must hold."
        ) from None
