"""Recipe method `dpo`: direct preference optimisation (arXiv 2305.18290, equation 7) through TRL.

The reference log-probabilities come with the rows, per trace, so the reference model is never loaded here. Every row is
tokenised and checked before TRL sees it; TRL's own preparation would cut prompts and drop rows silently.
"""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Recipe
from prefdelta.models import load_model, load_tokenizer
from prefdelta.training.logps import completion_logps
from prefdelta.training.tokens import PreferenceRow, Tokens

LN2 = math.log(2.0)
# How far step 0 may be from ln 2, and a recomputed reference sum from the recorded one, per token (nats).
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}  # bfloat16: a guess, not measured
CHECKED_ROWS = 32  # rows whose reference sums are computed afresh and compared


def train(base: Path, rows: Sequence[PreferenceRow], recipe: Recipe, seed: int, output: Path) -> dict[str, Any]:
    """Train the model in `base` on `rows`, write the policy to `output`, and return what was measured on the way.

    Rows are taken in an order drawn from `seed`. The result has `updates`, `step0_loss`, and per update `loss` and the
    means over its pairs of `rewards/chosen`, `rewards/rejected`, `rewards/margins`, `rewards/accuracies`, `logps/*`.
    Raises StudyError if a check of the rows or of step 0 fails, or if a loss or gradient is not finite.
    """
    import torch
    from datasets import Dataset
    from trl.trainer.dpo_config import DPOConfig

    tokenizer, model = load_tokenizer(base), load_model(base, recipe.dtype, recipe.threads)
    _check_reference(model, tokenizer.pad_token_id, rows, recipe.dtype)

    updates = math.ceil(math.ceil(len(rows) / recipe.batch_size) * recipe.epochs)
    on_gpu = torch.cuda.is_available()
    with TemporaryDirectory(dir=output.parent) as scratch:
        arguments = DPOConfig(
            output_dir=scratch,
            per_device_train_batch_size=recipe.batch_size,
            num_train_epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type=recipe.scheduler,
            warmup_steps=round(recipe.warmup_share * updates),
            max_grad_norm=recipe.max_grad_norm,
            beta=recipe.beta,
            loss_type=["sigmoid"],
            max_length=None,  # longer traces were left out by `reference`, with a reason; nothing is cut here
            precompute_ref_log_probs=True,
            seed=seed % 2**32,
            bf16=on_gpu and recipe.dtype == "bfloat16",
            use_cpu=not on_gpu,
            gradient_checkpointing=on_gpu,
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=on_gpu,
        )
        trainer = _trainer_type()(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list([_columns(row) for row in rows]),
            processing_class=tokenizer,
        )
        trainer.add_callback(_checks(recipe.dtype))
        trainer.train()
        trainer.save_model(str(output))
    (output / "training_args.bin").unlink(missing_ok=True)  # a pickle
    shutil.rmtree(output / "runs", ignore_errors=True)

    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    if len(steps) != updates:
        raise StudyError(f"training made {len(steps)} updates where {updates} were planned.")
    names = ["loss", "grad_norm", "learning_rate", *sorted(n for n in steps[0] if n.startswith(("rewards/", "logps/")))]
    curve = {name: [entry[name] for entry in steps] for name in names}
    return {"updates": updates, "pairs": len(rows), "step0_loss": steps[0]["loss"], "curve": curve}


def _columns(row: PreferenceRow) -> dict[str, Any]:
    return {
        "prompt_ids": row.prompt,
        "chosen_ids": row.chosen,
        "rejected_ids": row.rejected,
        "ref_chosen_logps": row.ref_chosen_logps,
        "ref_rejected_logps": row.ref_rejected_logps,
    }


def _trainer_type() -> type[Any]:
    from trl.trainer.dpo_trainer import DPOTrainer

    class PreparedDPOTrainer(DPOTrainer):
        """TRL's trainer over rows that carry token ids and reference log-probabilities already."""

        def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
            return dataset

        def _precompute_ref_logps(self, dataset: Any, *_: Any) -> Any:
            return dataset

    return PreparedDPOTrainer


def _checks(dtype: str) -> Any:
    """Stops training if step 0 is not ln 2 (the policy equals the reference there) or a number is not finite."""
    from transformers import TrainerCallback

    class Checks(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            logs = more["logs"]
            if "loss" not in logs:
                return
            if not (math.isfinite(logs["loss"]) and math.isfinite(logs["grad_norm"])):
                raise StudyError(
                    f"loss {logs['loss']}, gradient norm {logs['grad_norm']} at update {state.global_step}: training "
                    "stops. Lower the recipe's learning_rate."
                )
            if state.global_step == 1 and abs(logs["loss"] - LN2) > TOLERANCE[dtype]:
                raise StudyError(
                    f"the DPO loss before the first update is {logs['loss']:.6f}, not ln 2 = {LN2:.6f}: the reference "
                    "log-probabilities do not belong to this policy and these tokens."
                )

    return Checks()


def _check_reference(model: Any, pad_id: int, rows: Sequence[PreferenceRow], dtype: str) -> None:
    """Recorded and fresh reference sums agree per token on the first CHECKED_ROWS rows."""
    sample = rows[:CHECKED_ROWS]
    tokens = [Tokens(row.prompt, row.chosen) for row in sample] + [Tokens(row.prompt, row.rejected) for row in sample]
    recorded = [row.ref_chosen_logps for row in sample] + [row.ref_rejected_logps for row in sample]
    for index, fresh in completion_logps(model, tokens, batch_tokens=16_384, pad_id=pad_id):
        gap = abs(fresh - recorded[index]) / len(tokens[index].completion)
        if gap > TOLERANCE[dtype]:
            raise StudyError(
                f"recorded reference log-probabilities differ by {gap:.2g} nats per token from fresh ones (allowed: "
                f"{TOLERANCE[dtype]:g}): they were computed for another policy, template or precision."
            )
