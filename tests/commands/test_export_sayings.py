"""What cards and metadata of exports say, held against the data that they describe."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.export.accuracies import measured
from prefdelta.commands.export.card import card
from prefdelta.commands.export.columns import FORMATS, columns_of
from prefdelta.commands.export.croissant import croissant
from prefdelta.commands.export.lineage import lineage_of, model_lineage
from prefdelta.commands.export.model_card import model_card
from prefdelta.commands.export.pairs import find_arm, pairs_of_pairing, trained_arm
from prefdelta.core.arms import Pairing
from prefdelta.records.manifest import Manifest

from .export_made import KTO, change_study, export, lines
from .made import ALL, MODELS, RECORD, SFT, study_here

OUT = Path("out")
KWARGS = {"enable_thinking": False, "depth": 2, "warmth": 0.5, "style": "terse", "unset": None}


pytestmark = pytest.mark.usefixtures("exporting")


@pytest.fixture
def with_variables():
    """The policy is a local folder whose chat template gets variables."""
    change_policy("".join(f"{{% if {name} %}}{{% endif %}}" for name in KWARGS), chat_template_kwargs=KWARGS)


def change_policy(head, **changes):
    """Take the policy from a folder whose chat template begins with more, and change how it is asked."""
    folder = Path(shutil.copytree(RECORD / "models" / MODELS["pa"], "policy")).absolute()
    template = folder / "chat_template.jinja"
    template.write_text(head + template.read_text())
    change_study(models={"pa": {"hub": str(folder), **changes}})


def told(exported, form="trl"):
    """The card and the metadata of an export."""
    columns = columns_of(exported, form)
    described = croissant(exported, form, columns, "data/train.parquet", "0" * 64, 1, None)
    return card(exported, form, columns, "data/train.parquet", 1, None), json.dumps(described)


@pytest.mark.parametrize(("budget", "passes", "some"), [(1, "0.33", True), (3, "1.00", False), (7, "2.33", False)])
def test_a_card_says_how_much_of_the_pairs_was_seen(budget, passes, some):
    """12 rows in batches of at most 4 are three updates a pass."""
    (path,) = (Path(batch.manifest) for batch in study_here().train_batches if str(batch.arms[0]) == SFT)
    manifest = Manifest.from_json(path.read_text())
    details = replace(manifest.details.arms[SFT], updates=budget, rows=12)
    settings = manifest.settings | {"recipe": manifest.settings["recipe"] | {"batch_size": 4}}
    path.write_text(replace(manifest, details=type(manifest.details)({SFT: details}), settings=settings).to_json())
    assert export(SFT, "--out", OUT) == 0
    text = (OUT / "README.md").read_text()
    assert "was given to train on" in text
    assert f"{budget} updates of up to 4 rows, {passes} passes over its 12 rows." in text
    assert ("has not seen all of them" in text) is some


def test_the_variables_of_the_chat_template_reach_trl(with_variables):
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.data_utils import apply_chat_template

    assert export(ALL, "--out", OUT) == 0
    row = load_dataset(str(OUT), split="train", cache_dir="cache")[0]
    assert row["chat_template_kwargs"] == KWARGS
    tokenizer = AutoTokenizer.from_pretrained(RECORD / "models" / MODELS["pa"])
    tokenizer.chat_template = (
        "{{ enable_thinking }} {{ depth }} {{ style }}{% for message in messages %}|{{ message.content }}{% endfor %}"
    )
    example = {name: row[name] for name in ("prompt", "chosen", "rejected", "chat_template_kwargs")}
    assert apply_chat_template(example, tokenizer)["prompt"] == "False 2 terse|Q:4-1?"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("arm", [ALL, KTO])
def test_the_card_says_how_the_chat_template_was_rendered(with_variables, form, arm):
    import mlcroissant

    assert export(arm, "--format", form, "--out", OUT) == 0
    assert (
        f"for the date {study_here().config.date} and the variables {json.dumps(KWARGS)}"
        in Path(OUT, "README.md").read_text()
    )
    described = mlcroissant.Dataset(str(OUT / "croissant.json"))
    record = next(iter(described.records("pairs")))
    (path,) = OUT.rglob("train.*")
    assert ("chat_template_kwargs" in lines(path)[0] if path.suffix == ".jsonl" else form == "trl") == (
        form in ("trl", "jsonl")
    )
    assert ("pairs/chat_template_kwargs" in record) == (form in ("trl", "jsonl"))


def test_without_variables_there_is_no_column_for_them():
    assert export(ALL, "--format", "jsonl", "--out", OUT) == 0
    assert "chat_template_kwargs" not in lines(OUT / "data/train.jsonl")[0]


def test_a_generator_paired_with_itself_is_not_called_two():
    exported = pairs_of_pairing(study_here(), Pairing("g3", "g1"))
    for text in told(exported):
        assert "rejected side from another" in text
    for text in told(replace(exported, pairing=Pairing("g3", "g3"))):
        assert "both traces by g3, even samples chosen" in text
        assert "another (except" not in text
        assert "is meant to" not in text
        assert "go with the generator" not in text


def test_peoples_scores_are_not_called_the_judges():
    exported = pairs_of_pairing(study_here(), Pairing("g3", "g1"))
    for text in told(exported):
        assert "not from people" in text
        assert "people's" not in text
    by_people = replace(exported, dimensions=[*exported.dimensions, "mean@people", "mean@second"])
    for text in told(by_people):
        assert "not from people" not in text
        assert "No person annotated" not in text
    about = {column.name: column.about for column in columns_of(by_people, "trl")}
    assert about["chosen_score_mean"].startswith("the judge's score")
    assert about["chosen_score_mean@people"].startswith("people's mean score")
    assert about["chosen_score_mean@second"].startswith("the score by the judge second")


@pytest.mark.parametrize("form", FORMATS)
def test_only_readers_of_trl_are_given_trls_settings(form):
    assert export(KTO, "--format", form, "--out", OUT) == 0
    for name in ("README.md", "croissant.json"):
        assert ("train_sampling_strategy" in (OUT / name).read_text()) == (form in ("trl", "jsonl"))


def test_axolotl_writes_the_system_prompt_that_the_policy_was_trained_with():
    assert export(KTO, "--format", "axolotl", "--out", OUT / "without") == 0
    change_policy("{% set messages = messages[1:] %}", system="Be brief.")
    assert export(KTO, "--format", "axolotl", "--out", OUT / "with") == 0
    for name, expected in {"without": "Q", "with": "Be brief.\n\nQ"}.items():
        ((source,),) = [yaml.safe_load((OUT / name / "axolotl.yaml").read_text())["datasets"]]
        row = lines(OUT / name / "train.jsonl")[0]
        assert source["type"]["prompt_format"].format(system=row["system"], prompt="Q") == expected


@pytest.mark.parametrize(("run_df", "told"), [(None, False), (0, False), (3, True)])
def test_a_model_card_says_where_the_spread_between_trainings_comes_from(run_df, told):
    study = study_here()
    arm = find_arm(study, ALL)
    results = [replace(one, accuracy=replace(one.accuracy, run_df=run_df)) for one in measured(study)[arm]]
    lineage, base = lineage_of(study, arm.pairing, ["mean"]), model_lineage(study, arm.policy)
    text = model_card(study, trained_arm(study, arm), lineage, base, results, None)
    assert re.search("one run\\s+with one seed", text)
    assert ("other runs of the study" in text) is told
