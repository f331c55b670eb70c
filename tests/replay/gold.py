"""How the graders judge real rows: right answers against themselves, and outputs of models. A script, not a test.

    python tests/replay/gold.py FOLDER

FOLDER has <benchmark>.jsonl for benchmarks of resources/benchmarks, in their columns; and, where there are any,
outputs_math.jsonl {gold, output, reference_correct}, outputs_theoremqa.jsonl {gold, answer_type, output,
reference_correct}, olympiadbench_judge_pairs.jsonl {gold, answer, equal}. Prints, per benchmark, how many right answers
are accepted for their own item, and for the item before; per file of outputs, in how many verdicts grader and reference
agree. Every other verdict is listed. For mathematics math-verify, called as in maths.py, is beside it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maths import plain_math_verify  # the script beside this one

from prefdelta.core.answers.final_answers import theoremqa_answer
from prefdelta.core.answers.grading import Grader, GradingError
from prefdelta.core.data.items import read_items
from prefdelta.core.data.sources import DataSource
from prefdelta.graders import choice, maths, theoremqa
from prefdelta.records.prompt import Prompt
from prefdelta.study.config.files import read_benchmark

ROOT = Path(__file__).parents[2]
GRADERS: dict[str, Grader] = {"maths": maths.grade, "theoremqa": theoremqa.grade, "choice": choice.grade}
Verdict = bool | str


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def judge(grader: Grader, text: str, gold: str) -> Verdict:
    try:
        found = grader(text, [gold])
    except GradingError as error:
        return error.kind
    except Exception as error:
        return type(error).__name__
    return found is not None and found[1]


def said(source: DataSource, gold: str) -> str:
    """What a model would write that gives a right answer as it stands in the data."""
    if source.grader == "theoremqa":
        gold = str(json.loads(gold)["answer"])
    return rf"Therefore, the final answer is $\boxed{{{gold}}}$."


def benchmarks(folder: Path) -> Iterator[tuple[str, DataSource, list[Prompt]]]:
    for path in sorted((ROOT / "resources" / "benchmarks").glob("*.yaml")):
        rows = folder / f"{path.stem}.jsonl"
        source = read_benchmark(path).source
        if not rows.exists() or not isinstance(source, DataSource) or source.grader not in GRADERS:
            continue
        fields = source.fields.model_copy(update={"id": None})  # ids are not what is looked at here
        items = [item for _, item in read_items(rows_of(rows), source.model_copy(update={"fields": fields}), path.stem)]
        yield path.stem, source, [item for item in items if isinstance(item, Prompt)]


def gold_against_gold(folder: Path) -> None:
    print(f"{'benchmark':16} {'items':>6} {'own accepted':>13} {'next accepted':>14} {'own by math-verify':>19}")
    told = []
    for name, source, prompts in benchmarks(folder):
        grader, golds = GRADERS[source.grader], [prompt.answers[0] for prompt in prompts]
        own = [judge(grader, said(source, gold), gold) for gold in golds]
        following = golds[1:] + golds[:1]
        after = [judge(grader, said(source, other), gold) for gold, other in zip(golds, following, strict=True)]
        plain = ""
        if source.grader == "maths":
            plain = str(sum(plain_math_verify(gold, said(source, gold)) for gold in golds))
        print(f"{name:16} {len(golds):6} {own.count(True):13} {after.count(True):14} {plain:>19}")
        told += [
            f"  {name}: its own answer: {one}: {gold}" for gold, one in zip(golds, own, strict=True) if one is not True
        ]
        told += [
            f"  {name}: the next item's answer: {one}: {gold} | {other}"
            for gold, other, one in zip(golds, following, after, strict=True)
            if one is not False and gold != other
        ]
    print("\n".join(told) or "  no other verdicts, but where two items have the same answer")


def outputs(folder: Path) -> None:
    files: list[tuple[str, Any]] = [
        ("outputs_math.jsonl", lambda row: (maths.grade, row["output"], row["gold"], row["reference_correct"])),
        (
            "outputs_theoremqa.jsonl",
            lambda row: (
                theoremqa.grade,
                row["output"],
                theoremqa_answer(row["gold"], row["answer_type"]),
                row["reference_correct"],
            ),
        ),
        (
            "olympiadbench_judge_pairs.jsonl",
            lambda row: (
                maths.grade,
                row["answer"] if "boxed" in row["answer"] else rf"\boxed{{{row['answer']}}}",
                row["gold"],
                row["equal"],
            ),
        ),
    ]
    for name, read in files:
        if not (folder / name).exists():
            continue
        rows = [read(row) for row in rows_of(folder / name)]
        verdicts = [judge(grader, text, gold) for grader, text, gold, _ in rows]
        agreed = sum(one == expected for one, (*_, expected) in zip(verdicts, rows, strict=True))
        print(f"\n{name}: {agreed} of {len(rows)} as the reference, {verdicts.count(True)} accepted")
        if rows[0][0] is maths.grade:
            plain = [plain_math_verify(gold, text) for _, text, gold, _ in rows]
            same = sum(one == expected for one, (*_, expected) in zip(plain, rows, strict=True))
            other = sum(one != two for one, two in zip(plain, verdicts, strict=True))
            print(f"  math-verify: {same} as the reference, {plain.count(True)} accepted; {other} other than ours")
        for number, (one, (_, text, gold, expected)) in enumerate(zip(verdicts, rows, strict=True), start=1):
            if one != expected:
                print(f"  line {number}: {one}, reference {expected}: gold {gold} | …{text[-120:]!r}")


def main(folder: str) -> None:
    gold_against_gold(Path(folder))
    outputs(Path(folder))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
