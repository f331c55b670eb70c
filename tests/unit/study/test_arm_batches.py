"""Which arms share a job of train or evaluate."""

import json

import pytest

from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.study.arm_batches import ALIKE, batch_axes, batches_of

PAIRING = Pairing("g-4", "g.0")


def arm(selection="all", recipe="dpo", seed=0):
    return Arm("pa", PAIRING, selection, recipe, seed)


@pytest.mark.parametrize(
    ("size", "expected"), [(1, [1, 1, 1, 1, 1]), (2, [2, 1, 1, 1]), (3, [3, 1, 1]), (9, [3, 1, 1])]
)
def test_arms_that_differ_in_their_selection_alone_share_jobs(size, expected):
    arms = [arm("all"), arm("all", seed=1), arm("swapped"), arm("all", recipe="kto"), arm("random-5-s0")]
    batches = list(batches_of(arms, size, ALIKE["train", "pairing"]))
    assert [len(batch) for batch in batches] == expected
    assert sorted(str(each) for batch in batches for each in batch) == sorted(map(str, arms))
    for batch in batches:
        assert len({(each.recipe, each.seed) for each in batch}) == 1


@pytest.mark.parametrize(("stage", "recipes"), [("train", [{"dpo"}, {"sft"}]), ("evaluate", [{"dpo", "sft"}])])
def test_by_policy_arms_of_several_pairings_and_seeds_share_a_job(stage, recipes, mini):
    def edit(content):
        content["policies"] = ["pa"]
        content["experiments"] = {"methods": content["experiments"]["methods"]}
        content["experiments"]["methods"] |= {"recipes": ["dpo", "sft"], "seeds": [0, 1]}
        content["evaluate"]["groups"]["greedy"]["experiments"] = ["methods"]
        content["compute"][stage] = {"batch": 100, "batch_by": "policy"}

    study = mini(edit)
    batches = study.train_batches if stage == "train" else study.evaluate_batches
    trained = [batch.arms for batch in batches if batch.kind == stage and batch.axes.get("group") in (None, "sampled")]
    assert [{arm.recipe for arm in arms} for arms in trained] == recipes
    for arms in trained:
        assert len({arm.pairing for arm in arms}) == 2
        assert {arm.seed for arm in arms} == {0, 1}


def test_a_batch_is_named_by_its_first_selection():
    batch = batch_axes([arm("top-x-5", seed=1), arm("all", seed=1)])
    assert batch == {"policy": "pa", "chosen": "g-4", "rejected": "g.0", "batch": "dpo-s1-top-x-5"}


def test_each_output_of_a_batch_is_of_the_arm_at_its_place(mini):
    study = mini()
    for batch in study.train_batches:
        assert batch.outputs == [f"results/mini/train/{each}/policy.json" for each in batch.arms]
    for batch in study.evaluate_batches:
        group = batch.axes["group"]
        assert batch.outputs == [f"results/mini/evaluate/{each}/{group}.parquet" for each in batch.arms]


def test_untrained_policies_are_evaluated_in_every_group_by_jobs_of_their_own(mini):
    study = mini()
    untrained = [batch for batch in study.evaluate_batches if batch.kind == "evaluate_base"]
    assert [(batch.axes["group"], batch.arms) for batch in untrained] == [
        (group, (Base(policy),)) for group in study.config.evaluate.groups for policy in study.config.policies
    ]


def test_a_further_temperature_adds_a_job_per_policy_and_changes_no_other(mini):
    def edit(content):
        content["evaluate"]["groups"]["sampled"]["base_temperatures"] = [0.9, 0.5]

    before, after = ({batch.name: batch for batch in study.evaluate_batches} for study in (mini(), mini(edit)))
    assert {name: batch.settings for name, batch in after.items() if name in before} == {
        name: batch.settings for name, batch in before.items()
    }
    added = {name: batch for name, batch in after.items() if name not in before}
    policies = mini().config.policies
    assert list(added) == [f"evaluate/{policy}/base@{degrees}-sampled" for policy in policies for degrees in (0.9, 0.5)]
    for policy in policies:
        own, cooler = (json.loads(after[f"evaluate/{policy}/{name}-sampled"].settings) for name in ("base", "base@0.5"))
        assert cooler["sampling"] == own["sampling"] | {"temperature": 0.5}
        assert cooler["arms"] == [f"{policy}/base@0.5"]
        assert {name for name in own if own[name] != cooler[name]} == {"sampling", "arms"}
        assert added[f"evaluate/{policy}/base@0.5-sampled"].inputs == after[f"evaluate/{policy}/base-sampled"].inputs


def test_names_that_a_rule_cannot_hold_apart_give_different_rules(mini):
    def edit(content):
        content["train"]["recipes"]["dpo.x"] = content["train"]["recipes"]["dpo"]
        content["train"]["recipes"]["dpo-x"] = content["train"]["recipes"]["dpo"]
        content["experiments"]["scaling"]["recipes"] = ["dpo", "dpo.x", "dpo-x"]

    rules = [batch.rule for batch in mini(edit).train_batches]
    assert len(set(rules)) == len(rules)
    assert all(rule.isidentifier() for rule in rules)
