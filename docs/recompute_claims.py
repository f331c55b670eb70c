"""Every number of the report's claims again, from the tables: python docs/recompute_claims.py results/mini.

Prints value, n and the interval's ends, ours | the report's; no ends of a steadiness (resampled) and of two single arms
(Tango 1998). The exit code is 1 if a number differs by more than 1e-9. The formulas are in docs/intervals.md.
"""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

ROOT, REPORT, read = Path(sys.argv[1]), json.loads(Path(sys.argv[1], "report/index.manifest.json").read_text()), []
for name in filter(None, (path.partition(f"{ROOT.name}/evaluate/")[2] for path in REPORT["inputs"])):
    rows, (arm, _, group) = pd.read_parquet(ROOT / "evaluate" / name), name.removesuffix(".parquet").rpartition("/")
    rows["points"] = 100 * rows.correct.astype(float).mask(rows.failure.isin(["truncated", "no_answer"]), 0)
    rows = rows.assign(place=f"{group}/" + rows.benchmark, arm=arm).groupby(["place", "prompt_id", "arm"])
    read.append(rows.points.agg(["mean", "size"]))  # the mean over the answers that count
POINTS, SIZES = (pd.concat(read)[column].unstack() for column in ("mean", "size"))  # (place, prompt) x arm


def tables(sums, over):  # per benchmark: problems x sums, where all arms count; prompts of one problem are merged
    weights = pd.DataFrame(sums).fillna(0).T
    for place in over:
        table = (POINTS.loc[place][weights.index] @ weights).dropna().round(10)
        rests = (table - table.mean()).groupby(table.index.str.partition(".").get_level_values(0)).sum()
        yield (table.mean() + rests * len(rests) / len(table)).round(10).to_numpy()


@cache
def mean_squares(over):  # of seeds, of draws: df, mean square, the same less the part of answers, mean of 1 / seeds
    arms = SIZES.loc[[*over]].groupby(level=0).max().dropna(axis=1).filter(regex=r"/s\d+$").columns.to_series()
    families = arms.groupby(arms.str.replace(r"/s\d+$", "", regex=True)).agg(list)
    drawn = families.filter(like="/random-")
    draws = drawn.groupby(drawn.index.str.replace(r"-s\d+(?=/[^/]+$)", "", regex=True)).agg(list)
    pooled = np.zeros((2, 4))
    for kind, runs in [*((0, [[arm] for arm in arms]) for arms in families), *((1, runs) for runs in draws)]:
        found, df = [*tables([dict.fromkeys(run, 1 / len(run)) for run in runs], over)], len(runs) - 1
        square = np.mean([x.mean(axis=0) for x in found], axis=0).var() * len(runs)
        rests = [x - x.mean(axis=1, keepdims=True) for x in found]
        answers = sum(x.var(axis=0, ddof=1).sum() / len(x) for x in rests) / len(over) ** 2
        pooled[kind] += df, square, square - answers, df * np.mean([1 / len(run) for run in runs])
    return np.hstack([pooled[:, :1], pooled[:, 1:].clip(0) / pooled[:, :1].clip(1)])


def deltas(weights, dimension, given_length=None):  # per prompt, less what length explains by a slope within pairings
    found = []
    for pairing in weights.index:
        pairs = pd.read_parquet(ROOT / f"pair/{pairing}.parquet").query("pool and eligible").set_index("pair_id")
        unit = "tokens" if pairs.filter(like="_tokens").notna().all(axis=None) else "characters"
        pairs["x"] = pairs[f"chosen_{unit}"] - pairs[f"rejected_{unit}"]
        pairs["y"] = pd.read_parquet(ROOT / f"delta/{pairing}/{dimension}.parquet").set_index("pair_id").delta
        found.append(pairs.set_index("prompt_id")[["x", "y"]].dropna())
    x, y = np.moveaxis(pd.concat(found, axis=1, join="inner").to_numpy(float).reshape(-1, len(found), 2), 2, 0)
    rate = (y * (x - x.mean(axis=0))).sum() / x.var(axis=0).sum() / len(x) if given_length else 0
    return ((y - rate * x) @ weights.to_numpy()).round(12)


differing = 0
for claim, number in ((name, n) for name, x in REPORT["details"]["claims"].items() for n in x["tests"] + x["controls"]):
    sums, over, weights = number["sums"], tuple(number["over"]), pd.Series(number["sums"][0])
    if "/" in over[0]:
        found, squares = [*tables(sums, over)], mean_squares(over)
        steps = [100 * (weights.abs() / SIZES.loc[place].max()).max() for place in over]
        arms = weights.filter(regex=r"/s\d+$")
        runs = arms.groupby(arms.index.str.replace(r"(/random-[^/]+/[^/]+)/s\d+$", r"\1", regex=True)).sum()
        by_draw = (runs.filter(like="/random-") ** 2).sum() * (squares[1, 2] > squares[1, 3] * squares[0, 2])
        both, by_run = [(arms**2).sum() - squares[1, 3] * by_draw, by_draw], [(runs**2).sum()] * 2
        counted = np.array(both if squares[:, 0].all() else by_run)
        variance, uncertain = counted @ squares[:, 2], ((counted * squares[:, 1]) ** 2 / squares[:, 0].clip(1)).sum()
    else:
        found, steps, variance, uncertain = [deltas(weights, *over)], [weights.abs().max()], 0, 0
    ours = [np.mean([x.mean() for x in found]), sum(map(len, found))]
    if len(sums) > 1:
        sizes = number["title"].rpartition(" = ")[2].count(", ") + 1
        first, *others = np.mean([x.mean(axis=0) for x in found], axis=0).reshape(-1, sizes).var(axis=1, ddof=1)
        ours[0] = first - np.mean(others)
    elif number["df"] is not None:
        for values, step in zip(found, steps, strict=True):
            mode, count = stats.mode(values, axis=None)
            few = len(values) - count < min(25, len(values) / 2)  # Bonett and Price (2012)
            more = np.append(values, [mode - step, mode + step] if few else [])
            of_items = more.var(ddof=1) / len(more) / len(found) ** 2
            variance, uncertain = variance + of_items, uncertain + of_items**2 / (len(values) - 1)
        half = stats.t.ppf(0.975, max(1, variance**2 / uncertain)) * variance**0.5
        ours += [ours[0] - half, ours[0] + half]
    theirs = np.array([number[key] for key in ("value", "n", "low", "high")][: len(ours)], float)
    differing += (differs := not np.allclose(ours, theirs, rtol=0, atol=1e-9))
    print(claim, number["title"], np.round(ours, 4), theirs.round(4), "DIFFERS" if differs else "equal", sep=" | ")
sys.exit(differing > 0)
