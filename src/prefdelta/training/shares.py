"""Who computes which rows of an update, when several processes make it together in micro-batches.

The processes exchange weights in each micro-batch, so all wait for the one whose micro-batch is the longest.
"""

from collections.abc import Sequence

Share = list[tuple[list[int], bool]]  # of each micro-batch of a process: indices of its rows, and whether it counts


def shares(lengths: Sequence[int], rows_each: int, processes: int, together: int = 1) -> list[Share]:
    """The micro-batches that each process makes of an update.

    lengths: tokens of each row. rows_each: rows of one micro-batch. together: rows that belong together, as they follow
    each other; a micro-batch takes them apart only if rows_each is no multiple of their number.
    Rows of about one length share a micro-batch, and micro-batches of about one length are made at the same time, the
    longest first; of those, the process with the fewest tokens so far gets the longest. All processes make equally
    many. One that runs out of rows repeats the shortest micro-batch, which does not count. Rows keep their order within
    a micro-batch, so that one that holds the whole update is the update as it is.
    """
    groups = [range(start, min(start + together, len(lengths))) for start in range(0, len(lengths), together)]
    groups.sort(key=lambda group: -sum(lengths[index] for index in group))
    longest_first = [index for group in groups for index in group]
    parts = [sorted(longest_first[at : at + rows_each]) for at in range(0, len(lengths), rows_each)]
    made: list[Share] = [[] for _ in range(processes)]
    tokens = [0] * processes
    for start in range(0, len(parts), processes):
        least_loaded = sorted(range(processes), key=tokens.__getitem__)
        for at, process in enumerate(least_loaded, start):
            part = parts[min(at, len(parts) - 1)]
            made[process].append((part, at < len(parts)))
            tokens[process] += sum(lengths[index] for index in part)
    return made
