"""Ten DPO arms of one pool, from texts to saved policies: selections that overlap, the reference sums included.

    dpo-arms    the shape of mini's policies, 320 pairs, ten selections of 128

Ours: the reference sums of the pool once, its tokens once, then ten trainings. Theirs: TRL's DPOTrainer with
precompute_ref_log_probs for each arm, as its documentation advises, same batch size, seed and learning rate. The losses
of all updates are equal to 1e-5. About 60 s.
"""

from random import Random

from bench import training_pairs as work
from bench.side_by_side import side_by_side
from prefdelta.core.recipes import Budget
from prefdelta.models.loading import load_tokenizer
from prefdelta.training.methods.dpo import DPORecipe
from prefdelta.training.tokens import Tokeniser

Losses = list[list[float]]
RECIPE = DPORecipe(
    method="dpo", beta=0.1, learning_rate=6e-4, batch_size=work.BATCH, budget=Budget(epochs=1), warmup_share=0.1
)
POOL, ARMS, PAIRS = 320, 10, 128


def same(mine: Losses, other: Losses) -> None:
    for a, b in zip(mine, other, strict=True):
        work.same_losses(a, b)


if __name__ == "__main__":
    folder, texts = work.policy("mini"), work.pairs(POOL, 40, 160)
    arms = [sorted(Random(arm).sample(range(POOL), PAIRS)) for arm in range(ARMS)]

    def ours() -> Losses:
        rows = work.reference(folder, texts, Tokeniser(load_tokenizer(folder)))
        return [work.ours(folder, [rows[place] for place in arm], RECIPE) for arm in arms]

    def theirs() -> Losses:
        return [
            work.theirs(
                "DPO",
                folder,
                work.preferences([texts[place] for place in arm]),
                RECIPE,
                beta=0.1,
                precompute_ref_log_probs=True,
            )
            for arm in arms
        ]

    side_by_side("dpo-arms", ours, theirs, same=same, measure="cpu")
