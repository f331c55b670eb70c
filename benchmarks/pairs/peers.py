"""The same rows by pandas, duckdb and polars: from judged traces to pairs, deltas and the top k, Parquet to Parquet.

Each is written for the tables that `made` makes and skips what these do not need: one judged trace of each
generator and prompt, and so no choice of a sample and no cells of correctness; one dimension; one escape in the JSON
that is hashed. Only duckdb has SHA-256 of its own. The other two call hashlib, as we do.
"""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from pairs.made import CHOSEN, DIMENSIONS, REJECTED, TIE_SEED

DIMENSION = DIMENSIONS[-1]
PAIR = f'["pair","{CHOSEN}","{REJECTED}","'
TIE = f'["ties","{DIMENSION}",{TIE_SEED},0,"'
SIDES = (("chosen", CHOSEN), ("rejected", REJECTED))
TRACE = ["prompt_id", "sample", "text", "finish_reason", "n_tokens", "failure"]
GRADE = ["prompt_id", "correct"]
JUDGEMENT = ["prompt_id", "dimension", "score_sum", "votes"]


def hashes(texts: Iterable[str]) -> list[str]:
    return [sha256(text.encode()).hexdigest()[:16] for text in texts]


def by_pandas(folder: Path, out: Path, k: int) -> None:
    import numpy as np
    import pandas as pd

    pairs = pd.read_parquet(folder / "prompts.parquet", columns=["prompt_id"])
    for side, name in SIDES:
        traces = pd.read_parquet(folder / f"{name}_traces.parquet", columns=TRACE, dtype_backend="pyarrow")
        failed, cut = traces["failure"].notna(), (traces["finish_reason"] == "length").fillna(False)
        empty = traces["text"].fillna("") == ""
        traces["why"] = np.select([failed, cut, empty], ["failed", "truncated", "empty"], "")
        traces = traces.drop(columns=["finish_reason", "failure"])
        traces.loc[traces["why"] != "", ["sample", "text", "n_tokens"]] = None
        grades = pd.read_parquet(folder / f"{name}_grades.parquet", columns=GRADE, dtype_backend="pyarrow")
        traces = traces.merge(grades, on="prompt_id", how="left")
        traces.loc[traces["why"] != "", "correct"] = None
        traces["characters"] = traces["text"].str.len()
        pairs = pairs.merge(
            traces.add_prefix(f"{side}_"), left_on="prompt_id", right_on=f"{side}_prompt_id", how="left"
        )
        pairs = pairs.drop(columns=f"{side}_prompt_id")
    left, right = pairs["chosen_why"] == "", pairs["rejected_why"] == ""
    identical = (pairs["chosen_text"] == pairs["rejected_text"]).fillna(False)
    pairs["reason"] = np.select(
        [~left, ~right, identical], ["chosen_" + pairs["chosen_why"], "rejected_" + pairs["rejected_why"], "identical"]
    )
    pairs["eligible"] = left & right & ~identical
    pairs.loc[pairs["eligible"], "reason"] = None
    samples = (pairs[f"{side}_sample"].astype("string").fillna("null") for side, _ in SIDES)
    pairs["pair_id"] = hashes(f'{PAIR}{p}",{a},{b}]' for p, a, b in zip(pairs["prompt_id"], *samples, strict=True))
    both = pairs[left & right]
    texts = (both[f"{side}_text"].str.replace("\n", "\\n", regex=False) for side, _ in SIDES)
    pairs["texts"] = None
    pairs.loc[both.index, "texts"] = hashes(f'["{a}","{b}"]' for a, b in zip(*texts, strict=True))
    words = (pairs[f"{side}_correct"].map({True: "right", False: "wrong"}).astype("string") for side, _ in SIDES)
    pairs["cell"] = next(words) + "-" + next(words)
    pairs["pool"] = True
    pairs = pairs.rename(columns={f"{side}_n_tokens": f"{side}_tokens" for side, _ in SIDES})
    pairs = pairs.drop(columns=["chosen_text", "rejected_text", "chosen_why", "rejected_why"]).sort_values("pair_id")
    pairs.to_parquet(out / "pairs.parquet", compression="zstd", index=False)

    deltas = pd.read_parquet(out / "pairs.parquet", columns=["pair_id", "prompt_id", "eligible"])
    usable = pd.read_parquet(out / "pairs.parquet", columns=["chosen_sample", "rejected_sample"])
    for side, name in SIDES:
        judged = pd.read_parquet(
            folder / f"{name}_judgements.parquet", columns=JUDGEMENT, filters=[("dimension", "==", DIMENSION)]
        ).drop(columns="dimension")
        deltas = deltas.merge(judged.rename(columns={"score_sum": f"{side}_sum", "votes": f"{side}_votes"}), how="left")
        deltas.loc[usable[f"{side}_sample"].isna(), f"{side}_sum"] = np.nan
        deltas[f"{side}_score"] = deltas[f"{side}_sum"] / deltas[f"{side}_votes"]
    whole = deltas["chosen_sum"] * deltas["rejected_votes"] - deltas["rejected_sum"] * deltas["chosen_votes"]
    deltas["delta"] = (whole / (deltas["chosen_votes"] * deltas["rejected_votes"])).where(deltas["eligible"])
    deltas["failure"] = np.select(
        [~deltas["eligible"], deltas["chosen_score"].isna(), deltas["rejected_score"].isna()],
        ["not_eligible", "chosen_unjudged", "rejected_unjudged"],
        None,
    )
    columns = ["pair_id", "chosen_score", "rejected_score", "delta", "failure"]
    deltas[columns].to_parquet(out / "deltas.parquet", compression="zstd", index=False)

    deltas = pd.read_parquet(out / "deltas.parquet", columns=["pair_id", "delta"]).dropna()
    deltas = deltas.nlargest(k, "delta", keep="all")
    deltas["tie"] = hashes(f'{TIE}{pair_id}"]' for pair_id in deltas["pair_id"])
    top = deltas.sort_values(["delta", "tie"], ascending=[False, True])[["pair_id"]].head(k)
    top["rank"], top["swapped"] = np.arange(k), False
    top.to_parquet(out / "selected.parquet", compression="zstd", index=False)


def by_duckdb(folder: Path, out: Path, k: int) -> None:
    import duckdb

    def side(name: str) -> str:
        return f"""(SELECT t.prompt_id, why, CASE WHEN why IS NULL THEN t.sample END AS sample,
            CASE WHEN why IS NULL THEN text END AS text, CASE WHEN why IS NULL THEN n_tokens END AS tokens,
            CASE WHEN why IS NULL THEN correct END AS correct FROM (
                SELECT prompt_id, sample, text, n_tokens, CASE WHEN failure IS NOT NULL THEN 'failed'
                WHEN finish_reason = 'length' THEN 'truncated' WHEN coalesce(text, '') = '' THEN 'empty' END AS why
                FROM '{folder}/{name}_traces.parquet') t
            LEFT JOIN '{folder}/{name}_grades.parquet' g USING (prompt_id))"""

    def written(query: str, name: str) -> None:
        database.execute(f"COPY ({query}) TO '{out}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd)")

    def word(column: str) -> str:
        return f"CASE WHEN {column} THEN 'right' ELSE 'wrong' END"

    with duckdb.connect() as database:
        database.execute("SET enable_progress_bar = false")
        reason = """CASE WHEN l.why IS NOT NULL THEN 'chosen_' || l.why WHEN r.why IS NOT NULL THEN 'rejected_' || r.why
            WHEN l.text = r.text THEN 'identical' END"""
        written(
            f"""SELECT substr(sha256('{PAIR}' || p.prompt_id || '",' || coalesce(l.sample::VARCHAR, 'null') || ',' ||
                    coalesce(r.sample::VARCHAR, 'null') || ']'), 1, 16) AS pair_id, p.prompt_id,
                l.sample AS chosen_sample, r.sample AS rejected_sample, true AS pool,
                CASE WHEN l.correct IS NOT NULL AND r.correct IS NOT NULL
                    THEN {word("l.correct")} || '-' || {word("r.correct")} END AS cell,
                l.tokens AS chosen_tokens, r.tokens AS rejected_tokens,
                l.correct AS chosen_correct, r.correct AS rejected_correct,
                {reason} IS NULL AS eligible, {reason} AS reason,
                length(l.text) AS chosen_characters, length(r.text) AS rejected_characters,
                substr(sha256('["' || replace(l.text, chr(10), '\\n') || '","' ||
                    replace(r.text, chr(10), '\\n') || '"]'), 1, 16) AS texts
            FROM '{folder}/prompts.parquet' p LEFT JOIN {side(CHOSEN)} l USING (prompt_id)
            LEFT JOIN {side(REJECTED)} r USING (prompt_id) ORDER BY pair_id""",
            "pairs",
        )
        judged = [
            f"""LEFT JOIN (SELECT prompt_id, score_sum AS s, votes AS v FROM '{folder}/{name}_judgements.parquet'
                WHERE dimension = '{DIMENSION}' AND score_sum IS NOT NULL) {side}
                ON {side}.prompt_id = p.prompt_id AND p.{side}_sample IS NOT NULL"""
            for side, name in SIDES
        ]
        written(
            f"""SELECT pair_id, chosen.s / chosen.v AS chosen_score, rejected.s / rejected.v AS rejected_score,
                CASE WHEN eligible THEN (chosen.s * rejected.v - rejected.s * chosen.v) / (chosen.v * rejected.v)
                    END AS delta,
                CASE WHEN NOT eligible THEN 'not_eligible' WHEN chosen.s IS NULL THEN 'chosen_unjudged'
                    WHEN rejected.s IS NULL THEN 'rejected_unjudged' END AS failure
            FROM '{out}/pairs.parquet' p {" ".join(judged)} ORDER BY pair_id""",
            "deltas",
        )
        written(
            f"""WITH d AS (SELECT pair_id, delta FROM '{out}/deltas.parquet' WHERE delta IS NOT NULL),
                cut AS (SELECT min(delta) AS cut FROM (SELECT delta FROM d ORDER BY delta DESC LIMIT {k})),
                top AS (SELECT pair_id, delta, sha256('{TIE}' || pair_id || '"]') AS tie FROM d, cut
                    WHERE delta >= cut ORDER BY delta DESC, tie LIMIT {k})
            SELECT pair_id, row_number() OVER (ORDER BY delta DESC, tie) - 1 AS rank, false AS swapped
            FROM top ORDER BY rank""",
            "selected",
        )


def by_polars(folder: Path, out: Path, k: int) -> None:
    import polars as pl

    def hashed(messages: pl.Series) -> pl.Series:
        return pl.Series(messages.name, hashes(messages), pl.String)

    def side(side: str, name: str) -> pl.LazyFrame:
        why = (
            pl.when(pl.col("failure").is_not_null())
            .then(pl.lit("failed"))
            .when(pl.col("finish_reason") == "length")
            .then(pl.lit("truncated"))
            .when(pl.col("text").fill_null("") == "")
            .then(pl.lit("empty"))
        )
        traces = pl.scan_parquet(folder / f"{name}_traces.parquet").with_columns(why=why)
        grades = pl.scan_parquet(folder / f"{name}_grades.parquet").select(GRADE)
        usable = pl.col("why").is_null()
        return traces.join(grades, on="prompt_id", how="left").select(
            "prompt_id",
            pl.col("why").alias(f"{side}_why"),
            *(
                pl.when(usable).then(pl.col(name)).alias(f"{side}_{to}")
                for name, to in (("sample", "sample"), ("text", "text"), ("n_tokens", "tokens"), ("correct", "correct"))
            ),
        )

    def word(side: str) -> pl.Expr:
        return pl.col(f"{side}_correct").replace_strict({True: "right", False: "wrong"}, return_dtype=pl.String)

    reason = (
        pl.when(pl.col("chosen_why").is_not_null())
        .then("chosen_" + pl.col("chosen_why"))
        .when(pl.col("rejected_why").is_not_null())
        .then("rejected_" + pl.col("rejected_why"))
        .when(pl.col("chosen_text") == pl.col("rejected_text"))
        .then(pl.lit("identical"))
    )
    samples = (pl.col(f"{side}_sample").cast(pl.String).fill_null("null") for side, _ in SIDES)
    escaped = [pl.col(f"{side}_text").str.replace_all("\n", "\\n", literal=True) for side, _ in SIDES]
    pairs = pl.scan_parquet(folder / "prompts.parquet").select("prompt_id")
    for of_side in SIDES:
        pairs = pairs.join(side(*of_side), on="prompt_id", how="left")
    frame = pairs.select(
        pl.format(PAIR.replace("{", "{{") + '{}",{},{}]', "prompt_id", *samples).alias("pair_id"),
        "prompt_id",
        "chosen_sample",
        "rejected_sample",
        pl.lit(True).alias("pool"),
        pl.concat_str(word("chosen"), word("rejected"), separator="-").alias("cell"),
        "chosen_tokens",
        "rejected_tokens",
        "chosen_correct",
        "rejected_correct",
        reason.is_null().alias("eligible"),
        reason.alias("reason"),
        *(pl.col(f"{side}_text").str.len_chars().alias(f"{side}_characters") for side, _ in SIDES),
        pl.format('["{}","{}"]', *escaped).alias("texts"),
    ).collect()
    known = frame["texts"].is_not_null()
    frame = frame.with_columns(
        hashed(frame["pair_id"]), frame["texts"].scatter(known.arg_true(), hashed(frame["texts"].filter(known)))
    )
    frame.sort("pair_id").write_parquet(out / "pairs.parquet", compression="zstd")

    deltas = pl.scan_parquet(out / "pairs.parquet").select(
        "pair_id", "prompt_id", "eligible", "chosen_sample", "rejected_sample"
    )
    for of_side, name in SIDES:
        judged = pl.scan_parquet(folder / f"{name}_judgements.parquet").filter(
            pl.col("dimension") == DIMENSION, pl.col("score_sum").is_not_null()
        )
        sums, votes = pl.col("score_sum").alias(f"{of_side}_s"), pl.col("votes").alias(f"{of_side}_v")
        deltas = deltas.join(
            judged.select("prompt_id", "sample", sums, votes),
            left_on=["prompt_id", f"{of_side}_sample"],
            right_on=["prompt_id", "sample"],
            how="left",
        )
    left, left_votes, right, right_votes = (
        pl.col(f"{of_side}_{what}") for of_side in ("chosen", "rejected") for what in "sv"
    )
    deltas.select(
        "pair_id",
        (left / left_votes).alias("chosen_score"),
        (right / right_votes).alias("rejected_score"),
        pl.when("eligible").then((left * right_votes - right * left_votes) / (left_votes * right_votes)).alias("delta"),
        pl.when(~pl.col("eligible"))
        .then(pl.lit("not_eligible"))
        .when(left.is_null())
        .then(pl.lit("chosen_unjudged"))
        .when(right.is_null())
        .then(pl.lit("rejected_unjudged"))
        .alias("failure"),
    ).sort("pair_id").collect().write_parquet(out / "deltas.parquet", compression="zstd")

    known = pl.scan_parquet(out / "deltas.parquet").select("pair_id", "delta").drop_nulls().collect()
    near = known.filter(pl.col("delta") >= known["delta"].top_k(k).min())
    ties = hashed(near.select(pl.format(TIE + '{}"]', "pair_id").alias("tie"))["tie"])
    top = near.with_columns(ties).sort(["delta", "tie"], descending=[True, False]).head(k).select("pair_id")
    top.with_row_index("rank").select(
        "pair_id", pl.col("rank").cast(pl.Int64), pl.lit(False).alias("swapped")
    ).write_parquet(out / "selected.parquet", compression="zstd")
