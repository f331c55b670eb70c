"""Tables of pairs and deltas have the bytes that rows made one by one have, whatever the tables they are made of."""

from random import Random

import pyarrow as pa
import pytest

from prefdelta.core.pairs.deltas import sample_deltas
from prefdelta.records.delta import Delta
from prefdelta.records.judgement import Judgement
from prefdelta.records.pair import Pair
from prefdelta.store import tables
from unit.core.pairs.by_rows import deltas_of, pairs_of
from unit.pair_tables import form_pairs
from unit.rows import grade, judgement, trace

TEXTS = ["A:1", "A:2", 'say "1"\\ \n\t\x01', "日本 \u2028", "\x7f", "x" * 300]
PROMPTS = ["0123456789abcdef", "fedcba9876543210", 'p"1', "ü", "p.2", "a\\n", *(f"p{number}" for number in range(40))]
DIMENSIONS = ("logic", "clarity", "depth")
VOTES = [1, 1, 2, 3, 5, 7]
MANY_VOTES = [97, 89, 83, 79, 73, 71, 67, 61, 59]  # whose common multiple is more than a float can hold


class Study:
    """Tables with everything that can be missing, cut, empty, failed, tied or of another prompt."""

    def __init__(self, seed, samples, votes):
        random = Random(seed)
        self.prompts = random.sample(PROMPTS, random.choice([0, 1, 12, len(PROMPTS)]))
        self.traces, self.grades, self.judgements = {"a": [], "b": []}, {"a": [], "b": []}, []
        for name in self.traces:
            for prompt_id in (*self.prompts, "of another study"):
                for sample in range(samples):
                    if random.random() < 0.9:
                        self._add(random, votes, prompt_id, name, sample)

    def _add(self, random, votes, *of_trace):
        unusable = [
            {"text": random.choice(["cut", "", None]), "finish_reason": "length"},
            {"text": None, "finish_reason": None, "n_tokens": None, "failure": "too_long"},
            {"text": random.choice(["", None])},
            {"text": "A:1", "finish_reason": "length", "failure": "both"},
        ]
        usable = {"text": random.choice(TEXTS), "n_tokens": random.choice([None, 5, 7])}
        self.traces[of_trace[1]].append(trace(*of_trace, **random.choice([*unusable, *[usable] * 12])))
        if random.random() < 0.9:
            self.grades[of_trace[1]].append(grade(*of_trace, correct=random.choice([True, False, False, None])))
        for dimension in DIMENSIONS:
            if random.random() < 0.95:
                count = random.choice(votes)
                given = [random.choice([1, 3, 3, 5]) for _ in range(count)] if random.random() < 0.95 else [None]
                place = {"prompt_id": of_trace[0], "sample": of_trace[2]}
                self.judgements.append(judgement(of_trace[1], dimension, *given, **place))


def written(path, write, row_type, rows):
    write(path, row_type, rows)
    return path.read_bytes()


@pytest.mark.parametrize("sides", ["ab", "ba", "aa"])
@pytest.mark.parametrize("samples", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_tables_are_those_of_rows(tmp_path, sides, samples, seed):
    study = Study(f"{seed} {samples}", samples, MANY_VOTES if seed == 3 else VOTES)
    judged = {"a": 1 + seed, "b": 2}
    pairs = pairs_of(*sides, study.prompts, study.traces, study.grades, judged)
    found = pa.concat_tables(form_pairs(*sides, study.prompts, study.traces, study.grades, judged))
    stated = written(tmp_path / "rows.parquet", tables.write, Pair, pairs)
    assert written(tmp_path / "columns.parquet", tables.write_arrow, Pair, found) == stated

    pool = [pair for pair in pairs if pair.pool]
    forms = [
        tables.arrow_of(Judgement, [row for row in study.judgements if row.dimension in form])
        for form in (DIMENSIONS[:1], DIMENSIONS[1:])
    ]
    for components in (["depth"], list(DIMENSIONS), ["unknown"]):
        deltas = deltas_of(*sides, pool, study.judgements, components)
        found = sample_deltas(*sides, tables.arrow_of(Pair, pool), forms, components)
        stated = written(tmp_path / "rows.parquet", tables.write, Delta, deltas)
        assert written(tmp_path / "columns.parquet", tables.write_arrow, Delta, found) == stated
