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


def kto_loss(beta, wanted, unwanted, mismatched):
    """One batch by arXiv 2402.01306, equation 7, with lambda_D = lambda_U = 1: the mean of 1 - v(x, y).

    v = sigmoid(beta (r - z)) for a wanted trace and sigmoid(beta (z - r)) for an unwanted one. r is the log-ratio of
    policy and reference; z is the mean log-ratio of mismatched prompts and completions, and not below 0. Each argument
    but beta is a list of log-ratios.
    """
    z = max(0.0, mean(mismatched))
    values = [sigmoid(beta * (r - z)) for r in wanted] + [sigmoid(beta * (z - r)) for r in unwanted]
    return mean(1.0 - value for value in values)


def sigmoid(value):
    return 1.0 / (1.0 + math.exp(-value))


def mean(values):
    values = list(values)
    return sum(values) / len(values)
