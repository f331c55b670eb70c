"""Judged traces of two generators, made up: the tables that the stages pair, delta and filter read."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.stages import delta, pair
from prefdelta.stages import filter as filter_stage
from prefdelta.store import tables
from prefdelta.workflow.job import Job, Outcome

CHOSEN, REJECTED = "strong", "weak"
DIMENSIONS = ("clarity", "logic")  # of one form; the deltas are on the last one
MAX_FAILURE_SHARE = 0.5
TIE_SEED = 3


def make(folder: Path, n: int, seed: int = 0) -> None:
    """Tables of n prompts with one trace of each generator: 3% are truncated, 1% failed, 0.5% not judged."""
    rng = np.random.default_rng(seed)
    digits = rng.integers(0, 2**63, n, dtype=np.int64).astype(">i8").tobytes().hex().encode()
    ids = pa.array(np.sort(np.frombuffer(digits, "S16")).astype("S16").tolist(), pa.binary()).cast(pa.string())
    write(folder / "prompts.parquet", Prompt, n, prompt_id=ids, source="train", text="1+1", answers=[])
    for name in (CHOSEN, REJECTED):
        numbers = [pa.array(rng.integers(0, 999, n)).cast(pa.string()) for _ in range(3)]
        text = pc.binary_join_element_wise("step 1:", *numbers, "\nso the answer is", numbers[-1], " ")
        state = rng.random(n)
        failed, cut = pa.array(state < 0.01), pa.array((state >= 0.01) & (state < 0.04))
        of_all = {"prompt_id": ids, "generator": name, "sample": 0}
        write(
            folder / f"{name}_traces.parquet",
            Trace,
            n,
            **of_all,
            text=pc.if_else(failed, None, text),
            finish_reason=pc.if_else(failed, None, pc.if_else(cut, "length", "stop")),
            n_tokens=pc.if_else(failed, None, pa.array(rng.integers(1, 2000, n))),
            seed=7,
            call_key="key",
            failure=pc.if_else(failed, "too_long", None),
            source_correct=pa.nulls(n, pa.bool_()),
        )
        ungraded = pa.array(state < 0.04)
        write(
            folder / f"{name}_grades.parquet",
            Grade,
            n,
            **of_all,
            extracted=pc.if_else(ungraded, None, numbers[-1]),
            correct=pc.if_else(ungraded, None, pa.array(rng.random(n) < 0.5)),
            failure=pc.if_else(ungraded, "truncated", None),
        )
        m = n * len(DIMENSIONS)
        votes = rng.integers(1, 4, m)
        unjudged = pa.array(np.repeat(state < 0.04, len(DIMENSIONS)) | (rng.random(m) < 0.005))
        write(
            folder / f"{name}_judgements.parquet",
            Judgement,
            m,
            **{**of_all, "prompt_id": ids.take(pa.array(np.repeat(np.arange(n), len(DIMENSIONS))))},
            dimension=pa.array(DIMENSIONS).take(pa.array(np.tile(np.arange(len(DIMENSIONS)), n))),
            score_sum=pc.if_else(unjudged, None, pa.array(rng.binomial(4 * votes, 0.6) + votes)),
            votes=pc.if_else(unjudged, 0, pa.array(votes)),
            attempts=1,
            call_keys=["key"],
            failure=pc.if_else(unjudged, "not_json", None),
        )


def write(path: Path, row_type: type, n: int, **columns: object) -> None:
    """Write a table in its order; a column that is no array is the same in all rows."""
    schema = tables.schema(row_type)
    arrays = [
        given.cast(field.type) if isinstance(given := columns[field.name], pa.Array) else repeated(given, n, field.type)
        for field in schema
    ]
    table = pa.Table.from_arrays(arrays, schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, compression="zstd", write_page_checksum=True)


def repeated(value: object, n: int, kind: pa.DataType) -> pa.Array:
    return pa.array([value], kind).take(pa.array(np.zeros(n, np.int64)))


def run_stages(folder: Path, out: Path, k: int) -> None:
    """Our three stages, through their own doors."""
    run(
        pair.run,
        pair.PairSettings(
            chosen=CHOSEN, rejected=REJECTED, judged={CHOSEN: 1, REJECTED: 1}, max_failure_share=MAX_FAILURE_SHARE
        ),
        out / "pairs.parquet",
        prompts=[folder / "prompts.parquet"],
        **{
            f"{side}_{what}": [folder / f"{name}_{what}.parquet"]
            for side, name in (("chosen", CHOSEN), ("rejected", REJECTED))
            for what in ("traces", "grades")
        },
    )
    run(
        delta.run,
        delta.DeltaSettings(chosen=CHOSEN, rejected=REJECTED, components=[DIMENSIONS[-1]]),
        out / "deltas.parquet",
        pairs=[out / "pairs.parquet"],
        judgements=[folder / f"{name}_judgements.parquet" for name in (CHOSEN, REJECTED)],
        annotations=[],
    )
    run(
        filter_stage.run,
        filter_stage.FilterSettings(selection=f"top-{DIMENSIONS[-1]}-{k}", tie_seed=TIE_SEED, order=0, limit=None),
        out / "selected.parquet",
        pairs=[out / "pairs.parquet"],
        deltas=[out / "deltas.parquet"],
        common=[],
        grades=[],
        reference=[],
    )


def run(stage: Callable[[Job], Outcome], settings: object, output: Path, **inputs: Sequence[Path]) -> None:
    stage(Job(settings, inputs, {output.stem: [output]}, output.parent))
