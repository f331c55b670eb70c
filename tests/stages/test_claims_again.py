"""Two recomputations against the report, on planted arms: every kind of test, over every set of benchmarks.

claims_again.py finds the arms of each number by claims.yaml, and all intervals. docs/recompute_claims.py reads the arms
in the report's manifest, and leaves out intervals that are not Student's.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from once import copied
from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.pair import Pair
from prefdelta.records.score import Score
from prefdelta.stages import report
from prefdelta.store import tables

from .starting import start

ROOT = Path(__file__).parents[2]
LONG, SHORT = Path(__file__).with_name("claims_again.py"), ROOT / "docs/recompute_claims.py"
MANIFEST = "report/index.manifest.json"
ABILITY = {"g0": 0.2, "g1": 0.35, "g2": 0.5, "g3": 0.6, "g4": 0.8, "shipped": 0.9}
PAIRINGS = [f"{name}~g0" for name in ABILITY]
# Benchmark -> (settings of the report, prompts, samples of an arm, of the untrained policy). `easy` repeats problems.
BENCHMARKS = {
    "easy": ({"title": "Easy", "domain": "maths", "difficulty": "easy", "in_domain": True}, 50, 1, 1),
    "hard": ({"title": "Hard", "domain": "maths", "difficulty": "hard", "in_domain": True}, 30, 2, 4),
    "code": ({"title": "Code", "domain": "code", "difficulty": None, "in_domain": False}, 80, 1, 1),
}
SCALING = [f"p/{pairing}/all/dpo/s{seed}" for pairing in PAIRINGS for seed in (0, 1)]
SCALING += [f"q/{pairing}/all/dpo/s0" for pairing in PAIRINGS[:4]]
DRAWN = (("g1@1~g0@1", 0), ("g1@2~g0@2", 1), ("g3@1~g0@1", 0))  # other draws of traces
SCALING += [f"p/{pairing}/all/dpo/s{seed}" for pairing, seed in DRAWN]
WIDEST = "p/g4~g0"
SIZES = [f"{WIDEST}/top-{name}-{k}/dpo/s0" for name in ("alpha", "beta", "gamma") for k in (5, 10, 20)]
SIZES += [f"{WIDEST}/top-alpha-10/dpo/s1", f"{WIDEST}/all/dpo/s0", f"{WIDEST}/matched-length-alpha-10/dpo/s0"]
RANDOM = [f"{WIDEST}/random-10-s{draw}/dpo/s{seed}" for draw in (0, 1, 2) for seed in (0, 1)]
RANDOM += [f"p/g4@1~g0@1/random-10-s{draw}/dpo/s0" for draw in (0, 1)]  # on other traces
SFT = [f"p/{pairing}/all/sft/s0" for pairing in ("g1~g0", "g4~g0")]
GRID = [f"p/{pairing}/all/dpo/s0" for pairing in (*PAIRINGS, "g2~g1", "g3~g1", "g1~g1", "g2~g3", "shipped~g1")]
UNKNOWN = "q/g3~g0/all/dpo/s0"  # the arm whose entropy nobody recorded
SHARPER = ["p/base@0.7", "p/base@0.4", "q/base@0.7", "q/base@0.4"]
EXPERIMENTS = {"scaling": SCALING, "sizes": SIZES, "random": RANDOM, "methods": [*SFT, *SCALING[2:4], *SCALING[8:10]]}
EXPERIMENTS |= {"grid": GRID}


def side(*selections: str) -> dict[str, list[str]]:
    return {"selections": list(selections), "recipes": ["dpo"]}


TOP = side("top-alpha-{k}", "top-beta-{k}")
TESTS: dict[str, list[dict[str, Any]]] = {
    "trend": [
        {"over": "all", "experiments": ["scaling"]},
        {"over": "panels", "part": "lower half", "experiments": ["scaling"]},
        {"over": "in_domain", "against": "sharpened", "experiments": ["scaling"]},
    ],
    "grid": [{"over": over, "experiments": ["grid"]} for over in ("all", "panels")],
    "levels_off": [{"over": "in_domain", "share": 0.5, "experiments": ["scaling"]}],
    "gains": [
        {"over": over, "arms": side("top-*", "all"), "experiments": ["sizes", "scaling", "lacking"], **against}
        for over, against in (("panels", {}), ("all", {"against": "sharpened"}))
    ],
    "difference": [
        {"over": over, "share": 0.3, "left": TOP, "right": side("random-{k}-s*"), "experiments": ["sizes", "random"]}
        for over in ("all", "panels")
    ]
    + [
        {
            "over": "out_of_domain",
            "left": {"recipes": ["dpo"]},
            "right": {"recipes": ["sft"]},
            "experiments": ["methods"],
            "against": "sharpened",
        },
        {"over": "panels", "left": side("top-beta-10"), "right": side("all"), "experiments": ["sizes"]},
    ],
    "retains": [
        {"over": "all", "keeps": 0.8, "share": 0.3, "left": TOP, "right": side("all"), "experiments": ["sizes"]}
    ],
    "steadiness": [
        {
            "over": "all",
            "left": side("top-alpha-*"),
            "right": side("top-beta-*", "top-gamma-*"),
            "experiments": ["sizes"],
        }
    ],
    "delta_trend": [
        {"dimension": "alpha", "experiments": ["scaling"], "given_length": given} for given in (False, True)
    ],
}


def claims() -> dict[str, Any]:
    """A claim for each kind of test; its last test is a confound's control, or in a list of one."""
    made = []
    for kind, tests in TESTS.items():
        asked = [{"question": "?", "effect": 1, "test": {"kind": kind, **test}} for test in tests]
        confounds = [{"cause": "length", "control": asked[-1] if len(asked) > 1 else asked}, {"cause": "sharpening"}]
        name = kind.replace("_", "-")
        made.append({"id": name, "claim": "!", "trust": "I", "tests": asked, "confounds": confounds})
    return {"source": "nobody", "claims": made}


def scores(arm: str, more: int = 0) -> Iterator[Score]:
    """An arm answers most items as the untrained policy does. Some answers are too long, some cannot be graded."""
    chance, luck = Random(arm), Random(f"{arm} luck").uniform(0.1, 0.9)  # so that runs vary
    _, at, degrees = arm.partition("/base@")
    sharpness = float(degrees) if at else 1.0 if arm.endswith("/base") else Random(f"{arm} nats").uniform(0.3, 1.1)
    for benchmark, (_, prompts, samples, of_base) in BENCHMARKS.items():
        for item in range(prompts):
            prompt = f"{benchmark}{item:03}"
            if benchmark == "easy" and item % 3 == 1:
                prompt = f"{benchmark}{item - 1:03}.2"  # the problem of the item before
            for sample in range(of_base if "/base" in arm else samples):
                right = Random(prompt).random() < 0.5
                if chance.random() < 0.2 + more / 10:
                    right = chance.random() < luck
                failure = chance.choices([None, "truncated", "no_answer", "time_out"], [50, 2, 1, 1])[0]
                correct = None if failure else right
                entropy = None if arm == UNKNOWN else sharpness * (1 + Random(f"{prompt} nats").random())
                key = f"{arm}{prompt}{sample}"
                yield Score(benchmark, prompt, sample, None, correct, "stop", 9, key, failure, entropy)


def pairs_and_deltas(pairing: str) -> tuple[list[Pair], list[Delta]]:
    chance, chosen = Random(pairing), pairing.partition("~")[0]
    pairs, deltas = [], []
    for item in range(60):
        eligible, prompt = chance.random() < 0.9, f"t{item:02}"
        longer = chance.randrange(-20, 60)
        tokens = None if chosen == "g2" and item == 7 else 100 + longer  # so g2's are measured in characters
        pair = Pair(
            f"{pairing}-{item:02}", prompt, 0, 0, item % 12 != 5, "right-wrong", tokens, 100, True, False,
            eligible, None if eligible else "identical", 400 + 4 * longer, 400,
        )  # fmt: skip
        delta = float(min(4, max(-4, round(3 * ABILITY[chosen] + longer / 30 + chance.gauss(0, 1)))))
        if eligible and chance.random() < 0.95:
            deltas.append(Delta(pair.pair_id, 4.0, 4.0 - delta, delta, None))
        else:
            deltas.append(Delta(pair.pair_id, None, 2.0, None, "chosen_unjudged" if eligible else "not_eligible"))
        pairs.append(pair)
    return pairs, deltas


def write(root: Path, *names: str) -> Path:
    """A finished study of some experiments: its tables, and its report. Returns results/planted."""
    folder, experiments = root / "results/planted", {name: EXPERIMENTS[name] for name in names or EXPERIMENTS}
    inputs: dict[str, list[Any]] = {"judgements": [""], "compared": [""], "annotations": [""], "sheets": [""]}
    arms = list(dict.fromkeys(arm for arms in experiments.values() for arm in arms))

    def table(kind: str, path: str, row_type: type[Any], rows: list[Any]) -> None:
        inputs.setdefault(kind, []).append(folder / path)
        tables.write(folder / path, row_type, rows)

    for arm in ("p/base", "q/base", *SHARPER, *arms):
        table("scores", f"evaluate/{arm}/sampled.parquet", Score, list(scores(arm)))
        table("scores", f"evaluate/{arm}/other.parquet", Score, list(scores(arm, more=1)))
    for number, (name, ability) in enumerate([*ABILITY.items(), ("g3@1", 0.65)]):
        chance = Random(name)
        drawn = [(f"t{item:02}", sample, chance.random()) for item in range(60 - number) for sample in range(2)]
        grades = [
            Grade(prompt, name, sample, "1", x < ability, None) if x < 0.95 else
            Grade(prompt, name, sample, None, None, "truncated" if x < 0.98 else "time_out")
            for prompt, sample, x in drawn
        ]  # fmt: skip
        table("grades", f"grade/{name}.parquet", Grade, grades)
        manifest = folder / f"generate/{name}.manifest.json"
        shipped = {"source": "hub"} if name == "shipped" else None
        content = {"stage": "generate", "rows": 1, "failures": {}, "details": {}, "code": "c", "outputs": {}}
        content["settings"] = {"generator": name, "shipped": shipped}
        content["run"] = {"started": "2026-01-01T00:00:00Z", "seconds": 1.0, "cpu_seconds": 1.0, "peak_mib": 1}
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.write_text(json.dumps(content))
        inputs.setdefault("manifests", []).append(manifest)
    for pairing in PAIRINGS:
        pairs, deltas = pairs_and_deltas(pairing)
        table("pairs", f"pair/{pairing}.parquet", Pair, pairs)
        table("deltas", f"delta/{pairing}/alpha.parquet", Delta, deltas)
    (folder / "claims.yaml").write_text(yaml.safe_dump(claims()))
    inputs |= {"claims": [folder / "claims.yaml"], "template": [ROOT / "resources/templates/report.html"]}
    settings = report.ReportSettings(
        study="planted",
        seed=1,
        title="Planted",
        about="Planted.",
        resamples=2000,
        dimensions=["alpha"],
        benchmarks={name: report.ReportBenchmark(**about) for name, (about, *_) in BENCHMARKS.items()},
        groups={
            name: report.ReportGroup(title=name, benchmarks=list(BENCHMARKS), primary=name == "sampled")
            for name in ("sampled", "other")
        },
        experiments={
            name: report.ReportExperiment(title=name, figure="rows", arms=arms) for name, arms in experiments.items()
        },
    )
    outputs = {"page": folder / "report/index.html", "figures": folder / "report/figures"}
    process = start("report", settings, inputs, outputs, folder / "record")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    (folder / "manifest.json").rename(folder / MANIFEST)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("planted"))


def recomputed(script: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(script), str(folder), str(folder / "claims.yaml")]  # SHORT needs no claims
    return subprocess.run(words, capture_output=True, text=True, check=False)


def compared(done: subprocess.CompletedProcess[str]) -> list[str]:
    """A line per number: claim | title | ... | equal or DIFFERS."""
    return [line for line in done.stdout.splitlines() if not line.endswith("numbers differ")]


@pytest.mark.parametrize("script", [LONG, SHORT], ids=lambda script: script.stem)
def test_every_kind_of_number_is_found_again(script: Path, finished: Path) -> None:
    done = recomputed(script, finished)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    told = json.loads((finished / MANIFEST).read_text())["details"]["claims"]
    numbers = {name: len(claim["tests"]) + len(claim["controls"]) for name, claim in told.items()}
    assert sorted(numbers) == sorted(kind.replace("_", "-") for kind in TESTS)
    assert min(numbers.values()) > 1
    assert [line.rpartition(" | ")[2] for line in compared(done)] == ["equal"] * sum(numbers.values())


def test_where_no_draw_is_repeated_seeds_are_all_that_varies(tmp_path: Path) -> None:
    folder = write(tmp_path, "scaling", "sizes")
    for script in (LONG, SHORT):
        done = recomputed(script, folder)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "steadiness" in done.stdout


def shifted(key: str, by: float) -> Callable[[list[dict[str, Any]]], None]:
    def shift(numbers: list[dict[str, Any]]) -> None:
        numbers[0][key] += by

    return shift


SEEN_BY_BOTH: list[tuple[str, Callable[[list[dict[str, Any]]], None]]] = [
    ("trend", shifted("value", 1e-6)),
    ("difference", shifted("n", 1)),
    ("delta-trend", shifted("high", 1e-6)),
]


@pytest.mark.parametrize(
    ("script", "claim", "change"),
    [
        *((script, *seen) for script in (LONG, SHORT) for seen in SEEN_BY_BOTH),
        (LONG, "steadiness", shifted("low", -160.0)),  # half its width
        (LONG, "retains", list.pop),
    ],
)
def test_a_number_of_the_report_that_was_changed_is_noticed(
    script: Path, claim: str, change: Callable[[list[dict[str, Any]]], None], finished: Path, tmp_path: Path
) -> None:
    folder = copied(finished, tmp_path / "changed")
    content = json.loads((folder / MANIFEST).read_text())
    change(content["details"]["claims"][claim]["tests"])
    (folder / MANIFEST).write_text(json.dumps(content))
    done = recomputed(script, folder)
    assert done.returncode == 1
    (line,) = (line for line in compared(done) if not line.endswith(" | equal"))
    assert line.startswith(claim)


def test_gains_are_paired_by_prompt_where_the_untrained_policy_answers_more_often(finished: Path) -> None:
    words = [sys.executable, str(ROOT / "docs/recompute.py"), str(finished), "sampled"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    gains = printed.partition("points against p/base")[2].partition("points against")[0]
    names = gains.splitlines()[1].split()[1:]
    found = {
        words[0]: dict(zip(names, map(float, words[1:]), strict=True))
        for words in map(str.split, gains.splitlines()[3:])
    }
    told = json.loads((finished / MANIFEST).read_text())["details"]["claims"]["gains"]["tests"]
    (told_gain,) = (
        number["value"]
        for number in told
        if number["title"].startswith("gain of top-alpha-5 · g4~g0 · dpo · p · seed")
        and " · Hard · " in number["title"]
    )
    assert found[f"{WIDEST}/top-alpha-5/dpo/s0"]["hard"] == pytest.approx(told_gain, abs=0.051)
