"""The lock file: complete, deterministic, and the only place that knows commits."""

import json
import re
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.pins import Pin, Pins, may_be_loaded

ROOT = Path(__file__).parents[3]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PIN = Pin(revision=COMMIT, bytes=7, licence="mit", files={"b.json": 3, "a.safetensors": 4})


def entry(**changes):
    return json.dumps({"models": {"owner/name": {**PIN.model_dump(), **changes}}})


def test_pins_survive_the_file_whose_bytes_are_the_same_in_any_order():
    one, two = Pins().with_pin("models", "b/b", PIN), Pins().with_pin("datasets", "c/c", PIN)
    both, again = one.with_pin("datasets", "c/c", PIN), two.with_pin("models", "b/b", PIN)
    assert both.with_pin("models", "a/a", PIN).text() == again.with_pin("models", "a/a", PIN).text()
    assert both.text().endswith("}\n")
    assert Pins.read(both.text(), "lock") == both


def test_what_is_pinned_is_known_by_kind_and_name():
    pins = Pins().with_pin("models", "a/a", PIN)
    assert pins.revision("models", "a/a") == COMMIT
    assert pins.revision("datasets", "a/a") is None
    assert pins.unpinned("models", ["b/b", "a/a"]) == ["b/b"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Invalid JSON"),
        ("[]", "object"),
        ('{"model": {}}', "model: Extra inputs"),
        (entry(revision="main"), "models.owner/name.revision: String should match"),
        (entry(revision=COMMIT.upper()), "models.owner/name.revision: String should match"),
        (entry(bytes=8), "bytes is 8, but the files have 7 together"),
        (entry(files={"a": -7}), "models.owner/name.files.a"),
        (json.dumps({"models": {"owner/name": {"revision": COMMIT}}}), "models.owner/name.licence: Field required"),
    ],
)
def test_a_lock_file_that_is_none_is_told_with_the_place(text, told):
    with pytest.raises(StudyError, match=re.escape(told)) as raised:
        Pins.read(text, "pins.lock.json")
    assert str(raised.value).startswith("pins.lock.json: ")
    assert "`prefdelta pin`" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "file", "loaded"),
    [
        ("models", "model-00001-of-00002.safetensors", True),
        ("models", "chat_template.jinja", True),
        ("models", "tokenizer.model", True),
        ("models", "original/model.safetensors", False),
        ("models", "pytorch_model.bin", False),
        ("models", "modeling.py", False),
        ("models", "model.gguf", False),
        ("datasets", "README.md", True),
        ("datasets", "data/train-00000-of-00010.parquet", True),
        ("datasets", "test6.jsonl", True),
        ("datasets", "data.pkl", False),
        ("datasets", "code_generation_lite.py", False),
    ],
)
def test_only_weights_tokenizers_and_data_are_ever_loaded(kind, file, loaded):
    assert may_be_loaded(kind, file) == loaded


def test_the_shipped_lock_is_as_pin_writes_it():
    text = (ROOT / "resources/pins.lock.json").read_text(encoding="utf-8")
    assert Pins.read(text, "resources/pins.lock.json").text() == text


def test_no_commit_is_written_anywhere_else():
    paths = [*ROOT.glob("*.yaml"), *(ROOT / "resources").rglob("*"), *(ROOT / "profiles").rglob("*.yaml")]
    for path in paths:
        if path.is_file() and path.name != "pins.lock.json":
            assert not re.search(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{40}(?![0-9a-fA-F])", path.read_bytes()), path
