"""A study with judged pairs, of which sheets for people are exported."""

from pathlib import Path

from prefdelta.commands.main import main
from prefdelta.core.layout import sheet_key
from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import sheets, tables

from .made import CONFIG, DIMENSIONS, RESULTS

EVIL = '=1+1 <script>throw "1"</script></div><img src="x"> &lt; {{ 7 * 7 }}'
PAIRS = 60
OUT = Path("sheets")


def judged(number):
    """The judge's scores of a pair, per dimension: deltas from -2 to 2."""
    return {DIMENSIONS[0]: (1 + number % 5, 3), DIMENSIONS[1]: (3, 3)}


def problem(number):
    return f"problem {number} {EVIL}"


def solution(generator, number):
    return f"={generator[::-1]} solves {number}: {EVIL}"


def make_judged_pairs():
    """Write pairs zz-0 to zz-59 of g3 and g1, with deltas, below the working directory."""
    prompts, pairs = [], []
    deltas = {name: [] for name in (*DIMENSIONS, "mean")}
    traces = {"g3": [], "g1": []}
    for number in range(PAIRS):
        prompt = f"p{number:03d}"
        prompts.append(Prompt(prompt, "train", problem(number), ["1"]))
        for generator, rows in traces.items():
            text, key = solution(generator, number), f"key-{generator}-{number}"
            rows.append(Trace(prompt, generator, 0, text, "stop", 4, 7, key, None))
        counts = (40, 40, f"texts-{number}")
        pairs.append(Pair(f"zz-{number}", prompt, 0, 0, True, None, 4, 4, None, None, True, None, *counts))
        scores = judged(number)
        for name, (chosen, rejected) in scores.items():
            deltas[name].append(Delta(f"zz-{number}", chosen, rejected, float(chosen - rejected), None))
        chosen, rejected = (sum(side) / 2 for side in zip(*scores.values(), strict=True))
        deltas["mean"].append(Delta(f"zz-{number}", chosen, rejected, chosen - rejected, None))
    tables.write(RESULTS / "prompts/train.parquet", Prompt, prompts)
    tables.write(RESULTS / "pair/g3~g1.parquet", Pair, pairs)
    for generator, rows in traces.items():
        tables.write(RESULTS / f"generate/{generator}.parquet", Trace, rows)
    for name, rows in deltas.items():
        tables.write(RESULTS / f"delta/g3~g1/{name}.parquet", Delta, rows)


def annotate(*words):
    return main(["annotate", *map(str, words), "--configfile", CONFIG])


def exported(*words):
    """The key of a sheet of 40 pairs."""
    assert annotate("export", "--pairing", "g3~g1", "--pairs", 40, "--out", OUT, *words) == 0
    (path,) = OUT.glob("*.csv")
    return sheets.read(Path(sheet_key("mini", path.stem)))
