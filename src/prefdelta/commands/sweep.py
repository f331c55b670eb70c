"""Choose the learning rates of a study by a rule, on validation problems, and write docs/sweep.md (`make sweep`).

    prefdelta sweep resources/studies/sweep.yaml

The sweep is a study of its own (results/sweep), derived from the one it serves and run through the same workflow.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from prefdelta.commands.main import main
from prefdelta.core.answers.accuracy import outcome
from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.errors import StudyError
from prefdelta.core.settings import Settings
from prefdelta.core.statistics import Estimate, mean_interval
from prefdelta.records.score import Score
from prefdelta.store import tables
from prefdelta.system.files import publish_text

NAME = "sweep"
TABLE = Path("docs/sweep.md")
SEED = 0  # seed of the trainings
GROUPS = ("sampled", "greedy")  # of the study's benchmarks


class Sweep(Settings):
    """The content of resources/studies/sweep.yaml."""

    study: str
    """Config file of the study whose models, prompts and settings are used."""

    recipes: Annotated[list[str], Field(min_length=1)]
    """Recipes of that study whose learning rate is chosen."""

    learning_rates: Annotated[list[float], Field(min_length=1)]
    """Learning rates that are tried, for each recipe."""

    policy: str
    """The policy that is trained."""

    pairing: str
    """The pairing that it is trained on, <chosen generator>~<rejected generator>."""

    selection: str
    """The selection of that pairing's pairs."""

    benchmarks: Annotated[list[str], Field(min_length=1)]
    """Benchmarks of validation problems, of all families: each decides, sampled and greedy."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One rate of one recipe: gains over the untrained policy, as shares of items, by benchmark and group."""

    recipe: str
    rate: float
    gains: Mapping[tuple[str, str], Estimate]

    @property
    def smallest(self) -> float:
        """The smallest gain."""
        return min(gain.value or 0.0 for gain in self.gains.values())


def derive(sweep: Sweep, study: dict[str, Any]) -> dict[str, Any]:
    """The config of the sweep, from the parsed config of the study it serves: one arm per recipe and rate."""
    generators = {name: study["generators"][name] for name in Pairing.parse(sweep.pairing).generators}
    needed = {sweep.policy, *(generator["model"] for generator in generators.values())}
    recipes = study["train"]["recipes"]
    swept = {
        _name(recipe, rate): {**recipes[recipe], "learning_rate": rate}
        for recipe in sweep.recipes
        for rate in sweep.learning_rates
    }
    groups = {
        group: {
            **study["evaluate"]["groups"][group],
            "benchmarks": sweep.benchmarks,
            "experiments": None,
            "base_temperatures": [],
        }
        for group in GROUPS
    }
    experiment = {
        "title": "Learning rates",
        "policies": [sweep.policy],
        "pairings": [sweep.pairing],
        "selections": [sweep.selection],
        "recipes": list(swept),
        "seeds": [SEED],
    }
    return {
        **study,
        "study": NAME,
        "models": {name: model for name, model in study["models"].items() if name in needed},
        "generators": generators,
        "policies": [sweep.policy],
        "benchmarks": sweep.benchmarks,
        "experiments": {NAME: experiment},
        "annotations": [],
        "judge": {**study["judge"], "compared": None, "others": {}},  # they may name other generators
        "filter": {**study["filter"], "sets": {}},
        "train": {"recipes": swept},
        "evaluate": {**study["evaluate"], "groups": groups, "base_samples": 1},  # gains are paired by answer
        "report": {**study["report"], "overlap": None},
    }


def measure(sweep: Sweep, results: Path) -> list[Trial]:
    """The gain of each recipe at each rate, from the tables of the finished sweep."""
    base, pairing = Base(sweep.policy), Pairing.parse(sweep.pairing)
    trials = []
    for recipe in sweep.recipes:
        for rate in sweep.learning_rates:
            arm = Arm(sweep.policy, pairing, sweep.selection, _name(recipe, rate), SEED)

            def gain(group: str, benchmark: str, arm: Arm = arm) -> Estimate:
                before, after = (_outcomes(results, str(name), group, benchmark) for name in (base, arm))
                return mean_interval([after[key] - before[key] for key in sorted(after.keys() & before)])

            gains = {(benchmark, group): gain(group, benchmark) for benchmark in sweep.benchmarks for group in GROUPS}
            trials.append(Trial(recipe, rate, gains))
    return trials


def choose(trials: list[Trial]) -> float:
    """The rate that the rule picks from the trials of one recipe; of rates that are equally good, the smaller one."""
    return max(trials, key=lambda trial: (trial.smallest, -trial.rate)).rate


def page(rule: str, trials: list[Trial], titles: Mapping[str, str]) -> str:
    """The text of docs/sweep.md. titles: of the benchmarks, by name."""
    columns = list(trials[0].gains)
    rows = []
    for recipe, rate in _chosen(trials):
        for trial in trials:
            if trial.recipe == recipe:
                gains = " | ".join(_points(trial.gains[column]) for column in columns)
                verdict = "**chosen**" if trial.rate == rate else ""
                rows.append(f"| {recipe} | {trial.rate:g} | {gains} | {100 * trial.smallest:+.1f} | {verdict} |")
    heads = " | ".join(f"{titles[benchmark]}, {group}" for benchmark, group in columns)
    return "\n".join(
        [
            "# The learning rates of mini",
            "",
            "Written by `make sweep`. The rule stands in `resources/studies/sweep.yaml`:",
            "",
            *(f"> {line}" for line in rule.splitlines()),
            "",
            "Gains over the untrained policy in points, with 95% intervals, paired by item; one training seed.",
            "",
            f"| recipe | learning rate | {heads} | smallest | |",
            f"|{'---|' * (len(columns) + 4)}",
            *rows,
            "",
        ]
    )


def define(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sweep", type=Path, help="e.g. resources/studies/sweep.yaml")


def run(arguments: argparse.Namespace) -> None:
    _run(arguments.sweep)


def _run(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    try:
        sweep = Sweep.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        raise StudyError(f"{path}: {error}") from None
    study = yaml.safe_load(Path(sweep.study).read_text(encoding="utf-8"))
    results = Path("results") / NAME
    config = results / "config.yaml"
    publish_text(config, yaml.safe_dump(derive(sweep, study), sort_keys=False))
    snakemake = [sys.executable, "-m", "snakemake", "--profile", "mini", "--configfile", str(config)]
    if code := subprocess.run(snakemake, check=False).returncode:
        sys.exit(code)
    trials = measure(sweep, results)
    rule = "\n".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("# "))
    titles = {name: _title(name) for name in sweep.benchmarks}
    publish_text(TABLE, page(rule, trials, titles))
    sys.stdout.write(f"the table: {TABLE}\n")
    for recipe, rate in _chosen(trials):
        current = study["train"]["recipes"][recipe]["learning_rate"]
        note = "" if current == rate else f"; {sweep.study} has {current:g}: change it"
        sys.stdout.write(f"{recipe}: the rule picks {rate:g}{note}\n")


def _chosen(trials: list[Trial]) -> Iterator[tuple[str, float]]:
    """Each recipe, with its rate."""
    for recipe in dict.fromkeys(trial.recipe for trial in trials):
        yield recipe, choose([trial for trial in trials if trial.recipe == recipe])


def _title(benchmark: str) -> str:
    return str(yaml.safe_load(Path(f"resources/benchmarks/{benchmark}.yaml").read_text(encoding="utf-8"))["title"])


def _outcomes(results: Path, arm: str, group: str, benchmark: str) -> dict[tuple[str, int], int]:
    rows = tables.read(results / "evaluate" / arm / f"{group}.parquet", Score)
    outcomes = {(row.prompt_id, row.sample): outcome(row) for row in rows if row.benchmark == benchmark}
    return {key: value for key, value in outcomes.items() if value is not None}


def _name(recipe: str, rate: float) -> str:
    return f"{recipe}-{rate:g}"


def _points(gain: Estimate) -> str:
    if gain.value is None or gain.low is None or gain.high is None:
        return "-"
    return f"{100 * gain.value:+.1f} [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"


if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))
