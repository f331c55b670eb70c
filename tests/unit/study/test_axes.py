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


@pytest.mark.parametrize(
    ("draws", "repeats"),
    [
        ([0], ["a~b s0", "a~b s2"]),
        ([1, 0], ["a~b s0", "a~b s2", "a@1~b@1 s0", "a@1~b@1 s2"]),
        ("per_seed", ["a~b s0", "a@2~b@2 s2"]),
    ],
)
def test_each_seed_trains_on_every_draw_of_a_list_or_on_its_own(draws, repeats):
    arms = arms_of(experiment(seeds=[2, 0], draws=draws))
    assert [f"{arm.pairing} s{arm.seed}" for arm in arms] == repeats


def test_a_draw_is_made_of_what_its_arms_need(mini):
    def draw(content):
        content["experiments"]["second_policy"]["draws"] = [0, 1]
        content["experiments"]["cells"]["draws"] = [2]

    axes = Axes(mini(draw).config)
    generators = ["g0", "g1", "g2", "g3", "g4", "gx"]
    assert axes.generators == [*generators, *(f"{name}@1" for name in generators), "g1@2", "g3@2"]
    common = [f"{name}@1~g0@1" for name in generators]
    assert sorted(str(pairing) for pairing in axes.paired if pairing.draw) == sorted([*common, "g3@2~g1@2"])
    assert [pairing for pairing, _ in axes.deltas_of_pairings if pairing.draw] == []
    assert {name for name, _ in axes.judged} == set(generators)
    assert re.fullmatch(axes.wildcards["chosen"], "g3@2")
    assert not re.fullmatch(axes.wildcards["chosen"], "g4@2")


def test_a_draw_is_judged_where_a_selection_goes_by_its_deltas(mini):
    def draw(content):
        one = {"selections": ["all", "top-factuality-500"], "draws": "per_seed", "seeds": [0, 1]}
        content["experiments"]["more"] = content["experiments"]["filtering"] | one

    axes = Axes(mini(draw).config)
    assert [f"{pairing} {delta}" for pairing, delta in axes.deltas_of_pairings if pairing.draw] == [
        "g3@1~g1@1 factuality"
    ]
    assert [(name, form) for name, form in axes.judged if "@" in name] == [("g3@1", "logic"), ("g1@1", "logic")]


def test_a_common_set_leaves_out_what_cannot_be_drawn_again(mini):
    def greedy(content):
        content["generators"]["gx"]["sampling"] = {"temperature": 0.0, "max_tokens": 80}

    axes = Axes(mini(greedy).config)
    assert [str(pairing) for pairing in axes.common_pairings("common-scaling", 3)] == [
        f"g{number}@3~g0@3" for number in range(5)
    ]
    assert len(axes.common_pairings("common-scaling", 0)) == 6
    assert axes.common_pairings("all", 3) == []


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
