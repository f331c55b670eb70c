import datetime
import re

import pytest

from unit.study.config.edits import DROP, EXPERIMENT, MINI, RECIPE, group, mistakes


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        # Unknown keys: at the top, in a section, in a dict of models, in a list, in an optional section.
        (
            "sede",
            1,
            r"sede: 'sede' is not known; did you mean 'seed'\? allowed: annotations, benchmarks, .*seed, study",
        ),
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
        ("models__pa__ladder__misconceptions", {"table": "braod"}, r"misconceptions\.table: 'braod' is not known"),
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
        (
            "judge__engine__omit",
            ["max_tokens"],
            r"judge\.engine\.omit\.0: .*'max_tokens'.*'max_completion_tokens', 'seed'",
        ),
        ("judge__engine__rename", {"sede": "x"}, r"judge\.engine\.rename\.sede.*'seed'"),
        ("judge__engine__rename", {"seed": None}, r"judge\.engine\.rename\.seed: found None"),
        ("judge__engine__response_format", "xml", r"response_format: .*'xml'.*'json_schema_enum' or 'json_object'"),
    ],
)
def test_a_mistake_is_told_with_its_key_what_was_found_and_what_is_allowed(place, value, expected):
    lines = mistakes(**{place: value})
    assert any(re.search(expected, line) for line in lines), lines


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


def test_all_wrong_values_are_told_at_once():
    edits = {"train__recipes__dpo__beta": -1, "prompts__train__items": 0, "grade__max_failure_share": DROP}
    lines = mistakes(sede=1, seed="zero", **edits)
    keys = {line.partition(":")[0].replace(".dpo.dpo.", ".dpo.") for line in lines}
    assert keys == {"sede", "seed", "train.recipes.dpo.beta", "prompts.train.items", "grade.max_failure_share"}


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
