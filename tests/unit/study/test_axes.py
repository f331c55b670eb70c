"""Arms, pairings and the like, as the lists of a config make them."""

import re

import pytest

from prefdelta.core.arms import Arm, Pairing
from prefdelta.study.axes import Axes, arms_of
from prefdelta.study.config.sections import Experiment


def experiment(**lists):
    given = {"policies": ["p"], "pairings": ["a~b"], "selections": ["all"], "recipes": ["dpo"], "seeds": [0], **lists}
    return Experiment(title="", **given)


def test_an_experiment_is_every_combination_of_its_lists_with_seeds_in_order():
    arms = arms_of(experiment(pairings=["a~b", "b~b"], seeds=[1, 0]))
    assert arms == [
        Arm("p", pairing, "all", "dpo", seed) for pairing in (Pairing("a", "b"), Pairing("b", "b")) for seed in (0, 1)
    ]


def test_an_arm_of_two_experiments_is_one_arm(mini):
    study = mini()
    axes = Axes(study.config)
    declared = [arm for each in study.config.experiments.values() for arm in arms_of(each)]
    assert len(declared) > len(axes.arms) == len(set(axes.arms))
    assert set(axes.arms) == set(declared)
    assert axes.pairings == list(dict.fromkeys(arm.pairing for arm in axes.arms))


def test_a_group_without_experiments_is_asked_of_all_arms(mini):
    axes = Axes(mini().config)
    assert axes.arms_evaluated("sampled") == axes.arms
    assert 0 < len(axes.arms_evaluated("greedy")) < len(axes.arms)


def test_arms_of_no_kept_experiment_pass(mini):
    def keep(content):
        content["train"]["keep"] = ["scaling"]

    study = mini(keep)
    kept = set(arms_of(study.config.experiments["scaling"]))
    assert set(study.passing_arms) == set(study.arms) - kept
    for arm, scores in study.passing_arms.items():
        assert scores
        assert all(f"/{arm}/" in path for path in scores)
    assert mini(lambda content: content["train"].pop("keep", None)).passing_arms == {}


def test_shards_are_numbered_and_one_alone_is_none(mini):
    axes = Axes(mini(lambda content: content["generators"]["g4"].update(shards=2)).config)
    assert axes.shards("g4") == [{"generator": "g4", "shard": shard, "of": "2"} for shard in "01"]
    assert axes.shards("g3") == []


def test_a_wildcard_fits_the_names_of_the_study_and_no_part_of_them(mini):
    def rename(content):
        content["policies"] = ["p.a"]
        content["models"]["p.a"] = content["models"].pop("pa")
        for each in content["experiments"].values():
            each["policies"] = ["p.a"]

    wildcards = mini(rename).wildcards
    assert re.fullmatch(wildcards["policy"], "p.a")
    assert not re.fullmatch(wildcards["policy"], "pxa")
    assert re.fullmatch(wildcards["source"], "train")


@pytest.mark.parametrize(
    ("tie_order", "selection", "orders"),
    [
        ("per_seed", "top-mean-5", ["0", "3"]),
        ("per_seed", "matched-length-mean-5", ["0", "3"]),
        ("per_seed", "top-chosen-mean-5", ["0", "3"]),
        ("fixed", "top-mean-5", ["0"]),
        *(
            ("per_seed", name, ["0"])
            for name in ("all", "swapped", "random-5-s3", "common-scaling", "cell-right-wrong", "likely-rejected-pa-5")
        ),
    ],
)
def test_each_seed_has_an_order_of_its_own_where_ties_are_drawn(mini, tie_order, selection, orders):
    study = mini(lambda content: content["filter"].update(tie_order=tie_order))
    arms = [Arm("pa", Pairing("g3", "g1"), selection, "dpo", seed) for seed in (0, 3)]
    found = [Axes(study.config).filter_axes(arm) for arm in arms]
    assert list(dict.fromkeys(axes["order"] for axes in found)) == orders
    assert {(axes["chosen"], axes["rejected"], axes["selection"]) for axes in found} == {("g3", "g1", selection)}


def test_arms_read_the_pairs_of_their_own_order(mini):
    study = mini(lambda content: content["experiments"]["filtering"].update(seeds=[0, 2]))
    read = {
        str(arm): path.removeprefix("results/mini/")
        for batch in study.train_batches
        for arm, path in zip(batch.arms, batch.inputs["selected"], strict=True)
    }
    arm = "pa/g3~g1/{}/dpo/s2"
    assert read[arm.format("top-mean-500")] == "filter/g3~g1/top-mean-500/t2.parquet"
    assert read[arm.format("all")] == "filter/g3~g1/all/t0.parquet"
    assert set(read.values()) == {f"{job.name}.parquet" for job in study.jobs("filter")}
