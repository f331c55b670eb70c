"""What all recipe methods share: TRL's arguments, the checks while it trains, what is saved and measured.

The model is loaded once, in float32, and serves the check of the reference, the training and the policy that is saved.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import DPORecipe, KTORecipe, SFTRecipe
from prefdelta.snapshots import Snapshots
from prefdelta.training.budgets import count_updates
from prefdelta.training.finite import check_numbers, check_weights
from prefdelta.training.logps import completion_logps
from prefdelta.training.lora import adapters
from prefdelta.training.saving import save_policy
from prefdelta.training.tokens import Tokens

# How far the first loss may be from the one known beforehand, and a recomputed reference sum from the recorded one, per
# token (nats).
TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}  # bfloat16: a guess, not measured
CHECKED_ROWS = 32  # rows whose reference sums are computed afresh and compared
BATCH_TOKENS = 16_384  # in one forward pass without gradients
REMEDY = "Lower the recipe's learning_rate."

# (model, adapters or None, TRL arguments common to all methods) -> a TRL trainer
MakeTrainer = Callable[[Any, Any, Mapping[str, Any]], Any]


def run_training(
    make_trainer: MakeTrainer,
    model: Any,
    base: Path,
    recipe: DPORecipe | KTORecipe | SFTRecipe,
    n_rows: int,
    mean_tokens: float,
    seed: int,
    output: Path,
    snapshots: Snapshots,
    first_loss: float | None,
) -> dict[str, Any]:
    """Train the model with the trainer that is made, save the policy to `output`, return what was measured.

    It goes on from the newest of `snapshots`, if there is one; on a CPU the result has the same bits either way.
    base: folder that the model is from. mean_tokens: of one row. first_loss: what the loss before the first update must
    be, if that is known.
    The result has `updates`, `rows`, `step0_loss`, `changed_share` (of the weights as saved) and a `curve`: per update
    `loss`, `grad_norm`, `learning_rate` and what else TRL measures of its batch (`rewards/*`, `logps/*`).
    Raises StudyError if the first loss is another, or if a loss, gradient or weight is not finite.
    """
    import torch
    import transformers

    updates = count_updates(recipe.budget, n_rows, recipe.batch_size, mean_tokens)
    on_gpu = torch.cuda.is_available()
    trainer = make_trainer(
        model,
        adapters(model, recipe.lora, seed) if recipe.lora else None,
        {
            "output_dir": str(snapshots.folder),
            "per_device_train_batch_size": recipe.batch_size,  # of all devices together: see `parts`
            "max_steps": updates,
            "learning_rate": recipe.learning_rate,
            "lr_scheduler_type": recipe.scheduler,
            "warmup_steps": round(recipe.warmup_share * updates),
            "max_grad_norm": recipe.max_grad_norm,
            "max_length": None,  # longer traces were left out by `reference`, with a reason; nothing is cut here
            "seed": seed,
            "bf16": False,  # `parts` sees to it, in the same way for one process and for several
            "use_cpu": not on_gpu,
            "gradient_checkpointing": on_gpu,
            "logging_steps": 1,
            "logging_nan_inf_filter": False,
            "save_strategy": "no",  # but when `_watch` says so
            "report_to": "none",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
        },
    )
    trainer.remove_callback(transformers.PrinterCallback)  # a dictionary per update, on the terminal
    trainer.add_callback(_watch(snapshots, first_loss, TOLERANCE[recipe.dtype]))
    newest = snapshots.newest()
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    check_weights(updates, snapshots, REMEDY, trainer.model)
    changed_share = save_policy(trainer, base, recipe, output)

    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    if len(steps) != updates:
        raise StudyError(f"training made {len(steps)} updates where {updates} were planned.")
    measured = sorted(name for name in steps[0] if name.startswith(("rewards/", "logps/")))
    curve = {name: [entry.get(name) for entry in steps] for name in ("loss", "grad_norm", "learning_rate", *measured)}
    return {
        "updates": updates,
        "rows": n_rows,
        "step0_loss": steps[0]["loss"],
        "changed_share": changed_share,
        "curve": curve,
    }


def check_reference(model: Any, tokens: Sequence[Tokens], recorded: Sequence[float], dtype: str) -> None:
    """Raise StudyError unless recorded and fresh sums (nats) agree per token on the first CHECKED_ROWS rows."""
    for index, fresh in completion_logps(model, tokens[:CHECKED_ROWS], BATCH_TOKENS, dtype):
        gap = abs(fresh - recorded[index]) / len(tokens[index].completion)
        if gap > TOLERANCE[dtype]:
            raise StudyError(
                f"recorded reference log-probabilities differ by {gap:.2g} nats per token from fresh ones (allowed: "
                f"{TOLERANCE[dtype]:g}): they were computed for another policy, template or precision."
            )


def _watch(snapshots: Snapshots, first_loss: float | None, tolerance: float) -> Any:
    """Has snapshots taken; stops training if the first loss is not the known one, or a number is not finite.

    The Trainer calls on_step_end, on_log, saves if it should, and calls on_save: so nothing is saved unchecked.
    """
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            # After the last update the policy itself is saved.
            control.should_save = state.global_step < state.max_steps and snapshots.due()

        def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            logs, step = more["logs"], state.global_step
            if "loss" not in logs:
                return
            check_numbers(step, snapshots, REMEDY, loss=logs["loss"], gradient_norm=logs["grad_norm"])
            if first_loss is not None and step == 1 and abs(logs["loss"] - first_loss) > tolerance:
                raise StudyError(
                    f"the loss before the first update is {logs['loss']:.6f}, not {first_loss:.6f}: the reference "
                    "log-probabilities do not belong to this policy and these tokens."
                )
            if control.should_save:
                check_weights(step, snapshots, REMEDY, more["model"])

        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            snapshots.seal(snapshots.path(state.global_step))

    return Watch()
