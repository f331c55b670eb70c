"""What forms and selects pairs, asked with rows and answered in rows."""

from prefdelta.core.pairs import deltas as columns_of_deltas
from prefdelta.core.pairs import forming, selections
from prefdelta.core.pairs.selection_kinds import common, likely_rejected
from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.store.tables import arrow_of


def rows(row_type, table):
    return [row_type(**row) for row in table.to_pylist()]


def formed(chosen, rejected, prompt_ids, traces, grades, judged):
    """(Pool pairs, the other pairs of the cells)."""
    return tuple(rows(Pair, table) for table in form_pairs(chosen, rejected, prompt_ids, traces, grades, judged))


def form_pairs(chosen, rejected, prompt_ids, traces, grades, judged):
    import pyarrow as pa

    prompts = pa.array(sorted(prompt_ids), pa.string())
    left, right = (
        forming.OfferedTraces.of(
            prompts,
            arrow_of(Trace, list(traces[name])),
            arrow_of(Grade, list(grades[name])),
            judged[name],
            parity if chosen == rejected else None,
        )
        for parity, name in enumerate((chosen, rejected))
    )
    return forming.form_pairs(chosen, rejected, prompts, left, right)


def pool_pairs(*arguments):
    return formed(*arguments)[0]


def cell_pairs(*arguments):
    return formed(*arguments)[1]


def sample_deltas(chosen, rejected, pairs, judgements, components):
    tables = arrow_of(Pair, list(pairs)), [arrow_of(Judgement, list(judgements))]
    return rows(Delta, columns_of_deltas.sample_deltas(chosen, rejected, *tables, components))


def selected(selection, pairs, deltas, tie_seed=0, common=(), limit=None, **more):
    """deltas: by pair_id."""
    tables = arrow_of(Pair, list(pairs)), arrow_of(Delta, list(deltas.values()))
    return selections.select(selection, *tables, tie_seed=tie_seed, common=common, limit=limit, **more)


def select(*arguments, **more):
    return rows(SelectedPair, selected(*arguments, **more).pairs)


def count_ties(selection, pairs, deltas, **more):
    return selected(selection, pairs, deltas, checked=False, **more).ties


def common_prompts(pairings):
    return set(common.common_prompts(arrow_of(Pair, list(pairs)) for pairs in pairings).to_pylist())


def rejected_logps(pairs, reference):
    return likely_rejected.rejected_logps(arrow_of(Pair, list(pairs)), reference)
