"""Low-rank adapters through peft: what is trained in place of all weights, and merged into them before it is saved."""

from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Lora

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel


def adapters(model: "PreTrainedModel", lora: Lora, seed: int) -> "LoraConfig":
    """The configuration from which TRL makes the adapters. Call it right before: it seeds their first weights.

    Switches the dropout of the model itself off. Raises StudyError if a target names no module of the model: peft
    raises only if none of them does.
    """
    import torch
    from peft import LoraConfig
    from trl.trainer.utils import disable_dropout_in_model

    if lora.targets != "all-linear":
        names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
        if unknown := sorted(set(lora.targets) - names):
            leaves = {name.rpartition(".")[2] for name, module in model.named_modules() if not any(module.children())}
            raise StudyError(
                f"lora.targets: the policy has no module {', '.join(unknown)}. It has {', '.join(sorted(leaves))}."
            )
    disable_dropout_in_model(model)  # its own, as TRL does for DPO and KTO; that of the adapters is the recipe's
    torch.manual_seed(seed)
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets if isinstance(lora.targets, str) else list(lora.targets),
    )
