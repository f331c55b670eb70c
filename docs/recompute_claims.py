"""Every number of the report's claims again, from the tables: python docs/recompute_claims.py results/mini.

Printed are value, n and the ends of the interval, ours and the report's; exit code 1 if one differs by more than 1e-9.
No ends where the interval is not Student's: of a steadiness (resampled), and of two single arms (Tango 1998).
"""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

ROOT, REPORT, read = Path(sys.argv[1]), json.loads(Path(sys.argv[1], "report/index.manifest.json").read_text()), []
for name in filter(None, (path.partition(f"{ROOT.name}/evaluate/")[2] for path in REPORT["inputs"])):
    rows, (arm, _, group) = pd.read_parquet(ROOT / "evaluate" / name), name.removesuffix(".parquet").rpartition("/")
    rows["points"] = 100 * rows.correct.astype(float).mask(rows.failure.isin(["truncated", "no_answer"]), 0)
    rows = rows.assign(place=f"{group}/" + rows.benchmark, arm=arm).groupby(["place", "prompt_id", "arm"])
    read.append(rows.points.agg(["mean", "size"]))  # the mean of the answers that count
POINTS, SIZES = (pd.concat(read)[column].unstack() for column in ("mean", "size"))  # (place, prompt) x arm


def units(columns):  # problems x columns, where all have values; prompts that repeat a problem are merged (Cochran)
    table = pd.concat(columns, axis=1).dropna().round(10)
    sums = (table - table.mean()).groupby(table.index.str.partition(".").get_level_values(0)).sum()
    return (table.mean() + sums * len(sums) / len(table)).round(10).to_numpy()


@cache
def mean_squares(over):  # of seeds, of draws: df, mean square, the same less the part of answers, mean of 1 / seeds
    counts = SIZES.loc[[*over]].groupby(level=0).count().min()
    arms = pd.Series(counts[counts > 0].filter(regex=r"/s\d+$").index)
    families = arms.groupby(arms.str.replace(r"/s\d+$", "", regex=True)).agg(list)
    drawn = families.filter(like="/random-")
    draws = drawn.groupby(drawn.index.str.replace(r"-s\d+(?=/[^/]+$)", "", regex=True)).agg(list)
    pooled = np.zeros((2, 4))
    for kind, runs in [*((0, [[arm] for arm in arms]) for arms in families), *((1, runs) for runs in draws)]:
        if (df := len(runs) - 1) > 0:
            tables = [units([POINTS.loc[place][run].mean(axis=1, skipna=False) for run in runs]) for place in over]
            rests = [x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean() for x in tables]
            answers = sum((x**2).sum() / (len(x) - 1) / len(x) for x in rests) / len(over) ** 2
            square = df * np.mean([x.mean(axis=0) for x in tables], axis=0).var(ddof=1)
            pooled[kind] += df, square, square - answers, df * np.mean([1 / len(run) for run in runs])
    return np.hstack([pooled[:, :1], pooled[:, 1:].clip(0) / pooled[:, :1].clip(1)])


def accuracies(sums, *over):  # tables of problems x sums, how far an answer moves one, variances of runs
    tables = [units([POINTS.loc[place][[*one]] @ [*one.values()] for one in sums]) for place in over]
    steps = [100 * (pd.Series(sums[0]).abs() / SIZES.loc[place].max()).max() for place in over]
    arms, (seeds, draws) = pd.Series(sums[0]).filter(regex=r"/s\d+$"), mean_squares(over)
    runs = arms.groupby(arms.index.str.replace(r"(/random-[^/]+/[^/]+)/s\d+$", r"\1", regex=True)).sum()
    by_run, by_draw = ((weights**2).sum() for weights in (runs, runs.filter(like="/random-")))
    by_draw *= draws[2] > draws[3] * seeds[2]
    weights = ((arms**2).sum() - draws[3] * by_draw, by_draw) if seeds[0] and draws[0] else (by_run, by_run)
    squares = zip(weights, (seeds, draws), strict=True)
    return (
        tables,
        steps,
        [(weight * value, abs(weight) * square, max(1, df)) for weight, (df, square, value, _) in squares],
    )


def deltas(sums, dimension, given_length=None):  # the same of pairings' deltas, less what a slope on length explains
    tables = []
    for pairing in sums[0]:
        pairs = pd.read_parquet(ROOT / f"pair/{pairing}.parquet").query("pool and eligible").set_index("pair_id")
        pairs["y"] = pd.read_parquet(ROOT / f"delta/{pairing}/{dimension}.parquet").set_index("pair_id").delta
        unit = "tokens" if pairs.filter(like="_tokens").notna().all(axis=None) else "characters"
        pairs["x"] = pairs[f"chosen_{unit}"] - pairs[f"rejected_{unit}"]
        tables.append(pairs.set_index("prompt_id")[["x", "y"]].dropna())
    table = pd.concat(tables, axis=1, join="inner").to_numpy(float)
    x, y = table[:, ::2] - table[:, ::2].mean(axis=0), table[:, 1::2]
    weights, rate = [*sums[0].values()], (x * y).sum() / (x**2).sum() if given_length else 0
    return [((y - rate * table[:, ::2]) @ weights).round(12)], [max(map(abs, weights))], []


differing = 0
for claim, told in REPORT["details"]["claims"].items():
    for number in told["tests"] + told["controls"]:
        sums, over = number["sums"], number["over"]
        tables, steps, sources = (accuracies if "/" in over[0] else deltas)(sums, *over)
        ours = [np.mean([table.mean() for table in tables]), sum(map(len, tables))]
        if len(sums) > 1:  # a steadiness: of each selection, its sizes
            means = np.mean([x.mean(axis=0) for x in tables], axis=0)
            spreads = means.reshape(-1, number["title"].rpartition(" = ")[2].count(", ") + 1).var(axis=1, ddof=1)
            ours[0] = spreads[0] - spreads[1:].mean()
        elif number["df"] is not None:
            for values, step in zip(tables, steps, strict=True):
                distinct, counts = np.unique(values, return_counts=True)
                few, mode = len(values) - counts.max() < min(25, len(values) / 2), distinct[counts.argmax()]
                more = np.append(values, [mode - step, mode + step] if few else [])
                variance = more.var(ddof=1) / len(more) / len(tables) ** 2
                sources.append((variance, variance, len(values) - 1))
            variances, squares, df = np.transpose(sources)
            half = t.ppf(0.975, max(1, variances.sum() ** 2 / (squares**2 / df).sum())) * variances.sum() ** 0.5
            ours += [ours[0] - half, ours[0] + half]
        theirs = np.array([number[key] for key in ("value", "n", "low", "high")][: len(ours)], float)
        equal = np.allclose(ours, theirs, rtol=0, atol=1e-9)
        differing += not equal
        print(claim, number["title"], np.round(ours, 4), theirs.round(4), "equal" if equal else "DIFFERS", sep=" | ")
sys.exit(differing > 0)
