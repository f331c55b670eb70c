from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prefdelta.core.tasks.corpus import ErrorRates, corrupted_trace
from prefdelta.core.tasks.families import FAMILIES
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
