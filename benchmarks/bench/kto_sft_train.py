"""One epoch of SFT and of KTO, from texts to a saved policy, beside TRL's own trainers.

    sft-train, kto-train    a Llama of 0.8M weights, traces of log-normal lengths (sigma 0.7) to 512 tokens

Theirs: TRL's SFTTrainer and KTOTrainer as their documentation sets them up, with the same batch size, seed and learning
rate. The losses of SFT are equal to 1e-5. KTO's differ by design after the first: TRL shuffles single traces and mixes
completions within a batch by their order, we keep both sides of a pair together; the first loss is 1/2 for both, and
the number of updates the same. About 60 s.
"""

from bench import training_pairs as work
from bench.side_by_side import side_by_side
from prefdelta.core.recipes import Budget
from prefdelta.models.loading import load_tokenizer
from prefdelta.training.methods.kto import KTORecipe
from prefdelta.training.methods.sft import SFTRecipe
from prefdelta.training.tokens import Tokeniser

COMMON = {"learning_rate": 1e-4, "batch_size": work.BATCH, "budget": Budget(epochs=1), "warmup_share": 0.1}
SFT, KTO = SFTRecipe(method="sft", **COMMON), KTORecipe(method="kto", beta=0.1, **COMMON)


def same_start(mine: list[float], other: list[float]) -> None:
    assert len(mine) == len(other), f"{len(mine)} and {len(other)} updates"
    work.same_losses(mine[:1], other[:1])
    work.same_losses(mine[:1], [0.5])


if __name__ == "__main__":
    folder, texts = work.policy("0.8m"), work.pairs(2 * work.BATCH, 130, 512)
    chosen = [
        {"prompt": row["prompt"], "completion": row["chosen"]} | {"label": True} for row in work.preferences(texts)
    ]
    rejected = [
        {"prompt": row["prompt"], "completion": row["rejected"]} | {"label": False} for row in work.preferences(texts)
    ]
    both = [row for pair in zip(chosen, rejected, strict=True) for row in pair]
    wanted = [{name: row[name] for name in ("prompt", "completion")} for row in chosen]
    side_by_side(
        "sft-train",
        lambda: work.ours(folder, work.without_reference(folder, texts), SFT),
        lambda: work.theirs("SFT", folder, wanted, SFT),
        same=work.same_losses,
        measure="cpu",
    )
    side_by_side(
        "kto-train",
        lambda: work.ours(folder, work.reference(folder, texts, Tokeniser(load_tokenizer(folder))), KTO),
        lambda: work.theirs("KTO", folder, both, KTO, beta=0.1),
        same=same_start,
        measure="cpu",
    )
