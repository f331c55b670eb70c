import hashlib
from collections import defaultdict
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prefdelta.core.tasks.corpus import ErrorRates, corrupted_trace
from prefdelta.core.tasks.families import FAMILIES
from prefdelta.core.tasks.misconceptions import Misconception, Misconceptions
from prefdelta.core.tasks.steps import apply, clean_trace

seeds = st.integers(0, 10**6)
families = st.sampled_from(sorted(FAMILIES))


def corrupt(name, seed, n_operations=4, **rates):
    """(family, problem, start value as written, parts of its corrupted trace between opening and answer, answer)."""
    family, random = FAMILIES[name], Random(seed)
    problem = family.draw(random, n_operations)
    *parts, answer = corrupted_trace(family, problem, ErrorRates(**rates), random).split(";")
    start = problem.start if family.opening(problem, problem.start) is None else family.read_opening(parts.pop(0))
    return family, problem, start, parts, answer


def joined(family, problem, parts, answer):
    """A trace from its parts, with the right opening if the family has one."""
    opening = family.opening(problem, problem.start)
    return ";".join([*([opening] if opening else []), *parts, answer])


@given(families, seeds)
def test_without_errors_a_trace_is_the_clean_one(name, seed):
    family, problem, start, parts, answer = corrupt(name, seed)
    assert (start, joined(family, problem, parts, answer)) == (problem.start, clean_trace(family, problem))


@given(families, seeds)
def test_factuality_alone_changes_operands_and_nothing_else(name, seed):
    family, problem, value, parts, _ = corrupt(name, seed, factuality=1.0)
    # Stem looks its start value up: that is a copy too.
    assert (value != problem.start) == (name == "stem")
    for part, (operator, operand) in zip(parts, problem.operations, strict=True):
        step = family.read(part)
        assert step.right != operand
        assert (step.left, step.operator, step.result) == (value, operator, apply(value, operator, step.right))
        value = step.result


@given(families, seeds)
def test_step_coherence_alone_changes_where_later_steps_start_and_nothing_else(name, seed):
    family, problem, value, parts, _ = corrupt(name, seed, step_coherence=1.0)
    assert value == problem.start
    for index, (part, (operator, operand)) in enumerate(zip(parts, problem.operations, strict=True)):
        step = family.read(part)
        assert (step.left == value) == (index == 0)  # the first step has nothing before it
        assert (step.operator, step.right, step.result) == (operator, operand, apply(step.left, operator, operand))
        value = step.result


@given(families, seeds)
def test_computational_precision_alone_changes_results_and_nothing_else(name, seed):
    family, problem, value, parts, _ = corrupt(name, seed, computational_precision=1.0)
    assert value == problem.start
    for part, (operator, operand) in zip(parts, problem.operations, strict=True):
        step = family.read(part)
        assert (step.left, step.operator, step.right) == (value, operator, operand)
        assert step.result != apply(value, operator, operand)
        value = step.result


@given(seeds)
def test_strategy_coherence_alone_leaves_steps_out_or_does_another_operation(seed):
    # In code the variable on the left tells which step a line is.
    family, problem, _, parts, _ = corrupt("code", seed, strategy_coherence=1.0)
    places = ["bcde".index(part[0]) for part in parts]
    assert places == sorted(set(places))
    for place, part in zip(places, parts, strict=True):
        step, (operator, operand) = family.read(part), problem.operations[place]
        assert step.operator != operator
        assert (step.right, step.result) == (operand, apply(step.left, step.operator, operand))


def test_strategy_coherence_leaves_out_half_of_the_steps_it_corrupts():
    left_out = sum(4 - len(corrupt("code", seed, strategy_coherence=1.0)[3]) for seed in range(500))
    # The standard deviation of the share of 2000 steps is sqrt(0.25 / 2000) = 0.011.
    assert abs(left_out / 2000 - 0.5) < 4 * 0.011


@given(families, seeds)
def test_signal_to_noise_alone_puts_filler_or_a_repeat_behind_each_clean_step(name, seed):
    family, problem, start, parts, answer = corrupt(name, seed, signal_to_noise=1.0)
    assert start == problem.start
    assert joined(family, problem, parts[::2], answer) == clean_trace(family, problem)
    assert all(noise in ("hm", step) for step, noise in zip(parts[::2], parts[1::2], strict=True))


@given(families, seeds)
def test_the_answer_is_the_last_result_written_even_if_it_is_wrong(name, seed):
    rates = {"factuality": 0.3, "step_coherence": 0.3, "computational_precision": 0.3, "signal_to_noise": 0.3}
    family, _, _, parts, answer = corrupt(name, seed, **rates)
    results = [step.result for part in parts if (step := family.read(part))]
    assert answer == f"A:{results[-1]}"


def test_a_problem_of_one_operation_keeps_its_step():
    for seed in range(30):
        assert len(corrupt("maths", seed, n_operations=1, strategy_coherence=1.0)[3]) == 1


def test_a_rate_is_met_on_average():
    # 500 traces of 4 steps; the standard deviation of the share is sqrt(0.25 * 0.75 / 2000) = 0.0097.
    wrong = 0
    for seed in range(500):
        family, _, _, parts, _ = corrupt("maths", seed, computational_precision=0.25)
        steps = [family.read(part) for part in parts]
        wrong += sum(step.result != apply(step.left, step.operator, step.right) for step in steps)
    assert abs(wrong / 2000 - 0.25) < 4 * 0.0097


@given(families, seeds)
def test_the_same_seed_makes_the_same_errors(name, seed):
    rates = {"factuality": 0.5, "strategy_coherence": 0.5, "step_coherence": 0.5, "signal_to_noise": 0.5}
    assert corrupt(name, seed, **rates)[2:] == corrupt(name, seed, **rates)[2:]


def test_an_unknown_kind_of_error_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        ErrorRates(spelling=0.1)


# --- misconceptions ---


def test_without_misconceptions_traces_are_byte_for_byte_those_that_models_were_trained_on():
    kinds = ("factuality", "strategy_coherence", "step_coherence", "computational_precision", "signal_to_noise")
    rates, random, text = ErrorRates(**dict.fromkeys(kinds, 0.2)), Random(0), []
    for name in sorted(FAMILIES):
        for _ in range(100):
            problem = FAMILIES[name].draw(random, 4)
            text.append(problem.question + corrupted_trace(FAMILIES[name], problem, rates, random))
    expected = "4b00c9e6957a7488b6ae98a78d1831bb92635751dec3612d4f0063206baecf07"
    assert hashlib.sha256("\n".join(text).encode()).hexdigest() == expected


BROAD = {
    "does": Misconception(value=7, operator="-", does="+", rate=0.6),
    "operand_off_by": Misconception(value=4, operator="-", operand_off_by=1, rate=0.7),
    "starts_from": Misconception(value=9, operator="+", starts_from=6, rate=0.8),
    "result_off_by": Misconception(value=8, operator="*", result_off_by=1, rate=0.5),
}


def steps_by_context(name, misconceptions, rates=None, traces=4000):
    """(value before, operator asked, operand asked) -> (index, step) of all steps of traces without missing ones."""
    family, random, found = FAMILIES[name], Random(0), defaultdict(list)
    for _ in range(traces):
        problem = family.draw(random, 4)
        text = corrupted_trace(family, problem, rates or ErrorRates(), random, misconceptions)
        steps = [step for part in text.split(";") if (step := family.read(part))]
        value = problem.start
        for index, (step, (operator, operand)) in enumerate(zip(steps, problem.operations, strict=True)):
            found[value, operator, operand].append((index, step))
            value = step.result
    return found


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_misconception_changes_its_part_of_a_step_at_its_rate_in_its_context_alone(name):
    seen = defaultdict(list)  # what changes -> whether it did, per step of its context
    for (value, operator, operand), steps in steps_by_context(name, Misconceptions(list(BROAD.values()))).items():
        for index, step in steps:
            changed = {
                "does": step.operator != operator,
                "operand_off_by": step.right != operand,
                "starts_from": step.left != value,
                "result_off_by": step.result != apply(step.left, step.operator, step.right),
            }
            expected = {
                "does": step.operator == "+",
                "operand_off_by": step.right == operand % 5 + 1,
                "starts_from": step.left == 6,
                "result_off_by": step.result == (apply(step.left, step.operator, step.right) + 1) % 10,
            }
            for change, row in BROAD.items():
                here = (value, operator) == (row.value, row.operator) and not (change == "starts_from" and index == 0)
                assert expected[change] if here and changed[change] else here or not changed[change]
                if here:
                    seen[change].append(changed[change])
    for change, row in BROAD.items():
        n = len(seen[change])
        assert n > 200
        assert abs(sum(seen[change]) / n - row.rate) < 4 * (row.rate * (1 - row.rate) / n) ** 0.5


def test_a_factor_scales_every_rate():
    found = steps_by_context("maths", Misconceptions([BROAD["does"]], factor=0.5))
    wrong = [step.operator == "+" for (v, o, _), steps in found.items() for _, step in steps if (v, o) == (7, "-")]
    # About 500 steps; the standard deviation of the share is sqrt(0.3 * 0.7 / 500) = 0.02.
    assert abs(sum(wrong) / len(wrong) - 0.3) < 4 * 0.02


def test_a_single_fact_is_wrong_for_its_operand_alone_and_goes_before_what_is_broad():
    fact = Misconception(value=8, operator="*", operand=3, result_off_by=5, rate=1.0)
    broad = BROAD["result_off_by"].model_copy(update={"rate": 1.0})
    for (value, operator, operand), steps in steps_by_context("stem", Misconceptions([broad, fact])).items():
        off_by = {(step.result - apply(step.left, step.operator, step.right)) % 10 for _, step in steps}
        assert off_by == {(5 if operand == 3 else 1) if (value, operator) == (8, "*") else 0}


def test_a_random_error_of_the_same_dimension_goes_first():
    row = BROAD["result_off_by"].model_copy(update={"rate": 1.0})
    found = steps_by_context("maths", Misconceptions([row]), ErrorRates(computational_precision=0.4))
    off_by = [
        (step.result - apply(step.left, step.operator, step.right)) % 10
        for (value, operator, _), steps in found.items()
        for _, step in steps
        if (value, operator) == (8, "*")
    ]
    # Wrong by one: 0.6 by the misconception, and a ninth of 0.4 at random; never right.
    assert 0 not in off_by
    assert abs(off_by.count(1) / len(off_by) - 0.644) < 4 * (0.644 * 0.356 / len(off_by)) ** 0.5


def test_a_misconception_says_one_thing_that_is_wrong():
    where = {"value": 7, "operator": "-", "rate": 0.5}
    for change in ({}, {"does": "+", "result_off_by": 1}):
        with pytest.raises(ValidationError, match="give exactly one of does"):
            Misconception(**where, **change)
    with pytest.raises(ValidationError, match="is the operator that the problem asks for"):
        Misconception(**where, does="-")
    with pytest.raises(ValidationError, match="is the value before the step"):
        Misconception(**where, starts_from=7)
