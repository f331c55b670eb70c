"""Local folders in the true formats of the data sets of the full study, with a few invented rows each.

Columns, types, file names and cards are as on the hub, as far as public cards and code show them (resources/benchmarks
says where); only the rows are ours. Some are flawed as real ones are: the prompts stage has to say what became of each.
"""

import base64
import json
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml
from pyarrow import parquet

STRING, INT, FLOAT, BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
Types = dict[str, pa.DataType]

# A training problem and an item of GSM8K with 13 words in a row in common.
SHARED = "a farmer sells nine baskets of pears and each of the baskets holds seven ripe pears"
TRAINING_PROBLEMS = 24  # of OpenR1-Math that make a prompt, the contaminated one included
FLAWED = {"no_problem": 2, "no_answer": 1, "repeated": 1}  # rows of OpenR1-Math that make none
OPENR1_NUMBERS = [*range(TRAINING_PROBLEMS - 1), 100, 101, 102, 103, 104]  # of its rows, in order
UUIDS = {3: "NaN", 7: "NaN", 12: f"00000000-0000-5000-8000-{2:012d}"}  # no id: public rows lack it, or share one


def write_all(folder: Path) -> dict[str, Path]:
    """Hub name -> local folder, for the training set and all benchmarks."""
    written = {}
    for name, write in WRITERS.items():
        written[name] = folder / name
        written[name].mkdir(parents=True)
        write(written[name])
    return written


# --- training set -----------------------------------------------------------------------------------------------------


def _openr1(folder: Path) -> None:
    types: Types = {
        "problem": STRING,
        "solution": STRING,
        "answer": STRING,
        "problem_type": STRING,
        "question_type": STRING,
        "source": STRING,
        "uuid": STRING,
        "is_reasoning_complete": pa.list_(BOOL),
        "generations": pa.list_(STRING),
        "correctness_math_verify": pa.list_(BOOL),
        "correctness_llama": pa.list_(BOOL),
        "finish_reasons": pa.list_(STRING),
        "correctness_count": INT,
        "messages": pa.list_(pa.struct([("content", STRING), ("role", STRING)])),
    }
    rows = list(_openr1_rows())
    configs = {"all": {"default": "all/default-*"}, "default": {"train": "data/train-*"}}
    half = len(rows) // 2
    _parquet(folder / "data/train-00000-of-00002.parquet", types, rows[:half])
    _parquet(folder / "data/train-00001-of-00002.parquet", types, rows[half:])
    _parquet(folder / "all/default-00000-of-00001.parquet", types, rows)
    _card(folder, configs)


def _openr1_rows() -> Iterator[dict[str, Any]]:
    for number in range(TRAINING_PROBLEMS - 1):
        a, b = number + 2, 2 * number + 3
        yield _openr1_row(f"Compute ${a} \\cdot {b} + {number}$.", a * b + number, number)
    yield _openr1_row(f"In autumn {SHARED}. How many pears are sold?", 63, 100)
    # Flawed: blank, null, without an answer, the same problem again.
    yield _openr1_row(" \n", 1, 101)
    yield _openr1_row(None, 1, 102)
    yield _openr1_row("Prove that there are infinitely many primes.", None, 103)
    yield _openr1_row("Compute $2 \\cdot 3 + 0$.", 6, 104)


def _openr1_row(problem: str | None, answer: int | None, number: int) -> dict[str, Any]:
    """Two traces, the second wrong; of every fifth row the second is cut, of every seventh it is missing."""
    whole = f"<think>\nLet me work it out.\n</think>\n\nThe answer is $\\boxed{{{answer}}}$."
    wrong = f"<think>\nA guess.\n</think>\n\nThe answer is $\\boxed{{{(answer or 0) + 1}}}$."
    cut, single = number % 5 == 4, number % 7 == 6
    generations = [whole] if single else [whole, "<think>\nLet me work it" if cut else wrong]
    return {
        "problem": problem,
        "solution": f"It is {answer}.",
        "answer": None if answer is None else str(answer),
        "problem_type": "Algebra",
        "question_type": "math-word-problem",
        "source": "olympiads",
        "uuid": UUIDS.get(number, f"00000000-0000-5000-8000-{number:012d}"),
        "is_reasoning_complete": [True] if single else [True, not cut],
        "generations": generations,
        "correctness_math_verify": [True] if single else [True, False],
        "correctness_llama": None,
        "finish_reasons": None if number % 2 else ["stop"] if single else ["stop", "length" if cut else "stop"],
        "correctness_count": 1,
        "messages": [{"content": problem, "role": "user"}, {"content": whole, "role": "assistant"}],
    }


# --- maths ------------------------------------------------------------------------------------------------------------


def _gsm8k(folder: Path) -> None:
    rows = [
        {"question": f"Every morning {SHARED}. How many is that?", "answer": "9*7=<<9*7=63>>63\n#### 63"},
        {"question": "Ann has 3 hens. Each lays 4 eggs. How many eggs?", "answer": "3*4=<<3*4=12>>12 eggs\n#### 12"},
        {"question": "A town has 1,150 people and 50 move in. How many?", "answer": "1150+50=1200\n#### 1,200"},
    ]
    types: Types = {"question": STRING, "answer": STRING}
    for config in ("main", "socratic"):
        for split in ("train", "test"):
            _parquet(folder / f"{config}/{split}-00000-of-00001.parquet", types, rows if split == "test" else rows[:1])
    _card(folder, {name: {split: f"{name}/{split}-*" for split in ("train", "test")} for name in ("main", "socratic")})


def _math_500(folder: Path) -> None:
    rows = [
        {"problem": "What is $\\frac{1}{2} + \\frac{1}{4}$?", "answer": "\\frac{3}{4}"},
        {"problem": "Factor $x^2 - 1$.", "answer": "(x-1)(x+1)"},
        {"problem": "Evaluate $\\sqrt{49}$.", "answer": "7"},
    ]
    more = {"solution": "See the answer.", "subject": "Algebra", "level": 2}
    _jsonl(
        folder / "test.jsonl",
        [{**row, **more, "unique_id": f"test/algebra/{number}.json"} for number, row in enumerate(rows)],
    )
    (folder / "README.md").write_text("---\nlanguage:\n- en\n---\n# Dataset Card for MATH-500\n", encoding="utf-8")


def _amc(folder: Path) -> None:
    types: Types = {"id": INT, "problem": STRING, "answer": FLOAT, "url": STRING}
    rows = [
        {"id": 0, "problem": "The $27$ lamps of a hall stand in $3$ rows. What is their number?", "answer": 27.0},
        {
            "id": 1,
            "problem": "What is the third term of $5, 10, \\dots$ if each is twice the last?",
            "answer": 20.0,
        },
        {
            "id": 0,
            "problem": "A clock strikes $1$ to $12$. How many strokes are that?",
            "answer": 78.0,
        },  # as on the hub
    ]
    _parquet(folder / "data/train-00000-of-00001.parquet", types, [{**row, "url": "https://a.example"} for row in rows])
    _card(folder, {"default": {"train": "data/train-*"}})


def _aime_2024(folder: Path) -> None:
    types: Types = dict.fromkeys(("problem", "solution", "answer", "url", "year"), STRING)
    rows = [
        {"id": 60, "problem": "Find the number of squares on a board of 12 by 17.", "answer": "204"},
        {"id": 61, "problem": "Find the product of the two primes of which one is 3 and one 11.", "answer": "033"},
    ]
    more = {"solution": "...", "url": "https://a.example", "year": "2024"}
    _parquet(folder / "data/train-00000-of-00001.parquet", {"id": INT, **types}, [{**row, **more} for row in rows])
    _card(folder, {"default": {"train": "data/train-*"}})


def _aime_2025(folder: Path) -> None:
    types: Types = {"id": INT, "problem": STRING, "answer": STRING, "solution": STRING, "url": STRING, "year": INT}
    rows = [
        {"id": 0, "problem": "Find the sum of the whole numbers from 13 to 16, plus 12.", "answer": "70"},
        {"id": 1, "problem": "Find the area of a rectangle of 21 by 28.", "answer": "588"},
    ]
    more = {"solution": "...", "url": "https://a.example", "year": 2025}
    _parquet(folder / "data/train-00000-of-00001.parquet", types, [{**row, **more} for row in rows])
    _card(folder, {"default": {"train": "data/train-*"}})


def _olympiadbench(folder: Path) -> None:
    pictures = {f"image_{number}": _IMAGE for number in range(1, 6)}
    texts = ("modality", "difficulty", "unit", "answer_type", "error", "question_type", "subfield", "subject")
    types: Types = {
        "id": INT,
        "question": STRING,
        "solution": pa.list_(STRING),
        "final_answer": pa.list_(STRING),
        "context": STRING,
        **pictures,
        "is_multiple_answer": BOOL,
        **dict.fromkeys((*texts, "language"), STRING),
    }
    shared = {
        "solution": ["..."],
        "context": None,
        **dict.fromkeys(pictures),
        "modality": "Text-only",
        "difficulty": "Competition",
        "unit": None,
        "answer_type": "Numerical",
        "error": None,
        "question_type": "Open-ended",
        "subfield": "Algebra",
        "subject": "Math",
        "language": "English",
    }
    rows = [
        {"id": 1606, "question": "Determine all real $x$ with $x^2=4$.", "final_answer": ["$2,-2$"]},
        {"id": 1610, "question": "Let $T=5$. Compute $T+6$.", "final_answer": ["11"]},
    ]
    config = "OE_TO_maths_en_COMP"
    _parquet(
        folder / f"OlympiadBench/{config}/{config}.parquet",
        types,
        [{**shared, "is_multiple_answer": "," in row["final_answer"][0], **row} for row in rows],
    )
    _card(folder, {config: {"train": f"OlympiadBench/{config}/{config}.parquet"}})


# --- other domains ----------------------------------------------------------------------------------------------------


def _theoremqa(folder: Path) -> None:
    types: Types = {"Question": STRING, "Answer": STRING, "Answer_type": STRING, "Picture": _IMAGE}
    rows = [
        {"Question": "Is the set of rationals countable?", "Answer": "True", "Answer_type": "bool"},
        {"Question": "How many edges has a tree on 12 vertices?", "Answer": "11", "Answer_type": "integer"},
        {"Question": "What is e to three places?", "Answer": "2.718", "Answer_type": "float"},
        {"Question": "Solve x+y=3, x-y=1 as [x, y].", "Answer": "[2, 1]", "Answer_type": "list of integer"},
        {"Question": "Which is prime? (a) 4 (b) 5", "Answer": "(b)", "Answer_type": "option"},
        {
            "Question": "What is in the picture?",
            "Answer": "3",
            "Answer_type": "integer",
            "Picture": _picture(),
        },
    ]
    _parquet(folder / "data/test-00000-of-00001.parquet", types, [{"Picture": None, **row} for row in rows])
    _card(folder, {"default": {"test": "data/test-*"}})


def _mmlu_pro(folder: Path) -> None:
    texts = dict.fromkeys(("cot_content", "category", "src"), STRING)
    types: Types = {
        "question_id": INT,
        "question": STRING,
        "options": pa.list_(STRING),
        "answer": STRING,
        "answer_index": INT,
        **texts,
    }
    rows = [
        {"question": "What is the SI unit of force?", "options": ["joule", "newton", "watt"], "category": "physics"},
        {"question": "What do 3 and 4 make?", "options": [str(n) for n in range(6, 16)], "category": "math"},
    ]
    more = {"answer": "B", "answer_index": 1, "cot_content": "", "src": "invented"}
    rows.append(rows[0])  # as on the hub, word for word, with a question_id of its own
    numbered = [{"question_id": 70 + number, **row, **more} for number, row in enumerate(rows)]
    for split in ("test", "validation"):
        _parquet(folder / f"data/{split}-00000-of-00001.parquet", types, numbered if split == "test" else numbered[:1])
    _card(folder, {"default": {split: f"data/{split}-*" for split in ("test", "validation")}})


def _livecodebench(folder: Path) -> None:
    stdin = _code_row("abc301_a", "atcoder", "Read two integers and print their sum.", "", {})
    stdin |= _tests("stdin", [("1 2\n", "3\n")], [("5 6\n", "11\n"), ("0 0\n", "0\n")])
    starter = "class Solution:\n    def double(self, n: int) -> int:\n        "
    functional = _code_row("3471", "leetcode", "Return twice the given number.", starter, {"func_name": "double"})
    functional |= _tests("functional", [("4", "8")], [("0", "0"), ("-3", "-6")])
    old = {**stdin, "question_id": "abc100_a", "contest_date": "2023-05-01T00:00:00", "question_content": "Print 1."}
    summer = {**old, "question_id": "abc365_a", "contest_date": "2024-08-03T00:00:00", "question_content": "Print 2."}
    for name, rows in (("", [old]), ("2", []), ("3", []), ("4", [summer]), ("5", [stdin, functional]), ("6", [])):
        _jsonl(folder / f"test{name}.jsonl", rows)
    # The hub's repository has a loading script too, which must never be run.
    (folder / "code_generation_lite.py").write_text("raise SystemExit('a loading script was run')\n", encoding="utf-8")
    (folder / "README.md").write_text("---\npretty_name: LiveCodeBench\n---\n", encoding="utf-8")


def _code_row(name: str, platform: str, content: str, starter: str, metadata: dict[str, str]) -> dict[str, Any]:
    return {
        "question_title": name,
        "question_content": content,
        "platform": platform,
        "question_id": name,
        "contest_id": "abc301",
        "contest_date": "2024-11-02T00:00:00",
        "starter_code": starter,
        "difficulty": "easy",
        "metadata": json.dumps(metadata),
    }


def _tests(kind: str, public: Sequence[tuple[str, str]], private: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Private tests as the hub has them: base64 of zlib of a pickle of JSON."""
    listed = [
        json.dumps([{"input": given, "output": expected, "testtype": kind} for given, expected in cases])
        for cases in (public, private)
    ]
    encoded = base64.b64encode(zlib.compress(pickle.dumps(listed[1]))).decode("ascii")
    return {"public_test_cases": listed[0], "private_test_cases": encoded}


# --- files ------------------------------------------------------------------------------------------------------------

_IMAGE = pa.struct([("bytes", pa.binary()), ("path", STRING)])


def _picture() -> dict[str, Any]:
    """A PNG of one white pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return {
        "bytes": b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b""),
        "path": None,
    }


def _parquet(path: Path, types: Types, rows: Sequence[dict[str, Any]]) -> None:
    """A file as `datasets` uploads it: with the features, among them images, in its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    features = {name: {"_type": "Image"} for name, kind in types.items() if kind == _IMAGE}
    features |= {name: _feature(kind) for name, kind in types.items() if kind != _IMAGE}
    info = {"info": {"features": {name: features[name] for name in types}}}
    schema = pa.schema(list(types.items()), metadata={"huggingface": json.dumps(info)})
    parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


def _feature(kind: pa.DataType) -> Any:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": {STRING: "string", INT: "int64", FLOAT: "float64", BOOL: "bool"}[kind], "_type": "Value"}


def _jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _card(folder: Path, configs: dict[str, dict[str, str]]) -> None:
    listed = [
        {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in splits.items()]}
        for name, splits in configs.items()
    ]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': listed})}---\n# Card\n", encoding="utf-8")


WRITERS: dict[str, Callable[[Path], None]] = {
    "open-r1/OpenR1-Math-220k": _openr1,
    "openai/gsm8k": _gsm8k,
    "HuggingFaceH4/MATH-500": _math_500,
    "AI-MO/aimo-validation-amc": _amc,
    "HuggingFaceH4/aime_2024": _aime_2024,
    "yentinglin/aime_2025": _aime_2025,
    "Hothan/OlympiadBench": _olympiadbench,
    "TIGER-Lab/TheoremQA": _theoremqa,
    "TIGER-Lab/MMLU-Pro": _mmlu_pro,
    "livecodebench/code_generation_lite": _livecodebench,
}
