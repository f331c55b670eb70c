"""One epoch of DPO with its reference pass, from texts to a saved policy, and the padding of one process.

    dpo-train-0.8m, dpo-train-5m   random Llamas, traces of log-normal lengths (sigma 0.7) to 512 tokens
    dpo-train-mini                 the shape of mini's policies, lengths like its traces, its recipe
    padding-one                    padded tokens per real one in attention, batch 32; other layers see less than real

Theirs: TRL's DPOTrainer as its documentation sets it up (the reference model computes in each update), same batch size,
seed and learning rate. The losses of all updates are equal to 1e-5. `theirs` of padding-one is its bound. About 90 s.
"""

import numpy as np
import torch

from bench import training_pairs as work
from bench.side_by_side import ROUNDS, at_most, side_by_side
from prefdelta.core.recipes import Budget
from prefdelta.models.loading import load_tokenizer
from prefdelta.training.methods.dpo import DPORecipe
from prefdelta.training.packing import IGNORED, pack
from prefdelta.training.tokens import Tokeniser

BOUND = 1.2  # padded tokens per real one


def recipe(learning_rate: float) -> DPORecipe:
    return DPORecipe(
        method="dpo",
        beta=0.1,
        learning_rate=learning_rate,
        batch_size=work.BATCH,
        budget=Budget(epochs=1),
        warmup_share=0.1,
    )


def compare(
    size: str, texts: list[work.Pair], learning_rate: float, rounds: int = ROUNDS, warm_up: bool = True
) -> None:
    folder, settings = work.policy(size), recipe(learning_rate)

    def ours() -> list[float]:
        rows = work.reference(folder, texts, Tokeniser(load_tokenizer(folder)))
        return work.ours(folder, rows, settings)

    def theirs() -> list[float]:
        return work.theirs("DPO", folder, work.preferences(texts), settings, beta=0.1)

    side_by_side(
        f"dpo-train-{size}", ours, theirs, same=work.same_losses, measure="cpu", rounds=rounds, warm_up=warm_up
    )


def padding() -> None:
    random = np.random.default_rng(0)
    seen = real = 0
    for _ in range(20):
        lengths = np.clip(random.lognormal(np.log(130), 0.7, 2 * work.BATCH), 8, 512).astype(int)
        columns = np.arange(lengths.max())
        mask = torch.tensor(columns < lengths[:, None])
        ids = torch.tensor(random.integers(5, 40, mask.shape))
        labels = ids.masked_fill(~mask | torch.tensor(columns < 4), IGNORED)
        seen += sum(part.numel() for part in pack(ids, mask, labels).places.parts)
        real += int(lengths.sum())
    at_most("padding-one", seen / real, BOUND, "tokens-per-real-one")


if __name__ == "__main__":
    padding()
    compare("mini", work.pairs(512, 26, 160, 0.4), 6e-4)
    compare("0.8m", work.pairs(48, 130, 512), 1e-4)
    compare("5m", work.pairs(work.BATCH, 130, 512), 1e-4, rounds=1, warm_up=False)
