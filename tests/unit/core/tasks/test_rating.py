from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdelta.core.tasks.corpus import ErrorRates, corrupted_trace
from prefdelta.core.tasks.families import FAMILIES
from prefdelta.core.tasks.rating import DIMENSIONS, rate
from prefdelta.core.tasks.steps import clean_trace

MATHS = "Q:5*5+4+1?"  # 5*5=5;5+4=9;9+1=0;A:0
CODE = "P:a=1;b=a-2;c=b-5;d=c+a;d?"  # b=1-2=9;c=9-5=4;d=4+1=5;A:5
STEM = "S:z3k4m4y2,z+y-k*m?"  # z3;+y2:3+2=5;-k4:5-4=1;*m4:1*4=4;A:4
families = st.sampled_from(sorted(FAMILIES))
traces = st.text(alphabet="0123456789+-*=;A:abcdhmz ") | st.text()


def lowered(question, trace):
    """The dimensions that rate below 5."""
    return {name: score for name, score in rate(question, trace).items() if score < 5}


@st.composite
def corrupted(draw, **rates):
    """(question, trace) with errors of the given rates."""
    family, random = FAMILIES[draw(families)], Random(draw(st.integers()))
    problem = family.draw(random, draw(st.integers(1, 6)))
    return problem.question, corrupted_trace(family, problem, ErrorRates(**rates), random)


@given(corrupted())
def test_a_clean_trace_rates_5_everywhere(item):
    assert rate(*item) == dict.fromkeys(DIMENSIONS, 5)


@pytest.mark.parametrize("question", ["Q:1*1*1?", "Q:4*5*1*1?", "Q:4-5*1*1*2?"])
def test_a_step_that_a_problem_asks_twice_is_no_repeat(question):
    # 1*1=1;1*1=1 is the clean trace of the first.
    family = FAMILIES["maths"]
    assert lowered(question, clean_trace(family, family.parse(question))) == {}


# One fault in 3 steps: 1 + round(4 * 2/3) = 4. Two: 1 + round(4 * 1/3) = 2. Three: 1.
@pytest.mark.parametrize(
    ("question", "trace", "expected"),
    [
        # An operand is copied wrongly: 3 for 4. All after it goes on from there.
        (MATHS, "5*5=5;5+3=8;8+1=9;A:9", {"factuality": 4}),
        (MATHS, "5*3=5;5+3=8;8+1=9;A:9", {"factuality": 2}),
        (MATHS, "5*3=5;5+3=8;8+2=0;A:0", {"factuality": 1}),
        (CODE, "b=1-2=9;c=9-4=5;d=5+1=6;A:6", {"factuality": 4}),
        (CODE, "b=1-2=9;c=9-5=4;d=4+2=6;A:6", {"factuality": 4}),  # the first variable looked up wrongly
        # The start is copied wrongly: 6 for 5, 2 for 1.
        (MATHS, "6*5=0;0+4=4;4+1=5;A:5", {"factuality": 4}),
        (CODE, "b=2-2=0;c=0-5=5;d=5+1=6;A:6", {"factuality": 4}),
        # Stem: a value is looked up wrongly, the start's in the opening, the others' in the steps.
        (STEM, "z4;+y2:4+2=6;-k4:6-4=2;*m4:2*4=8;A:8", {"factuality": 4}),
        (STEM, "z3;+y4:3+4=7;-k4:7-4=3;*m4:3*4=2;A:2", {"factuality": 4}),
        (STEM, "z4;+y4:4+4=8;-k4:8-4=4;*m4:4*4=6;A:6", {"factuality": 2}),
        # The opening is left out: the first step says where the trace starts, and it starts in the right place or not.
        (STEM, "+y2:3+2=5;-k4:5-4=1;*m4:1*4=4;A:4", {"strategy_coherence": 4}),
        (STEM, "+y2:4+2=6;-k4:6-4=2;*m4:2*4=8;A:8", {"strategy_coherence": 4, "factuality": 4}),
        # The opening is right, but the first step does not start from it.
        (STEM, "z3;+y2:4+2=6;-k4:6-4=2;*m4:2*4=8;A:8", {"step_coherence": 4}),
        # An opening that comes late is no opening.
        (STEM, "+y2:3+2=5;z3;-k4:5-4=1;*m4:1*4=4;A:4", {"strategy_coherence": 4, "signal_to_noise": 4}),
        # A step is left out, does another operation, is foreign, or no answer is given.
        (MATHS, "5*5=5;5+1=6;A:6", {"strategy_coherence": 4}),
        (MATHS, "5+1=6;A:6", {"strategy_coherence": 2}),
        (MATHS, "5*5=5;5-4=1;1+1=2;A:2", {"strategy_coherence": 4}),
        (MATHS, "5*5=5;5*2=0;0+4=4;4+1=5;A:5", {"strategy_coherence": 4}),
        (MATHS, "5*5=5;5+4=9;9+1=0", {"strategy_coherence": 4}),
        (CODE, "b=1-2=9;d=9+1=0;A:0", {"strategy_coherence": 4}),
        (STEM, "z3;+y2:3+2=5;*m4:5*4=0;A:0", {"strategy_coherence": 4}),
        (STEM, "z3;+y2:3+2=5;+k4:5+4=9;*m4:9*4=6;A:6", {"strategy_coherence": 4}),
        (CODE, "b=1-2=9;c=9+5=4;d=4+1=5;A:5", {"strategy_coherence": 4}),  # 9 + 5 = 14 -> 4: a right answer by luck
        # A step does not start from the result before it; the answer is not the last result.
        (MATHS, "5*5=5;7+4=1;1+1=2;A:2", {"step_coherence": 4}),
        (MATHS, "5*5=5;7+4=1;3+1=4;A:4", {"step_coherence": 2}),
        (MATHS, "5*5=5;5+4=9;9+1=0;A:5", {"step_coherence": 4}),
        (CODE, "b=1-2=9;c=8-5=3;d=3+1=4;A:4", {"step_coherence": 4}),
        (STEM, "z3;+y2:3+2=5;-k4:7-4=3;*m4:3*4=2;A:2", {"step_coherence": 4}),
        # A result is miscomputed; the next step goes on from it.
        (MATHS, "5*5=5;5+4=8;8+1=9;A:9", {"computational_precision": 4}),
        (MATHS, "5*5=6;6+4=1;1+1=3;A:3", {"computational_precision": 1}),
        (CODE, "b=1-2=9;c=9-5=3;d=3+1=4;A:4", {"computational_precision": 4}),
        (STEM, "z3;+y2:3+2=6;-k4:6-4=2;*m4:2*4=8;A:8", {"computational_precision": 4}),
        # Filler, or a step written twice: 3 useful parts of 4: 1 + round(4 * 3/4) = 4; of 6: 3; of 12: 2.
        (MATHS, "5*5=5;hm;5+4=9;9+1=0;A:0", {"signal_to_noise": 4}),
        (MATHS, "5*5=5;5+4=9;5+4=9;9+1=0;A:0", {"signal_to_noise": 4}),
        (MATHS, "5*5=5;5*5=5;5+4=9;9+1=0;A:0", {"signal_to_noise": 4}),  # a repeat that changes no value
        (MATHS, "5*5=5;hm;5+4=9;hm;9+1=0;hm;A:0", {"signal_to_noise": 3}),
        (MATHS, "hm;hm;hm;5*5=5;hm;hm;hm;5+4=9;hm;hm;hm;9+1=0;A:0", {"signal_to_noise": 2}),
        (CODE, "b=1-2=9;hm;c=9-5=4;d=4+1=5;A:5", {"signal_to_noise": 4}),
        (STEM, "z3;hm;+y2:3+2=5;-k4:5-4=1;*m4:1*4=4;A:4", {"signal_to_noise": 4}),
        (STEM, "z3;+y2:3+2=5;-k4:5-4=1;-k4:5-4=1;*m4:1*4=4;A:4", {"signal_to_noise": 4}),
        (CODE, "b=1-2=9;c=9-5=4;d=4+1=5;d=4+1=5;A:5", {"signal_to_noise": 4}),
    ],
)
def test_one_kind_of_error_lowers_its_own_dimension_and_no_other(question, trace, expected):
    assert lowered(question, trace) == expected


@given(corrupted(computational_precision=1.0))
def test_results_all_wrong_lower_computational_precision_to_1_and_nothing_else(item):
    assert lowered(*item) == {"computational_precision": 1}


@given(corrupted(signal_to_noise=1.0))
def test_noise_behind_every_step_lowers_signal_to_noise_to_3_and_nothing_else(item):
    # Every second part is useful: 1 + round(4 * 1/2) = 3.
    assert lowered(*item) == {"signal_to_noise": 3}


@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.parametrize("kind", ["factuality", "step_coherence", "strategy_coherence"])
def test_on_average_a_kind_of_error_lowers_its_own_dimension_most(kind, name):
    # For these kinds another dimension may fall too: 5+4=9;5+4=9 is a wrong start or a repeat, who can say.
    family, random, sums = FAMILIES[name], Random(0), dict.fromkeys(DIMENSIONS, 0)
    for _ in range(200):
        problem = family.draw(random, 5)
        scores = rate(problem.question, corrupted_trace(family, problem, ErrorRates(**{kind: 0.3}), random))
        for name, score in scores.items():
            sums[name] += 5 - score
    others = [loss for name, loss in sums.items() if name != kind]
    assert sums[kind] > 10 * max(others)


@pytest.mark.parametrize("opening", ["", "z", "3", "z33", "a3", "Z3", "k;3"])
def test_a_stem_trace_without_a_proper_opening_is_a_step_short(opening):
    scores = lowered(STEM, f"{opening};+y2:3+2=5;-k4:5-4=1;*m4:1*4=4;A:4")
    assert scores["strategy_coherence"] == 4
    assert set(scores) == {"strategy_coherence", "signal_to_noise"}  # what stands there instead is noise


def test_an_empty_trace_rates_1_for_strategy_and_for_signal():
    assert lowered(MATHS, "") == {"strategy_coherence": 1, "signal_to_noise": 1}


def test_a_right_answer_without_steps_is_no_reasoning():
    # The answer 0 is right, but does not follow from the start, 5.
    assert lowered(MATHS, "A:0") == {"strategy_coherence": 1, "step_coherence": 4, "signal_to_noise": 1}


@pytest.mark.parametrize("question", ["", "What is 1+1?", "Q:1/0?"])
def test_a_question_of_no_family_has_no_rating(question):
    assert rate(question, "A:1") is None


@given(st.sampled_from([MATHS, CODE, STEM]), traces)
def test_any_trace_rates_from_1_to_5_on_every_dimension(question, trace):
    scores = rate(question, trace)
    assert tuple(scores) == DIMENSIONS
    assert set(scores.values()) <= {1, 2, 3, 4, 5}


@given(st.text() | st.text(alphabet="QP:=;?+-*0123456789abc"), traces)
def test_any_question_has_a_rating_or_none(question, trace):
    scores = rate(question, trace)
    assert scores is None or tuple(scores) == DIMENSIONS


def test_an_answer_of_more_digits_than_python_reads_is_no_answer():
    assert lowered(MATHS, "5*5=5;5+4=9;9+1=0;A:" + "1" * 5000) == {"strategy_coherence": 4, "signal_to_noise": 4}
