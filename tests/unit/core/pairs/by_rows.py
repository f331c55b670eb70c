"""Pairs and deltas row by row, as plainly as their rules are said: what the columns must give."""

from fractions import Fraction
from itertools import product

from prefdelta.core.ids import digest
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair

REASONS = ("truncated", "empty", "failed", "missing")


def pairs_of(chosen, rejected, prompt_ids, traces, grades, judged):
    """All pairs of a pairing, those of the cells too."""
    parity = {"chosen": 0, "rejected": 1} if chosen == rejected else {}
    names = {"chosen": chosen, "rejected": rejected}
    right = {(row.generator, row.prompt_id, row.sample): row.correct for rows in grades.values() for row in rows}

    def offered(side, prompt_id):
        of_prompt = [row for row in traces[names[side]] if row.prompt_id == prompt_id]
        return [row for row in of_prompt if row.sample % 2 == parity.get(side, row.sample % 2)]

    def correct(trace):
        return trace and right.get((trace.generator, trace.prompt_id, trace.sample))

    def first(rows):
        return min((row for row in rows if row.usable), key=lambda row: row.sample, default=None)

    def pair(prompt_id, left, right, pool, reason):
        samples = left and left.sample, right and right.sample
        both = correct(left), correct(right)
        words = ["right" if one else "wrong" for one in both]
        return Pair(
            digest(["pair", chosen, rejected, prompt_id, *samples])[:16], prompt_id, *samples, pool,
            None if None in both else "-".join(words), left and left.n_tokens, right and right.n_tokens, *both,
            reason is None, reason, left and len(left.text), right and len(right.text),
            digest([left.text, right.text])[:16] if left and right else None,
        )  # fmt: skip

    def same(left, right):
        return "identical" if left.text == right.text else None

    made = []
    for prompt_id in prompt_ids:
        rows = {side: [row for row in offered(side, prompt_id) if row.sample < judged[names[side]]] for side in names}
        pool = [first(rows[side]) for side in names]
        lacking = [
            f"{side}_{min((row.unusable_because for row in rows[side]), key=REASONS.index, default='missing')}"
            for side, found in zip(names, pool, strict=True)
            if found is None
        ]
        made.append(pair(prompt_id, *pool, True, lacking[0] if lacking else same(*pool)))
        kinds = [
            [first([row for row in offered(side, prompt_id) if correct(row) is kind]) for kind in (True, False)]
            for side in names
        ]
        if None not in (*kinds[0], *kinds[1]):
            cells = [list(cell) for cell in product(*kinds) if list(cell) != pool]
            made += [pair(prompt_id, *cell, False, same(*cell)) for cell in cells]
    return made


def deltas_of(chosen, rejected, pairs, judgements, components):
    scores = {
        (row.generator, row.prompt_id, row.sample, row.dimension): Fraction(row.score_sum, row.votes)
        for row in judgements
        if row.score_sum is not None
    }
    made = []
    for pair in pairs:
        sides = []
        for name, sample in ((chosen, pair.chosen_sample), (rejected, pair.rejected_sample)):
            parts = [scores.get((name, pair.prompt_id, sample, component)) for component in components]
            sides.append(None if None in parts else sum(parts, Fraction(0)) / len(parts))
        left, right = sides
        failure = "chosen_unjudged" if left is None else "rejected_unjudged" if right is None else None
        failure = failure if pair.eligible else "not_eligible"
        numbers = left, right, None if failure else left - right
        made.append(Delta(pair.pair_id, *(None if one is None else float(one) for one in numbers), failure))
    return made
