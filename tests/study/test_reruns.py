"""Row counts: after an edit, exactly the rows that are new are computed, counted where they are computed.

Real runs of the tiny study, one edit after the other. Calls are counted at the record (a row per reply, as the engines
gave them), at the judge's server (which says at its end how many verdicts it served), and by what the jobs say of
themselves; all three have to agree with the number of rows that are new.
"""

import sys
from pathlib import Path

import pytest

from once import copied

from .counting import CALLS, Checkout
from .tiny import ARMS, DIMENSIONS, ITEMS, PROMPTS, started

MORE = 7  # prompts that are added
CONFIG = "resources/studies/mini.yaml"


@pytest.fixture(scope="module")
def checkout(tiny_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The study, run once. The tests below edit it one after the other."""
    return Checkout(copied(tiny_study, tmp_path_factory.mktemp("reruns") / "study"))


def nothing_but(**calls: int) -> dict[str, int]:
    return {**dict.fromkeys(CALLS, 0), **calls}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_code_change_that_changes_no_result_computes_nothing(checkout: Checkout) -> None:
    before = checkout.tables()
    core = checkout.folder / "src/prefdelta/core"
    template = core / "asking/prompt_template.py"
    edit(template, "slots = set(_SLOT.findall(template))", "slots = set(iter(_SLOT.findall(template)))")
    # What the ladder draws its traces with.
    edit(
        core / "tasks/corpus.py",
        "    return (digit + random.randint(1, 9)) % 10",
        "    shift = random.randint(1, 9)\n    return (digit + shift) % 10",
    )
    computed = checkout.run()
    # Everything but the prompts is planned: below the ladder stands all the rest.
    assert computed.stages == {
        "ladder", "generate", "grade", "judge", "pair", "delta", "filter", "reference", "train", "evaluate", "browse",
        "report",
    }  # fmt: skip
    assert (computed.calls, computed.served, computed.logps) == (nothing_but(), 0, 0)
    assert set(computed.said.values()) == {0}
    assert computed.longest < 10
    assert checkout.tables() == before


def test_after_more_prompts_only_theirs_are_asked_judged_and_scored(checkout: Checkout) -> None:
    judged, usable = checkout.judged("g3", "g1"), checkout.usable("g3", "g1")
    checkout.study["prompts"]["train"]["items"] = PROMPTS + MORE
    computed = checkout.run()
    new = checkout.judged("g3", "g1") - judged
    assert new > 0
    # Arms on all pairs get new ones and are trained again; the top 4 by their deltas may be the same as before.
    assert {arm for arm in ARMS if "/all/" in arm or "/swapped/" in arm} <= set(computed.trained)
    evaluated = len(computed.trained) * 2 * ITEMS
    assert computed.calls == nothing_but(generate=3 * MORE, judge=new, evaluate=evaluated)
    assert computed.served == new
    assert computed.logps == checkout.usable("g3", "g1") - usable
    assert computed.said["calls"] == 3 * MORE + new + evaluated
    assert "ladder" not in computed.stages


def test_a_new_generator_costs_its_own_rows(checkout: Checkout) -> None:
    before = checkout.tables()
    checkout.study["generators"]["hot"] = {
        "model": "pa",
        "sampling": checkout.study["generate"]["sampling"] | {"temperature": 1.2},
    }
    checkout.study["experiments"]["hot"] = checkout.study["experiments"]["selections"] | {
        "pairings": ["hot~g1"],
        "selections": ["all"],
        "recipes": ["dpo"],
    }
    computed = checkout.run()
    prompts = PROMPTS + MORE
    new = checkout.judged("hot")
    assert computed.calls == nothing_but(generate=prompts, judge=new, evaluate=2 * ITEMS)
    assert computed.served == new
    assert computed.logps == checkout.usable("hot")
    assert computed.trained == ["pa/hot~g1/all/dpo/s0"]
    assert computed.stages == {
        "generate", "grade", "judge", "pair", "delta", "filter", "reference", "train", "evaluate", "browse", "report"
    }  # fmt: skip
    after = checkout.tables()
    assert {name: after[name] for name in before} == before


def test_a_new_dimension_costs_its_verdicts_and_trains_nothing(checkout: Checkout) -> None:
    before = checkout.tables()
    checkout.study["dimensions"] = [*DIMENSIONS, "factuality"]
    checkout.study["judge"]["forms"]["facts"] = ["factuality"]
    computed = checkout.run()
    new = checkout.judged("g3", "g1", "hot")
    assert computed.calls == nothing_but(judge=new)
    assert computed.served == new
    assert (computed.logps, computed.trained) == (0, [])
    assert computed.stages == {"judge", "delta", "browse", "report"}
    after = checkout.tables()
    assert {name: after[name] for name in before} == before


def test_an_edited_rubric_costs_the_verdicts_of_its_form(checkout: Checkout) -> None:
    before = checkout.tables()
    rubric = checkout.folder / "resources/rubrics/factuality.md"
    rubric.write_text(rubric.read_text() + "Be strict.\n")
    computed = checkout.run()
    new = checkout.judged("g3", "g1", "hot")
    assert computed.calls == nothing_but(judge=new)
    assert computed.served == new
    assert computed.stages == {"judge", "delta", "browse", "report"}
    assert all(checkout.tables()[name] == content for name, content in before.items() if "fact" not in name)


def test_more_votes_cost_the_new_votes_and_fewer_bring_back_what_was(checkout: Checkout) -> None:
    before = checkout.tables()
    checkout.study["judge"]["votes"] = 3
    computed = checkout.run()
    new = 2 * 2 * checkout.judged("g3", "g1", "hot")  # two more votes, in two forms
    assert computed.calls == nothing_but(judge=new, evaluate=len(computed.trained) * 2 * ITEMS)
    assert computed.served == new
    assert {"judge", "delta"} <= computed.stages
    assert checkout.tables() != before
    checkout.study["judge"]["votes"] = 1
    computed = checkout.run()
    assert (computed.calls, computed.served, set(computed.said.values())) == (nothing_but(), 0, {0})
    assert checkout.tables() == before


def test_more_selections_in_a_batch_train_only_their_own_arms(checkout: Checkout) -> None:
    # The batch is planned whole; the arms that were in it find their policies in the record.
    checkout.study["experiments"]["selections"]["selections"].append("random-4-s1")
    computed = checkout.run()
    assert computed.calls == nothing_but(evaluate=2 * ITEMS)
    assert computed.trained == ["pa/g3~g1/random-4-s1/dpo/s0"]
    assert computed.stages == {"filter", "train", "evaluate", "browse", "report"}


def test_more_answers_of_the_untrained_policy_cost_these_alone_and_fewer_nothing(checkout: Checkout) -> None:
    before = checkout.tables()
    checkout.study["evaluate"]["base_samples"] = 3
    computed = checkout.run()
    assert computed.calls == nothing_but(evaluate=(3 - 1) * 2 * ITEMS)
    assert computed.stages == {"evaluate", "browse", "report"}
    checkout.study["evaluate"]["base_samples"] = 1
    computed = checkout.run()
    assert (computed.calls, computed.stages) == (nothing_but(), {"evaluate", "browse", "report"})
    assert checkout.tables() == before


def test_a_further_temperature_of_the_untrained_policy_costs_its_answers(checkout: Checkout) -> None:
    before = checkout.tables()
    (group,) = checkout.study["evaluate"]["groups"].values()
    group["base_temperatures"] = [0.5]
    computed = checkout.run()
    assert computed.calls == nothing_but(evaluate=2 * ITEMS)
    assert computed.stages == {"evaluate", "report"}
    after = checkout.tables()
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"evaluate/pa/base@0.5/sampled.parquet"}
    page = (checkout.results / "report/index.html").read_text()
    arms = {name.rpartition("/")[0] for name in before if name.startswith("evaluate/") and "/base" not in name}
    assert page.count("pa; in domain") == len(arms)


def test_a_new_seed_draws_ties_anew_and_trains_only_its_own_arms(checkout: Checkout) -> None:
    before = checkout.tables()
    experiment = checkout.study["experiments"]["selections"]
    experiment["seeds"] = [0, 1]
    computed = checkout.run()
    arms = [f"pa/g3~g1/{selection}/dpo/s1" for selection in experiment["selections"]]
    assert sorted(computed.trained) == sorted(arms)
    assert computed.calls == nothing_but(evaluate=len(arms) * 2 * ITEMS)
    assert computed.stages == {"filter", "train", "evaluate", "browse", "report"}
    after = checkout.tables()
    assert {name: after[name] for name in before} == before
    filtered = {
        path.relative_to(checkout.results).as_posix() for path in checkout.results.glob("filter/g3~g1/*/t1.parquet")
    }
    assert filtered == {"filter/g3~g1/top-mean-4/t1.parquet"}  # the other selections break no tie


def test_another_draw_of_traces_costs_its_own_rows_and_repeats_none(checkout: Checkout) -> None:
    before = checkout.tables()
    experiment = checkout.study["experiments"]["selections"] | {"selections": ["all", "top-mean-4"]}
    checkout.study["experiments"]["drawn"] = experiment | {"seeds": [0, 1], "draws": "per_seed"}
    computed = checkout.run()
    prompts, new = checkout.study["prompts"]["train"]["items"], checkout.judged("g3@1", "g1@1")
    assert sorted(computed.trained) == ["pa/g3@1~g1@1/all/dpo/s1", "pa/g3@1~g1@1/top-mean-4/dpo/s1"]
    assert computed.calls == nothing_but(generate=3 * prompts, judge=new, evaluate=2 * 2 * ITEMS)
    assert computed.served == new  # in the one form that asks the dimensions of the mean
    assert computed.logps == checkout.usable("g3@1", "g1@1")
    after = checkout.tables()
    assert {name: after[name] for name in before} == before
    first, other = checkout.traces("g3"), checkout.traces("g3@1")
    assert [trace.prompt_id for trace in first] == [trace.prompt_id for trace in other]
    assert [trace.text for trace in first] != [trace.text for trace in other]
    assert "2 draws in 2 of" in (checkout.results / "report/index.html").read_text()


def test_a_run_without_an_edit_computes_nothing_at_all(checkout: Checkout) -> None:
    computed = checkout.run()
    assert (computed.calls, computed.said, computed.stages) == (nothing_but(), {}, set())


def test_gc_takes_what_is_left_of_a_generator_and_nothing_that_the_rest_stands_on(checkout: Checkout) -> None:
    del checkout.study["generators"]["hot"], checkout.study["experiments"]["hot"]
    assert checkout.run().stages == {"browse", "report"}
    before = checkout.tables()
    done = started(checkout.folder, sys.executable, "-m", "prefdelta.commands.main", "gc", "--configfile", CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert checkout.tables() == {name: content for name, content in before.items() if "hot" not in name}
    assert not (checkout.results / "record/calls/generate/hot").exists()
    assert checkout.run().stages == set()
    # Nor does the record lack anything: what is planned without need is computed without a call.
    template = checkout.folder / "src/prefdelta/core/asking/prompt_template.py"
    edit(template, "slots = set(iter(_SLOT.findall(template)))", "slots = set(_SLOT.findall(template))")
    computed = checkout.run()
    assert {"generate", "judge", "reference", "train", "evaluate"} <= computed.stages
    assert (computed.calls, computed.served, computed.logps) == (nothing_but(), 0, 0)
    assert set(computed.said.values()) == {0}


def test_an_output_that_is_invalidated_is_made_again_from_scratch(checkout: Checkout) -> None:
    before = checkout.tables()
    path = "results/mini/judge/g3/both.parquet"
    words = ("invalidate", path, "--configfile", CONFIG)
    done = started(checkout.folder, sys.executable, "-m", "prefdelta.commands.main", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    computed = checkout.run()
    assert computed.served == checkout.judged("g3")
    assert checkout.tables() == before
