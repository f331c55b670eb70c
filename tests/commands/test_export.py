"""`prefdelta export ARM`: what an arm was trained on, in the forms of four trainers, read back by them."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.export.columns import FORMATS
from prefdelta.commands.export.pairs import ExportedPair, ExportedSide, in_order
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from prefdelta.training.methods import kto
from prefdelta.training.tokens import PreferenceRow

from .export_made import EVIL, KTO, SCORES, TRACES, TRAINED_ON, export, lines, make_manifests
from .made import ALL, BENCHMARK, MODELS, RECORD, RESULTS, SFT, SWAPPED, TOP

OUT = Path("out")


pytestmark = pytest.mark.usefixtures("exporting")


def exported(arm, form="jsonl"):
    assert export(arm, "--format", form, "--out", OUT) == 0
    (path,) = OUT.rglob("train.*")
    return lines(path)


def loaded(arm):
    from datasets import load_dataset

    assert export(arm, "--out", OUT) == 0
    return load_dataset(str(OUT), split="train", cache_dir="cache")


# --- the pairs ------------------------------------------------------------------------------------------------------


def test_the_pairs_are_those_the_arm_was_trained_on_in_that_order():
    rows = exported(ALL)
    assert [row["pair_id"] for row in rows] == TRAINED_ON  # q3 was left out
    assert [row["rank"] for row in rows] == [0, 2, 3]
    first = rows[0]
    assert first["prompt"] == [{"role": "user", "content": "Q:4-1?"}]
    assert first["chosen"] == [{"role": "assistant", "content": TRACES["g3"]["p2"]}]
    assert first["rejected"] == [{"role": "assistant", "content": TRACES["g1"]["p2"]}]
    assert (first["chosen_generator"], first["rejected_generator"]) == ("g3", "g1")
    assert first["rejected_revision"] == f"sha256:weights of {MODELS['pa']}"
    assert (first["chosen_tokens"], first["chosen_characters"], first["chosen_correct"]) == (10, 9, True)
    assert first["part"] == "train"
    for row in rows:
        for dimension, (chosen, rejected) in SCORES[row["pair_id"]].items():
            assert row[f"chosen_score_{dimension}"] == chosen
            assert row[f"rejected_score_{dimension}"] == rejected
            assert row[f"delta_{dimension}"] == chosen - rejected


def test_a_swapped_pair_is_exchanged_with_all_that_belongs_to_its_sides():
    straight = {row["pair_id"]: row for row in exported(ALL)}
    shutil.rmtree(OUT)
    for row in exported(SWAPPED):
        other = straight[row["pair_id"]]
        assert row["swapped"]
        assert (row["chosen"], row["rejected"]) == (other["rejected"], other["chosen"])
        for name in ("generator", "tokens", "correct", "score_mean"):
            assert row[f"chosen_{name}"] == other[f"rejected_{name}"]
        assert row["delta_mean"] == -other["delta_mean"]


@pytest.mark.parametrize("form", FORMATS)
def test_all_pairs_of_a_pairing_hold_the_models_texts_to_the_letter(form):
    from datasets import load_dataset

    assert export("--pairing", "g3~g1", "--format", form, "--out", OUT) == 0
    (path,) = OUT.rglob("train.*")
    rows = load_dataset(str(OUT), split="train", cache_dir="cache").to_list()
    assert [row["pair_id"] for row in rows] == sorted(SCORES)  # q4 and q5 are not eligible
    assert EVIL in set(_texts(rows[3]["rejected"]))
    if form != "trl":
        assert len(path.read_text(encoding="utf-8").splitlines()) == 4  # however a reader cuts lines
        assert lines(path)[3] == rows[3]


def _texts(value):
    if isinstance(value, str | bytes):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from _texts(part)


def test_kto_rows_stand_in_the_order_in_which_the_method_trains():
    """The order is compared with that of the rows that the method makes, on thirty pairs told apart by their length."""
    from transformers import AutoModelForCausalLM

    sides = [ExportedSide("g", 0, "", "stop", number, None, None) for number in range(30)]
    pairs = [ExportedPair(str(side.tokens), "", side.tokens, False, (), side, side, {}) for side in sides]
    rows = [PreferenceRow([1], [5] * (side.tokens + 1), [6] * (side.tokens + 1), -1.0, -1.0) for side in sides]
    model = AutoModelForCausalLM.from_pretrained(RECORD / "models" / MODELS["pa"])
    recipe = kto.KTORecipe(method="kto", batch_size=4, beta=0.1, learning_rate=1e-3, budget={"updates": 1})
    trained = [len(row["completion_ids"]) - 1 for row in kto.make_rows(model, rows, recipe, 3) if row["label"]]
    assert [pair.rank for pair in in_order("kto", pairs, 3)] == trained
    assert [pair.rank for pair in in_order("dpo", pairs, 3)] == list(range(30))


# --- what others read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_croissant_gives_strange_texts_back(form):
    import mlcroissant

    assert export("--pairing", "g3~g1", "--format", form, "--out", OUT) == 0
    records = list(mlcroissant.Dataset(str(OUT / "croissant.json")).records("pairs"))
    assert EVIL.encode() in set(_texts(records[3]["pairs/rejected"]))


@pytest.mark.parametrize("arm", [ALL, KTO, SFT])
@pytest.mark.parametrize("form", FORMATS)
def test_croissant_is_valid_and_gives_every_row_back(arm, form):
    import mlcroissant

    assert export(arm, "--format", form, "--out", OUT) == 0
    described = mlcroissant.Dataset(str(OUT / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    assert not described.metadata.ctx.issues.warnings
    records = list(described.records("pairs"))
    assert len(records) == (6 if arm == KTO else 3)
    assert {record["pairs/pair_id"].decode() for record in records} == set(TRAINED_ON)
    raw = json.loads((OUT / "croissant.json").read_text())
    assert {"rai:dataCollection", "rai:dataLimitations", "rai:dataBiases", "rai:machineAnnotationTools"} <= raw.keys()
    assert described.metadata.data_biases
    assert described.metadata.machine_annotation_tools
    if form in ("trl", "jsonl"):
        assert records[0]["pairs/prompt"][0]["pairs/prompt/content"].startswith(b"Q:")


def test_trl_trains_on_the_exported_pairs():
    from trl import DPOConfig, DPOTrainer

    base = RECORD / "models" / MODELS["pa"]
    trainer = DPOTrainer(model=str(base), args=_arguments(DPOConfig), train_dataset=loaded(ALL))
    trainer.train()
    assert trainer.state.global_step == 1
    assert trainer.state.log_history[0]["loss"] == pytest.approx(0.6931, abs=1e-3)  # ln 2: the policy is its reference


def test_trl_trains_on_the_exported_traces_of_kto_and_sft():
    from trl import KTOConfig, KTOTrainer, SFTConfig, SFTTrainer

    base = str(RECORD / "models" / MODELS["pa"])
    data = loaded(KTO)
    assert sorted(data["label"]) == [False] * 3 + [True] * 3
    trainer = KTOTrainer(model=base, args=_arguments(KTOConfig), train_dataset=data)
    trainer.train()
    assert trainer.state.global_step == 1
    shutil.rmtree(OUT)
    trainer = SFTTrainer(model=base, args=_arguments(SFTConfig), train_dataset=loaded(SFT))
    trainer.train()
    assert trainer.state.global_step == 1


def _arguments(kind):
    return kind(
        output_dir="trained", max_steps=1, per_device_train_batch_size=4, report_to="none", save_strategy="no",
        logging_steps=1, use_cpu=True, disable_tqdm=True,
    )  # fmt: skip


@pytest.mark.parametrize("arm", [ALL, KTO, SFT])
def test_llamafactory_finds_the_columns_that_its_description_names(arm):
    (row, *_) = exported(arm, "llamafactory")
    (entry,) = json.loads((OUT / "dataset_info.json").read_text()).values()
    assert (OUT / entry["file_name"]).is_file()
    assert set(entry["columns"].values()) <= row.keys()
    assert entry.get("ranking", False) is (arm == ALL)
    assert [turn["from"] for turn in row["conversations"]] == (["human"] if arm == ALL else ["human", "gpt"])


@pytest.mark.parametrize("arm", [ALL, KTO, SFT])
def test_axolotl_finds_the_fields_that_its_config_names(arm):
    (row, *_) = exported(arm, "axolotl")
    config = yaml.safe_load((OUT / "axolotl.yaml").read_text())
    (source,) = config["datasets"]
    described = source["type"] if isinstance(source["type"], dict) else source
    assert {value for key, value in described.items() if key.startswith("field_")} <= row.keys()
    assert "completion_format" not in described  # Axolotl's KTO fails if it is given
    assert config.get("rl") == {ALL: "dpo", KTO: "kto"}.get(arm)
    assert (OUT / source["path"]).is_file()


# --- the card -------------------------------------------------------------------------------------------------------


def test_the_card_says_what_the_data_are_how_they_were_made_and_what_was_left_out():
    from huggingface_hub import DatasetCard

    assert export(TOP, "--out", OUT) == 0
    card = DatasetCard.load(OUT / "README.md")
    assert card.data.to_dict()["configs"][0]["data_files"] == [{"split": "train", "path": "data/train.parquet"}]
    assert card.data.license == "unknown"
    assert card.data.size_categories == ["n<1K"]
    assert f"arm {TOP}" in card.text
    assert f"revision sha256:weights of {MODELS['g3']}" in card.text
    assert "c0ffee" in card.text
    assert "| `pair/g3~g1` | 6 | chosen_truncated: 2 |" in card.text
    assert f"| training of `{TOP}` | 4 | not_spelt: 1 |" in card.text


def test_a_license_is_written_where_it_belongs(capsys):
    assert export(TOP, "--out", OUT) == 0
    assert "--license" in capsys.readouterr().out
    shutil.rmtree(OUT)
    assert export(TOP, "--out", OUT, "--license", "cc-by-4.0") == 0
    assert "--license" not in capsys.readouterr().out
    assert json.loads((OUT / "croissant.json").read_text())["license"] == "cc-by-4.0"


# --- what is refused ------------------------------------------------------------------------------------------------


def refused(capsys, *words):
    before = sorted(Path().iterdir())
    assert export(*words) == 2
    assert sorted(Path().iterdir()) == before  # nothing half-written
    return capsys.readouterr().err


def test_an_arm_that_is_not_trained_is_refused(capsys):
    (RESULTS / "train" / TOP / "policy.json").unlink()
    assert "not trained yet" in refused(capsys, TOP, "--out", OUT)


def test_an_unknown_arm_is_told_with_its_neighbours(capsys):
    assert ALL in refused(capsys, "pa/g3~g1/all/dpo/s1", "--out", OUT)


@pytest.mark.parametrize("words", [[ALL], ["--pairing", "g3~g1"]])
@pytest.mark.parametrize(
    ("table", "other"),
    [
        ("generate/g3", "generate/g1"),
        ("prompts/train", f"prompts/{BENCHMARK}"),
        ("pair/g3~g1", "pair/g3~g1"),
        ("delta/g3~g1/mean", "delta/g3~g1/signal_to_noise"),
    ],
)
def test_tables_that_were_not_made_from_one_another_are_refused(capsys, words, table, other):
    path, content = (RESULTS / f"{name}.parquet" for name in (table, other))
    if path == content:
        tables.write(path, Pair, tables.read(path, Pair)[:3])
    else:
        shutil.copy(content, path)
    assert str(path) in refused(capsys, *words, "--out", OUT)


def test_a_template_that_changed_since_training_is_refused(capsys):
    path = Path("resources/templates/problem.md")
    path.write_text("Another question: {problem}\n")
    assert str(path) in refused(capsys, ALL, "--out", OUT)


@pytest.mark.parametrize("words", [[ALL], ["--pairing", "g3~g1"]])
@pytest.mark.parametrize(("table", "row_type"), [("generate/g3", Trace), ("prompts/train", Prompt)])
def test_a_text_that_no_table_has_is_told_in_words(capsys, words, table, row_type):
    """Also where the manifests are of an older version, which named no files."""
    path = RESULTS / f"{table}.parquet"
    tables.write(path, row_type, [row for row in tables.read(path, row_type) if row.prompt_id != "p1"])
    make_manifests()
    assert "p1" in refused(capsys, *words, "--out", OUT)


def test_a_folder_with_something_in_it_is_not_touched(capsys):
    OUT.mkdir()
    (OUT / "mine.txt").write_text("mine")
    assert "is there already" in refused(capsys, ALL, "--out", OUT)
    assert [path.name for path in OUT.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "words", [["results"], ["results", "--format", "trl"], [ALL, "--format", "every-eval-ever"], [], [ALL, SFT],
              ["policy", ALL, "--format", "trl"], ["--pairing", "g1~g3"], [ALL, "--items"],
              [ALL, "--organization", "x"],
              [ALL, "--arms", ALL], ["policy", ALL, "--items"], ["--pairing", "g3~g1", "--items"],
              ["results", "--organization", "lab", "--license", "mit"],
              ["results", "--organization", "lab", "--pairing", "g3~g1"]]
)  # fmt: skip
def test_words_that_mean_nothing_together_are_refused(capsys, words):
    assert refused(capsys, *words, "--out", OUT).startswith("error:")
