"""Low-rank adapters through peft: they are trained in place of all weights, and merged into them before saving."""

from typing import TYPE_CHECKING

from prefdelta.core.errors import StudyError
from prefdelta.core.recipes import Lora

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel


def adapters(model: "PreTrainedModel", lora: Lora, seed: int) -> "LoraConfig":
    """The configuration from which TRL makes the adapters. Call it right before that, because it seeds their
    first weights.

    It switches off the dropout of the model itself. Raises StudyError if any target is not a module of the model; peft
    raises only if none is.
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
    disable_dropout_in_model(model)  # of the model, as TRL does for DPO and KTO; the recipe sets the adapters'
    torch.manual_seed(seed)
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets if isinstance(lora.targets, str) else list(lora.targets),
    )
