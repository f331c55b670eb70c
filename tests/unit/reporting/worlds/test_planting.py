"""Planted evidence shows what was planted."""

from dataclasses import replace

import numpy as np
import pytest

from prefdelta.core.arms import Arm, Pairing
from prefdelta.reporting.numbers.accuracies import Evaluation
from prefdelta.reporting.numbers.gains import gain_weights
from prefdelta.reporting.numbers.sharpening import gain_beyond
from prefdelta.reporting.worlds.answers import plant_answers, run_deviations
from prefdelta.reporting.worlds.assumptions import default_assumptions
from prefdelta.reporting.worlds.features import features
from prefdelta.reporting.worlds.pairs import plant_pairs
from prefdelta.reporting.worlds.planted import Planter
from prefdelta.reporting.worlds.worlds import WORLDS, World

from .shapes import FULL, MINI, shape

PAIRING = Pairing("g3", "g1")
NOTHING = World("nothing", "nothing gains", None)


@pytest.fixture(scope="module")
def pairs():
    return plant_pairs(shape(MINI), default_assumptions(shape(MINI)), "test")


def test_answers_have_the_planted_accuracy_and_gain():
    large = replace(shape(MINI), items=dict.fromkeys(shape(MINI).items, 20_000))
    assumptions = default_assumptions(large, run_sd=0.0)
    arms = len(large.arms)
    answers = plant_answers(large, assumptions, {True: np.full(arms, 5.0), False: np.full(arms, -3.0)}, "test")
    for benchmark, accuracy, gain in (("mini_maths_easy", 0.85, 0.05), ("mini_code", 0.4, -0.03)):
        matrix = answers[Evaluation("sampled", benchmark)]
        base = matrix.means[matrix.rows["pa/base"]].mean()
        trained = np.delete(matrix.means, [matrix.rows["pa/base"], matrix.rows["pb/base"]], axis=0).mean()
        assert base == pytest.approx(accuracy, abs=0.01)
        assert trained == pytest.approx(accuracy + gain, abs=0.01)


def test_a_benchmark_with_several_samples_has_shares_of_them_and_as_many_draws():
    study = Planter(shape(FULL), default_assumptions(shape(FULL))).plant(NOTHING, 0)
    amc = Evaluation("maths", "amc")
    assert study.scores.draws(amc) == 16
    value = study.scores.base("nemotron-8b", amc).accuracy.value
    assert value is not None
    asked = 4 * 16 * 83  # the untrained policy answers four times as often
    assert value * asked == pytest.approx(round(value * asked))
    assert value * asked / 4 != round(value * asked / 4)


@pytest.mark.parametrize("run_sd", [0.0, 2.0])
def test_runs_vary_as_stated(run_sd):
    """In the full study, each repeat of a family has its own seed and its own draw of traces."""
    assumptions = default_assumptions(shape(FULL), run_sd=run_sd, shared_share=0.0)
    scores = Planter(shape(FULL), assumptions).plant(NOTHING, 0).scores
    found = scores.run_variance(scores.evaluations(primary=True))
    assert found.seeds is None
    assert 100 * found.traces.value**0.5 == pytest.approx(run_sd, abs=0.35)


def test_random_draws_of_pairs_vary_by_their_share_more():
    assumptions = default_assumptions(shape(MINI), run_sd=2.0, draw_share=0.5)
    arms = [Arm("p", PAIRING, f"random-5-s{draw}", "dpo", seed) for draw in range(2000) for seed in (0, 1)]
    first, second = run_deviations(arms, assumptions, np.random.default_rng(0)).reshape(-1, 2).T
    assert np.var(first) == pytest.approx(2.0**2 * 1.5, rel=0.1)
    assert np.cov(first, second)[0, 1] == pytest.approx(2.0**2 * 0.5, rel=0.15)


def test_arms_of_a_family_share_the_luck_of_their_draw_of_traces():
    """Variance 4, of which 3 lies in the draw of traces, in a study with several; in a study with one, none does."""
    pairings = [Pairing(f"g{number}", "g0") for number in range(2000)]
    arms = [Arm("p", pairing.at(d), "all", "dpo", seed) for pairing in pairings for d in (0, 1) for seed in (0, 1)]
    assumptions = default_assumptions(shape(MINI), run_sd=2.0, trace_share=0.75, shared_share=0.5)
    lucks = run_deviations(arms, assumptions, np.random.default_rng(0)).reshape(-1, 4).T
    expected = [[4, 3, 0, 0], [3, 4, 0, 0], [0, 0, 4, 3], [0, 0, 3, 4]]
    assert np.cov(lucks) == pytest.approx(np.array(expected), abs=0.3)
    once = run_deviations([arm for arm in arms if arm.draw == 0], assumptions, np.random.default_rng(0))
    assert np.cov(once.reshape(-1, 2).T) == pytest.approx(np.array([[4, 0], [0, 4]]), abs=0.3)


def test_families_share_a_part_of_the_luck_of_their_chosen_traces():
    """Variance 4, of which 3 lies in the draw of traces, and half of that in the chosen ones."""
    arms = [
        Arm("p", Pairing(f"g{number}", rejected).at(d), "all", "dpo", d)
        for number in range(3000)
        for rejected in ("h0", "h1")
        for d in (0, 1)
    ]
    assumptions = default_assumptions(shape(MINI), run_sd=2.0, trace_share=0.75, shared_share=0.5)
    lucks = run_deviations(arms, assumptions, np.random.default_rng(0)).reshape(-1, 4).T
    expected = [[4, 0, 1.5, 0], [0, 4, 0, 1.5], [1.5, 0, 4, 0], [0, 1.5, 0, 4]]
    assert np.cov(lucks) == pytest.approx(np.array(expected), abs=0.3)


def test_a_study_is_the_same_whenever_it_is_planted_and_another_number_is_another_study():
    def gain(number):
        study = Planter(shape(MINI), default_assumptions(shape(MINI))).plant(WORLDS["delta"], number)
        arm = study.experiments["scaling"].arms[0]
        deltas = study.pairings.by_prompt(PAIRING, "mean")
        evaluations = study.scores.evaluations(primary=True)
        return study.scores.weighted_difference({arm: 1.0, arm.base: -1.0}, evaluations).value, deltas

    assert gain(0) == gain(0)
    assert gain(0)[0] != gain(1)[0]
    assert gain(0)[1] != gain(1)[1]


def test_generator_deltas_are_measured_near_the_assumed_ones():
    study = Planter(shape(MINI), default_assumptions(shape(MINI))).plant(NOTHING, 0)
    gap = study.grades.gap(PAIRING)
    assert gap.value == pytest.approx(0.65 - 0.255, abs=0.05)
    assert gap.se == pytest.approx((0.65 * 0.35 / 2000 + 0.255 * 0.745 / 2000) ** 0.5)
    assert study.grades.gap(Pairing("g0", "g3")) is None


def test_judged_deltas_are_whole_with_the_stated_ties_and_correlations(pairs):
    columns = pairs.pool.values()
    deltas = np.concatenate([column.deltas["factuality"] for column in columns])
    assert set(deltas) <= set(range(-4, 5))
    assert np.mean(deltas == 0) == pytest.approx(0.5, abs=0.001)
    own = pairs.pool[PAIRING]
    # Rounding takes a part of the stated correlations: 0.3 with length, 0.6 with the true delta.
    assert 0.2 < np.corrcoef(own.deltas["factuality"], own.length)[0, 1] < 0.3
    assert 0.45 < np.corrcoef(own.deltas["factuality"], own.quality)[0, 1] < 0.6
    contrast = own.chosen_right.astype(int) - own.rejected_right.astype(int)
    assert np.corrcoef(contrast, own.quality)[0, 1] == pytest.approx(0.35, abs=0.05)
    assert own.deltas["mean"] == pytest.approx(np.mean([own.deltas[name] for name in shape(MINI).dimensions], axis=0))


def test_scores_have_the_judged_delta_and_tell_of_their_own_side_alone(pairs):
    own, rows = pairs.pool[PAIRING], pairs.delta_table(PAIRING, "factuality")
    chosen, rejected = (rows.column(f"{side}_score").to_numpy() for side in ("chosen", "rejected"))
    assert set(chosen) | set(rejected) <= set(range(1, 6))
    assert (chosen - rejected).tolist() == own.deltas["factuality"].tolist()
    assert np.std(own.chosen_quality) == pytest.approx(1, abs=0.05)
    assert np.corrcoef(own.chosen_quality, own.quality)[0, 1] == pytest.approx(0.5**0.5, abs=0.05)
    assert np.corrcoef(own.chosen_quality, chosen)[0, 1] > 0.4
    good = chosen >= 4  # given the chosen score, the rejected one tells nothing of the chosen side
    assert abs(np.corrcoef(own.chosen_quality[good], rejected[good])[0, 1]) < 0.25


def test_prompts_have_the_pass_rate_of_the_rejected_generator(pairs):
    own, rates = pairs.pool[PAIRING], pairs.pass_rates(PAIRING)
    assert list(rates.values()) == own.pass_rate.tolist()
    assert set(rates.values()) <= {0.0, 0.5, 1.0} | {share / 4 for share in range(5)}
    assert own.pass_rate[own.rejected_right].mean() > own.pass_rate[~own.rejected_right].mean() + 0.2
    assert list(pairs.logps(PAIRING)) == pairs.delta_table(PAIRING, "mean").column("pair_id").to_pylist()


def test_where_training_only_sharpens_nothing_is_gained_beyond_the_base_at_the_arms_entropy():
    large = replace(shape(FULL), items=dict.fromkeys(shape(FULL).items, 4000))
    arm = next(arm for arm in large.arms if arm.selection == "all")
    repeats = tuple(one for one in large.arms if one.family == arm.family)
    for world, least, most in (("sharpening", -1.0, 1.0), ("delta", 9.0, 16.0)):
        study = Planter(large, default_assumptions(large, run_sd=0.1)).plant(WORLDS[world], 0)
        evaluations = study.scores.evaluations(primary=True)
        assert 100 * study.scores.weighted_difference(gain_weights(repeats), evaluations).value > 9
        assert least < 100 * gain_beyond(study.scores, repeats, evaluations).value < most


def test_pairs_are_read_by_prompt_as_reports_read_them(pairs):
    own = pairs.pool[PAIRING]
    assert pairs.eligible(PAIRING) == len(own.prompts) == pytest.approx(0.98**2 * 2000, rel=0.02)
    deltas, lengths = pairs.by_prompt(PAIRING, "mean"), pairs.lengths_by_prompt(PAIRING)
    assert list(deltas.values()) == own.deltas["mean"].tolist()
    assert deltas.keys() == lengths.keys()
    assert pairs.by_prompt(PAIRING, "unknown") == {}
    assert pairs.by_prompt(Pairing("g4", "g3"), "mean") == {}


def test_cells_have_the_four_combinations_of_prompts_that_have_them_all(pairs):
    rows = [row for row in pairs.tables[PAIRING].to_pylist() if not row["pool"]]
    assert len(rows) % 4 == 0
    assert {row["cell"] for row in rows[:4]} == {"right-right", "right-wrong", "wrong-right", "wrong-wrong"}
    assert len({row["prompt_id"] for row in rows[:4]}) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("top-chosen-mean-200", "low-rejected-mean-200", "likely-rejected-pa-200", "unlikely-rejected-pb-200"),
        *(f"matched-{on}-mean-200" for on in ("length", "correctness", "difficulty", "all")),
        "swapped-scaling",
    ],
)
def test_every_selection_takes_planted_pairs(pairs, name):
    small, pairing = shape(MINI), Pairing("g3", "g0")
    arms = [Arm("pa", pairing, selection, "dpo", 0) for selection in (name, "top-mean-200", "all")]
    only = replace(small, experiments={"one": replace(small.experiments["filtering"], arms=arms, beside=[])})
    found = features(only, default_assumptions(small), pairs)
    selected = found.distinct * pairs.eligible(pairing)
    assert selected[0] == pytest.approx(200) or name == "swapped-scaling"
    if name.startswith("matched"):
        assert found.quality[0] < found.quality[1]
    if name in ("top-chosen-mean-200", "low-rejected-mean-200"):
        assert found.quality[0] > found.quality[2]
    assert (found.quality[0] < 0) == (name == "swapped-scaling")


def test_features_are_means_over_the_pairs_that_the_projects_own_selection_takes(pairs):
    found = features(shape(MINI), default_assumptions(shape(MINI)), pairs)
    of = {f"{arm.selection}/{arm.recipe}": place for place, arm in enumerate(found.arms) if arm.pairing == PAIRING}
    own = pairs.pool[PAIRING]
    every, top, swapped = of["all/dpo"], of["top-mean-500/dpo"], of["swapped/dpo"]
    assert found.quality[every] == pytest.approx(own.quality.mean())
    assert found.quality[swapped] == pytest.approx(-own.quality.mean())
    assert found.quality[top] > found.quality[every] + 0.5 > found.quality[of["bottom-mean-500/dpo"]] + 1
    ranked = np.sort(own.deltas["mean"])[::-1]
    sure = own.deltas["mean"] > ranked[499]  # above the ties
    assert found.quality[top] == pytest.approx(own.quality[sure].mean(), abs=0.1)
    # The top 500 are a third of the pool and longer by 0.7 standard deviations; few others are as long.
    unmatched = found.length[top] - found.length[of["matched-length-mean-500/dpo"]]
    assert 0 < unmatched < 0.35 * (found.length[top] - found.length[every])
    eligible = len(own.prompts)
    assert found.seen[top] == found.distinct[top] == 500 / eligible
    assert found.seen[of["all/dpo-updates"]] == 16 * 32 / eligible
    assert found.distinct[of["all/dpo-updates"]] == 1
    right_wrong = (own.chosen_right & ~own.rejected_right).mean()
    assert found.right_over_wrong[of["cell-right-wrong/dpo"]] / found.right_over_wrong[every] == pytest.approx(
        1 / right_wrong
    )
    assert found.right_over_wrong[of["cell-right-right/dpo"]] == 0
    assert found.dimension[top] == "mean"
    assert found.dimension[of["matched-length-mean-500/dpo"]] is None
    sft = next(place for place, arm in enumerate(found.arms) if arm.recipe == "sft")
    assert not found.contrasts[sft]
    assert found.contrasts[every]


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_tells_a_gain_for_every_arm(name, pairs):
    world, usual = WORLDS[name], default_assumptions(shape(MINI))
    assert world.name == name
    if world.gains:
        gains = world.gains(features(shape(MINI), usual, pairs), world.assumptions(usual))
        assert [len(side) for side in gains] == [len(shape(MINI).arms)] * 2
        assert np.isfinite(gains).all()
        assert np.ptp(gains) > 1
