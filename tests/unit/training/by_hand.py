"""What the library computes in batches, written out token by token."""

import math


def load(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def completion_logp(model, prompt, completion):
    """Sum over the completion's tokens of log p(token | all before it), one row and one token at a time."""
    import torch

    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([prompt + completion])).logits[0].tolist()
    total = 0.0
    for offset, token in enumerate(completion):
        before = logits[len(prompt) + offset - 1]  # what the token before predicts
        largest = max(before)
        total += before[token] - largest - math.log(sum(math.exp(logit - largest) for logit in before))
    return total


def dpo_loss(beta, chosen, rejected, ref_chosen, ref_rejected):
    """-log sigmoid(beta * ((log pi(c) - log ref(c)) - (log pi(r) - log ref(r)))): arXiv 2305.18290, equation 7."""
    margin = beta * ((chosen - ref_chosen) - (rejected - ref_rejected))
    return math.log(1.0 + math.exp(-margin))
