"""How many updates a budget pays for. This is not in `core.recipes`, so that it is in the digest of training."""

import math

from prefdelta.core.recipes import Budget


def count_updates(budget: Budget, rows: int, batch_size: int, mean_tokens: float) -> int:
    """Updates of `batch_size` rows that the budget pays for. rows: of one epoch. mean_tokens: of one row."""
    per_epoch = math.ceil(rows / batch_size)
    if budget.epochs is not None:
        return max(1, round(per_epoch * budget.epochs))
    if budget.examples is not None:
        return math.ceil(budget.examples / batch_size)
    if budget.updates is not None:
        return budget.updates
    assert budget.tokens is not None
    return math.ceil(budget.tokens / (mean_tokens * batch_size))
