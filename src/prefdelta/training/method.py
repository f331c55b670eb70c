"""What a training method is: `Method` says all that the rest of the package asks of one."""

from collections.abc import Callable, Mapping, Sequence
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
    """What a method makes its trainer from."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    dataset: "Dataset"  # what the method's `make_rows` returned, in that order
    recipe: R
    arguments: Mapping[str, Any]  # of TRL's configuration: those that all methods share
    adapters: "LoraConfig | None"


@dataclass(frozen=True, slots=True)
class Method(Generic[R]):
    """One way to train a policy on pairs. `docs/adding-a-method.md` walks through a new one."""

    name: str
    """As recipes call it (`method:`), and as `system/plugins.py` does after `training.`."""

    recipe: type[R]
    """Type of its settings; its field `method` is a Literal of the name."""

    needs_reference: bool
    """Whether each row must come with the log-probabilities of its traces under the untrained policy."""

    sides: tuple[Side, ...]
    """The traces of a pair that it reads."""

    rows_per_pair: int
    """How many of the rows that `batch_size` and `examples` count it makes of one pair."""

    only_contrast: bool
    """Whether it learns only from how the two sides differ, so that pairs of equal generators teach nothing."""

    first_loss: Callable[[R], float | None]
    """Recipe -> the loss before the first update, in nats, where that is known whatever the rows; otherwise None."""

    make_rows: Callable[["PreTrainedModel", Sequence[PreferenceRow], R, int], Sequence[Row]]
    """(model before training, pairs, recipe, seed) -> the rows that are trained on, `rows_per_pair` for each pair.

    TRL shuffles them by the same seed, unless the method's trainer is told not to.
    """

    make_trainer: Callable[[Setup[R]], "Trainer"]
    """The trainer of TRL, made by `micro_batches.in_micro_batches`."""

    def read(self, pair: PreferenceRow) -> list[Tokens]:
        """The traces of a pair that it reads, each with the prompt."""
        return [Tokens(pair.prompt, getattr(pair, side)) for side in self.sides]

    def mean_tokens(self, pairs: Sequence[PreferenceRow]) -> float:
        """Tokens, prompt included, of one of its rows, as a mean over these pairs."""
        lengths = [len(trace.prompt) + len(trace.completion) for pair in pairs for trace in self.read(pair)]
        return sum(lengths) / (self.rows_per_pair * len(pairs))
