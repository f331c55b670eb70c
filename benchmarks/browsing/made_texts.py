"""Made-up texts with what a page must not stumble over: maths in LaTeX, code, tags, quotes, other scripts."""

import numpy as np

PARAGRAPHS = (
    "We write the condition as \\(x_{%d} + y = %d\\), and look for whole numbers.",
    "Then \\[ \\sum_{k=1}^{%d} k^2 = \\frac{n(n+1)(2n+1)}{6}, \\qquad n = %d. \\]",
    "Because $a^{%d} \\equiv 1 \\pmod{%d}$, the order of $a$ divides $\\varphi(n)$, and so $\\boxed{%d}$ is possible.",
    "$$\\int_0^{%d} \\frac{\\sin x}{x}\\,dx \\approx \\begin{pmatrix} 1 & %d \\\\ 0 & 1 \\end{pmatrix}$$",
    "```python\ndef f(n):\n    return n if n < %d else f(n - 1) + f(n - 2)  # a < b && c > d\nprint(f(%d))\n```",
    "<script>alert(%d)</script><img src=x onerror=alert(%d)> is what the page would hold, so we escape it.",
    "</script><!-- %d --> <a href=\"javascript:alert('%d')\">here</a> & \u2028 \u2029 \x1b[31mred\x1b[0m \\u003c.",
    "Wait, let me check this again. If we take %d apples from %d, some are left; hmm, that is not what was asked.",
    "| n | f(n) |\n|---|---|\n| %d | %d |",
    "Пусть $n = %d$; 設 $m = %d$; \u05d0\u05d1\u05d2 \u202e right to left, \U0001d4d0 and \u00e9.",
    "\\href{javascript:alert(%d)}{a link} \\htmlData{x=%d}{y} must not be obeyed; $\\unknown{x}$ is shown as it is.",
    "So the answer is close to %d. Let us go on with case %d, which is the long one.\n",
)
_POOL = 2_000  # different paragraphs


def paragraphs(rng: np.random.Generator) -> list[str]:
    """Paragraphs with numbers, to be put together in any order."""
    forms = rng.integers(0, len(PARAGRAPHS), _POOL)
    numbers = rng.integers(2, 5_000, (_POOL, 3)).tolist()
    return [
        PARAGRAPHS[form] % tuple(its[: PARAGRAPHS[form].count("%d")])
        for form, its in zip(forms.tolist(), numbers, strict=True)
    ]


def lengthy(rng: np.random.Generator, pool: list[str], characters: np.ndarray) -> list[str]:
    """Texts of about so many characters each."""
    mean = sum(map(len, pool)) / len(pool) + 2
    found = []
    for length in characters.tolist():
        picks = rng.integers(0, len(pool), max(1, round(length / mean))).tolist()
        found.append("\n\n".join([pool[pick] for pick in picks]))
    return found
