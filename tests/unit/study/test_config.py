import copy
import datetime
import json
import re
from pathlib import Path

import pytest
import yaml

from prefdelta.core.errors import StudyError
from prefdelta.study import config

ROOT = Path(__file__).parents[3]
WHERE = "studies/mini.yaml"
MINI = yaml.safe_load((ROOT / "resources" / "studies" / "mini.yaml").read_text(encoding="utf-8"))
ITEMS = MINI["prompts"]["train"]["items"]
DROP = object()


def edited(**edits):
    """Mini's config with some values replaced, dropped or added; `a__b` is the key b of a."""
    content = copy.deepcopy(MINI)
    del content["experiments"]["equal_updates"]["as_many_updates_as"]  # it names an arm of another experiment
    for place, value in edits.items():
        *above, last = place.split("__")
        section = content
        for key in above:
            section = section[key]
        if value is DROP:
            del section[last]
        else:
            section[last] = value
    return content


def mistakes(**edits):
    """The lines of the error, without the first."""
    with pytest.raises(StudyError) as error:
        config.parse(edited(**edits), WHERE)
    first, *lines = str(error.value).splitlines()
    assert first == f"{WHERE} has {len(lines)} mistake(s); nothing was started."
    return [line.removeprefix("  - ") for line in lines]


RECIPE = "train__recipes__dpo"
EXPERIMENT = "experiments__filtering"


@pytest.mark.parametrize("written", ["2026-01-31", "'2026-01-31'"])
def test_a_date_is_read_with_and_without_quotes(written):
    content = MINI | yaml.safe_load(f"date: {written}")
    assert config.parse(content, WHERE).date == "2026-01-31"


def test_the_committed_study_is_right():
    assert config.parse(MINI, WHERE).study == "mini"


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        # Unknown keys: at the top, in a section, in a dict of models, in a list, in an optional section.
        ("sede", 1, r"sede: 'sede' is not known; did you mean 'seed'\? allowed: benchmarks, cluster, .*seed, study"),
        ("jugde", {}, r"jugde: 'jugde' is not known; did you mean 'judge'\?"),
        ("judge__samplse", 1, r"judge\.samplse: 'samplse' is not known; did you mean 'samples'\? allowed: attempts, "),
        (
            "judge__engine__server__nois",
            1,
            r"judge\.engine\.server\.nois: .* did you mean 'noise'\? allowed: name, noise",
        ),
        (
            "models__pa__ladder__widht",
            64,
            r"models\.pa\.ladder\.widht: .* did you mean 'width'\? allowed: arch",
        ),
        (
            "models__pa__ladder__error_rates__factualty",
            0.1,
            r"error_rates\.factualty: .* did you mean 'factuality'",
        ),
        (f"{RECIPE}__betta", 0.1, r"train\.recipes\.dpo\.betta: .* did you mean 'beta'\?"),
        (f"{EXPERIMENT}__recipe", ["dpo"], r"experiments\.filtering\.recipe: .* did you mean 'recipes'\?"),
        ("generators__g1", {"model": "g1", "smaples": 2}, r"generators\.g1\.smaples: .* did you mean 'samples'"),
        ("zzz", 1, r"zzz: 'zzz' is not known; allowed: "),  # nothing is near: nothing is suggested
        # Missing.
        ("seed", DROP, "seed: is missing"),
        (f"{RECIPE}__beta", DROP, r"train\.recipes\.dpo\.beta: is missing"),
        # Wrong types.
        ("seed", "zero", r"seed: found 'zero'; input should be a valid integer"),
        ("seed", 1.0, r"seed: found 1\.0; input should be a valid integer"),
        ("seed", True, r"seed: found True; input should be a valid integer"),
        ("policies", "pa", r"policies: found 'pa'; input should be a valid list"),
        ("judge", None, r"judge: found None; input should be a valid dictionary"),
        (
            f"{RECIPE}__threads",
            "08",
            r"dpo\.threads: '08' is text to YAML; write it as a number, for example 8 without",
        ),
        (
            f"{RECIPE}__learning_rate",
            "1e-6",
            r"learning_rate: '1e-6' is text to YAML; .* example 1\.0e-06 without quotes",
        ),
        (f"{RECIPE}__beta", "0.1", r"beta: '0\.1' is text to YAML; .* example 0\.1 without quotes"),
        ("study", False, r"study: found False; input should be a valid string"),  # YAML's `no`
        *(
            ("date", value, r"date: .*write it as 2026-01-31")
            for value in ("2026-02-30", "20260131", "2026-1-31", "today", "", "31.01.2026", "2026-W05-6")
        ),
        ("date", datetime.datetime(2026, 1, 31), r"date: .*valid string"),
        ("date", 2026, r"date: found 2026; input should be a valid string"),
        (
            "models__hub",
            {"hub": "./m", "chat_template_kwargs": {"a": [1]}},
            "_kwargs: .*a must be true or",
        ),
        ("models__hub", {"hub": "./m", "chat_template_kwargs": {"messages": 1}}, "'messages' cannot be a setting of a"),
        ("models__hub", {"hub": "./m", "chat_template_kwargs": {"a b": 1}}, "'a b' cannot be a setting of a"),
        (
            "generate__sampling__reasoning_effort",
            "high",
            r"generators\.g1: .*reasoning_effort, but models\.\w+ is trained here",
        ),
        ("models__pa__chat_template_kwargs", {"a": 1}, r"models\.pa: .*are for models of the hub"),
        ("models", {False: {}}, r"models\.(False|0)\.\[key\]: found False; input should be a valid string"),
        # Out of range.
        (f"{RECIPE}__beta", -0.1, r"train\.recipes\.dpo\.beta: found -0\.1; input should be greater than 0"),
        (f"{RECIPE}__beta", 0, r"train\.recipes\.dpo\.beta: found 0; input should be greater than 0"),
        (
            f"{RECIPE}__beta",
            float("nan"),
            r"train\.recipes\.dpo\.beta: found nan; input should be a finite number",
        ),
        (f"{RECIPE}__learning_rate", float("inf"), r"learning_rate: found inf; input should be a finite number"),
        (f"{RECIPE}__batch_size", 0, r"batch_size: found 0; input should be greater than or equal to 1"),
        (f"{RECIPE}__method", "dpoo", r"recipes\.dpo\.method: 'dpoo' .* did you mean 'dpo'\? allowed: dpo, kto, sft"),
        ("generate__sampling__top_p", 0, r"generate\.sampling\.top_p: found 0; input should be greater than 0"),
        ("generate__sampling__temperature", -1.0, r"sampling\.temperature: found -1\.0; input should be greater than"),
        ("generate__sampling__temperature", float("nan"), r"sampling\.temperature: found nan; .* finite number"),
        ("generate__sampling__max_tokens", 0, r"sampling\.max_tokens: found 0; input should be greater than or equal"),
        (
            "judge__max_failure_share",
            1.5,
            r"judge\.max_failure_share: found 1\.5; input should be less than or equal to 1",
        ),
        ("prompts__train__operations", [], r"prompts\.train\.operations: found \[\]; list should have at least 1 item"),
        (
            "prompts__train__split",
            "train",
            r"prompts\.train\.split: found 'train'; input should be 'benchmark', 'valid",
        ),
        # Names that could leave the results folder, or be taken for an option.
        ("study", "../other", r"study: found '\.\./other'; string should match pattern"),
        ("study", "-rf", "study: found '-rf'; string should match pattern"),
        (
            "generators",
            {"a/b": {"model": "g1"}},
            r"generators\.a/b\.\[key\]: found 'a/b'; string should match pattern",
        ),
        ("dimensions", ["Step-coherence"], r"dimensions\.0: found 'Step-coherence'; string should match pattern"),
        (f"{EXPERIMENT}__pairings", ["g3-g1"], r"pairings\.0: found 'g3-g1'; string should match pattern"),
        (f"{EXPERIMENT}__pairings", ["a~b~c"], r"pairings\.0: found 'a~b~c'; string should match pattern"),
        # Names that nothing defines.
        (
            "policies",
            ["paa"],
            r"policies: 'paa' is not known; did you mean 'pa'\? allowed: g0, g1, g2, g3, g4, gx, pa, pb",
        ),
        ("generators__gx__model", "gxx", r"generators\.gx\.model: 'gxx' is not known; did you mean 'gx'\?"),
        (
            f"{EXPERIMENT}__policies",
            ["g1"],
            r"experiments\.filtering\.policies: 'g1' is not known; allowed: pa, pb",
        ),
        (
            f"{EXPERIMENT}__pairings",
            ["g33~g1"],
            r"filtering\.pairings: 'g33' is not known; did you mean 'g3'",
        ),
        (f"{EXPERIMENT}__recipes", ["ppo"], r"experiments\.filtering\.recipes: 'ppo' is not known; .*allowed: dpo"),
        (
            "delta__composites",
            {"mean": ["factualty"]},
            r"composites\.mean: 'factualty' is .* did you mean 'factuality'",
        ),
        ("compute__jugde", {}, r"compute: 'jugde' is not known; did you mean 'judge'\? allowed: delta, evaluate"),
        (
            "delta__composites",
            {"factuality": ["factuality"]},
            "'factuality' is the name of a dimension; choose another",
        ),
        # Selections.
        (
            f"{EXPERIMENT}__selections",
            ["best-400"],
            r"filtering\.selections: selection 'best-400' is not known; allowed: all",
        ),
        (
            f"{EXPERIMENT}__selections",
            ["random-0-s0"],
            r"selection 'random-0-s0' is not known; .*k a whole number from 1",
        ),
        (
            f"{EXPERIMENT}__selections",
            ["top-factualty-9"],
            r"selections: 'top-factualty-9': 'factualty' is not known; did you mean 'factuality'\? allowed: .*mean",
        ),
        (
            f"{EXPERIMENT}__selections",
            [f"random-{ITEMS + 1}-s0"],
            rf"selections: 'random-{ITEMS + 1}-s0' asks for {ITEMS + 1} pairs, but there are only {ITEMS} training",
        ),
        # Where to ask the judge.
        ("judge__engine__base_url", "http://judge:8000/v1", "judge.engine: give either server .* or base_url"),
        ("judge__engine__server", DROP, "judge.engine: give either server .* or base_url"),
        # Under which names.
        (
            "judge__engine__omit",
            ["max_tokens"],
            r"judge\.engine\.omit\.0: .*'max_tokens'.*'max_completion_tokens', 'seed'",
        ),
        ("judge__engine__rename", {"sede": "x"}, r"judge\.engine\.rename\.sede.*'seed'"),
        ("judge__engine__rename", {"seed": None}, r"judge\.engine\.rename\.seed: found None"),
        ("judge__engine__rename", {"seed": ""}, r"judge\.engine: rename\.seed is '', which is not a parameter's name"),
        (
            "judge__engine__rename",
            {"seed": "top_p"},
            r"judge\.engine: rename\.seed is top_p, which a request holds already",
        ),
        ("judge__engine__rename", {"seed": "model"}, r"rename\.seed is model, which a request holds already"),
        ("judge__engine__rename", {"seed": "x", "top_p": "x"}, r"rename gives one name to two parameters"),
        ("judge__engine__response_format", "xml", r"response_format: .*'xml'.*'json_schema_enum' or 'json_object'"),
    ],
)
def test_a_mistake_is_told_with_its_key_what_was_found_and_what_is_allowed(place, value, expected):
    lines = mistakes(**{place: value})
    assert any(re.search(expected, line) for line in lines), lines


def test_a_k_that_equals_the_number_of_prompts_is_right():
    config.parse(edited(experiments__filtering__selections=[f"random-{ITEMS}-s0"]), WHERE)


def test_a_k_is_compared_with_the_limit_on_prompts():
    (line,) = mistakes(prompts__limit=50, experiments__filtering__selections=["random-51-s0"])
    assert "asks for 51 pairs, but there are only 50 training prompts" in line


def test_a_composite_may_be_selected_on():
    config.parse(edited(experiments__filtering__selections=["top-mean-10"]), WHERE)


def test_a_dimension_in_two_forms_is_refused():
    forms = MINI["judge"]["forms"] | {"brevity": ["signal_to_noise", "factuality"]}
    (line,) = mistakes(judge__forms=forms)
    assert line == "judge.forms: dimension 'factuality' is in 2 forms; it must be in one"


def test_a_dimension_in_no_form_is_refused():
    forms = {"logic": MINI["judge"]["forms"]["logic"]}
    (line,) = mistakes(judge__forms=forms)
    assert line == "judge.forms: dimension 'signal_to_noise' is in 0 forms; it must be in one"


def test_a_form_of_an_unknown_dimension_is_refused():
    forms = MINI["judge"]["forms"] | {"style": ["eloquence"]}
    (line,) = mistakes(judge__forms=forms)
    assert line.startswith("judge.forms.style: 'eloquence' is not known; allowed: computational_precision, factuality,")


COMPARED = {"forms": {}, "generators": ["g0"], "prompts": 5}


def test_a_repeat_is_of_a_main_form_and_has_a_name_of_its_own():
    config.parse(edited(judge__compared=COMPARED | {"repeats": {"again": "logic"}}), WHERE)
    (line,) = mistakes(judge__compared=COMPARED | {"repeats": {"again": "logik"}})
    assert line.startswith("judge.compared.repeats: 'logik' is not known; did you mean 'logic'?")
    (line,) = mistakes(judge__compared=COMPARED | {"repeats": {"brevity": "logic"}})
    assert line == "judge.compared.repeats: 'brevity' is the name of another form; choose another"


def test_equal_updates_are_those_of_an_arm_of_the_same_pairings():
    place = "experiments__equal_updates__as_many_updates_as"
    config.parse(edited(**{place: "top-mean-500/dpo"}), WHERE)
    (line,) = mistakes(**{place: "top-mean-501/dpo"})
    assert "equal_updates.as_many_updates_as: 'top-mean-501/dpo' is not known; did you mean 'top-mean-500/dpo'?" in line
    (line,) = mistakes(**{place: "common-scaling/dpo"})  # of other pairings
    assert "'common-scaling/dpo' is not known" in line


def test_a_size_that_would_get_no_gpu_is_refused():
    generators = {"8b": {"gpus": 1, "mem_mb": 9}}
    models = MINI["models"] | {"g1": MINI["models"]["g1"] | {"size": "8b"}}
    lines = mistakes(models=models, compute__generate={"sizes": generators})
    assert len(lines) == 5  # the other generators
    assert lines[0] == (
        "compute.generate.sizes: 'g0' has no size, so its jobs would get no GPU; there are 8b. Give models.g0.size, or "
        "say in compute.generate.gpus what others get"
    )
    models = {name: {**model, "size": "8b" if name != "g0" else "70b"} for name, model in MINI["models"].items()}
    (line,) = mistakes(models=models, compute__generate={"sizes": generators})
    assert "there is none for models.g0.size, '70b', so its jobs would get no GPU; there are 8b. Add it, or say" in line
    config.parse(edited(models=models, compute__generate={"gpus": 1, "sizes": generators}), WHERE)
    config.parse(edited(models=models, compute__generate={"sizes": {"8b": {"mem_mb": 9}}}), WHERE)  # GPUs for none


def group(*benchmarks, **more):
    return {"title": "T", "benchmarks": list(benchmarks), "sampling": {"temperature": 1.0, "max_tokens": 80}, **more}


def test_a_benchmark_in_no_primary_group_is_refused():
    (line,) = mistakes(evaluate__groups={"all": group("mini_maths_easy", "mini_maths_hard", "mini_stem")})
    assert line == "evaluate.groups: benchmark 'mini_code' is in 0 primary groups; it must be in one"


def test_a_benchmark_in_a_group_that_is_not_primary_is_in_no_primary_one():
    few = group(*MINI["benchmarks"][:-1])
    (line,) = mistakes(evaluate__groups={"all": few, "more": group(*MINI["benchmarks"], primary=False)})
    assert line == f"evaluate.groups: benchmark '{MINI['benchmarks'][-1]}' is in 0 primary groups; it must be in one"


def test_a_benchmark_in_two_primary_groups_is_refused():
    (line,) = mistakes(evaluate__groups={"all": group(*MINI["benchmarks"]), "more": group("mini_code")})
    assert line == "evaluate.groups: benchmark 'mini_code' is in 2 primary groups; it must be in one"


def test_a_benchmark_may_be_in_any_number_of_groups_that_are_not_primary():
    more = group("mini_code", primary=False)
    config.parse(edited(evaluate__groups={"all": group(*MINI["benchmarks"]), "b": more, "c": more}), WHERE)


def test_an_unknown_benchmark_of_a_group_is_refused_with_the_nearest_one():
    (line,) = mistakes(evaluate__groups={"all": group(*MINI["benchmarks"]), "more": group("mini_cod", primary=False)})
    assert line.startswith("evaluate.groups.more.benchmarks: 'mini_cod' is not known; did you mean 'mini_code'?")


def test_a_group_of_an_unknown_experiment_is_refused_with_the_nearest_one():
    more = group("mini_code", primary=False, experiments=["filterign"])
    (line,) = mistakes(evaluate__groups={"all": group(*MINI["benchmarks"]), "more": more})
    assert line.startswith("evaluate.groups.more.experiments: 'filterign' is not known; did you mean 'filtering'?")


def test_a_primary_group_has_the_arms_of_all_experiments():
    few = group(*MINI["benchmarks"], experiments=["filtering"])
    (line,) = mistakes(evaluate__groups={"all": few})
    assert line == "evaluate.groups.all: a primary group has all arms; leave experiments out"


@pytest.mark.parametrize("key", ["benchmarks", "sampling", "title"])
def test_a_group_says_what_it_asks_and_how(key):
    lacking = {name: value for name, value in group(*MINI["benchmarks"]).items() if name != key}
    (line,) = mistakes(evaluate__groups={"all": lacking})
    assert line == f"evaluate.groups.all.{key}: is missing"


def test_a_group_without_benchmarks_is_refused():
    lines = mistakes(evaluate__groups={"all": group(*MINI["benchmarks"]), "none": group(primary=False)})
    assert any(
        line.startswith("evaluate.groups.none.benchmarks: found []; list should have at least 1") for line in lines
    )


# --- sets of pairings that are compared ---

SETS = {"ends": {"pairings": ["g1~g0", "g4~g0"], "pairs": 10}}


def test_a_common_selection_is_right_for_the_pairings_of_its_set():
    scaled = {f"{EXPERIMENT}__selections": ["common-ends"], f"{EXPERIMENT}__pairings": ["g1~g0", "g4~g0"]}
    config.parse(edited(filter__sets=MINI["filter"]["sets"] | SETS, **scaled), WHERE)


def test_a_common_selection_of_an_unknown_set_is_refused_with_the_nearest_one():
    (line,) = mistakes(**{f"{EXPERIMENT}__selections": ["common-scalling"]})
    assert re.search(r"filtering\.selections: 'common-scalling': set 'scalling' .* did you mean 'scaling'\?", line)


def test_a_common_selection_of_a_pairing_outside_its_set_is_refused():
    (line,) = mistakes(**{f"{EXPERIMENT}__selections": ["all", "common-scaling"]})
    assert line == "experiments.filtering: 'common-scaling' is for the pairings of its set, but 'g3~g1' is not one"


def test_a_set_of_an_unknown_generator_is_refused_with_the_nearest_one():
    sets = MINI["filter"]["sets"] | {"more": {"pairings": ["g33~g0"]}}
    (line,) = mistakes(filter__sets=sets)
    assert line.startswith("filter.sets.more.pairings: 'g33' is not known; did you mean 'g3'?")


# --- recipes ---


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        ("kto__batch_size", 7, "batch_size: found 7; input should be a multiple of 2"),
        ("kto__batch_size", 2, "batch_size: found 2; input should be greater than or equal to 4"),
        ("sft__beta", 0.1, "beta: 'beta' is not known"),
        ("dpo__budget", {}, "give exactly one of epochs, examples, updates, tokens"),
        ("dpo__budget", {"epochs": 1.0, "updates": 5}, "give exactly one of epochs, examples, updates, tokens"),
        ("dpo__budget", {"steps": 5}, "'steps' is not known"),
        ("dpo__method", DROP, "train.recipes.dpo.method: is missing"),
    ],
)
def test_a_wrong_recipe_is_refused(place, value, expected):
    lines = mistakes(**{f"train__recipes__{place}": value})
    assert any(expected in line for line in lines), lines


def test_a_benchmark_may_not_have_the_name_of_the_training_prompts():
    lines = mistakes(benchmarks=[*MINI["benchmarks"], "train"])
    assert "benchmarks: 'train' is the name of the training prompts; choose another" in lines


def test_a_training_prompt_counts_once_however_many_rows_hold_it():
    train = {"dataset": "o/d", "split": "train", "fields": {"problem": "p", "answer": "a"}, "grader": "maths"}
    lines = mistakes(prompts__train={**train, "repeated": "counted"})
    assert "prompts.train.repeated: rows of one problem are one training prompt; leave it out" in lines


SELF = {f"{EXPERIMENT}__pairings": ["g2~g2"], f"{EXPERIMENT}__selections": ["all"]}


def test_a_generator_paired_with_itself_needs_two_samples_that_are_judged():
    lines = mistakes(**SELF, generators__g2={"model": "g2"}, judge__samples=1)
    assert [line.rpartition("; ")[2] for line in lines] == [
        "set generators.g2.samples to 2 or more",
        "set generators.g2.judged to 2 or more",
    ]


@pytest.mark.parametrize(
    ("generator", "judged"), [({"samples": 2, "judged": 2}, 1), ({"samples": 2}, 2), ({"samples": 4, "judged": 3}, 2)]
)
def test_a_generator_paired_with_itself_is_right_with_two_samples_that_are_judged(generator, judged):
    config.parse(edited(**SELF, generators__g2={"model": "g2", **generator}, judge__samples=judged), WHERE)


@pytest.mark.parametrize("judged", [1, 2])
def test_what_a_generator_says_about_judging_comes_before_what_the_section_says(judged):
    content = edited(**SELF, generators__g2={"model": "g2", "samples": 2, "judged": judged}, judge__samples=3 - judged)
    if judged == 2:
        config.parse(content, WHERE)
    else:
        with pytest.raises(StudyError, match=r"set generators\.g2\.judged to 2 or more"):
            config.parse(content, WHERE)


def test_all_wrong_values_are_told_at_once():
    edits = {"train__recipes__dpo__beta": -1, "prompts__train__items": 0, "grade__max_failure_share": DROP}
    lines = mistakes(sede=1, seed="zero", **edits)
    told = {line.partition(":")[0].replace(".dpo.dpo.", ".dpo.") for line in lines}
    assert told == {"sede", "seed", "train.recipes.dpo.beta", "prompts.train.items", "grade.max_failure_share"}


def test_all_wrong_names_are_told_at_once():
    changed = {"policies": ["pc"], "pairings": ["g3~g9"], "recipes": ["dop"], "selections": ["al"]}
    lines = mistakes(**{f"{EXPERIMENT}__{key}": value for key, value in changed.items()})
    told = [line.partition(":")[0].rpartition(".")[2] for line in lines]
    assert sorted(told) == sorted(changed)


def test_settings_cannot_be_changed_once_read():
    study = config.parse(MINI, WHERE)
    with pytest.raises(ValueError, match="frozen"):
        study.seed = 1


BENCHMARKS = ROOT / "resources" / "benchmarks"


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_committed_benchmark_is_right(path):
    assert config.read_benchmark(path).title


def test_a_missing_benchmark_is_told_with_the_nearest_one_and_its_path():
    with pytest.raises(StudyError, match=r"'mini_cod' is not known; did you mean 'mini_code'\? .*mini_cod\.yaml\)"):
        config.read_benchmark(BENCHMARKS / "mini_cod.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("title: [", "cannot be read as YAML"),
        ("", "has 1 mistake"),
        ("- a\n- b\n", "has 1 mistake"),
        ("title: T\ndomian: maths\n", "did you mean 'domain'"),
        ("title: T\ndomain: law\n", "domain: found 'law'; input should be 'maths', 'stem' or 'code'"),
    ],
)
def test_a_wrong_benchmark_is_refused_with_its_path(text, expected, tmp_path):
    path = tmp_path / "b.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=re.escape(expected)) as error:
        config.read_benchmark(path)
    assert str(error.value).startswith(str(path))


def test_a_benchmark_in_another_encoding_is_refused_with_its_path(tmp_path):
    (tmp_path / "b.yaml").write_bytes("title: é".encode("latin-1"))
    with pytest.raises(StudyError, match=r"b\.yaml: cannot be read as YAML"):
        config.read_benchmark(tmp_path / "b.yaml")


def test_the_committed_schema_is_the_one_of_the_code():
    # To put it right: python -m prefdelta.study.config > workflow/schemas/config.schema.json
    committed = ROOT / "workflow" / "schemas" / "config.schema.json"
    assert committed.read_text(encoding="utf-8") == config.schema_text()


def test_the_schema_is_closed_at_every_level():
    def closed(node):
        if isinstance(node, dict):
            if "properties" in node:
                assert node["additionalProperties"] is False, node.get("title")
            for inner in node.values():
                closed(inner)

    closed(json.loads(config.schema_text()))
