"""A tiny study, made stage by stage when a test first needs it.

Its prompts are single operations: a model of 20,000 parameters learns in a second how their traces look. Traces are
written by hand where a test has to know what is in them.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from prefdelta.core.asking.requests import Sampling
from prefdelta.core.data.sources import MadeSource
from prefdelta.core.rungs import Corpus, LadderSection, Rung
from prefdelta.core.tasks.corpus import ErrorRates
from prefdelta.records.prompt import Prompt
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.stages import delta, grade, judge, ladder, pair, prompts, reference
from prefdelta.stages import filter as filter_stage
from prefdelta.store import tables
from prefdelta.workflow.job import Outcome

from .running import DIMENSIONS, JUDGE_TEMPLATE, PROBLEM_TEMPLATE, RUBRICS, RULES_JUDGE, run, trace_of

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # the same bits on machines with and without a GPU
ITEMS = 16


@dataclass(frozen=True)
class Made:
    """What one run of a stage left."""

    path: Path
    outcome: Outcome


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="session")
def record(work: Path) -> Path:
    return work / "record"


@pytest.fixture(scope="session")
def train_prompts(work: Path, record: Path) -> Made:
    made = MadeSource(family="maths", operations=[1], items=ITEMS, split="pairs", grader="marker")
    path = work / "prompts/train.parquet"
    settings = prompts.PromptsSettings(source="train", made=made, seed=5)
    return Made(path, run(prompts, settings, {}, {"prompts": path}, record))


def rung(steps: int = 150, seed: int = 1) -> Rung:
    corpora = [Corpus(family="maths", operations=[1])]
    return Rung(
        width=32,
        layers=1,
        heads=2,
        steps=steps,
        batch_size=8,
        corpora=corpora,
        error_rates=ErrorRates(),
        seed=seed,
        windows=[],
    )


LADDER = LadderSection(
    muon_learning_rate=0.02, adamw_learning_rate=0.005, warmup_steps=5, decay_share=0.3, attempts=1, measured_items=20
)


@pytest.fixture(scope="session")
def train_model(record: Path) -> Callable[[Path, Rung], Outcome]:
    """Runs the ladder stage: (manifest to write, what to train)."""

    def train(path: Path, what: Rung) -> Outcome:
        settings = ladder.LadderSettings(model=path.parent.name, rung=what, shared=LADDER)
        return run(ladder, settings, {}, {"model": path}, record)

    return train


@pytest.fixture(scope="session")
def model(work: Path, train_model: Callable[[Path, Rung], Outcome]) -> Made:
    """A model that writes whole traces for problems of one operation; it solves few of those it has not seen."""
    path = work / "ladder/able/model.json"
    return Made(path, train_model(path, rung()))


@pytest.fixture(scope="session")
def problems(train_prompts: Made) -> list[Prompt]:
    """The prompts in the order of their ids: the hand-written traces below count in this order."""
    return tables.read(train_prompts.path, Prompt)


def clean(prompt: Prompt) -> str:
    """`Q:3+4?` solved: 3+4=7;A:7."""
    return f"{prompt.text[2:5]}={prompt.answers[0]};A:{prompt.answers[0]}"


@pytest.fixture(scope="session")
def traces(work: Path, problems: list[Prompt]) -> dict[str, Path]:
    """Traces of `strong` and `weak`, by hand: 12 of the 16 prompts give an eligible pair.

    strong: 0 truncated, 1 empty, 2 failed, all others clean.
    weak: 3 is word for word strong's, 4 has no answer, of the rest every fourth is clean with filler in it, all others
    are miscalculated.
    """
    strong = [trace_of(prompt.prompt_id, "strong", clean(prompt)) for prompt in problems]
    strong[0] = trace_of(problems[0].prompt_id, "strong", clean(problems[0])[:4], "length")
    strong[1] = trace_of(problems[1].prompt_id, "strong", "")
    strong[2] = trace_of(problems[2].prompt_id, "strong", None, None, failure="too_long", n_tokens=None)
    weak = []
    for index, prompt in enumerate(problems):
        wrong = str((int(prompt.answers[0]) + 1) % 10)
        text = f"{prompt.text[2:5]}={wrong};A:{wrong}" if index % 4 else clean(prompt).replace(";", ";hm;")
        weak.append(trace_of(prompt.prompt_id, "weak", text))
    weak[3] = trace_of(problems[3].prompt_id, "weak", clean(problems[3]))
    weak[4] = trace_of(problems[4].prompt_id, "weak", clean(problems[4]).partition(";")[0])
    paths = {}
    for name, rows in (("strong", strong), ("weak", weak)):
        paths[name] = work / f"generate/{name}.parquet"
        tables.write(paths[name], Trace, rows)
    return paths


@pytest.fixture(scope="session")
def grades(work: Path, record: Path, train_prompts: Made, traces: dict[str, Path]) -> dict[str, Made]:
    made = {}
    for name, path in traces.items():
        output = work / f"grade/{name}.parquet"
        settings = grade.GradeSettings(grader="marker", max_failure_share=1.0)
        inputs = {"prompts": train_prompts.path, "traces": path}
        made[name] = Made(output, run(grade, settings, inputs, {"grades": output}, record))
    return made


def judge_settings(**changes: object) -> judge.JudgeSettings:
    settings = judge.JudgeSettings(
        generator="weak",
        form="logic",
        dimensions=DIMENSIONS,
        engine=RULES_JUDGE,
        sampling=Sampling(temperature=0.0, max_tokens=64),
        samples=1,
        attempts=3,
        max_failure_share=0.0,
        seed=5,
    )
    return settings.model_copy(update=changes)


def judge_inputs(prompt_table: Path, trace_table: Path, rubrics: Path = RUBRICS) -> dict[str, Path | list[Path]]:
    return {
        "prompts": prompt_table,
        "traces": trace_table,
        "template": JUDGE_TEMPLATE,
        "rubrics": [rubrics / f"{name}.md" for name in DIMENSIONS],
    }


@pytest.fixture(scope="session")
def judgements(work: Path, record: Path, train_prompts: Made, traces: dict[str, Path]) -> dict[str, Made]:
    """Judged by the real rules server, without noise."""
    made = {}
    for name, path in traces.items():
        output = work / f"judge/{name}/logic.parquet"
        inputs = judge_inputs(train_prompts.path, path)
        made[name] = Made(output, run(judge, judge_settings(generator=name), inputs, {"judgements": output}, record))
    return made


def pair_inputs(train_prompts: Made, traces: dict[str, Path], grades: dict[str, Made]) -> dict[str, Path]:
    return {
        "prompts": train_prompts.path,
        "chosen_traces": traces["strong"],
        "chosen_grades": grades["strong"].path,
        "rejected_traces": traces["weak"],
        "rejected_grades": grades["weak"].path,
    }


@pytest.fixture(scope="session")
def pairs(work: Path, record: Path, train_prompts: Made, traces: dict[str, Path], grades: dict[str, Made]) -> Made:
    path = work / "pair/strong~weak.parquet"
    judged = {"strong": 1, "weak": 1}
    settings = pair.PairSettings(chosen="strong", rejected="weak", judged=judged, max_failure_share=0.3)
    return Made(path, run(pair, settings, pair_inputs(train_prompts, traces, grades), {"pairs": path}, record))


@pytest.fixture(scope="session")
def deltas(work: Path, record: Path, pairs: Made, judgements: dict[str, Made]) -> dict[str, Made]:
    """By dimension, and `mean` of both."""
    made = {}
    for name, components in {**{name: [name] for name in DIMENSIONS}, "mean": DIMENSIONS}.items():
        path = work / f"delta/strong~weak/{name}.parquet"
        settings = delta.DeltaSettings(chosen="strong", rejected="weak", components=components)
        judged = [judgement.path for judgement in judgements.values()]
        inputs = {"pairs": pairs.path, "judgements": judged, "annotations": []}
        made[name] = Made(path, run(delta, settings, inputs, {"deltas": path}, record))
    return made


@pytest.fixture(scope="session")
def select(work: Path, record: Path, pairs: Made) -> Callable[..., Made]:
    """Runs the filter stage: (name of the selection, its deltas, its other inputs by name)."""

    def run_filter(
        name: str,
        *needed: Path,
        tie_seed: int = 0,
        order: int = 0,
        common: Sequence[Path] = (),
        grades: Sequence[Path] = (),
        reference: Sequence[Path] = (),
        limit: int | None = None,
    ) -> Made:
        path = work / f"filter/strong~weak/ties-{tie_seed}/{name}/t{order}.parquet"
        settings = filter_stage.FilterSettings(selection=name, tie_seed=tie_seed, order=order, limit=limit)
        inputs = {
            "pairs": pairs.path,
            "deltas": list(needed),
            "common": list(common),
            "grades": list(grades),
            "reference": list(reference),
        }
        return Made(path, run(filter_stage, settings, inputs, {"selected": path}, record))

    return run_filter


@pytest.fixture(scope="session")
def selections(select: Callable[..., Made]) -> dict[str, list[SelectedPair]]:
    return {name: tables.read(select(name).path, SelectedPair) for name in ("all", "swapped")}


@pytest.fixture(scope="session")
def make_reference(record: Path, train_prompts: Made, traces: dict[str, Path], model: Made) -> Callable[..., Outcome]:
    """Runs the reference stage: (table to write, generator, of: other traces than its own, settings that differ)."""

    def run_reference(path: Path, generator: str, of: Path | None = None, **changes: object) -> Outcome:
        settings = reference.ReferenceSettings(
            generator=generator, max_length=64, batch_tokens=200, dtype="float32", threads=1
        ).model_copy(update=changes)
        inputs = {
            "prompts": train_prompts.path,
            "traces": of or traces[generator],
            "template": PROBLEM_TEMPLATE,
            "weights": model.path,
        }
        return run(reference, settings, inputs, {"reference": path}, record)

    return run_reference


@pytest.fixture(scope="session")
def references(work: Path, make_reference: Callable[..., Outcome]) -> dict[str, Made]:
    made = {}
    for name in ("strong", "weak"):
        path = work / f"reference/able/{name}.parquet"
        made[name] = Made(path, make_reference(path, name))
    return made


@pytest.fixture
def no_model_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trip wires: whoever asks a model, starts a server or trains after this fails the test."""
    from prefdelta.engines.openai.engine import OpenAIEngine
    from prefdelta.engines.transformers import TransformersEngine
    from prefdelta.training import trainer

    def tripped(*_: object, **__: object) -> None:
        raise AssertionError("something was computed that the record holds already")

    monkeypatch.setattr(OpenAIEngine, "run", tripped)
    monkeypatch.setattr(TransformersEngine, "run", tripped)
    monkeypatch.setattr(judge, "serve", tripped)
    monkeypatch.setattr(ladder, "train_rung", tripped)
    monkeypatch.setattr(trainer, "train", tripped)
