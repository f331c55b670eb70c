"""The claims' numbers from the tables: python tests/stages/claims_again.py results/mini resources/claims.yaml."""

import json
import re
import sys
from collections import defaultdict
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from scipy.optimize import brentq
from scipy.stats import norm, t

TOLERANCE = 0.2  # of the width of an interval that is resampled: how far its ends may lie from ours
root, claims = Path(sys.argv[1]), yaml.safe_load(Path(sys.argv[2]).read_text())["claims"]
report = json.loads((root / "report/index.manifest.json").read_text())
settings, told = report["settings"], report["details"]["claims"]
names = [path.partition(f"results/{settings['study']}/")[2].removesuffix(".parquet") for path in report["inputs"]]
jobs = [json.loads(path.read_text())["settings"] for path in root.glob("generate/*.manifest.json")]
shipped = {job["generator"] for job in jobs if job.get("shipped")}


class Arm:
    def __init__(self, name):
        self.policy, self.pairing, self.selection, self.recipe, _ = name.split("/")
        self.name, self.same = name, name.rpartition("/")[0]  # arms that train on the same pairs differ in the seed
        self.merged = re.sub(r"(/random-\d+)-s\d+", r"\1", self.same)  # or in the random draw
        self.generators = re.sub(r"@\d+", "", self.merged)  # or in the draw of traces
        self.family, self.pairing = re.sub(r"@\d+", "", self.same), re.sub(r"@\d+", "", self.pairing)
        self.repeats = self.generators  # of one number: all draws together
        self.is_drawn = self.selection.startswith("random-")
        self.drawn = self.same if self.is_drawn else None
        self.run = self.drawn or name  # arms of one random draw are one run
        self.series, _, k = self.selection.rpartition("-")
        self.k = int(k) if k.isdigit() else None
        self.chosen, self.rejected = self.pairing.split("~")
        self.taught, self.teacher = name.partition("~")[0], f"{self.policy}/{self.chosen}"  # with and without the draw
        self.draw = int(self.taught.partition("@")[2] or 0)
        self.is_dose = self.chosen != self.rejected and not {self.chosen, self.rejected} & shipped


def grouped(items, *attributes):
    """Lists of the items (arms, or lists of arms by their first) that have equal attributes."""
    groups = defaultdict(list)
    for item in items:
        groups[tuple(getattr(item if isinstance(item, Arm) else item[0], name) for name in attributes)].append(item)
    return list(groups.values())


def outcomes(which, *keys):
    """Key -> (mean over the samples that count: 1 right; 0 wrong, truncated, without an answer; number of samples)."""
    table = pa.concat_tables([pq.read_table(root / f"{name}.parquet") for name in which])
    lost = pc.is_in(table["failure"], pa.array(["truncated", "no_answer"]))
    table = table.append_column("right", pc.if_else(lost, 0.0, table["correct"].cast("float64")))
    rows = table.group_by(keys).aggregate([("right", "mean"), ("sample", "count")]).to_pylist()
    return {tuple(row[key] for key in keys): (row["right_mean"], row["sample_count"]) for row in rows}


def resolved(weights, place):
    """The weights of arms and bases. A tuple of arms is their untrained policy at the temperature of their entropy."""
    total = defaultdict(float)
    for name, weight in weights.items():
        for part, share in sharpened(name, place) if isinstance(name, tuple) else [(name, 1)]:
            total[part] += weight * share
    return total


def sharpened(names, place):
    """(untrained policy at one of two temperatures, its share), so that its mean entropy is that of the arms."""
    known, base = entropies[place], f"{arms[names[0]].policy}/base"
    grid = sorted((name for name in known if name.split("@")[0] == base), key=lambda name: -known[name])
    wanted = np.mean([known.get(name, np.nan) for name in names])
    if np.isnan(wanted):
        return [(base, np.nan)]
    if wanted >= known[grid[0]] or wanted < known[grid[-1]]:
        return [(grid[0] if wanted >= known[grid[0]] else grid[-1], 1)]
    lower = next(number for number, name in enumerate(grid) if known[name] <= wanted)
    share = (known[grid[lower - 1]] - wanted) / (known[grid[lower - 1]] - known[grid[lower]])
    return [(grid[lower - 1], 1 - share), (grid[lower], share)]


def units(sums, place):
    """Problems x weighted sums of accuracies, over the problems that count for all arms. A repeated one is one unit."""
    problem, means = scores[place]
    sums = [resolved(weights, place) for weights in sums]
    rows = np.array([sum(weight * means[arm] for arm, weight in one.items()) for one in sums]).round(12)
    known = ~np.isnan(rows).any(axis=0)
    if not known.any():
        return np.empty((0, len(sums)))
    _, problem, sizes = np.unique(problem[known], return_inverse=True, return_counts=True)
    centre = rows[:, known].mean(axis=1, keepdims=True)
    totals = np.array([np.bincount(problem, row) for row in rows[:, known] - centre])
    return (centre + totals * len(sizes) / len(problem)).round(12).T


def mean_square(groups, where, beyond, before=()):
    """Of runs around their group, pooled: (mean square, the part that answers add, df, shares held of those before).

    beyond: of what each run gains beyond its own sharpened base.
    """
    pooled = []
    for runs in (runs for runs in groups if len(runs) > 1):
        sums = [{arm.name: 1 / len(run) for arm in run} for run in runs]
        if beyond:
            sums = [one | {(name,): -weight for name, weight in one.items()} for one in sums]
        tables = [units(sums, place) for place in where]
        if min(map(len, tables)) > 1:
            rests = [x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean() for x in tables]
            answers = sum((rest**2).sum() / (len(rest) - 1) / len(rest) for rest in rests) / len(where) ** 2
            between, df = np.mean([x.mean(axis=0) for x in tables], axis=0).var(ddof=1), len(runs) - 1
            means = [{arm.name: 1 / len(run) for arm in run} for run in runs]
            held = [np.mean([(run_weights([mean], attribute) ** 2).sum() for mean in means]) for attribute in before]
            pooled.append([df * between, answers, df, *(df * share for share in held)])
    total, answers, df, *held = np.sum(pooled, axis=0) if pooled else (0, 0, 0)
    return (total / df, answers / df, df, [share / df for share in held]) if df else None


@cache
def run_variances(where, beyond=False):
    """(attribute of arms that share one luck, mean square) of seeds, random draws, draws of traces, chosen traces."""
    trained = [arms[name] for name in sorted(set.intersection(*(set(scores[place][1]) for place in where)) & set(arms))]
    drawn = grouped([arm for arm in trained if arm.is_drawn], "merged")
    seeds = mean_square([[[arm] for arm in family] for family in grouped(trained, "same")], where, beyond)
    draws = mean_square([grouped(family, "drawn") for family in drawn], where, beyond, ["name"] if seeds else [])
    found = [("name", seeds), ("drawn", draws)] if seeds and draws else [("run", seeds or draws)]
    found = [(attribute, square) for attribute, square in found if square]
    again = [grouped(family, "merged") for family in grouped(trained, "generators")]
    traces = mean_square(again, where, beyond, [attribute for attribute, _ in found])
    found += [("merged", traces)] * (traces is not None)
    shared = []
    for members in grouped(trained, "teacher"):
        draws = {tuple(repeats): {arm.draw for arm in repeats} for repeats in grouped(members, "generators")}
        most = max(draws.values(), key=lambda its: (len(its), sorted(its, reverse=True)))
        whole = [arm for repeats, its in draws.items() if its == most for arm in repeats]
        shared += [grouped(whole, "taught")] * (len({arm.generators for arm in whole}) > 1)
    chosen = mean_square(shared, where, beyond, [attribute for attribute, _ in found]) if traces else None
    if chosen:  # the part of the variance between draws that families share, beside what their means hold of it
        square, answers, df, held = chosen
        rest = 1 - held[-1]
        found.append(("taught", (square / rest, answers / rest, df, [share / rest for share in held])))
    return found


def run_weights(sums, attribute):
    """What shares one luck x weighted sums of accuracies. An arm without the attribute counts nowhere."""
    weights = defaultdict(lambda: np.zeros(len(sums)))
    for column, one in enumerate(sums):
        for arm in (arms[name] for name in one if name in arms and getattr(arms[name], attribute)):
            weights[getattr(arm, attribute)][column] += one[arm.name]
    return np.array([*weights.values()]).reshape(-1, len(sums))


def of_runs(weights, where):
    """Of a weighted sum: (variance between runs, mean square behind it, its df)."""
    known, left, parts = run_variances(where, any(isinstance(name, tuple) for name in weights)), [], []
    for _, (square, answers, _, held) in known:
        left.append(max(0, square - answers - np.dot(held, left) if square > answers else 0))
    counts = [(run_weights([weights], attribute) ** 2).sum() for attribute, _ in known]
    if known and known[-1][0] == "taught":
        counts[-1] = max(0, counts[-1] - counts[-2])
    for place in reversed(range(len(known))):
        square, answers, df, held = known[place][1]
        counts[place] *= place == 0 or left[place] > 0
        counts[:place] = np.subtract(counts[:place], np.multiply(counts[place], held))
        parts.append((counts[place] * max(0, square - answers), abs(counts[place]) * square, df))
    value, total = (sum(part[at] for part in parts) for at in (0, 1))
    return max(0, value), total, total**2 / sum(square**2 / df for _, square, df in parts) if total else 1


def student(parts, steps, *sources):
    """The mean over parts of the mean of their values: value, interval, n. sources: variance, mean square, its df."""
    for values, step in zip(parts, steps, strict=True):
        distinct, counts = np.unique(values, return_counts=True)
        mode, equal = distinct[counts.argmax()], counts.max()
        few = equal > len(values) / 2 and len(values) - equal < 25
        more = np.append(values, [mode - step, mode + step] if few else [])
        variance = more.var(ddof=1) / len(more) / len(parts) ** 2
        sources += ((variance, variance, len(values) - 1),)
    value, total = np.mean([values.mean() for values in parts]), sum(variance for variance, _, _ in sources)
    half = t.ppf(0.975, max(1, total**2 / sum(square**2 / df for _, square, df in sources))) * total**0.5
    return np.array([value, value - half, value + half, sum(map(len, parts))])


def tango(first, second, n, half):
    """The difference of paired shares (Tango 1998), its interval widened by a half width of runs (Zou, Donner 2008)."""

    def score(d):
        b = (2 * n - first + second) * d - first - second
        share = (max(b * b + 8 * n * second * d * (1 - d), 0.0) ** 0.5 - b) / (4 * n)
        return (first - second - n * d) / max(n * (2 * share + d * (1 - d)), 1e-300) ** 0.5

    value, edge, z = (first - second) / n, 1 - 1e-12, norm.ppf(0.975)
    low = brentq(lambda d: score(d) - z, -edge, value) if score(-edge) > z else -1.0
    high = brentq(lambda d: score(d) + z, value, edge) if score(edge) < -z else 1.0
    return np.array([value, value - np.hypot(value - low, half), value + np.hypot(high - value, half), n])


def points(weights, where):
    """A weighted sum of accuracies, in points, its mean over benchmarks, with the variance of items and runs."""
    parts, runs = [units([weights], place)[:, 0] for place in where], of_runs(weights, where)
    if not all(map(len, parts)):
        return np.array([np.nan, np.nan, np.nan, 0])
    single = len(where) == 1 and sorted(weights.values()) == [-1, 1] and once >= {(*where[0], name) for name in weights}
    if single and np.count_nonzero(parts[0]) < 25:
        half = t.ppf(0.975, runs[2]) * runs[0] ** 0.5
        found = tango(np.sum(parts[0] > 0), np.sum(parts[0] < 0), len(parts[0]), half)
    else:
        known = [(place, resolved(weights, place)) for place in where]
        steps = [max(abs(weight) / samples[place][name] for name, weight in sums.items()) for place, sums in known]
        found = student(parts, steps, runs)
    return found * [100, 100, 100, 1]


def steadiness(lefts, rights, where, size=20_000):
    """The mean variance over sizes of the left series minus that of the right ones, in squared points. Resampled."""
    sums = [{arm.name: 1 / len(repeats) for arm in repeats} for series in lefts + rights for repeats in series]
    tables, draw = [units(sums, place) for place in where], np.random.default_rng(0)

    def spread(means):
        variances = (100 * means).reshape(len(means), len(lefts + rights), -1).var(axis=2, ddof=1)
        return variances[:, : len(lefts)].mean(axis=1) - variances[:, len(lefts) :].mean(axis=1)

    def truths(source):
        return np.maximum(0.0, source[0] * source[2] / draw.chisquare(source[2], (size, 1)) - source[1])

    def luck(variances, weights):
        return np.sqrt(variances) * draw.standard_normal((size, len(weights))) @ weights

    value = spread(np.mean([table.mean(axis=0) for table in tables], axis=0)[None])[0]
    drawn = sum(draw.multinomial(len(x), np.full(len(x), 1 / len(x)), size) @ x / len(x) for x in tables) / len(where)
    variances = []
    for attribute, square in (one for one in run_variances(where) if one[0] != "taught"):
        held = sum(share * before for share, before in zip(square[3], variances, strict=True))
        variances.append(np.maximum(0, truths(square) - held))
        drawn += luck(variances[-1], run_weights(sums, attribute))
    return np.array([value, *np.quantile(spread(drawn), [0.025, 0.975]), sum(map(len, tables))])


@cache
def generator_delta(pairing):
    """In units of 10 points, over the prompts that both generators answered, in all draws of their traces."""
    draws = ([name for name in names if re.sub(r"@\d+", "", name) == f"grade/{side}"] for side in pairing.split("~"))
    chosen, rejected = (outcomes(which, "prompt_id") for which in draws)
    both = [(chosen[prompt][0], rejected[prompt][0]) for prompt in chosen.keys() & rejected.keys()]
    return 10 * np.mean([left - right for left, right in both if left is not None and right is not None])


@cache
def capability(generator):
    """Accuracy in units of 10 points, over the prompts, in all draws of the traces."""
    draws = [name for name in names if re.sub(r"@\d+", "", name) == f"grade/{generator}"]
    return 10 * np.mean([right for right, _ in outcomes(draws, "prompt_id").values() if right is not None])


@cache
def pool(pairing):
    table = pq.read_table(root / f"pair/{pairing}.parquet")
    return table.filter(pc.and_(table["pool"], table["eligible"])).to_pylist()


def slope(x):
    """The weights whose sum with y is the slope of y along x."""
    return (x - np.mean(x)) / ((x - np.mean(x)) ** 2).sum()


def delta_trend(test, pairings):
    """The slope of the mean delta; given_length: without what length explains, by one slope within pairings."""
    measured = []
    for pairing in pairings:
        table = pq.read_table(root / f"delta/{pairing}/{test['dimension']}.parquet").to_pylist()
        deltas = {row["pair_id"]: row["delta"] for row in table if row["delta"] is not None}
        tokens = all(row["chosen_tokens"] is not None and row["rejected_tokens"] is not None for row in pool(pairing))
        of, unit = [row for row in pool(pairing) if row["pair_id"] in deltas], "tokens" if tokens else "characters"
        lengths = [row[f"chosen_{unit}"] - row[f"rejected_{unit}"] for row in of]
        measured.append({row["prompt_id"]: (deltas[row["pair_id"]], x) for row, x in zip(of, lengths, strict=True)})
    prompts = set.intersection(*map(set, measured))
    table = np.array([[by_prompt[prompt] for prompt in prompts] for by_prompt in measured], dtype=float)
    delta, length = np.moveaxis(table - table.mean(axis=1, keepdims=True), 2, 0)
    rate = (delta * length).sum() / (length**2).sum() if test.get("given_length") else 0
    values = slope([*map(generator_delta, pairings)]) @ (table[:, :, 0] - rate * table[:, :, 1])
    return student([values.round(12)], [1])


def gain(*parts, against="base"):
    """Name of an arm -> its weight in a weighted sum of gains. parts: (arms of a family, weight)."""
    weights = defaultdict(float)
    for family, weight in parts:
        sharp = tuple(arm.name for arm in family)
        weights[sharp if against == "sharpened" else f"{family[0].policy}/base"] -= weight
        for arm in family:
            weights[arm.name] += weight / len(family)
    return {name: weight for name, weight in weights.items() if abs(weight) > 1e-12}


def matching(arms, patterns, k=None):
    """The arms of one side of a test; none, unless there are some for each of its selections."""
    arms = [arm for arm in arms if any(fnmatchcase(arm.recipe, one) for one in patterns.get("recipes", ["*"]))]
    wanted = [pattern.replace("{k}", str(k)) for pattern in patterns.get("selections", ["*"])]
    complete = all(any(fnmatchcase(arm.selection, pattern) for arm in arms) for pattern in wanted)
    return [arm for arm in arms if complete and any(fnmatchcase(arm.selection, pattern) for pattern in wanted)]


def lines(test, used):
    """The sums of a trend, or of its levelling off (minus, plus a share): families along rising generator deltas."""
    doses = [family for family in grouped(used, "family") if family[0].is_dose]
    for line in grouped(doses, "policy", "rejected", "selection", "recipe"):
        line.sort(key=lambda family: generator_delta(family[0].pairing))
        x, half = [generator_delta(family[0].pairing) for family in line], len(line) // 2 + 1
        if len(x) > 2:
            low, change, first = np.zeros((3, len(x)))  # the slope below, the change above, the gain between
            low[:half], change[-half:], first[-half] = slope(x[:half]), slope(x[-half:]) * (x[-1] - x[-half]), 1
            trend = low if test.get("part") == "lower half" else slope(x)
            bounds = [change + sign * test["share"] * first for sign in (-1, 1)] if "share" in test else [trend]
            against = test.get("against", "base")
            yield from ([gain(*zip(line, weights, strict=True), against=against)] for weights in bounds)


def grids(test, used):
    """The two slopes of a grid: along the chosen, and along the rejected generators."""
    cells = [family for family in grouped(used, "family") if not {family[0].chosen, family[0].rejected} & shipped]
    for own in grouped(cells, "policy", "selection", "recipe"):
        x, y = ([capability(getattr(family[0], side)) for family in own] for side in ("chosen", "rejected"))
        design = np.column_stack([x, y, np.ones(len(own))])
        if len(own) > 3 and np.linalg.matrix_rank(design) == 3:
            slopes = np.linalg.solve(design.T @ design, design.T)[:2]
            yield [gain(*zip(own, weights, strict=True)) for weights in slopes]


def sides(test, used):
    """The sums of a difference or of a retained gain, by policy and pairing."""
    for own in grouped(used, "policy", "pairing"):
        share, k = test.get("share"), None
        if share:
            sizes = sorted({arm.k for arm in own if arm.k and arm.series.startswith("top-")})
            k = min(sizes, key=lambda k: abs(k - share * len(pool(own[0].pairing))), default=None)
        left, right = (grouped(matching(own, test[side], k), "repeats") for side in ("left", "right"))
        if left and right and (k or not share):
            whole, kept = [(family, 1 / len(right)) for family in right], test.get("keeps", 1)
            rest = [(family, 1 / len(left)) for family in left] + [(family, -kept * share) for family, share in whole]
            yield [gain(*whole), gain(*rest)] if "keeps" in test else [gain(*rest, against=test.get("against", "base"))]


def steady(test, used):
    """The two sides of a test of steadiness, by policy and pairing: families by series of selections, then by size."""
    for own in grouped(used, "policy", "pairing"):
        both = []
        for side in ("left", "right"):
            series = grouped([arm for arm in matching(own, test[side]) if arm.k], "series")
            both.append([{family[0].k: family for family in grouped(one, "family")} for one in series])
        ks = sorted(set.intersection(*map(set, both[0] + both[1]))) if all(both) else []
        if len(ks) > 2:
            yield [[[by_k[k] for k in ks] for by_k in side] for side in both]


def averaged(over):
    """The sets of benchmarks that a test averages."""
    by_label = defaultdict(list)
    for group, has in settings["groups"].items():
        for name in has["benchmarks"] if has["primary"] else []:
            about = settings["benchmarks"][name]
            inside = over == "all" or about["in_domain"] == (over == "in_domain")
            panel = about["domain"], about["difficulty"], about["in_domain"]
            by_label[panel if over == "panels" else inside].append((group, name))
    return [tuple(places) for label, places in by_label.items() if label]


def numbers(test):
    """Of each number of a test: value, low, high, n."""
    experiments = [settings["experiments"][name] for name in test["experiments"] if name in settings["experiments"]]
    used = [arms[name] for name in dict.fromkeys(name for experiment in experiments for name in experiment["arms"])]
    if test["kind"] == "delta_trend":
        tables = [arm.pairing for arm in used if f"delta/{arm.pairing}/{test['dimension']}" in names and arm.is_dose]
        pairings = sorted(set(tables), key=generator_delta)
        return [delta_trend(test, pairings)] if len(pairings) > 2 else []
    places = averaged(test["over"])
    if test["kind"] == "steadiness":
        return [steadiness(*both, where) for both in steady(test, used) for where in places]
    if test["kind"] == "gains":
        trained = [arm for arm in matching(used, test["arms"]) if arm.chosen != arm.rejected]
        together = [[gain((family, 1), against=test.get("against")) for family in grouped(trained, "family")]]
    elif test["kind"] == "grid":
        together = grids(test, used)
    else:
        together = lines(test, used) if test["kind"] in ("trend", "levels_off") else sides(test, used)
    found = [points(weights, where) for sums in together for where in places for weights in sums]
    return found if any(number[3] for number in found) else []


arms, answers, scores, samples, once, differing = {}, defaultdict(lambda: defaultdict(dict)), {}, {}, set(), 0
entropies = defaultdict(dict)  # group, benchmark -> arm -> mean nats per token
for name in (name.removeprefix("evaluate/") for name in names if name.startswith("evaluate/")):
    arm, _, group = name.rpartition("/")
    arms |= {} if re.fullmatch(r"[^/]+/base(@.*)?", arm) else {arm: Arm(arm)}
    told_of = pq.read_table(root / f"evaluate/{name}.parquet").to_pandas().dropna(subset=["entropy", "n_tokens"])
    for benchmark, rows in told_of.groupby("benchmark"):
        entropies[group, benchmark][arm] = rows["entropy"].sum() / rows["n_tokens"].sum()
    for (benchmark, prompt), found in outcomes([f"evaluate/{name}"], "benchmark", "prompt_id").items():
        answers[group, benchmark][arm][prompt] = found
for place, by_arm in answers.items():
    prompts = sorted(set().union(*by_arm.values()))
    problem = np.array([prompt.partition(".")[0] for prompt in prompts])
    means = {arm: [found.get(prompt, (None,))[0] for prompt in prompts] for arm, found in by_arm.items()}
    scores[place] = problem, {arm: np.array(values, dtype=float) for arm, values in means.items()}
    samples[place] = {arm: max(number for _, number in found.values()) for arm, found in by_arm.items()}
    if len(set(problem)) == len(problem):
        once |= {(*place, arm) for arm, number in samples[place].items() if number == 1}
for claim in claims:
    named = [confound["control"] for confound in claim.get("confounds", []) if confound.get("control")]
    controls = [asked for one in named for asked in (one if isinstance(one, list) else [one])]
    for part, tests in (("tests", claim["tests"]), ("controls", controls)):
        ours = [(asked["test"]["kind"], found) for asked in tests for found in numbers(asked["test"])]
        theirs = told[claim["id"]][part]
        if len(ours) != len(theirs):
            print(f"{claim['id']}: {len(ours)} numbers of its {part}, but the report has {len(theirs)}")
            differing += 1
        for (kind, mine), number in zip(ours, theirs, strict=False):
            other = np.array([number[key] for key in ("value", "low", "high", "n")], dtype=float)
            resampled = TOLERANCE * (other[2] - other[1]) if kind == "steadiness" else 0
            near = np.abs(mine - other) <= np.array([1e-9, resampled + 1e-9, resampled + 1e-9, 0])
            equal = np.all(near | (np.isnan(mine) & np.isnan(other)))
            differing += not equal
            words = ("{:.4f} [{:.4f}, {:.4f}], n = {:.0f}".format(*one) for one in (mine, other))
            print(claim["id"], number["title"], *words, "equal" if equal else "DIFFERS", sep=" | ")
print(f"{differing} numbers differ")
sys.exit(bool(differing))
