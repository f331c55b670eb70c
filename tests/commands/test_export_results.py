"""`prefdelta export results`: accuracies with their intervals, as the schema of Every Eval Ever 0.3 has them."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from prefdelta.commands.main import main
from prefdelta.core.statistics import wilson_interval
from prefdelta.records.prompt import Prompt
from prefdelta.store import tables
from prefdelta.system.files import sha256_of

from .export_made import export, lines, make_manifests
from .made import ALL, BENCHMARK, CONFIG, PROMPTS, RECORD, RESULTS, SWAPPED

OUT, TEMPLATE = Path("out"), Path("resources/templates/problem.md")
SCHEMAS = Path(__file__).parent / "every_eval_ever"


pytestmark = pytest.mark.usefixtures("exporting")


def validate(content, name):
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(content, schema, jsonschema.Draft7Validator)


def written(*words):
    """Name of a policy -> (its file, the content)."""
    assert export("results", "--organization", "lab", "--out", OUT, *words) == 0
    found = {path: json.loads(path.read_text()) for path in OUT.rglob("*.json")}
    return {content["model_info"]["name"]: (path, content) for path, content in found.items()}


def test_every_policy_has_a_file_that_the_schema_accepts_under_its_own_name():
    found = written()
    assert len(found) == 5  # four arms, and the untrained policy; the arm of KTO is not evaluated yet
    for path, content in found.values():
        validate(content, "eval")
        organization, _, name = content["model_info"]["id"].partition("/")
        assert path.parent == OUT / "data" / "prefdelta-mini" / organization / name


def test_a_score_has_its_interval_and_says_of_what():
    _, content = written()["pa/base"]
    (result,) = content["evaluation_results"]
    wilson = wilson_interval(5, 6)  # one item is truncated, which counts as not solved
    assert result["score_details"]["score"] == wilson.value
    interval = result["score_details"]["uncertainty"]["confidence_interval"]
    assert (interval["lower"], interval["upper"]) == (wilson.low, wilson.high)
    assert interval["confidence_level"] == 0.95
    assert "Wilson" in interval["method"]
    assert result["generation_config"]["generation_args"]["max_tokens"] > 0


def test_answers_are_lines_of_the_schema_and_failures_of_ours_are_no_results():
    found = written("--items", "--arms", "pa/base", SWAPPED)
    assert found.keys() == {"pa/base", SWAPPED}
    path, content = found[SWAPPED]
    validate(content, "eval")
    told = content["detailed_evaluation_results"]
    samples = path.with_name(f"{path.stem}_samples.jsonl")
    assert told["file_path"] == samples.relative_to(OUT).as_posix()
    assert told["checksum"] == sha256_of(samples)
    rows = lines(samples)
    assert told["total_rows"] == len(rows) == len(PROMPTS) - 1  # the engine crashed on p0
    for row in rows:
        validate(row, "instance_level_eval")
        assert row["evaluation_id"] == content["evaluation_id"]
        assert row["output"]["raw"] == ["a reply"]
    base, _ = found["pa/base"]
    answers = lines(base.with_name(f"{base.stem}_samples.jsonl"))
    assert [row["error"] for row in answers] == ["truncated", *[None] * 5]
    assert answers[0]["evaluation"] == {"score": 0, "is_correct": False}


@pytest.mark.parametrize(
    "path", [TEMPLATE, RESULTS / f"prompts/{BENCHMARK}.parquet", RESULTS / "evaluate/pa/base/sampled.parquet"]
)
def test_what_changed_since_the_answers_is_not_stated_as_what_was_asked(capsys, path):
    other = {".md": Path("resources/templates/maths.md"), ".parquet": RESULTS / f"evaluate/{SWAPPED}/sampled.parquet"}
    shutil.copy(RESULTS / "prompts/train.parquet" if "prompts" in path.parts else other[path.suffix], path)
    assert export("results", "--organization", "lab", "--out", OUT) == 2
    assert str(path) in capsys.readouterr().err
    assert not OUT.exists()


def test_answers_whose_replies_are_gone_are_refused_with_their_number(capsys):
    shutil.rmtree(RECORD / "calls/evaluate/policy-swapped")
    before = sorted(Path().iterdir())
    assert export("results", "--organization", "lab", "--out", OUT, "--items") == 2
    assert "5 of 5 answers" in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before
    assert export("results", "--organization", "lab", "--out", OUT) == 0  # scores need no replies


def test_answers_to_problems_that_are_not_there_are_refused(capsys):
    """Also where the manifests are of an older version, which named no files."""
    tables.write(RESULTS / f"prompts/{BENCHMARK}.parquet", Prompt, [Prompt("p0", BENCHMARK, "item", ["1"])])
    make_manifests()
    assert export("results", "--organization", "lab", "--out", OUT, "--items") == 2
    assert BENCHMARK in capsys.readouterr().err


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "-x", "/lab", "lab\n"])
def test_an_organisation_is_the_name_of_a_folder(name):
    assert main(["export", "results", f"--organization={name}", "--out", "out", "--configfile", CONFIG]) == 2
    assert not OUT.exists()


def test_what_is_not_evaluated_is_refused(capsys):
    assert export("results", "--organization", "lab", "--out", OUT, "--arms", "pa/g3~g1/all/dpo/s9") == 2
    assert ALL in capsys.readouterr().err
    shutil.rmtree(RESULTS / "evaluate")
    assert export("results", "--organization", "lab", "--out", OUT) == 2
    assert not OUT.exists()


def test_a_table_that_turns_out_to_be_damaged_leaves_nothing_behind(capsys):
    (RESULTS / f"prompts/{BENCHMARK}.parquet").write_text("not a table")
    before = sorted(Path().iterdir())
    assert export("results", "--organization", "lab", "--out", OUT, "--items") == 2
    assert BENCHMARK in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before
