"""From tables and manifests to the numbers of the report: frames of rows, and one typed line per thing shown.

What a file is about (arm, pairing, generator, job) is in its path below `results/<study>/<stage>/`.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefdelta import tables
from prefdelta.core.accuracy import count_outcomes, outcome
from prefdelta.core.errors import StudyError
from prefdelta.core.ids import seed_of
from prefdelta.core.names import STAGES
from prefdelta.core.statistics import Estimate, mean_interval, wilson_interval
from prefdelta.records.delta import Delta
from prefdelta.records.grade import Grade
from prefdelta.records.score import Score

if TYPE_CHECKING:
    import pandas as pd

LN2 = math.log(2.0)
_ITEM = ["prompt_id", "sample"]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How intervals of means are drawn."""

    resamples: int
    seed: int

    def estimate(self, values: Sequence[float], *what: Any) -> Estimate:
        """what: names the number, so that it has the same draws wherever it is shown."""
        return mean_interval(values, self.resamples, seed_of("report", self.seed, *what))


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm's name taken apart."""

    name: str
    policy: str
    pairing: str
    selection: str
    recipe: str
    seed: int

    @property
    def family(self) -> str:
        """All but the seed."""
        return f"{self.policy}/{self.pairing}/{self.selection}/{self.recipe}"

    @property
    def base(self) -> str:
        return base_of(self.policy)


@dataclass(frozen=True, slots=True)
class AccuracyLine:
    """One arm, or the mean over the seeds of one, on one benchmark."""

    benchmark: str
    arms: tuple[Arm, ...]  # none: the base
    policy: str
    accuracy: Estimate  # share of the items counted
    difference: Estimate | None  # accuracy minus the base's over the items both have; None for the base
    items: int
    counted: int
    truncated: float | None  # share of the items
    paired: int  # items that count on both sides
    unpaired: int  # items left out of the difference

    @property
    def seeds(self) -> list[int]:
        return [arm.seed for arm in self.arms]


@dataclass(frozen=True, slots=True)
class GeneratorLine:
    name: str
    accuracy: Estimate
    rows: int
    failures: Mapping[str, int]

    def share(self, failure: str) -> float | None:
        return self.failures.get(failure, 0) / self.rows if self.rows else None


@dataclass(frozen=True, slots=True)
class DeltaLine:
    pairing: str
    dimension: str
    mean: Estimate  # of the sample deltas
    ties: float | None  # share of deltas that are 0
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TrainingLine:
    arm: Arm
    pairs: int | None
    updates: int | None
    step0_loss: float | None  # nats
    losses: list[float]  # per update, nats
    margins: list[float]  # per update, nats (beta included)
    differs_from_base: bool | None

    @property
    def step0_gap(self) -> float | None:
        """How far the first loss is from ln 2, which it is where policy and reference are the same."""
        return None if self.step0_loss is None else self.step0_loss - LN2


@dataclass(frozen=True, slots=True)
class Manifest:
    stage: str
    job: str
    content: Mapping[str, Any]


def part_after(path: Path, study: str, stage: str) -> str:
    """What a path says below `results/<study>/<stage>/`, without the file's ending.

    Raises StudyError if the path has no such folder.
    """
    parts = path.parts
    for i in range(len(parts) - 3):
        if parts[i : i + 3] == ("results", study, stage):
            name = "/".join(parts[i + 3 :])
            return name.removesuffix(".parquet").removesuffix(".json").removesuffix(".manifest")
    raise StudyError(
        f"{path}: is not in a folder results/{study}/{stage}/. The report reads names of arms, pairings, generators "
        "and jobs from paths; give it the files where the workflow wrote them."
    )


def read_arm(name: str) -> Arm:
    """An arm from `<policy>/<chosen>~<rejected>/<selection>/<recipe>/s<seed>`. Raises StudyError for another form."""
    match name.split("/"):
        case [policy, pairing, selection, recipe, seed] if seed[:1] == "s" and seed[1:].isdecimal():
            return Arm(name, policy, pairing, selection, recipe, int(seed[1:]))
    raise StudyError(
        f"{name!r} is not the name of an arm; they read <policy>/<chosen>~<rejected>/<selection>/<recipe>/s<seed>."
    )


def base_of(policy: str) -> str:
    """The name of an untrained policy among the arms."""
    return f"{policy}/base"


def is_base(name: str) -> bool:
    """Whether it names an untrained policy."""
    return name.endswith("/base") and name.count("/") == 1


def families(arms: Iterable[Arm]) -> list[tuple[Arm, ...]]:
    """Arms that differ in nothing but their seed, together, in order of first appearance."""
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        found.setdefault(arm.family, []).append(arm)
    return [tuple(sorted(members, key=lambda arm: arm.seed)) for members in found.values()]


def short_labels(arms: Sequence[Arm]) -> dict[str, str]:
    """Family -> selection, and of pairing, recipe and policy those in which these arms differ."""
    differing = [part for part in ("pairing", "recipe", "policy") if len({getattr(arm, part) for arm in arms}) > 1]
    return {arm.family: " · ".join(getattr(arm, part) for part in ["selection", *differing]) for arm in arms}


class Scores:
    """Every arm's answers, by benchmark."""

    def __init__(self, paths: Iterable[Path], study: str, benchmarks: Sequence[str], bootstrap: Bootstrap) -> None:
        """benchmarks: those to report, in order."""
        self._by_arm = _read_scores(paths, study)
        self._benchmarks = benchmarks
        self._bootstrap = bootstrap

    def __len__(self) -> int:
        return sum(len(run) for run in self._by_arm.values())

    @property
    def not_counted(self) -> int:
        return sum(int(run["outcome"].isna().sum()) for run in self._by_arm.values())

    def arms(self) -> list[Arm]:
        """All trained arms that have scores, by name."""
        return [read_arm(name) for name in sorted({name for name, _ in self._by_arm}) if not is_base(name)]

    def policies(self) -> list[str]:
        """All policies whose base has scores, by name."""
        return sorted({name.removesuffix("/base") for name, _ in self._by_arm if is_base(name)})

    def check(self, arms: Iterable[Arm]) -> None:
        """Raise StudyError unless these arms and their bases have scores on exactly the benchmarks to report."""
        wanted = {name for arm in arms for name in (arm.name, arm.base)}
        missing = [key for name in sorted(wanted) for key in self._wanted(name) if key not in self._by_arm]
        if missing:
            told = "; ".join(f"{arm} on {benchmark}" for arm, benchmark in missing[:5])
            raise StudyError(
                f"scores: {len(missing)} combinations of arm and benchmark have none: {told}"
                f"{' …' if len(missing) > 5 else ''}. Run the evaluate jobs that make them, or take the arms out of "
                "the experiments."
            )
        unknown = sorted({benchmark for _, benchmark in self._by_arm} - set(self._benchmarks))
        if unknown:
            raise StudyError(
                f"scores: there are rows of {', '.join(unknown)}; the benchmarks are {', '.join(self._benchmarks)}. "
                "Give the report the scores of this study only."
            )

    def base(self, policy: str, benchmark: str) -> AccuracyLine:
        """The line of an untrained policy."""
        run = self._by_arm[base_of(policy), benchmark]
        return self._line(benchmark, policy, (), [run], self._wilson(run), None, (len(run), 0))

    def compare(self, arms: tuple[Arm, ...], benchmark: str) -> AccuracyLine:
        """One arm against its base, or the mean over several seeds of one: item by item, joined by key.

        Items that do not count on one of the sides leave the difference. Draws of one prompt are not independent of
        each other, so their mean is what is resampled.
        """
        import pandas as pd

        policy = arms[0].policy
        what = (arms[0].family, benchmark, [arm.seed for arm in arms])
        base = self._by_arm[base_of(policy), benchmark]
        runs = [self._by_arm[arm.name, benchmark] for arm in arms]
        answers = pd.concat([run["outcome"] for run in [base, *runs]], axis=1, keys=range(len(runs) + 1))
        both = answers.dropna()
        gains = both.iloc[:, 1:].mean(axis=1) - both.iloc[:, 0]
        difference = self._bootstrap.estimate(_per_prompt(gains), "difference", *what)
        if len(runs) == 1:
            accuracy = self._wilson(runs[0])
        else:  # seeds answer the same items, so they are no independent trials: Wilson's interval would be too narrow
            mean = answers.iloc[:, 1:].dropna().mean(axis=1)
            accuracy = self._bootstrap.estimate(_per_prompt(mean), "accuracy", *what)
        pairing = (len(both), len(answers) - len(both))
        return self._line(benchmark, policy, arms, runs, accuracy, difference, pairing)

    def _wanted(self, arm: str) -> list[tuple[str, str]]:
        return [(arm, benchmark) for benchmark in self._benchmarks]

    @staticmethod
    def _wilson(run: "pd.DataFrame") -> Estimate:
        counted = run["outcome"].dropna()
        return wilson_interval(int(counted.sum()), len(counted))

    @staticmethod
    def _line(
        benchmark: str,
        policy: str,
        arms: tuple[Arm, ...],
        runs: Sequence["pd.DataFrame"],
        accuracy: Estimate,
        difference: Estimate | None,
        pairing: tuple[int, int],
    ) -> AccuracyLine:
        items = sum(len(run) for run in runs)
        return AccuracyLine(
            benchmark=benchmark,
            arms=arms,
            policy=policy,
            accuracy=accuracy,
            difference=difference,
            items=items,
            counted=sum(int(run["outcome"].count()) for run in runs),
            truncated=sum(int(run["truncated"].sum()) for run in runs) / items if items else None,
            paired=pairing[0],
            unpaired=pairing[1],
        )


def generators(paths: Iterable[Path], study: str) -> list[GeneratorLine]:
    """One line per generator, by name."""
    lines = []
    for path in paths:
        grades = tables.read(path, Grade)
        solved, counted = count_outcomes(grades)
        failures = Counter(row.failure for row in grades if row.failure is not None)
        name = part_after(path, study, "grade")
        lines.append(GeneratorLine(name, wilson_interval(solved, counted), len(grades), failures))
    return sorted(lines, key=lambda line: line.name)


def deltas(paths: Iterable[Path], study: str, dimensions: Sequence[str], bootstrap: Bootstrap) -> list[DeltaLine]:
    """One line per pairing and dimension: pairings by name, dimensions in the order given."""
    lines = []
    for path in paths:
        pairing, _, dimension = part_after(path, study, "delta").partition("/")
        rows = tables.read(path, Delta)
        known = [row.delta for row in rows if row.delta is not None]
        lines.append(
            DeltaLine(
                pairing=pairing,
                dimension=dimension,
                mean=bootstrap.estimate(known, "delta", pairing, dimension),
                ties=known.count(0) / len(known) if known else None,
                failures=Counter(row.failure for row in rows if row.failure is not None),
            )
        )
    place = {name: index for index, name in enumerate(dimensions)}
    return sorted(lines, key=lambda line: (line.pairing, place.get(line.dimension, len(place)), line.dimension))


def manifests(paths: Iterable[Path], study: str) -> list[Manifest]:
    """The manifests in order of their stages, then of their jobs."""
    found = []
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            stage = content["stage"]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StudyError(
                f"{path}: is no manifest of a job ({error!r}). Delete it and run the workflow again."
            ) from None
        found.append(Manifest(stage, part_after(path, study, stage), content))
    return sorted(found, key=lambda manifest: (stage_order(manifest.stage), manifest.job))


def stage_order(stage: str) -> tuple[int, str]:
    """Sorts stages as data flows through them; unknown ones last."""
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def training(found: Iterable[Manifest]) -> list[TrainingLine]:
    """One line per trained arm."""
    lines = []
    for manifest in found:
        if manifest.stage != "train":
            continue
        details = manifest.content["details"]
        curve = details.get("curve", {})
        lines.append(
            TrainingLine(
                arm=read_arm(manifest.job.rpartition("/")[0]),
                pairs=details.get("pairs"),
                updates=details.get("updates"),
                step0_loss=details.get("step0_loss"),
                losses=curve.get("loss", []),
                margins=curve.get("rewards/margins", []),
                differs_from_base=details.get("differs_from_base"),
            )
        )
    return lines


def jobs_frame(found: Iterable[Manifest]) -> "pd.DataFrame":
    """One row per job: stage, job, rows, failures (reason -> count), failed, seconds, cpu_seconds, peak_mib."""
    import pandas as pd

    columns = ["stage", "job", "rows", "failures", "failed", "seconds", "cpu_seconds", "peak_mib"]
    rows = [
        (
            manifest.stage,
            manifest.job,
            manifest.content["rows"],
            manifest.content["failures"],
            sum(manifest.content["failures"].values()),
            *(manifest.content["run"][name] for name in ("seconds", "cpu_seconds", "peak_mib")),
        )
        for manifest in found
    ]
    return pd.DataFrame(rows, columns=columns)


def stages_frame(jobs: "pd.DataFrame") -> "pd.DataFrame":
    """One row per stage, in order: jobs, and the sums of the jobs' rows, failures and times; the largest peak."""
    found = jobs.groupby("stage", sort=False).agg(
        jobs=("job", "size"),
        rows=("rows", "sum"),
        failures=("failures", _added),
        failed=("failed", "sum"),
        seconds=("seconds", "sum"),
        cpu_seconds=("cpu_seconds", "sum"),
        peak_mib=("peak_mib", "max"),
    )
    return found.reset_index()


def versions(found: Iterable[Manifest]) -> dict[str, Counter[str]]:
    """Package -> version -> how many jobs ran with it. `python` is one of them."""
    counts: dict[str, Counter[str]] = {}
    for manifest in found:
        run = manifest.content["run"]
        for name, version in {"python": run["python"], **run["versions"]}.items():
            counts.setdefault(name, Counter())[version] += 1
    return counts


def commits(found: Iterable[Manifest]) -> Counter[str]:
    """Commit -> how many jobs ran with it."""
    return Counter(manifest.content["run"]["commit"] or "unknown" for manifest in found)


def stage_settings(found: Iterable[Manifest]) -> dict[str, list[dict[str, Any]]]:
    """Stage -> its different settings, each with the jobs that ran with them."""
    by_text: dict[tuple[str, str], list[str]] = {}
    for manifest in found:
        text = json.dumps(manifest.content["settings"], sort_keys=True)
        by_text.setdefault((manifest.stage, text), []).append(manifest.job)
    stages: dict[str, list[dict[str, Any]]] = {}
    for (stage, text), jobs in by_text.items():
        stages.setdefault(stage, []).append({"jobs": jobs, "settings": json.loads(text)})
    return stages


def _added(failures: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in failures:
        total.update(counts)
    return total


def _per_prompt(items: "pd.Series[float]") -> list[float]:
    """Values by (prompt_id, sample) as one mean per prompt."""
    means: list[float] = items.groupby(level="prompt_id").mean().tolist()
    return means


def _read_scores(paths: Iterable[Path], study: str) -> dict[tuple[str, str], "pd.DataFrame"]:
    """(arm, benchmark) -> outcome (1, 0, or missing where the item does not count) and truncated, by item."""
    import pandas as pd

    parts: dict[tuple[str, str], list[Score]] = {}
    for path in paths:
        arm = part_after(path, study, "evaluate").rpartition("/")[0]
        for row in tables.read(path, Score):
            parts.setdefault((arm, row.benchmark), []).append(row)
    frames = {}
    for key, rows in parts.items():
        index = pd.MultiIndex.from_tuples([(row.prompt_id, row.sample) for row in rows], names=_ITEM)
        values = {
            "outcome": pd.array([outcome(row) for row in rows], dtype="Int64").astype("Float64"),
            "truncated": [row.failure == "truncated" for row in rows],
        }
        frames[key] = pd.DataFrame(values, index=index)
        if not index.is_unique:
            raise StudyError(f"scores: {key[0]} has answered an item of {key[1]} twice. Give each table once.")
    return frames
