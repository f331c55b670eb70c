"""Training methods: `Method` has all that the rest of the package needs to know of one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from prefdelta.core.recipes import Recipe
from prefdelta.training.micro_batches import Row
from prefdelta.training.tokens import PreferenceRow, Tokens

if TYPE_CHECKING:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

R = TypeVar("R", bound=Recipe)
Side = Literal["chosen", "rejected"]
PAIR: tuple[Side, ...] = ("chosen", "rejected")


@dataclass(frozen=True, slots=True)
class Setup(Generic[R]):
    """The values from which a method makes its trainer."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    dataset: "Dataset"  # the rows of the method's `make_rows`, in their order
    recipe: R
    arguments: Mapping[str, Any]  # arguments of TRL's configuration that all methods share
    adapters: "LoraConfig | None"


@dataclass(frozen=True, slots=True)
class Method(Generic[R]):
    """One way to train a policy on pairs. `docs/adding-a-method.md` walks through a new one."""

    name: str
    """Its name in recipes (`method:`), and after `training.` in `system/plugins.py`."""

    recipe: type[R]
    """Type of its settings; its field `method` is a Literal of the name."""

    needs_reference: bool
    """Whether each row must come with the log-probabilities of its traces under the untrained policy."""

    sides: tuple[Side, ...]
    """The traces of a pair that the method reads."""

    rows_per_pair: int
    """How many rows, as `batch_size` and `examples` count them, the method makes of one pair."""

    only_contrast: bool
    """Whether it learns only from differences between the two sides, so pairs of equal generators teach nothing."""

    first_loss: Callable[[R], float | None]
    """Recipe -> the loss before the first update, in nats, if it is known and the same for all rows; otherwise None."""

    make_rows: Callable[["PreTrainedModel", Sequence[PreferenceRow], R, int], Iterable[Row]]
    """(model before training, pairs, recipe, seed) -> the rows for training, `rows_per_pair` for each pair, read once.

    TRL shuffles the rows by the same seed, unless the method's trainer switches this off.
    """

    make_trainer: Callable[[Setup[R]], "Trainer"]
    """The trainer of TRL, made by `micro_batches.in_micro_batches`."""

    def read(self, pair: PreferenceRow) -> list[Tokens]:
        """The traces of a pair that the method reads, each with the prompt."""
        return [Tokens(pair.prompt, getattr(pair, side)) for side in self.sides]

    def mean_tokens(self, pairs: Sequence[PreferenceRow]) -> float:
        """Mean number of tokens in a row of the method, with the prompt, over these pairs."""
        lengths = [len(trace.prompt) + len(trace.completion) for pair in pairs for trace in self.read(pair)]
        return sum(lengths) / (self.rows_per_pair * len(pairs))

    def longest_row(self, pairs: Sequence[PreferenceRow]) -> int:
        """Tokens of the longest row at most: of any of these prompts with any of the completions."""
        prompt = max(len(pair.prompt) for pair in pairs)
        return prompt + max(len(trace.completion) for pair in pairs for trace in self.read(pair))
