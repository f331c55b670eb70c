"""How much longer the chosen trace of a pair is than the rejected one."""

from collections.abc import Iterable

from prefdelta.records.pair import Pair

TOKENS, CHARACTERS = "tokens", "characters"


def length_differences(pairs: Iterable[Pair]) -> tuple[dict[str, int], str]:
    """(pair_id -> length of the chosen trace minus that of the rejected one, the unit), for pairs of one pairing.

    The unit is tokens, as the generators count them, or characters if any trace has no token count (from a data set).
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
