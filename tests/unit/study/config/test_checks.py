import re

import pytest
import yaml

from prefdelta.core.errors import StudyError
from prefdelta.study.config.files import parse
from unit.study.config.edits import DROP, EXPERIMENT, ITEMS, MINI, ROOT, WHERE, edited, group, mistakes


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (
            "generate__sampling__reasoning_effort",
            "high",
            r"generators\.g1: .*reasoning_effort, but models\.\w+ is trained here",
        ),
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
        (
            "compute__jugde",
            {},
            r"compute: 'jugde' is not known; did you mean 'judge'\? allowed: browse, delta, evaluate",
        ),
        (
            "delta__composites",
            {"factuality": ["factuality"]},
            "'factuality' is the name of a dimension; choose another",
        ),
        # Draws of traces.
        (
            f"{EXPERIMENT}__pairings",
            ["g3@1~g1"],
            r"filtering\.pairings: the pairing 'g3@1~g1' mixes two draws",
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
        (
            "evaluate__groups__sampled__base_temperatures",
            [0.5, 1.0],
            r"sampled\.base_temperatures: 1 is not below the group's own temperature, 1; they say what sharper",
        ),
        ("evaluate__groups__greedy__base_temperatures", [0.5], r"greedy\.base_temperatures: 0\.5 is not below .*, 0;"),
        (
            "evaluate__groups__sampled__base_temperatures",
            [0.5, 0.5],
            r"base_temperatures: a temperature is given twice",
        ),
        # Where to ask the judge.
        ("judge__engine__base_url", "http://judge:8000/v1", "judge.engine: give either server .* or base_url"),
        ("judge__engine__server", DROP, "judge.engine: give either server .* or base_url"),
        # Under which names.
        ("judge__engine__rename", {"seed": ""}, r"judge\.engine: rename\.seed is '', which is not a parameter's name"),
        (
            "judge__engine__rename",
            {"seed": "top_p"},
            r"judge\.engine: rename\.seed is top_p, which a request holds already",
        ),
        ("judge__engine__rename", {"seed": "model"}, r"rename\.seed is model, which a request holds already"),
        ("judge__engine__rename", {"seed": "x", "top_p": "x"}, r"rename gives one name to two parameters"),
    ],
)
def test_a_name_or_count_that_the_rest_of_the_config_contradicts_is_told_with_its_key(place, value, expected):
    lines = mistakes(**{place: value})
    assert any(re.search(expected, line) for line in lines), lines


def test_a_k_that_equals_the_number_of_prompts_is_right():
    parse(edited(experiments__filtering__selections=[f"random-{ITEMS}-s0"]), WHERE)


def test_a_k_is_compared_with_the_limit_on_prompts():
    (line,) = mistakes(prompts__limit=50, experiments__filtering__selections=["random-51-s0"])
    assert "asks for 51 pairs, but there are only 50 training prompts" in line


def test_a_composite_may_be_selected_on():
    parse(edited(experiments__filtering__selections=["top-mean-10"]), WHERE)


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
    parse(edited(judge__compared=COMPARED | {"repeats": {"again": "logic"}}), WHERE)
    (line,) = mistakes(judge__compared=COMPARED | {"repeats": {"again": "logik"}})
    assert line.startswith("judge.compared.repeats: 'logik' is not known; did you mean 'logic'?")
    (line,) = mistakes(judge__compared=COMPARED | {"repeats": {"brevity": "logic"}})
    assert line == "judge.compared.repeats: 'brevity' is the name of another form; choose another"


SECOND = {"engine": {"name": "openai", "model": "rules", "server": {"name": "rules", "noise": 0.3}}}


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"second": SECOND | {"pairings": ["g3~g9"]}}, r"judge\.others\.second\.pairings: 'g3~g9' is not known"),
        ({"second": SECOND}, r"judge\.others\.second\.pairings: is empty"),
        ({"people": {"pairings": ["g3~g1"]}}, r"judge\.others: 'people' is the judge .*; choose another name"),
        (
            {"second": {"model": "g1", "pairings": ["g3~g1"]}},
            r"judge\.others\.second\.model: is for an engine of its own",
        ),
        (
            {"second": {"engine": {"name": "openai", "model": "x"}, "pairings": ["g3~g1"]}},
            r"judge\.others\.second\.engine: give either server",
        ),
    ],
)
def test_another_judge_is_told_apart_from_people_and_has_something_to_judge(others, message):
    assert any(re.match(message, line) for line in mistakes(judge__others=others))


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("top-mean@second-10", None),
        ("top-mean@people-10", None),
        ("bottom-factuality@second-10", None),
        ("top-mean@thrid-10", r".*'top-mean@thrid-10': judge: 'thrid' is not known; allowed: people, second"),
        ("top-wit@second-10", r".*'top-wit@second-10': 'wit' is not known"),
        ("top-mean@second-60", r".*asks for 60 pairs, but second judges only 50 prompts"),
        ("matched-length-mean@second-25", None),
        (
            "matched-length-mean@second-26",
            r".*asks for 52 pairs, the top ones and as many others, but second judges only 50 prompts",
        ),
    ],
)
def test_a_selection_may_be_by_another_judge(selection, message):
    edits = {"judge__others": {"second": SECOND | {"pairings": ["g3~g1"], "prompts": 50}}}
    edits |= {"experiments__filtering__selections": [selection], "annotations": ["s-1"]}
    if message is None:
        parse(edited(**edits), WHERE)
    else:
        (line,) = mistakes(**edits)
        assert re.match(message, line)


@pytest.mark.parametrize(
    ("place", "value", "where"),
    [
        (
            "judge__forms",
            {"logic": MINI["judge"]["forms"]["logic"], "a@b": ["signal_to_noise"]},
            "judge.forms",
        ),
        ("judge__compared", COMPARED | {"forms": {"a@b": ["factuality"]}}, "judge.compared.forms"),
        ("judge__compared", COMPARED | {"repeats": {"a@b": "logic"}}, "judge.compared.repeats"),
        (
            "delta__composites",
            MINI["delta"]["composites"] | {"a@b": ["factuality"]},
            "delta.composites",
        ),
    ],
)
def test_the_name_of_a_form_or_a_composite_names_no_judge(place, value, where):
    (line,) = mistakes(**{place: value})
    assert line == f"{where}: 'a@b' has an @, which stands before the name of another judge; choose another"


def test_a_sheet_counts_once():
    assert mistakes(annotations=["s-1", "s-2", "s-1"]) == ["annotations: 's-1' is given twice; leave one out"]


def test_equal_updates_are_those_of_an_arm_of_the_same_pairings():
    place = "experiments__equal_updates__as_many_updates_as"
    parse(edited(**{place: "top-mean-500/dpo"}), WHERE)
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
    parse(edited(models=models, compute__generate={"gpus": 1, "sizes": generators}), WHERE)
    parse(edited(models=models, compute__generate={"sizes": {"8b": {"mem_mb": 9}}}), WHERE)  # GPUs for none


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
    parse(edited(evaluate__groups={"all": group(*MINI["benchmarks"]), "b": more, "c": more}), WHERE)


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


# --- sets of pairings that are compared ---

SETS = {"ends": {"pairings": ["g1~g0", "g4~g0"], "pairs": 10}}


def test_a_common_selection_is_right_for_the_pairings_of_its_set():
    scaled = {f"{EXPERIMENT}__selections": ["common-ends"], f"{EXPERIMENT}__pairings": ["g1~g0", "g4~g0"]}
    parse(edited(filter__sets=MINI["filter"]["sets"] | SETS, **scaled), WHERE)


def test_a_common_selection_of_an_unknown_set_is_refused_with_the_nearest_one():
    (line,) = mistakes(**{f"{EXPERIMENT}__selections": ["common-scalling"]})
    assert re.search(r"filtering\.selections: 'common-scalling': set 'scalling' .* did you mean 'scaling'\?", line)


def test_a_common_selection_of_a_pairing_outside_its_set_is_refused():
    (line,) = mistakes(**{f"{EXPERIMENT}__selections": ["all", "common-scaling"]})
    assert line == "experiments.filtering: 'common-scaling' is for the pairings of its set, but 'g3~g1' is not one"


def test_a_set_with_its_sides_exchanged_is_for_the_same_pairings():
    (line,) = mistakes(**{f"{EXPERIMENT}__selections": ["all", "swapped-scaling"]})
    assert line == "experiments.filtering: 'swapped-scaling' is for the pairings of its set, but 'g3~g1' is not one"


def test_rejected_traces_are_likely_under_one_of_the_policies():
    parse(edited(**{f"{EXPERIMENT}__selections": ["likely-rejected-pb-9", "unlikely-rejected-pa-9"]}), WHERE)
    (line,) = mistakes(**{f"{EXPERIMENT}__selections": ["likely-rejected-g1-9"]})
    assert line.startswith(
        "experiments.filtering.selections: 'likely-rejected-g1-9': policy 'g1' is not known; allowed: pa, pb"
    )


def test_matched_pairs_need_twice_as_many_prompts():
    for k in (ITEMS // 2, ITEMS // 2 + 1):
        made = {f"{EXPERIMENT}__selections": [f"matched-all-mean-{k}"]}
        if 2 * k <= ITEMS:
            parse(edited(**made), WHERE)
        else:
            (line,) = mistakes(**made)
            assert line == (
                f"experiments.filtering.selections: 'matched-all-mean-{k}' asks for {2 * k} pairs, the top ones and as "
                f"many others, but there are only {ITEMS} training prompts"
            )


def test_a_set_of_an_unknown_generator_is_refused_with_the_nearest_one():
    sets = MINI["filter"]["sets"] | {"more": {"pairings": ["g33~g0"]}}
    (line,) = mistakes(filter__sets=sets)
    assert line.startswith("filter.sets.more.pairings: 'g33' is not known; did you mean 'g3'?")


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
    parse(edited(**SELF, generators__g2={"model": "g2", **generator}, judge__samples=judged), WHERE)


@pytest.mark.parametrize("judged", [1, 2])
def test_what_a_generator_says_about_judging_comes_before_what_the_section_says(judged):
    content = edited(**SELF, generators__g2={"model": "g2", "samples": 2, "judged": judged}, judge__samples=3 - judged)
    if judged == 2:
        parse(content, WHERE)
    else:
        with pytest.raises(StudyError, match=r"set generators\.g2\.judged to 2 or more"):
            parse(content, WHERE)


def test_all_wrong_names_are_told_at_once():
    changed = {"policies": ["pz"], "pairings": ["g3~g9"], "recipes": ["dop"], "selections": ["al"]}
    lines = mistakes(**{f"{EXPERIMENT}__{key}": value for key, value in changed.items()})
    keys = [line.partition(":")[0].rpartition(".")[2] for line in lines]
    assert sorted(keys) == sorted(changed)


def test_traces_that_are_always_the_same_are_not_drawn_again():
    greedy = {"temperature": 0.0, "max_tokens": 80}
    (told,) = mistakes(**{f"{EXPERIMENT}__draws": [0, 1], "generators__g3__sampling": greedy})
    assert "filtering.draws: the traces of 'g3' cannot be drawn again, because its temperature is 0" in told
    parse(edited(**{f"{EXPERIMENT}__draws": [0], "generators__g3__sampling": greedy}), WHERE)


def test_traces_of_a_data_set_are_not_drawn_again():
    full = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    one = {"pairings": ["r1~s1-3b"], "selections": ["all"], "draws": [1]}
    full["experiments"]["drawn"] = full["experiments"]["scaling"] | one
    with pytest.raises(StudyError, match=r"drawn\.draws: the traces of 'r1' cannot .* a data set ships its traces"):
        parse(full, WHERE)
