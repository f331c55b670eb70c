"""One training: the arguments of TRL, the checks during training, and the saving that all methods share.

The model is loaded once, in float32, and serves the check of the reference, the training and the policy that is saved.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta.core.compute import Fsdp
from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Precision
from prefdelta.models.loading import load_model, load_tokenizer
from prefdelta.store.snapshots import Snapshots
from prefdelta.system.progress import Progress
from prefdelta.training.budgets import count_updates
from prefdelta.training.columns import dataset_of
from prefdelta.training.finite import check_numbers, check_weights
from prefdelta.training.logps import completion_logps
from prefdelta.training.lora import adapters
from prefdelta.training.method import Method, R, Setup
from prefdelta.training.micro_batches import TOKENS_WITHOUT_GRADIENTS, process_count, process_rank
from prefdelta.training.packing import allow_packing
from prefdelta.training.saving import save_policy
from prefdelta.training.tokens import PreferenceRow, Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback

# How far a recomputed reference sum may be from the recorded one, per token (nats), and the first loss from the
# known one. bfloat16, measured with traces of 22 tokens and beta 0.2: 0.003 between sums computed in bfloat16
# and in float32 (9 rows of 10), 0.001 for the loss (0.006 if the sums come from weights in bfloat16, not from products
# in it). The difference of the loss grows with the root of the length: for 4,000 tokens it should be about 0.02.
SUM_TOLERANCE = {"float32": 1e-3, "bfloat16": 2e-2}
LOSS_TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
CHECKED_TRACES = 32  # number of traces whose reference sums are computed again and compared
TELL_SECONDS = 30.0  # between two lines of progress
REMEDY = "Lower the recipe's learning_rate."


def train(
    method: Method[R],
    base: Path,
    pairs: Sequence[PreferenceRow],
    recipe: R,
    seed: int,
    output: Path,
    snapshots: Snapshots,
    fsdp: Fsdp | None = None,
) -> dict[str, Any]:
    """Train the model in the folder `base` on pairs by a method, save the policy to `output`, return what was measured.

    seed: for the order of the rows, and the adapters' first weights. fsdp: how several processes share all weights;
    None: the defaults of `Fsdp`.
    Training goes on from the newest of `snapshots`, if there is one; on a CPU the result has the same bits either way.
    The result has `updates`, `rows` (as the method counts them), `step0_loss` (nats), the result of `save_policy`, and
    a `curve`: per update `loss`, `grad_norm`, `learning_rate` and TRL's other measurements (`rewards/*`, `logps/*`).
    Raises StudyError if the reference log-probabilities do not belong to the model, if the first loss is not the
    method's, or if a loss, gradient or weight is not finite.
    """
    import torch
    import transformers

    tokenizer, model = load_tokenizer(base), load_model(base, "float32", recipe.threads)
    if method.needs_reference:
        check_reference(model, pairs, recipe.dtype)
    rows = dataset_of(method.make_rows(model, pairs, recipe, seed))
    longest = max((trace for pair in pairs for trace in method.read(pair)), key=len)
    allow_packing(model, [longest, *method.read(pairs[0])], method.longest_row(pairs))
    assert len(rows) == method.rows_per_pair * len(pairs), f"{method.name} lost rows, or made some"
    updates = count_updates(recipe.budget, len(rows), recipe.batch_size, method.mean_tokens(pairs))
    on_gpu = torch.cuda.is_available()
    setup = Setup(
        model=model,
        tokenizer=tokenizer,
        dataset=rows,
        recipe=recipe,
        adapters=adapters(model, recipe.lora, seed) if recipe.lora else None,
        arguments={
            "output_dir": str(snapshots.folder),
            "per_device_train_batch_size": recipe.batch_size,  # for all devices together: see `micro_batches`
            "max_steps": updates,
            "learning_rate": recipe.learning_rate,
            "lr_scheduler_type": recipe.scheduler,
            "warmup_steps": round(recipe.warmup_share * updates),
            "max_grad_norm": recipe.max_grad_norm,
            "max_length": None,  # longer traces were left out, with a reason, so nothing is cut
            "seed": seed,
            "bf16": False,  # `micro_batches` sets the precision, for one process and for several
            "use_cpu": not on_gpu,
            "gradient_checkpointing": on_gpu,
            "logging_steps": 1,
            "logging_nan_inf_filter": False,
            "save_strategy": "no",  # except when `_watch` says so
            "report_to": "none",
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            **(_shared(fsdp or Fsdp()) if process_count() > 1 and not recipe.lora else {}),
        },
    )
    trainer = method.make_trainer(setup)
    trainer.remove_callback(transformers.PrinterCallback)  # it prints a dictionary per update
    trainer.add_callback(_watch(snapshots, method.first_loss(recipe), LOSS_TOLERANCE[recipe.dtype]))
    newest = snapshots.take_newest()
    trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    trained: Any = trainer.model
    check_weights(updates, snapshots, REMEDY, trained)
    changed = save_policy(trainer, base, recipe, output)

    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    if len(steps) != updates:
        raise StudyError(f"training made {len(steps)} updates where {updates} were planned.")
    measured = sorted(name for name in steps[0] if name.startswith(("rewards/", "logps/")))
    curve = {name: [entry.get(name) for entry in steps] for name in ("loss", "grad_norm", "learning_rate", *measured)}
    return {
        "updates": updates,
        "rows": len(rows),
        "step0_loss": steps[0]["loss"],
        **changed,
        "curve": curve,
    }


def _shared(fsdp: Fsdp) -> dict[str, Any]:
    """TRL's arguments for shared weights: each process holds a part of weights, gradients and optimiser."""
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "SHARDED_STATE_DICT",  # for snapshots: each process writes its part
            **fsdp.model_dump(),  # with the same names there
        },
    }


def check_reference(model: "PreTrainedModel", pairs: Sequence[PreferenceRow], dtype: Precision) -> None:
    """Compare the recorded reference sums of the first CHECKED_TRACES traces with new ones.

    Raises StudyError if they differ by more than SUM_TOLERANCE (nats per token).
    """
    checked = pairs[: CHECKED_TRACES // 2]
    traces = [Tokens(pair.prompt, side) for pair in checked for side in (pair.chosen, pair.rejected)]
    recorded = [logps for pair in checked for logps in pair.reference()]
    for index, fresh in completion_logps(model, traces, TOKENS_WITHOUT_GRADIENTS, dtype):
        gap = abs(fresh - recorded[index]) / len(traces[index].completion)
        if gap > SUM_TOLERANCE[dtype]:
            raise StudyError(
                f"recorded reference log-probabilities differ by {gap:.2g} nats per token from fresh ones (allowed: "
                f"{SUM_TOLERANCE[dtype]:g}): they were computed for another policy, template or precision."
            )


def _watch(snapshots: Snapshots, first_loss: float | None, tolerance: float) -> "TrainerCallback":
    """Show progress and take snapshots. Stop if the first loss is not the known one, or if a number is not finite.

    The Trainer calls on_step_end and on_log, then saves if it should, and calls on_save. So nothing is saved unchecked.
    """
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self._progress = Progress(
                "training", state.max_steps, "updates", done=state.global_step, every=TELL_SECONDS
            )

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if process_rank() == 0:
                self._progress.add()
            # No snapshot after the last update: the policy itself is saved then.
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
