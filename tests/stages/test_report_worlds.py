"""The report's table of verdicts in worlds whose truth is known."""

import json

import pytest

from prefdelta.records.delta import Delta
from prefdelta.records.pair import Pair
from prefdelta.records.score import Score
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.worlds import table
from prefdelta.reporting.worlds.operating import Characteristic
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.shape import PlannedRecipe, StudyPlan
from prefdelta.reporting.worlds.worlds import WORLDS
from prefdelta.store import tables

from .test_report import RISING, TREND, Cells, Study, experiment, ledger, rising_study, score

PROMPTS = 150
PLAN = StudyPlan(
    generators=dict.fromkeys(("small", "weak", "mid", "big"), 2),
    recipes={"dpo": PlannedRecipe(contrasts=True, epochs=1.0, pairs=None)},
    composites={"mean": ["clarity"]},
    sets={},
    cell_pairs=None,
    tie_seed=0,
)


@pytest.fixture
def study(tmp_path):
    """Three generators above a fourth; 120 of 150 prompts have an eligible pair. The base answers twice."""
    made = Study(tmp_path)
    made.experiments = rising_study(made)
    base = [score(f"{i:03}", i < 100, sample=sample) for i in range(400) for sample in (0, 1)]
    tables.write(made.root / "evaluate/pico/base/near.parquet", Score, base)
    for name in ("weak", "mid", "big"):
        pairs = [Pair(f"q{i}", f"p{i}", 0, 0, True, None, 9, 9, None, None, i < 120, None) for i in range(PROMPTS)]
        made.table("pairs", f"pair/{name}~small.parquet", Pair, pairs)
        deltas = [Delta(f"q{i}", 4.0, 4.0 - i % 4, float(i % 4), None) for i in range(120)]
        made.table("deltas", f"delta/{name}~small/clarity.parquet", Delta, deltas)
    return made


def page_of(study, worlds=2, over="in_domain", **changed):
    given = {"experiments": study.experiments, "worlds": worlds, "plan": PLAN} | changed
    return ledger(study, {**TREND, "over": over}, **given)[0]


def table_of(page):
    """The table with all around it; the rest of the page has times."""
    return page[page.index('<details id="worlds">') : page.index('<section id="gain">')]


def kept(study):
    return sorted((study.record / "worlds").glob("*"))


def test_each_world_has_the_share_of_each_verdict(study):
    page = page_of(study, worlds=3)
    (path,) = kept(study)
    found = [Characteristic(**world) for world in json.loads(path.read_text())]
    assert [world.world for world in found] == list(WORLDS)
    cells = Cells(page)
    for world in found:
        assert sum(world.counts["one"].values()) == 3
        _, cell = cells.row(f"{world.world} {world.about[:20]}", columns=2)
        shares = [f"{100 * world.share('one', word):.0f} {word}" for word in ("confounded", "contradicted")]
        assert cell == ("".join(share for share in shares if share[:2] != "0 ") or "—")
    # Points of slope per 10 points of generator delta are large here, and no control takes length apart.
    assert cells.row("delta the delta is the cause", columns=2)[1] == "100 confounded"
    assert "for each, 3 studies with the arms" in page
    assert "base_accuracy 0.25 (measured)" in page
    assert "zero_share 0.25 (measured)" in page
    assert "difficulty_spread 1.5 (assumed)" in page


def test_the_shape_is_that_of_the_results(study, monkeypatch):
    shapes = []

    def noted(content, plan):
        shapes.append(finished_shape(content, plan))
        return shapes[-1]

    finished_shape = table.finished_shape
    monkeypatch.setattr(table, "finished_shape", noted)
    page_of(study, worlds=1)
    (shape,) = shapes
    assert list(map(str, shape.arms)) == RISING
    assert shape.items == {"sums": 400}
    assert shape.samples == {Evaluation("near", "sums"): 1}
    assert shape.base_times == {"near": 2}
    assert shape.evaluated == {"near": shape.arms}
    assert shape.prompts == PROMPTS
    assert (shape.dimensions, shape.composites) == (["clarity"], {"mean": ["clarity"]})
    assert not any(map(shape.is_confounded, shape.pairings))


def test_a_second_report_of_the_same_results_plants_nothing(study, monkeypatch):
    first = table_of(page_of(study))

    def plant(*_):
        raise AssertionError("planted again")

    with monkeypatch.context() as patched:
        patched.setattr(Planter, "plant", plant)
        assert table_of(page_of(study, title="Another title")) == first
        for changed in ({"worlds": 1}, {"over": "all"}):
            with pytest.raises(AssertionError, match="planted again"):
                page_of(study, **changed)
    (path,) = kept(study)
    path.write_text(path.read_text()[:100])
    assert table_of(page_of(study)) == first, "what is damaged is planted again"
    assert kept(study) == [path]


def test_without_studies_there_is_no_table(study):
    for without in ({"worlds": 0}, {"experiments": {"line": experiment("Line", "scaling")}}):
        assert 'id="worlds"' not in page_of(study, **without)
    assert not kept(study)


def test_a_study_too_small_to_plant_says_why(study):
    name = "pico/big~small/top-clarity-120/dpo/s0"
    study.evaluate(name, [score(f"{i:03}", i < 220) for i in range(400)])
    # 120 of 150 prompts have a pair, a share of 0.89 squared: some draw of the pairs has fewer.
    page = page_of(study, worlds=3, experiments={"line": experiment("Line", "scaling", *RISING, name)})
    assert "No studies could be planted: " in page
    assert not kept(study)
