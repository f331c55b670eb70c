"""How much longer the chosen trace of a pair is than the rejected one."""

from collections.abc import Iterable

from prefdelta.records.pair import Pair

TOKENS, CHARACTERS = "tokens", "characters"


def length_differences(pairs: Iterable[Pair]) -> tuple[dict[str, int], str]:
    """Chosen minus rejected of some pairs of one pairing, by pair_id, and the unit of all of them.

    Tokens, as the generators count them; characters if any trace has no token count, as traces that a data set ships.
    Units are never mixed, because the pairs of a pairing are compared with each other.
    """
    pairs = list(pairs)
    in_tokens = all(pair.chosen_tokens is not None and pair.rejected_tokens is not None for pair in pairs)
    sides = {
        pair.pair_id: (pair.chosen_tokens, pair.rejected_tokens)
        if in_tokens
        else (pair.chosen_characters, pair.rejected_characters)
        for pair in pairs
    }
    known = {
        pair_id: chosen - rejected
        for pair_id, (chosen, rejected) in sides.items()
        if chosen is not None and rejected is not None
    }
    return known, TOKENS if in_tokens else CHARACTERS
