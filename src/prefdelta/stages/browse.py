"""Stage browse: the pair browser, a page that shows every pair, trace, verdict and benchmark item of the study.

It is opened from disk, without a server: its data are scripts, in pages of prompts.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from prefdelta.browsing.answers import ShownAnswers, write_answers
from prefdelta.browsing.items import BenchmarkItems, write_items
from prefdelta.browsing.lineage import generator_lines, judge_lines, read_manifests
from prefdelta.browsing.pairs import pair_columns
from prefdelta.browsing.prompts import NumberedPrompts
from prefdelta.browsing.scripts import Scripts
from prefdelta.browsing.traces import GeneratorTables, JudgedForm, write_traces
from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.hub import HubModel
from prefdelta.core.layout import Place
from prefdelta.core.settings import Settings
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.models.weights import Weights, open_weights
from prefdelta.reading.study_tables import StudyTables
from prefdelta.records.delta import Delta
from prefdelta.records.details.browse import BrowseDetails
from prefdelta.records.pair import Pair
from prefdelta.records.selection import SelectedPair
from prefdelta.store import calls
from prefdelta.workflow import versions
from prefdelta.workflow.job import Job, Outcome, start

# The inputs that are outputs of other jobs, but for manifests.
_OUTPUTS = ("prompts", "traces", "grades", "judgements", "pairs", "deltas", "selected", "weights", "scores")


class BrowseSection(Settings):
    """The pair browser: a page with every pair, trace, verdict and benchmark item."""

    answers: Annotated[int, Field(ge=0)] = 1
    """How many first answers of each policy to a benchmark item are shown as text. 0: none."""

    items: Annotated[int, Field(ge=0)] = 200
    """Number of items per benchmark whose answers are shown as text: those on which the policies differ most. Of all
    other items the browser shows whether each answer is right. An answer takes its length on disk, for every policy."""

    page: Annotated[int, Field(ge=1)] = 5
    """Prompts (or benchmark items) per file. A file holds all samples of one generator for its prompts, and is read as
    a whole when one of them is shown."""


class BrowseBenchmark(Settings):
    title: str
    """Name in the browser."""

    domain: Literal["maths", "stem", "code"]
    """Subject."""

    group: str
    """The primary group of `evaluate` that asks it."""

    samples: int
    """An arm's answers per item."""

    temperature: float
    """Sampling temperature of the arms."""


class BrowseSettings(BrowseSection):
    study: str
    """Name of the study."""

    title: str
    """Title of the report, and of the browser."""

    dimensions: dict[str, list[str]]
    """Dimension or composite -> the dimensions of which it is the mean, in order."""

    forms: dict[str, list[str]]
    """Form of the study's judge -> its dimensions."""

    generators: list[str]
    """Generators with their draws."""

    arms: dict[str, str]
    """Arm -> its selection, as <selection>/t<order>."""

    benchmarks: dict[str, BrowseBenchmark]
    """Name -> benchmark, in order."""

    hub: dict[str, HubModel]
    """Policy -> its repository, if it is a model of the hub."""


def run(job: Job[BrowseSettings]) -> Outcome:
    settings, data = job.settings, job.output("data")
    data.mkdir(parents=True)
    scripts = Scripts(data)
    found = StudyTables((path for name in _OUTPUTS for path in job.inputs[name]), settings.study)
    prompts = NumberedPrompts(found.path("prompts", source=TRAINING_PROMPTS), settings.page)
    prompts.write(scripts)
    pairings, rows = _write_pairs(scripts, found, prompts, settings)
    replies_lost = 0
    for index, generator in enumerate(settings.generators):
        replies_lost += write_traces(scripts, index, _tables_of(found, generator, job), prompts)
    policies = _policies(settings)
    benchmarks, answers_lost = _write_answers(scripts, found, policies, job)
    study = {
        "study": settings.study,
        "title": settings.title,
        "page": settings.page,
        "dimensions": list(settings.dimensions),
        "judged": {name: parts for name, parts in settings.dimensions.items() if parts != [name]},
        "rubrics": {path.stem: path.read_text(encoding="utf-8") for path in job.inputs["rubrics"]},
        "judge_template": job.input("judge_template").read_text(encoding="utf-8"),
        **_lineage(job),
        "pairings": pairings,
        "prompts": len(prompts.ids),
        "prompt_ids": prompts.ids.to_pylist(),
        "arms": _arms(found, pairings, job),
        "policies": list(map(str, policies)),
        "benchmarks": benchmarks,
        "versions": {"commit": versions.commit(), "written": None},
    }
    scripts.write("study", study)
    _copy_application(job)
    details = BrowseDetails(scripts.files, scripts.bytes, replies_lost, answers_lost)
    return Outcome(rows, {}, details)


def _write_pairs(
    scripts: Scripts, found: StudyTables, prompts: NumberedPrompts, settings: BrowseSettings
) -> tuple[list[dict[str, Any]], int]:
    """Write `pairs/<pairing>`. Returns a line per pairing, and the number of pairs."""
    lines, rows = [], 0
    places = sorted(found.places("pair"), key=lambda place: (place.axes["chosen"], place.axes["rejected"]))
    for index, place in enumerate(places):
        pairing = Pairing(place.axes["chosen"], place.axes["rejected"])
        pairs = found.arrow("pair", Pair, None, **place.axes)
        computed = {delta.axes["dimension"] for delta in found.places("delta", **place.axes)}
        deltas = {
            dimension: found.arrow("delta", Delta, None, **place.axes, dimension=dimension)
            if dimension in computed
            else None
            for dimension in settings.dimensions
        }
        selected = sorted(found.places("filter", **place.axes), key=_selection_of)
        tables = [found.arrow("filter", SelectedPair, None, **selection.axes) for selection in selected]
        scripts.write(f"pairs/{index}", pair_columns(pairs, prompts.ids, deltas, tables))
        line = {"name": str(pairing), "pairs": len(pairs)}
        line |= {side: settings.generators.index(name) for side, name in place.axes.items()}
        line["selections"] = list(map(_selection_of, selected))
        lines.append(line)
        rows += len(pairs)
    return lines, rows


def _selection_of(place: Place) -> str:
    return f"{place.axes['selection']}/t{place.axes['order']}"


def _tables_of(found: StudyTables, generator: str, job: Job[BrowseSettings]) -> GeneratorTables:
    forms = sorted(place.axes["form"] for place in found.places("judge", generator=generator))
    return GeneratorTables(
        found.path("generate", generator=generator),
        found.path("grade", generator=generator),
        [
            JudgedForm(
                found.path("judge", generator=generator, form=form), calls.judge_calls(job.record, form, generator)
            )
            for form in forms
        ],
    )


def _policies(settings: BrowseSettings) -> list[Arm | Base]:
    """The untrained policies, each followed by its arms."""
    arms = list(map(Arm.parse, settings.arms))
    policies: list[Arm | Base] = []
    for base in dict.fromkeys(arm.base for arm in arms):
        policies += [base, *(arm for arm in arms if arm.base == base)]
    return policies


def _write_answers(
    scripts: Scripts, found: StudyTables, policies: list[Arm | Base], job: Job[BrowseSettings]
) -> tuple[list[dict[str, Any]], int]:
    """Write `items` and `answers`. Returns a line per benchmark, and how many answers are not recorded."""
    settings, asked, shown, lines = job.settings, list[BenchmarkItems](), list[list[str]](), list[dict[str, Any]]()
    for index, (name, benchmark) in enumerate(settings.benchmarks.items()):
        scores = {number: _scores(found, policy, benchmark.group) for number, policy in enumerate(policies)}
        items = BenchmarkItems(name, found.path("prompts", source=name), benchmark.samples, scores)
        count, with_text = write_items(scripts, index, items, settings.items if settings.answers else 0)
        asked.append(items)
        shown.append(with_text)
        lines.append({"name": name, **benchmark.model_dump(), "items": count})
    partitions = [calls.policy_calls(job.record, _weights(found, policy, job).key) for policy in policies]
    with tempfile.TemporaryDirectory(dir=job.output("data").parent) as work:
        answers = ShownAnswers(asked, shown, settings.answers, settings.page)
        return lines, write_answers(scripts, answers, partitions, Path(work))


def _scores(found: StudyTables, policy: Arm | Base, group: str) -> Path:
    kind = "evaluate_base" if isinstance(policy, Base) else "evaluate"
    return found.path(kind, **policy.axes, group=group)


def _weights(found: StudyTables, policy: Arm | Base, job: Job[BrowseSettings]) -> Weights:
    """A policy's weights by name; nothing is read of them."""
    if isinstance(policy, Arm):
        return open_weights([found.path("train", **policy.axes)], None, job.record, only_look=True)
    hub = job.settings.hub.get(policy.policy)
    pointers = [] if hub else [found.path("ladder", model=policy.policy)]
    return open_weights(pointers, hub, job.record, only_look=True)


def _arms(found: StudyTables, pairings: list[dict[str, Any]], job: Job[BrowseSettings]) -> list[dict[str, Any]]:
    indices = {line["name"]: index for index, line in enumerate(pairings)}
    lines = []
    for name, selection in job.settings.arms.items():
        arm = Arm.parse(name)
        pairing = indices[str(arm.pairing)]
        lines.append(
            {
                "name": name,
                "policy": arm.policy,
                "pairing": pairing,
                "selection": pairings[pairing]["selections"].index(selection),
                "recipe": arm.recipe,
                "seed": arm.seed,
                "weights": _weights(found, arm, job).identity,
            }
        )
    return lines


def _lineage(job: Job[BrowseSettings]) -> dict[str, list[dict[str, Any]]]:
    settings = job.settings
    manifests = read_manifests(job.inputs["manifests"], settings.study)
    weights = {str(path): path for path in job.inputs["weights"]}
    template = job.input("template").read_text(encoding="utf-8")
    return {
        "judges": judge_lines(settings.forms, manifests),
        "generators": generator_lines(settings.generators, manifests, weights, template),
    }


def _copy_application(job: Job[BrowseSettings]) -> None:
    """Copy the page and its application: the files are below the page's folder, and stay so."""
    page, folder = job.input("page"), job.output("app")
    folder.mkdir(parents=True)
    for path in job.inputs["app"]:
        copy = folder / path.relative_to(page.parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    shutil.copyfile(page, job.output("page"))


if __name__ == "__main__":
    start(
        run,
        BrowseSettings,
        inputs={
            "page": "the browser's page (HTML)",
            "app": "the other files of the application, below the page's folder",
            "template": "the text that generators are asked with",
            "judge_template": "the text that the judge is asked with",
            "rubrics": "one text per dimension, named <dimension>.md",
            "prompts": "tables of Prompt, prompts/<source>.parquet",
            "traces": "tables of Trace, generate/<generator>.parquet",
            "grades": "tables of Grade, grade/<generator>.parquet",
            "judgements": "tables of Judgement of the study's judge, judge/<generator>/<form>.parquet",
            "pairs": "tables of Pair, pair/<pairing>.parquet",
            "deltas": "tables of Delta, delta/<pairing>/<dimension>.parquet",
            "selected": "tables of SelectedPair, filter/<pairing>/<selection>/t<order>.parquet",
            "weights": "the files that name weights, ladder/<model>/model.json and train/<arm>/policy.json",
            "scores": "tables of Score of the primary groups, evaluate/<arm>/<group>.parquet",
            "manifests": "manifests of generate and judge, <stage>/<job>.manifest.json",
        },
        outputs={
            "page": "HTML",
            "app": "folder with the application",
            "data": "folder with the data as scripts",
        },
    )
