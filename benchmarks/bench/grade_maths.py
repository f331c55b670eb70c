r"""3,000 replies to 250 mathematical problems graded: the grader `maths` beside math-verify in a loop.

    PYTHONPATH=benchmarks .venv/bin/python -m bench.grade_maths        about 60 s

Ours: `grade_all` on one thread, the start of the process that compares included. Theirs: `verify(parse("$gold$"),
parse(reply))` for each reply, with math-verify's own options and its own limits on time. Each pass is a process of its
own, a fork whose imports are done, as one job would grade once.

The replies are drawn, with a fixed seed, in the kinds and about the shares of the outputs of a 7B model on MATH: three
quarters of the right answers are plain numbers, most replies have a box, and the others are quotients, LaTeX,
intervals, lists, units and words, wrong ones, and ones that cannot be read. Before any time is printed, ours must give
each reply the extracted answer and the verdict that an earlier tree gives it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

from bench.earlier import earlier_tree
from bench.side_by_side import side_by_side

T = TypeVar("T")
PROBLEMS, REPLIES = 250, 12


class Reply(NamedTuple):
    """What the graders see of a trace."""

    text: str
    finish_reason: str = "stop"
    failure: str | None = None


def whole(random: Random) -> tuple[str, list[str], list[str]]:
    """(right answer, other ways to write it, wrong answers) of a problem whose answer is a whole number."""
    number = random.choice([random.randint(0, 20), random.randint(21, 999), random.randint(1_000, 90_000)])
    others = [f"{number}.0", f"{number:,}", rf"{number}\text{{ ways}}", f"x = {number}", f"{number}."]
    return str(number), others, [str(number + 1), str(2 * number + 3), f"{number}.5", rf"\frac{{{number + 1}}}{{2}}"]


def fraction(random: Random) -> tuple[str, list[str], list[str]]:
    below = random.choice([2, 3, 4, 5, 7, 8, 12, 16])
    above = random.choice([number for number in range(1, 40) if number % below])
    others = [rf"\dfrac{{{above}}}{{{below}}}", f"{above}/{below}", rf"\frac{{{2 * above}}}{{{2 * below}}}"]
    others += [str(above / below)] if below in (2, 4, 5, 8, 16) else []
    wrong = [rf"\frac{{{above + 1}}}{{{below}}}", f"{below}/{above}", str(above), str(round(above / below, 2) + 0.01)]
    return rf"\frac{{{above}}}{{{below}}}", others, wrong


def money(random: Random) -> tuple[str, list[str], list[str]]:
    dollars = random.randint(100, 9_900) / 100
    others = [rf"\${dollars:.2f}", rf"{dollars:.2f}\text{{ dollars}}", f"{dollars:.3f}"]
    return f"{dollars:.2f}", others, [f"{dollars + 1:.2f}", rf"\${10 * dollars:.2f}", str(int(dollars))]


def root(random: Random) -> tuple[str, list[str], list[str]]:
    times, inner = random.randint(2, 9), random.choice([2, 3, 5, 6, 7])
    others = [rf"\sqrt{{{times * times * inner}}}", rf"{times}\cdot\sqrt{inner}", rf"{times} \sqrt {{{inner}}}"]
    wrong = [rf"{times + 1}\sqrt{{{inner}}}", rf"\sqrt{{{times * inner}}}", str(round(times * inner**0.5, 2))]
    return rf"{times}\sqrt{{{inner}}}", others, wrong


def polynomial(random: Random) -> tuple[str, list[str], list[str]]:
    one, two = random.randint(1, 9), random.randint(1, 9)
    others = [f"(x+{one})(x+{two})", f"{one * two} + {one + two}x + x^2", f"x^2+{one + two}x+{one * two}"]
    wrong = [f"x^2 - {one + two}x + {one * two}", f"(x-{one})(x+{two})", f"x^2 + {one * two}x"]
    return f"x^2 + {one + two}x + {one * two}", others, wrong


def interval(random: Random) -> tuple[str, list[str], list[str]]:
    low, high = random.randint(-9, 2), random.randint(3, 12)
    others = [rf"\left[{low}, {high}\right)", rf"{low} \le x < {high}", rf"x \in [{low},{high})"]
    return f"[{low},{high})", others, [f"({low},{high})", f"[{low},{high}]", rf"(-\infty,{high})"]


def values(random: Random) -> tuple[str, list[str], list[str]]:
    one, two = random.sample(range(-12, 13), 2)
    others = [
        f"{two}, {one}",
        rf"\{{{one}, {two}\}}",
        rf"x = {one} \text{{ or }} x = {two}",
        rf"{one} \text{{ and }} {two}",
    ]
    return f"{one}, {two}", others, [f"{one}, {two + 1}", str(one), f"({one}, {-two})"]


def point(random: Random) -> tuple[str, list[str], list[str]]:
    across, up = random.randint(-9, 9), random.randint(1, 9)
    others = [rf"\left( {across}, \frac{{{2 * up}}}{{2}} \right)", f"(x, y) = ({across}, {up})", f"({across}.0, {up})"]
    return f"({across},{up})", others, [f"({up},{across + 1})", f"({across},{-up})", f"{across}"]


def angle(random: Random) -> tuple[str, list[str], list[str]]:
    degrees = random.choice([30, 36, 45, 60, 72, 105, 120])
    others = [rf"{degrees}^\circ", rf"{degrees}\text{{ degrees}}", f"{degrees}°"]
    return rf"{degrees}^{{\circ}}", others, [rf"{180 - degrees}^\circ", rf"\frac{{\pi}}{{{degrees}}}", str(degrees + 5)]


def words(random: Random) -> tuple[str, list[str], list[str]]:
    names = ["Evelyn", "ellipse", "Thursday", "odd", "parabola"]
    name = random.choice(names)
    others = [rf"\text{{{name}}}", rf"\text{{ {name.lower()} }}", rf"\textbf{{{name}}}"]
    return rf"\text{{{name}}}", others, [rf"\text{{{other}}}" for other in names if other != name]


KINDS = {
    whole: 66,
    fraction: 11,
    money: 4,
    root: 4,
    polynomial: 3,
    interval: 3,
    values: 3,
    point: 3,
    angle: 2,
    words: 1,
}
UNREADABLE = [r"\frac{1}{", "(unclear", r"\sqrt{x +}", "a + = b", r"\text{cannot be determined}"]
REASONING = (
    "To solve this problem, we work step by step.",
    r"First, let \(n\) be the number that we look for. We know that \(n + {0} = {1}\).",
    r"We set up the equation \[ {0}x + {1} = {2}. \]",
    r"1. **Simplify both sides**: $\frac{{{0}}}{{{1}}} \cdot {2}$ gives the ratio.",
    r"Next, we combine like terms and divide by {0}, so that \(x \approx {1}.{2}\).",
    "There are {0} choices for the first place and {1} for the second, which makes {2} in all.",
    r"By the Pythagorean theorem, $a^2 + b^2 = c^2$, so $c = \sqrt{{{0}^2 + {1}^2}}$.",
    "We check the result by putting it into the first equation; both sides agree.",
)
ENDINGS = (
    (r"Therefore, the answer is $\boxed{{{0}}}$.", 60),
    (r"\[ \boxed{{{0}}} \]", 28),
    ("The answer is ${0}$.", 4),
    ("So the final answer is {0}.", 3),
    ("I could not find a value.", 1),
)


def drawn() -> list[tuple[str, str]]:
    """The (right answer, reply) of each reply, the replies to one problem one after the other."""
    random = Random(15)
    pairs = []
    for _ in range(PROBLEMS):
        (kind,) = random.choices(list(KINDS), list(KINDS.values()))
        right, others, wrong = kind(random)
        for _ in range(REPLIES):
            (choice,) = random.choices(["equal", "other", "wrong", "unreadable"], [55, 13, 30, 2])
            answer = {"equal": [right], "other": others, "wrong": wrong, "unreadable": UNREADABLE}[choice]
            pairs.append((right, reply(random, random.choice(answer))))
    return pairs


def reply(random: Random, answer: str) -> str:
    lines = [
        line.format(*(random.randint(2, 60) for _ in range(3)))
        for line in random.choices(REASONING, k=random.randint(10, 24))
    ]
    (ending,) = random.choices([ending for ending, _ in ENDINGS], [weight for _, weight in ENDINGS])
    return "\n\n".join([*lines, ending.format(answer)])


PAIRS = drawn()


def ours() -> list[list[object]]:
    """What the grader `maths` says of each reply."""
    from prefdelta.core.answers.grading import grade_all
    from prefdelta.graders.maths import grade

    return [list(graded) for graded in grade_all(((grade, Reply(text), [right]) for right, text in PAIRS), threads=1)]


def theirs() -> list[bool]:
    from math_verify import parse, verify

    return [verify(parse(f"${right}$"), parse(text)) for right, text in PAIRS]


def in_a_fork(work: Callable[[], T]) -> T:
    with get_context("fork").Pool(1) as pool:
        result = pool.apply(work)
        pool.close()
        pool.join()  # its CPU seconds count once it has ended
    return result


def main() -> None:
    import math_verify  # noqa: F401  # before the forks

    import prefdelta.graders.maths  # noqa: F401

    with earlier_tree() as tree:
        program = "import json, bench.grade_maths as g; print(json.dumps(g.ours()))"
        path = os.pathsep.join([f"{tree}/src", str(Path(__file__).parents[1])])
        found = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    earlier = json.loads(found.stdout)

    def same(graded: list[list[object]], verified: list[bool]) -> None:
        assert graded == earlier
        agree = sum(bool(one[1]) == other for one, other in zip(graded, verified, strict=True))
        print(f"{len(graded)} verdicts as the earlier tree's; {agree} as math-verify's", flush=True)

    side_by_side("grade-maths", lambda: in_a_fork(ours), lambda: in_a_fork(theirs), same=same, measure="cpu")


if __name__ == "__main__":
    main()
