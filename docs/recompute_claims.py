"""The claims' numbers again, from the tables: python docs/recompute_claims.py results/mini. Exit code 1 if one differs.
Of a steadiness (resampled) and of two single arms (Tango 1998) only value and n are compared; else the ends, too.
"""

import sys
from collections import Counter
from functools import cache

import numpy as np
import pandas as pd
from scipy import stats

ROOT, read, nats = sys.argv[1], [], []
REPORT = pd.read_json(f"{ROOT}/report/index.manifest.json", typ="series", precise_float=True)
for name in filter(None, (path.partition("/evaluate/")[2] for path in REPORT.inputs)):
    rows, (arm, _, group) = pd.read_parquet(f"{ROOT}/evaluate/{name}"), name.removesuffix(".parquet").rpartition("/")
    rows["points"] = 100 * rows.correct.astype(float).mask(rows.failure.isin(["truncated", "no_answer"]), 0)
    rows = rows.assign(place=f"{group}/" + rows.benchmark, arm=arm).groupby(["place", "prompt_id", "arm"])
    read.append(rows.points.agg(["mean", "size"]))  # the mean over the answers that count
    nats.append(
        rows.obj.dropna(subset=["entropy", "n_tokens"]).groupby(["place", "arm"])[["entropy", "n_tokens"]].sum()
    )
POINTS, SIZES = (pd.concat(read)[column].unstack() for column in ("mean", "size"))  # (place, prompt) x arm
NATS = pd.concat(nats).eval("entropy / n_tokens")  # of a token, by place and arm


def answered(sums, place):  # `base@entropy(arms)` lies between the two bases whose entropies enclose that of the arms
    total = Counter()
    for name, weight in sums.items():
        base, _, of = name.partition("@entropy(")
        known = NATS[place] if of else pd.Series({name: 0.0})
        grid = known[[one for one in known.index if one.split("@")[0] == base or not of]].sort_values(ascending=False)
        at = np.interp(-known.reindex(of[:-1].split(", ")).mean(skipna=False), -grid, range(len(grid))) if of else 0
        if np.isnan(at):  # an entropy is not known
            return pd.Series({base: np.nan})
        for step, share in ((int(at), 1 - at % 1), (int(np.ceil(at)), at % 1)):
            total[grid.index[step]] += weight * share
    return pd.Series(total)


def tables(sums, over):  # per benchmark: problems x sums, where all arms count; prompts of one problem are merged
    for place in over:
        made = [answered(one, place) for one in sums]
        if pd.concat(made).isna().any():
            yield np.empty((0, len(made)))
            continue
        weights = pd.DataFrame(made).fillna(0).T
        table = (POINTS.loc[place][weights.index] @ weights).dropna().round(10)
        rests = (table - table.mean()).groupby(table.index.str.partition(".").get_level_values(0)).sum()
        yield (table.mean() + rests * len(rests) / len(table)).round(10).to_numpy()


def shared(arms):  # per source (seed, random draw, draw of traces, chosen traces): the family, and what shares one luck
    pairs = arms.str.replace(r"/s\d+$", "", regex=True)  # policy, pairing, selection, recipe
    traces = pairs.str.replace(r"(/random-\d+)-s\d+", r"\1", regex=True)
    drawn = pairs.where(pairs.str.contains("/random-"))
    family, chosen = traces.str.replace(r"@\d+", "", regex=True), arms.str.split("~").str[0]
    teacher, draws = chosen.str.replace(r"@\d+", "", regex=True), chosen.str.extract(r"@(\d+)")[0].fillna(0).astype(int)
    its = family.map({name: (draw.nunique(), sorted({*draw})[::-1]) for name, draw in draws.groupby(family)})
    whole = its == teacher.map(its.groupby(teacher).agg(max))  # of a generator, the families with the most draws
    whole &= family[whole].groupby(teacher[whole]).transform("nunique").reindex(arms.index) > 1
    return [(pairs, arms), (traces, drawn), (family, traces), (teacher.where(whole), chosen)]


@cache
def mean_squares(
    over, beyond
):  # of each repeated source: its place in `shared`, df, mean square, the same less answers, held
    arms = SIZES.loc[[*over]].groupby(level=0).max().dropna(axis=1).filter(regex=r"/s\d+$").columns.to_series()
    found = []
    for kind, (family, unit) in enumerate(shared(arms)):
        groups = [[*runs.groupby(unit[runs.index])] for _, runs in arms[unit.notna()].groupby(family)]
        pooled = np.zeros(3 + len(found))
        for runs in ([[*run] for _, run in group] for group in groups if len(group) > 1):
            sums = [dict.fromkeys(run, 1 / len(run)) for run in runs]
            if beyond:  # of what each run gains beyond its own `base@entropy`
                sums = [one | {f"{arm.split('/')[0]}/base@entropy({arm})": -one[arm] for arm in one} for one in sums]
            tabled, df = [*tables(sums, over)], len(runs) - 1
            if min(map(len, tabled)) < 2:
                continue
            square = np.mean([x.mean(axis=0) for x in tabled], axis=0).var() * len(runs)
            answers = sum((x - x.mean(axis=1, keepdims=True)).var(axis=0, ddof=1).sum() / len(x) for x in tabled)
            means = [pd.Series(1 / len(run), run) for run in runs]
            held = [np.mean([squares(mean, one[0], [*found, [kind]]) for mean in means]) for one in found]
            pooled += df, square, square - answers / len(over) ** 2, *(df * np.array(held))
        if pooled[0]:
            pooled[1:] /= pooled[0] * (
                1 if kind < 3 else 1 - pooled[-1] / pooled[0]
            )  # kind 3: a part of kind 2, shared
            found.append((kind, *pooled.clip(0)))
    return found


def squares(weights, kind, known):  # the squares of the weights of what shares one luck
    units = [unit for _, unit in shared(weights.index.to_series())]
    if kind < 2 and len([one for one in known if one[0] < 2]) < 2:
        units[kind] = units[1].fillna(units[0])  # without the other of these two sources, arms of one draw are one run
    return (weights.groupby(units[kind]).sum() ** 2).sum()


def of_runs(weights, over, beyond):  # of a sum of accuracies: its variance between runs, and that squared over df
    known, added = mean_squares(over, beyond), []
    for _, _, _, value, *held in known:
        added.append(max(0, value - np.dot(held, added)))
    factors = np.array([squares(weights, one[0], known) if weights.size else 0 for one in known])
    if known and known[-1][0] == 3:
        factors[-1] = max(0, factors[-1] - factors[-2])
    for place in range(len(known) - 1, 0, -1):
        factors[place] *= added[place] > 0
        factors[:place] -= factors[place] * np.array(known[place][4:])
    variance = sum(factor * value for factor, (_, _, _, value, *_) in zip(factors, known, strict=True))
    return variance, sum((factor * one[2]) ** 2 / one[1] for factor, one in zip(factors, known, strict=True))


differing = 0
for claim, number in ((name, n) for name, x in REPORT.details["claims"].items() for n in x["tests"] + x["controls"]):
    sums, over, weights = number["sums"], tuple(number["over"]), pd.Series(number["sums"][0])
    if "/" in over[0]:  # accuracies
        found, steps = (
            [*tables(sums, over)],
            [100 * (answered(sums[0], x).abs() / SIZES.loc[x].max()).max() for x in over],
        )
        variance, uncertain = of_runs(weights.filter(regex=r"/s\d+$"), over, "@entropy(" in "".join(weights.index))
    else:  # deltas, per prompt, less what length explains by one slope within pairings
        read, variance, uncertain = [], 0, 0
        for pairing in weights.index:
            pairs = pd.read_parquet(f"{ROOT}/pair/{pairing}.parquet").query("pool and eligible").set_index("pair_id")
            unit = "tokens" if pairs.filter(like="_tokens").notna().all(axis=None) else "characters"
            pairs["x"] = pairs[f"chosen_{unit}"] - pairs[f"rejected_{unit}"]
            pairs["y"] = pd.read_parquet(f"{ROOT}/delta/{pairing}/{over[0]}.parquet").set_index("pair_id").delta
            read.append(pairs.set_index("prompt_id")[["x", "y"]].dropna())
        x, y = np.moveaxis(pd.concat(read, axis=1, join="inner").to_numpy(float).reshape(-1, len(read), 2), 2, 0)
        rate = (y * (x - x.mean(axis=0))).sum() / x.var(axis=0).sum() / len(x) if "length" in over else 0
        found, steps = [((y - rate * x) @ [*weights]).round(12)], [weights.abs().max()]
    measured = all(map(len, found))
    ours = [np.mean([x.mean() for x in found]), sum(map(len, found))] if measured else [np.nan, 0]
    if len(sums) > 1:  # a steadiness: selections x sizes
        sizes = number["title"].partition(" over k = ")[2].partition(":")[0].count(", ") + 1
        first, *others = np.mean([x.mean(axis=0) for x in found], axis=0).reshape(-1, sizes).var(axis=1, ddof=1)
        ours[0] = first - np.mean(others)
    elif number["df"] is not None:
        for values, step in zip(found, steps, strict=True):
            (mode, count), n = stats.mode(values, axis=None), len(values)
            few = [mode - step, mode + step] if n - count < min(25, n / 2) else []
            items = (stats.sem(np.append(values, few)) / len(found)) ** 2
            variance, uncertain = variance + items, uncertain + items**2 / (n - 1)
        ours += stats.t.interval(0.95, max(1, variance**2 / uncertain), ours[0], variance**0.5)
    theirs = np.array([number[key] for key in ("value", "n", "low", "high")][: len(ours)], float)
    differing += (differs := not np.allclose(ours, theirs, rtol=0, atol=1e-9, equal_nan=True))
    print(claim, number["title"], np.round(ours, 4), theirs.round(4), "DIFFERS" if differs else "equal", sep=" | ")
sys.exit(differing > 0)
