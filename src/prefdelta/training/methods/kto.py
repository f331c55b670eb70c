"""Recipe method `kto`: Kahneman-Tversky optimisation (arXiv 2402.01306, equation 7) through TRL.

Pairs are taken apart into single traces, wanted and unwanted in turn, so that every batch holds both. The reference
point of a batch is a divergence that TRL estimates from mismatched rows (each prompt with a completion of another one
of its batch), so the batches are fixed here and the reference sums of the mismatched rows are computed here; those of
the traces themselves come with the rows. A batch that is made in parts keeps the one reference point of all its rows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from prefdelta.core.compute import Fsdp
from prefdelta.core.recipes import KTORecipe, Precision
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.store.snapshots import Snapshots
from prefdelta.training.logps import completion_logps
from prefdelta.training.micro_batches import PROCESS, PROCESSES, Parts, in_parts, rows_per_part
from prefdelta.training.tokens import PreferenceRow, Tokens
from prefdelta.training.trainer import BATCH_TOKENS, check_reference, reference_not_loaded, run_training

FIRST_LOSS = 0.5  # 1 - sigmoid(0): the loss of a policy that equals its reference


def train(
    base: Path,
    rows: Sequence[PreferenceRow],
    recipe: KTORecipe,
    seed: int,
    output: Path,
    snapshots: Snapshots,
    fsdp: Fsdp | None = None,
) -> dict[str, Any]:
    """Train the model in `base` on both sides of `rows`, in an order drawn from `seed`; see `run_training`.

    An update takes batch_size traces, so as many examples as a DPO update of half as many pairs.
    Raises StudyError if the reference log-probabilities do not belong to the model, or if the first loss is not 1/2.
    """
    ordered = list(rows)
    Random(seed).shuffle(ordered)
    tokens = [Tokens(row.prompt, side) for row in ordered for side in (row.chosen, row.rejected)]
    labels = [True, False] * len(ordered)
    sums = [sum_ for row in ordered for sum_ in row.reference()]
    tokenizer, model = load_tokenizer(base), load_model(base, "float32", recipe.threads)
    check_reference(model, tokens, sums, recipe.dtype)
    mismatched = _mismatched(tokens, recipe.batch_size)
    mismatched_sums = _sums(model, mismatched, recipe.dtype)
    columns = [
        {
            "prompt_ids": row.prompt,
            "completion_ids": row.completion,
            "KL_completion_ids": mismatched[index].completion,
            "label": labels[index],
            "ref_logps": sums[index],
            "ref_KL_logps": mismatched_sums[index],
        }
        for index, row in enumerate(tokens)
    ]

    def make_trainer(model: Any, adapters: Any, arguments: Mapping[str, Any]) -> Any:
        from datasets import Dataset
        from trl.trainer import kto_trainer
        from trl.trainer.kto_config import KTOConfig

        with reference_not_loaded(kto_trainer):
            return _trainer_type(recipe)(
                model=model,
                args=KTOConfig(
                    **arguments,
                    beta=recipe.beta,
                    precompute_ref_log_probs=True,
                    train_sampling_strategy="sequential",
                    disable_dropout=adapters is None,
                ),
                train_dataset=Dataset.from_list(columns),
                processing_class=tokenizer,
                peft_config=adapters,
            )

    mean_tokens = sum(len(row.prompt) + len(row.completion) for row in tokens) / len(tokens)
    return run_training(
        make_trainer,
        model,
        base,
        recipe,
        len(tokens),
        mean_tokens,
        seed,
        output,
        snapshots,
        first_loss=FIRST_LOSS,
        fsdp=fsdp,
    )


def _mismatched(tokens: Sequence[Tokens], batch_size: int) -> list[Tokens]:
    """Each prompt with the completion two places before its own, going round within its batch.

    One place before is the other side of the same pair. A last batch of a single pair has no other prompt.
    """
    rows = []
    for start in range(0, len(tokens), batch_size):
        batch = tokens[start : start + batch_size]
        rows += [Tokens(row.prompt, batch[at - 2].completion) for at, row in enumerate(batch)]
    return rows


def _sums(model: Any, rows: Sequence[Tokens], dtype: Precision) -> dict[int, float]:
    """Sums by index under the model as it is now, before training: it is the reference. Each process computes some."""
    from accelerate.utils import gather_object

    mine = range(PROCESS, len(rows), PROCESSES)
    found = completion_logps(model, [rows[index] for index in mine], BATCH_TOKENS, dtype)
    return dict(gather_object([(mine[at], sum_) for at, sum_ in found]))


def _trainer_type(recipe: KTORecipe) -> type[Any]:
    from trl.trainer.kto_trainer import KTOTrainer

    class PreparedKTOTrainer(KTOTrainer):
        """TRL's trainer over rows that carry token ids and reference log-probabilities already."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

        def _precompute_ref_logps(self, dataset: Any, *_: Any) -> Any:
            return dataset

    parted: Any = in_parts(PreparedKTOTrainer, recipe.dtype, rows_per_part(recipe), size=lambda _: 1)

    class OnePointKTOTrainer(parted):  # type: ignore[misc]
        """The reference point is the whole batch's: TRL would estimate one from each part."""

        _point: Any = None  # of the batch at hand, in nats; None: TRL estimates it

        def before_parts(self, model: Any, parts: Parts, n_rows: int, in_one: bool) -> None:
            self._point = None
            if in_one:
                return
            gained = 0.0
            for part, weight in parts:
                gains = self._compute_kl_logps(model, part) - part["ref_KL_logps"]
                gained += gains.sum() * (weight > 0)
                part["ref_KL_logps"] = gains.new_zeros(len(gains))
            self._point = self.accelerator.reduce(gained, "sum") / n_rows

        def _compute_kl_logps(self, model: Any, batch: dict[str, Any]) -> Any:
            if self._point is None:
                return super()._compute_kl_logps(model, batch)
            return self._point.expand(len(batch["label"]))

    return OnePointKTOTrainer
