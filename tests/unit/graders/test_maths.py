import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prefdelta.core.answers.grading import GradingError
from prefdelta.core.errors import StudyError
from prefdelta.graders import maths_process, maths_worker
from prefdelta.graders.maths import grade
from prefdelta.system.instance import is_alive

UPSTREAM = json.loads((Path(__file__).parent / "math_verify_cases.json").read_text(encoding="utf-8"))
TOWER = "5^(5^(5^(5^5)))"


def test_it_agrees_with_math_verifys_own_tests():
    def verdict(case):
        found = grade(case["prediction"], [case["gold"]])
        return found is not None and found[1]

    assert (len(UPSTREAM["cases"]), len(UPSTREAM["excluded"])) == (259, 16)
    assert [case for case in UPSTREAM["cases"] if verdict(case) is not case["expected"]] == []


@pytest.mark.parametrize(
    ("text", "answers", "expected"),
    [
        (r"so $\boxed{5}$.", ["5"], ("5", True)),
        (r"\boxed{0.5}", [r"\frac{1}{2}"], ("0.5", True)),
        (r"\boxed{3}. Wait: \boxed{4}", ["3"], ("4", False)),
        (r"\boxed{4}, as \boxed{3} is wrong", ["3"], ("3", True)),
        (r"$\boxed{1}$ and $\boxed{2}$", [r"\{1, 2\}"], ("1, 2", True)),
        (r"The answer is $\frac{1}{2}$.", ["0.5"], (r"\frac{1}{2}", True)),
        ("First 3, then 4, so the final answer is 7.", ["7"], ("7", True)),
        ("It is 12", ["12"], ("12", True)),
        (r"\boxed{2^(2^(3))}", ["256"], ("2^(2^(3))", True)),
        # One of several right answers is enough.
        (r"\boxed{2}", ["1", "2"], ("2", True)),
        (r"\boxed{3}", ["1", "2"], ("3", False)),
        # Words.
        (r"\boxed{\text{Evelyn}}", ["Evelyn"], (r"\text{Evelyn}", True)),
        ("The answer is Evelyn.", ["Evelyn"], ("Evelyn", True)),
        (r"\boxed{\text{(C)}}", ["C"], (r"\text{(C)}", True)),
        # No answer.
        ("", ["5"], None),
        (" \n", ["5"], None),
        ("I do not know.", ["5"], None),
        ("<think>so it is 5", ["5"], None),
        (r"<think>\boxed{5}</think>", ["5"], None),
        # What is reasoned is not said.
        (r"<think>\boxed{5}</think>\boxed{6}", ["5"], ("6", False)),
    ],
)
def test_the_final_answer_is_found_and_compared(text, answers, expected):
    assert grade(text, answers) == expected


@pytest.mark.parametrize(
    ("text", "gold"),
    [(rf"\boxed{{{TOWER}}}", "3"), (f"The answer is {TOWER}", "3"), (r"\boxed{3}", TOWER), ("The answer is 3", TOWER)],
)
def test_a_hang_is_a_time_out_and_not_a_wrong_answer(monkeypatch, text, gold):
    monkeypatch.setattr(maths_process, "CPU_SECONDS", 0.5)
    with pytest.raises(GradingError) as caught:
        grade(text, [gold])
    assert caught.value.kind == "time_out"
    # The next one is graded as if nothing had happened.
    assert grade(r"\boxed{\sqrt{4}}", ["2"]) == (r"\sqrt{4}", True)


def test_the_same_text_is_the_same_answer_even_if_nobody_can_evaluate_it():
    assert grade(rf"\boxed{{{TOWER}}}", [TOWER]) == (TOWER, True)


def test_too_much_memory_is_an_error_and_not_a_wrong_answer(monkeypatch):
    monkeypatch.setattr(maths_process, "MEMORY_BYTES", 2**20)
    with pytest.raises(GradingError, match="memory") as caught:
        grade(r"\boxed{3}", [TOWER])
    assert caught.value.kind == "error"


def test_a_process_that_was_killed_is_an_error_and_is_replaced():
    grade(r"\boxed{x}", ["2"])
    with ThreadPoolExecutor(1) as pool:
        process = _process_of(pool)
        grading = pool.submit(grade, r"\boxed{3}", [TOWER])
        time.sleep(0.5)
        os.kill(process, signal.SIGKILL)
        with pytest.raises(GradingError) as caught:
            grading.result(timeout=30)
        assert caught.value.kind == "error"
        assert pool.submit(grade, r"\boxed{(1)}", ["1"]).result(timeout=30) == ("(1)", True)
        # Killed while it waited: the next grading does not notice.
        process = _process_of(pool)
        os.kill(process, signal.SIGKILL)
        _wait_until_dead(process)
        assert pool.submit(grade, r"\boxed{(2)}", ["2"]).result(timeout=30) == ("(2)", True)


def test_verdicts_depend_on_neither_thread_nor_order():
    cases = [(case["prediction"], [case["gold"]]) for case in UPSTREAM["cases"][::18]]
    expected = [grade(*case) for case in cases]
    assert [grade(*case) for case in reversed(cases)] == expected[::-1]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda case: grade(*case), cases)) == expected


def test_processes_end_with_their_threads():
    with ThreadPoolExecutor(1) as pool:
        process = _process_of(pool)
        assert is_alive(process)
    _wait_until_dead(process)


def test_a_busy_process_dies_with_its_parent():
    program = f"""
import threading, time
from prefdelta.graders import maths_process
from prefdelta.graders.maths import grade
def busy():
    grade(r"\\boxed{{x}}", ["2"])
    print(maths_process._of_thread.process._process.pid, flush=True)
    grade(r"\\boxed{{3}}", ["{TOWER}"])
threading.Thread(target=busy).start()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        process = int(parent.stdout.readline())
        time.sleep(0.5)
        assert is_alive(process)
        parent.kill()
    _wait_until_dead(process)


def test_nothing_is_printed(capfd):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(grade, r"\boxed{\frac{}{}{}}", ["3"]).result()
    assert capfd.readouterr() == ("", "")


def test_a_process_that_cannot_start_stops_the_study(monkeypatch, tmp_path):
    broken = tmp_path / "math_verify.py"
    broken.write_text("raise ImportError('broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with ThreadPoolExecutor(1) as pool, pytest.raises(StudyError, match="did not start"):
        pool.submit(grade, r"\boxed{x}", ["4"]).result()


@pytest.mark.parametrize("latex", ["i", "x", "", r"\infty", "0/0", r"\text{no}"])
def test_what_is_no_real_number_has_no_value(latex):
    assert maths_worker.value(latex) is None


def test_latex_has_a_value():
    assert maths_worker.value(r"\frac{\sqrt{16}}{2} + 3\%") == pytest.approx(2.03)


def _process_of(pool):
    def find():
        grade(r"\boxed{x}", ["2"])
        return maths_process._of_thread.process._process.pid

    return pool.submit(find).result()


def _wait_until_dead(process):
    """Until its parent can know, that is: its memory, by which `is_alive` judges, is gone some moments earlier."""
    ends = time.monotonic() + 10
    while not _has_ended(process) and time.monotonic() < ends:
        time.sleep(0.05)
    assert _has_ended(process)


def _has_ended(process):
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"
