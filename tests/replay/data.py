"""Replays the cases about data sets and contamination: python tests/replay/data.py FOLDER

FOLDER has data_and_grading.jsonl, a case per line, whose inputs are in words; each is done here with the package's own
functions. If math_500.jsonl lies in FOLDER/../realdata, the cases about contamination are tried on all of its items.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefdelta.core.asking.requests import Failure, Reply, Request, Sampling
from prefdelta.core.data.contamination import overlaps
from prefdelta.core.data.items import read_items
from prefdelta.core.data.sources import DataSource, Fields, TraceFields
from prefdelta.core.errors import StudyError
from prefdelta.engines.dataset import DatasetEngine
from prefdelta.records.prompt import Prompt

FILE = "data_and_grading.jsonl"
NGRAM = 13
PROBLEM = {"p": "What is 2+3?", "a": "5"}
SOLUTION = "<think>\n2+3\n</think>\n\nThe answer is \\boxed{5}."


def replay(folder: Path) -> dict[str, bool]:
    """Case -> whether it holds; those of the file that are about data sets or contamination."""
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    present = {str(json.loads(line)["case"]) for line in lines if line.strip()}
    problems = _math_500(folder.parent / "realdata/math_500.jsonl")
    contamination = {"11": lambda: _labels(problems), "11a": lambda: _typesetting(problems)}
    return {case: holds() for case, holds in {**_DATA, **contamination}.items() if case in present}


# --- traces -----------------------------------------------------------------------------------------------------------


def _traces(rows: list[dict[str, Any]], samples: int, **columns: str) -> list[Reply | Failure] | StudyError:
    """What the dataset engine answers for the first row's problem, from a file of these rows."""
    with TemporaryDirectory() as folder:
        text = "".join(json.dumps({**PROBLEM, **row}) + "\n" for row in rows)
        (Path(folder) / "train.jsonl").write_text(text, encoding="utf-8")
        source = DataSource(dataset=folder, split="train", fields=Fields(problem="p", answer="a"), grader="maths")
        ((_, prompt),) = read_items([PROBLEM], source, "train")
        assert isinstance(prompt, Prompt)
        engine = DatasetEngine(source, TraceFields(**columns))
        sampling = Sampling(temperature=0.0, max_tokens=1)
        plan = [
            (str(sample), Request((("user", prompt.text),), sampling, 1, sample, prompt_id=prompt.prompt_id))
            for sample in range(samples)
        ]
        try:
            return sorted(engine.run(plan, [key for key, _ in plan]), key=lambda result: result.key)
        except StudyError as error:
            return error


def _one(row: dict[str, Any], **columns: str) -> Reply | Failure | StudyError:
    found = _traces([row], 1, **columns)
    return found if isinstance(found, StudyError) else found[0]


def _whole(found: Reply | Failure | StudyError) -> bool:
    return isinstance(found, Reply) and found.finish_reason == "stop"


def _texts() -> bool:
    found = _traces([{"solution": SOLUTION}], 2, generations="solution")
    return not isinstance(found, StudyError) and (
        isinstance(found[0], Reply) and found[0].text == SOLUTION and isinstance(found[1], Failure)
    )


def _cut() -> bool:
    found = _one({"f": "length", "g": [SOLUTION]}, generations="g", finish="f")
    return isinstance(found, Reply) and found.finish_reason == "length"


def _wrong() -> bool:
    said = [_one({"c": value, "g": [SOLUTION]}, generations="g", correct="c") for value in (["False"], "no")]
    return all(isinstance(found, Reply) and found.source_correct is False for found in said)


def _several_rows() -> bool:
    found = _traces([{"g": ["one"]}, {"g": ["two"]}], 2, generations="g")
    return not isinstance(found, StudyError) and [one.text for one in found] == ["one", "two"]


# --- prompts ----------------------------------------------------------------------------------------------------------


def _read(row: dict[str, Any], grader: Any, **columns: str) -> Prompt | str | StudyError:
    source = DataSource(dataset="o/d", split="test", fields=Fields(problem="p", **columns), grader=grader)
    try:
        return next(iter(read_items([{"p": "Which?", **row}], source, "bench")))[1]
    except StudyError as error:
        return error


def _labelled_options() -> bool:
    choices = {"text": ["oxygen", "carbon dioxide", "helium", "neon"], "label": ["A", "B", "C", "D"]}
    found = _read({"choices": choices, "answerKey": "B"}, "choice", options="choices", answer="answerKey")
    listed = "Which?\n\nA. oxygen\nB. carbon dioxide\nC. helium\nD. neon"
    return isinstance(found, Prompt) and (found.text, found.answers) == (listed, ["B"])


def _options_as_text() -> bool:
    found = _read({"choices": "red;blue", "answer": "A"}, "choice", options="choices", answer="answer")
    return isinstance(found, StudyError) and "'choices'" in str(found)


def _answer_as_object() -> bool:
    found = _read({"answer": {"ground_truth": "34", "style": "rule"}}, "maths", answer="answer")
    return isinstance(found, StudyError) and "'answer'" in str(found)


_DATA: dict[str, Callable[[], bool]] = {
    "1": _texts,
    "1a": _cut,
    "1b": _wrong,
    "1c": lambda: _whole(_one({"ok": True, "g": [SOLUTION]}, generations="g", complete="ok")),
    "1d": lambda: _whole(_one({"ok": [1], "g": [SOLUTION]}, generations="g", complete="ok")),
    "1e": _several_rows,
    "3": _labelled_options,
    "3a": _options_as_text,
    "3b": _answer_as_object,
}


# --- contamination ----------------------------------------------------------------------------------------------------


def _math_500(path: Path) -> list[str]:
    if not path.is_file():
        return ["Evaluate $(1+2i)6-3i$."]
    return [json.loads(line)["problem"] for line in path.read_text(encoding="utf-8").splitlines()]


def missed(problems: list[str], written: Callable[[str], str]) -> int:
    """Of how many problems no overlap is found with the problem as it is written elsewhere."""
    items = [(str(number), problem) for number, problem in enumerate(problems)]
    found = overlaps([(name, written(problem)) for name, problem in items], items, NGRAM)
    return sum(name not in found.get(name, {}) for name, _ in items)


def _labels(problems: list[str]) -> bool:
    labels = ("", "5. (10 points) ", "Example 3 ", "(15 points) ", "Problem 4. ")
    return all(missed(problems, lambda problem, label=label: label + problem) == 0 for label in labels)  # type: ignore[misc]


def _typesetting(problems: list[str]) -> bool:
    ways: list[Callable[[str], str]] = [
        lambda text: re.sub(r"(?<!\\right)\)", r"\\right)", re.sub(r"(?<!\\left)\(", r"\\left(", text)),
        lambda text: text.replace("\\left", "").replace("\\right", ""),
        lambda text: text.replace("\\frac", "\\dfrac"),
        lambda text: re.sub(r"(?<![\\a-z])([a-z])(?=[a-z](?![a-z]))|(\d)(?=[a-z])", r"\1\2 ", text),  # x y for xy
        lambda text: text.replace("$", ""),
    ]
    return all(missed(problems, written) == 0 for written in ways)


if __name__ == "__main__":
    for case, holds in replay(Path(sys.argv[1])).items():
        sys.stdout.write(f"{FILE} {case}: {'holds' if holds else 'does not hold'}\n")
