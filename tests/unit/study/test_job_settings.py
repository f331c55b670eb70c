"""The settings of jobs: what reaches which of them, and what does not."""

import json

import yaml

from .conftest import ROOT


def test_date_and_settings_of_chat_templates_reach_every_job_that_renders_one(study_at):
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    models = content["models"]
    for name, model in models.items():
        model["chat_template_kwargs"] = {"who": name}
    study = study_at({}, date="2026-03-05", models=models)
    of = {
        "generate": study.settings("generate")({"generator": "s1-3b"}),
        "reference": study.settings("reference")({"policy": "nemotron-8b", "generator": "r1"}),
        "judge": study.settings("judge")({"generator": "r1", "form": "logic"}),
        "train": study.train_batches[0].settings,
        "evaluate": study.evaluate_batches[0].settings,
    }
    who = {"generate": "s1-3b", "judge": "gpt-oss-120b"}
    for stage, found in of.items():
        rendering = {"date": "2026-03-05", "chat_template_kwargs": {"who": who.get(stage, "nemotron-8b")}}
        assert json.loads(found)["rendering"] == rendering, stage
    shipped = json.loads(study.settings("generate")({"generator": "r1"}))
    assert shipped["rendering"]["date"] != "2026-03-05", "no template is rendered for traces that are there"


def test_another_date_is_no_other_setting_of_jobs_whose_models_were_trained_here(mini):
    one, other = (mini(lambda content, day=day: content.update(date=day)) for day in ("2026-03-05", "2026-03-06"))
    for stage, wildcards in (("generate", {"generator": "g1"}), ("reference", {"generator": "g1", "policy": "pa"})):
        assert one.settings(stage)(wildcards) == other.settings(stage)(wildcards)
    for batches in ("train_batches", "evaluate_batches"):
        assert [batch.settings for batch in getattr(one, batches)] == [b.settings for b in getattr(other, batches)]


def test_how_much_of_an_update_must_be_kept_is_no_setting_of_an_untrained_policy(mini):
    def settings(least):
        study = mini(lambda content: content["evaluate"].update(min_update_cosine=least))
        return {job.name: job.settings for job in study.jobs("evaluate")}

    one, other = settings(0.9), settings(0.95)
    assert {name for name in one if one[name] == other[name]} == {name for name in one if "/base" in name}


def test_a_repeat_asks_the_judge_the_same_with_another_seed(study_at):
    settings_of = study_at({}).settings("judge")
    main, again, alone = (
        json.loads(settings_of({"generator": "s1-32b", "form": form}))
        for form in ("logic", "logic_again", "factuality")
    )
    assert {key for key in main if main[key] != again[key]} == {"seed", "prompts"}
    assert again["prompts"] == alone["prompts"] == 500
    assert main["seed"] == alone["seed"]


def test_another_judge_asks_its_own_engine_and_the_study_s_judge_again_only_with_other_seeds(mini):
    def edit(content):
        engine = content["judge"]["engine"] | {"server": {"name": "rules", "noise": 0.3}}
        content["judge"]["others"] = {
            "second": {"engine": engine, "pairings": ["g3~g1"], "prompts": 40, "votes": 3},
            "again": {"pairings": ["g3~g1"], "prompts": "all"},
        }

    settings_of = mini(edit).settings("judge")
    main, second, again = (
        json.loads(settings_of({"generator": "g3", "form": form})) for form in ("logic", "logic@second", "logic@again")
    )
    assert {key for key in main if main[key] != second[key]} == {"engine", "seed", "prompts", "votes"}
    assert (second["engine"]["server"]["noise"], second["prompts"], second["votes"]) == (0.3, 40, 3)
    assert {key for key in main if main[key] != again[key]} == {"seed"}
    assert len({main["seed"], second["seed"], again["seed"]}) == 3


def evaluated(study):
    """(whether of an untrained policy, group) -> benchmark -> answers per item."""
    return {
        (batch.outputs[0].split("/")[-2] == "base", batch.outputs[0].rpartition("/")[2].partition(".")[0]): {
            name: asked["samples"] for name, asked in json.loads(batch.settings)["benchmarks"].items()
        }
        for batch in study.evaluate_batches
    }


def test_other_graders_stand_beside_those_whose_answers_they_read(study_at, mini):
    def asked(study):
        batches = [json.loads(batch.settings)["benchmarks"] for batch in study.evaluate_batches]
        return {name: found["other_graders"] for benchmarks in batches for name, found in benchmarks.items()}

    both = ["math_verify", "text"]
    full = asked(study_at({}))
    assert (full["math_500"], full["theoremqa"], full["mmlu_pro"], full["livecodebench"]) == (both, [], [], [])
    of_mini = asked(mini(lambda content: content["evaluate"].update(other_graders=both)))
    assert of_mini["mini_maths_hard"] == ["text"]


def test_an_untrained_policy_answers_several_times_as_often_as_an_arm(study_at):
    found = evaluated(study_at({}))
    assert found[False, "maths"] == dict.fromkeys(found[False, "maths"], 1) | dict.fromkeys(
        ("amc", "aime_2024", "aime_2025"), 16
    )
    for group in ("maths", "stem", "code"):
        assert found[True, group] == {name: 4 * samples for name, samples in found[False, group].items()}


def test_an_untrained_policy_answers_greedily_as_often_as_an_arm(mini):
    found = evaluated(mini(lambda content: content["evaluate"].update(base_samples=3)))
    assert set(found[True, "sampled"].values()) == {3}
    assert found[True, "greedy"] == found[False, "greedy"] == {"mini_code": 1, "mini_maths_hard": 1}


def test_an_experiment_shows_the_arms_that_should_have_got_as_many_updates(study_at):
    experiments = json.loads(study_at({}).settings("report")({}))["experiments"]
    assert experiments["few_updates"]["beside"] == [
        f"nemotron-8b/{pairing}/top-step_coherence-1000/dpo/s{seed}"
        for seed, pairing in enumerate(("s1-32b~s1-3b", "s1-32b@1~s1-3b@1", "s1-32b@2~s1-3b@2"))
    ]
    assert experiments["cells"]["beside"] == []


def test_the_report_has_a_plan_for_planted_studies_if_it_plants_any(study_at):
    report = json.loads(study_at({}).settings("report")({}))
    assert report["worlds"] == 20
    plan = report["plan"]
    assert (plan["generators"]["s1-3b"], plan["generators"]["s1-7b"]) == (4, 2)
    assert plan["recipes"]["dpo-few"] == {"contrasts": True, "epochs": None, "pairs": 1000.0}
    assert plan["recipes"]["sft"]["contrasts"] is False
    assert set(plan["composites"]["mean"]) < set(report["dimensions"])
    assert plan["sets"]["scaling"]["pairs"] == 10_000
    assert (plan["cell_pairs"], plan["tie_seed"]) == (3500, 0)
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    without = study_at({}, report=content["report"] | {"worlds": 0})
    assert json.loads(without.settings("report")({}))["plan"] is None


def test_pairs_are_made_of_the_samples_that_the_judge_rates(study_at):
    study = study_at({})
    judged = {
        name: json.loads(study.settings("judge")({"generator": name, "form": "logic"}))["samples"]
        for name in ("s1-3b", "s1-32b")
    }
    sides = {"chosen": "s1-32b", "rejected": "s1-3b"}
    assert json.loads(study.settings("pair")(sides))["judged"] == judged == {"s1-3b": 2, "s1-32b": 1}


def test_what_is_too_long_for_a_reference_is_too_long_for_every_method(study_at):
    study = study_at({})
    batches = [json.loads(batch.settings) for batch in study.train_batches]
    assert {one["recipe"]["method"] for one in batches} == {"dpo", "kto", "sft"}
    assert {one["max_length"] for one in batches} == {study.config.reference.max_length}


def test_another_draw_has_seeds_of_its_own_and_nothing_else_that_differs(mini):
    study = mini(lambda content: content["experiments"]["cells"].update(draws=[0, 2]))
    settings_of = study.settings("generate")
    first, other = (json.loads(settings_of({"generator": name})) for name in ("g3", "g3@2"))
    # The name is part of every request's seed.
    assert (first.pop("generator"), other.pop("generator")) == ("g3", "g3@2")
    assert first == other
    pair = json.loads(study.settings("pair")({"chosen": "g3@2", "rejected": "g1@2"}))
    assert pair["judged"] == {"g3@2": 1, "g1@2": 1}
