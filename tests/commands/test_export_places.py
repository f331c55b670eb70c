"""Exports of a study whose models, data sets and templates lie on this machine: nothing tells where."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.export.columns import FORMATS
from prefdelta.core.hub import HubModel
from prefdelta.models.repositories import identity_of

from .export_made import change_study, export, lines
from .made import ALL, CONFIG, MODELS, RECORD, SFT

OUT = Path("out")


@pytest.fixture
def elsewhere(exporting, tmp_path_factory):
    """A folder with all that the study takes from outside of its root."""
    folder = tmp_path_factory.mktemp("private")
    shutil.copytree(RECORD / "models" / MODELS["pa"], folder / "pa")
    shutil.copy("resources/templates/problem.md", folder / "problem.md")
    template = str(folder / "problem.md")
    data = {"dataset": str(folder / "data"), "split": "train", "fields": {"problem": "a", "answer": "b"}}
    data |= {"grader": "maths"}
    benchmark = Path("resources/benchmarks/mini_code.yaml")
    benchmark.write_text(yaml.safe_dump(yaml.safe_load(benchmark.read_text()) | {"source": data}))
    engine = yaml.safe_load(Path(CONFIG).read_text())["judge"]["engine"]
    judge = {"name": "openai", "model": str(folder / "judge"), "base_url": "http://127.0.0.1:1/v1"}
    judge |= {key: engine[key] for key in ("deadline_s",) if key in engine}
    change_study(
        models={"pa": {"hub": str(folder / "pa")}},
        prompts={"train": data, "domain": "maths"},
        generate={"template": template},
        reference={"template": template},
        judge={"engine": judge},
        evaluate={"template": template},
    )
    return folder


def told(folder):
    """Every byte below a folder that is not a weight, and in Parquet what the columns hold."""
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    texts += [json.dumps(lines_of(path)).encode() for path in folder.rglob("*.parquet")]
    return b"".join(texts)


def lines_of(path):
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("words", [[ALL], [SFT], ["--pairing", "g3~g1"]])
def test_pairs_do_not_tell_where_anything_lies(elsewhere, words, form):
    assert export(*words, "--format", form, "--out", OUT) == 0
    assert elsewhere.name.encode() not in told(OUT)
    card = (OUT / "README.md").read_text()
    assert "g1: pa (a local folder), revision sha256:" in card
    assert "Problems: a local folder" in card


def test_a_local_model_has_its_name_in_the_study_and_the_hash_of_its_files(elsewhere):
    assert export(ALL, "--format", "jsonl", "--out", OUT) == 0
    row = lines(OUT / "data/train.jsonl")[0]
    assert row["rejected_model"] == "pa"
    assert row["rejected_revision"] == f"sha256:{identity_of(HubModel(name=str(elsewhere / 'pa')))}"


def test_results_and_policies_do_not_tell_where_anything_lies(elsewhere):
    assert export("results", "--organization", "lab", "--out", OUT / "results") == 0
    assert export("policy", ALL, "--out", OUT / "policy") == 0
    assert elsewhere.name.encode() not in told(OUT)
    base = next(
        content
        for path in OUT.rglob("*.json")
        if "model_info" in (content := json.loads(path.read_text())) and content["model_info"]["name"] == "pa/base"
    )
    assert base["source_metadata"]["evaluator_relationship"] == "first_party"  # the model is nobody else's on the hub
    assert base["model_info"]["additional_details"]["base_revision"].startswith("sha256:")
