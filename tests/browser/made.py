"""A small made-up study in the form that the stage `browse` writes, with all that a page may stumble over."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

from prefdelta.browsing.scripts import Scripts

APPLICATION = Path(__file__).parents[2] / "resources/browser"
STUDY = "made"
PAGE = 10  # problems or items per file
PAIRS = 40
DIMENSIONS = ["factuality", "step_coherence", "signal_to_noise"]
PAIRING = "strong~weak"
SELECTIONS = ["all/t0", "top-mean-10/t0", "swapped/t0"]
POLICIES = [
    "policy/base",
    *(f"policy/{PAIRING}/{name.split('/')[0]}/dpo/s{seed}" for name in SELECTIONS for seed in (0, 1)),
]
BENCHMARKS = {"quadratics": (30, 1), "draws": (12, 4)}  # name -> items, draws
ITEMS_WITH_TEXT = 20

# What must be shown as text, at the pairs where it is shown. The first one would name the page after itself.
HOSTILE = 0
TAGS = "<script>document.title = 'taken over'</script><img src=x onerror=\"document.title = 'taken over'\">"
MONEY, UNWRITTEN, ONE_SIDED, UNJUDGED, TYPICAL = 1, 2, 3, 4, 7
PRICES = "It costs $5, or $6 with a hat."


def prompt_id(number: int) -> str:
    return f"{number:04x}f00d"


def pair_id(row: int) -> str:
    return f"{row:04x}beef"


def problem(number: int) -> dict[str, Any]:
    total, product = number + 5, number + 6
    text = (
        f"Let $a$ and $b$ be the roots of\n$$x^2 - {total}x + {product} = 0.$$\n"
        "Find $a^2 + b^2$, and give the answer in a box."
    )
    return {"id": prompt_id(number), "text": text, "answers": [str(total * total - 2 * product)]}


def answer(number: int) -> int:
    return (number + 5) ** 2 - 2 * (number + 6)


def solution(number: int, right: bool) -> str:
    total, product = number + 5, number + 6
    if not right:
        return (
            f"Hmm, squares of roots. Let me try: $a^2 + b^2 = (a + b)^2 = {total}^2 = {total * total}$.\n\n"
            f"Wait, is that so? We have \\(a + b = {total}\\), so it should be. Let me check this again, step by step, "
            f"to be on the safe side.\n\nThe sum is ${total}$, and its square is ${total * total}$.\n\n"
            f"The answer is $\\boxed{{{total * total}}}$."
        )
    return (
        f"By Vieta's formulas \\(a + b = {total}\\) and \\(ab = {product}\\).\n\nThe square of the sum holds both "
        f"squares and twice the product, so\n\\[ a^2 + b^2 = (a + b)^2 - 2ab = {total}^2 - 2\\cdot{product} = "
        f"{answer(number)}. \\]\nHence the answer is $\\boxed{{{answer(number)}}}$."
    )


class Study:
    """The made-up study's content, from which its scripts are written."""

    def __init__(self) -> None:
        self.rng = random.Random(0)
        self.prompts = [problem(number) for number in range(PAIRS)]
        self.traces = [[[self._trace(g, number)] for number in range(PAIRS)] for g in range(2)]

    def _trace(self, generator: int, number: int) -> dict[str, Any]:
        right = generator == 0 if number == TYPICAL else self.rng.random() < (0.8, 0.35)[generator]
        text = solution(number, right)
        if generator == 1:
            text = {HOSTILE: f"{TAGS}\n\n{text}", MONEY: f"{PRICES}\n\n{text}"}.get(number, text)
        judged = (generator, number) != (1, UNJUDGED)
        scores = {name: self.rng.randint(3, 5) if right else self.rng.randint(1, 4) for name in DIMENSIONS}
        return {
            "sample": 0,
            "text": None if (generator, number) == (1, UNWRITTEN) else text,
            "finish_reason": "stop" if judged else "length",
            "tokens": len(text) // 3,
            "seed": str(9_007_199_254_740_993 + number),
            "failure": None,
            "call_key": f"call-{generator}-{number}",
            "extracted": str(answer(number) if right else (number + 5) ** 2) if judged else None,
            "correct": right if judged else None,
            "grade_failure": None if judged else "truncated",
            "judgements": self._judgements(scores if judged else None),
            "replies": [
                {
                    "reasoning": f"Problem {number}: each step follows.",
                    "reply": json.dumps(scores),
                    "judge": "judge-120b",
                }
            ]
            if judged
            else [],
        }

    def _judgements(self, scores: dict[str, int] | None) -> dict[str, Any]:
        if scores is None:
            failed = {"score": None, "failure": "unusable_trace", "attempts": 0, "votes": []}
            return dict.fromkeys(DIMENSIONS, failed)
        return {
            name: {
                "score": score,
                "failure": None,
                "attempts": 1,
                "votes": [{"score": score, "failure": None, "attempt": 0, "key": "vote", "reply": 0}],
            }
            for name, score in scores.items()
        }

    def scores(self, generator: int, dimension: str) -> list[float | None]:
        found = [trace["judgements"] for [trace] in self.traces[generator]]
        if dimension != "mean":
            return [its[dimension]["score"] for its in found]
        parts = [[its[name]["score"] for name in DIMENSIONS] for its in found]
        return [None if None in its else round(sum(its) / len(its), 6) for its in parts]

    def pairs(self) -> dict[str, Any]:
        dimensions = [*DIMENSIONS, "mean"]
        chosen, rejected = ({name: self.scores(g, name) for name in dimensions} for g in range(2))
        deltas = {
            name: [
                None if one is None or other is None else round(one - other, 6)
                for one, other in zip(chosen[name], rejected[name], strict=True)
            ]
            for name in dimensions
        }
        sides = [[trace for [trace] in of] for of in self.traces]
        correct = [[None if trace["correct"] is None else int(trace["correct"]) for trace in side] for side in sides]
        words = {1: "right", 0: "wrong"}
        by_mean = sorted(range(PAIRS), key=lambda row: (-(deltas["mean"][row] or -9), row))
        lengths = [[len(trace["text"] or "") for trace in side] for side in sides]
        return {
            "pair_id": [pair_id(row) for row in range(PAIRS)],
            "prompt": list(range(PAIRS)),
            "chosen_sample": [0] * PAIRS,
            "rejected_sample": [None if row == ONE_SIDED else 0 for row in range(PAIRS)],
            "pool": [1] * PAIRS,
            "cell": [
                None if None in (one, other) else f"{words[one]}-{words[other]}"
                for one, other in zip(*correct, strict=True)
            ],
            "eligible": [int(row not in (ONE_SIDED, UNJUDGED)) for row in range(PAIRS)],
            "reason": [{ONE_SIDED: "no_rejected_trace", UNJUDGED: "truncated"}.get(row) for row in range(PAIRS)],
            "chosen_tokens": [trace["tokens"] for trace in sides[0]],
            "rejected_tokens": [None if row == ONE_SIDED else trace["tokens"] for row, trace in enumerate(sides[1])],
            "chosen_characters": lengths[0],
            "rejected_characters": lengths[1],
            "chosen_correct": correct[0],
            "rejected_correct": correct[1],
            "deltas": deltas,
            "chosen_scores": chosen,
            "rejected_scores": rejected,
            "ranks": {
                "0": [[row, row + 1, 0] for row in range(PAIRS)],
                "1": [[row, rank + 1, 0] for rank, row in enumerate(by_mean[:10])],
                "2": [[row, row + 1, 1] for row in range(5)],
            },
        }

    def study(self) -> dict[str, Any]:
        sampling = {"temperature": 0.6, "top_p": 0.95, "max_tokens": 32768}
        return {
            "study": STUDY,
            "title": "A made-up study",
            "page": PAGE,
            "dimensions": [*DIMENSIONS, "mean"],
            "judged": {"mean": DIMENSIONS},
            "rubrics": {name: f"Rubric of {name}: 5 is best." for name in DIMENSIONS},
            "judge_template": "Rate the trace.\n{problem}\n{trace}\n{rubric}",
            "judges": [
                {"form": "all", "dimensions": DIMENSIONS, "model": "judge-120b", "where": "vllm", "revision": "0a1b2c"}
            ],
            "generators": [
                {
                    "name": name,
                    "model": f"made/{name}",
                    "revision": f"commit-of-{name}",
                    "template": "{problem}\nThink step by step.",
                    "sampling": sampling,
                    "system": None,
                    "draw": 0,
                    "source": "c0ffee",
                }
                for name in ("strong", "weak")
            ],
            "pairings": [{"name": PAIRING, "chosen": 0, "rejected": 1, "pairs": PAIRS, "selections": SELECTIONS}],
            "prompts": PAIRS,
            "prompt_ids": [prompt["id"] for prompt in self.prompts],
            "arms": [
                {
                    "name": name,
                    "policy": "policy",
                    "pairing": 0,
                    "selection": at // 2,
                    "recipe": "dpo",
                    "seed": at % 2,
                }
                for at, name in enumerate(POLICIES[1:])
            ],
            "policies": POLICIES,
            "benchmarks": [
                {
                    "name": name,
                    "title": name.capitalize(),
                    "domain": "maths",
                    "items": items,
                    "samples": samples,
                    "group": "all",
                    "temperature": 0.6,
                }
                for name, (items, samples) in BENCHMARKS.items()
            ],
            "versions": {"commit": "0123456789ab", "written": None},
        }

    def right(self, items: int, samples: int) -> list[str]:
        """Per policy a sign per draw. All solve the first item, none the second, the base alone the third."""
        marks = []
        for at in range(len(POLICIES)):
            drawn = self.rng.choices("10-", weights=[at + 3, 5, 1], k=(items - 3) * samples)
            marks.append("1" * samples + "0" * samples + ("1" if at == 0 else "0") * samples + "".join(drawn))
        return marks

    def write(self, folder: Path) -> None:
        """Write the page, its application and the data."""
        shutil.copytree(APPLICATION, folder / "app")
        shutil.move(folder / "app/index.html", folder / "index.html")
        out = Scripts(folder / "data")
        out.write("pairs/0", self.pairs())
        for page in range(0, PAIRS, PAGE):
            out.write(f"prompts/{page // PAGE}", self.prompts[page : page + PAGE])
            for g in range(2):
                out.write(f"traces/{g}/{page // PAGE}", self.traces[g][page : page + PAGE])
        for b, (items, samples) in enumerate(BENCHMARKS.values()):
            self._write_benchmark(out, b, items, samples)
        out.write("study", self.study())

    def _write_benchmark(self, out: Scripts, b: int, items: int, samples: int) -> None:
        marks = self.right(items, samples)
        out.write(
            f"items/{b}",
            {
                "prompt_ids": [prompt_id(number) for number in range(items)],
                "right": marks,
                "samples": samples,
                "finish": [its.replace("1", "s").replace("0", "s").replace("-", "l") for its in marks],
                "tokens": [[100 + number for number in range(items)] for _ in POLICIES],
                "policies": list(range(len(POLICIES))),
                "has_text": [int(number < ITEMS_WITH_TEXT) for number in range(items)],
            },
        )
        for page in range(0, items, PAGE):
            shown = [
                {**problem(number), "by_policy": self._answers(marks, number, samples)}
                for number in range(page, min(items, page + PAGE))
            ]
            out.write(f"answers/{b}/{page // PAGE}", shown)

    def _answers(self, marks: list[str], number: int, samples: int) -> dict[str, Any]:
        if number >= ITEMS_WITH_TEXT:
            return {}
        return {
            str(at): [
                {
                    "sample": 0,
                    "text": solution(number, its[number * samples] == "1"),
                    "extracted": str(answer(number)),
                    "correct": its[number * samples] == "1",
                    "finish_reason": "stop",
                    "tokens": 100 + number,
                    "failure": None,
                }
            ]
            for at, its in enumerate(marks)
        }
