"""Models: pinned, whole, the same offline, and never code."""

import json
import os
import shutil
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel
from prefdelta.models.repositories import model_folder
from unit.loopback_hub import files_of

MODEL = "owner/tiny"
NO_COMMIT = "0" * 40


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny model in several files of weights, with a tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from prefdelta.training.tokenizer import character_tokenizer

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = character_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="10KB")
    tokenizer.save_pretrained(folder)
    assert len(list(folder.glob("*.safetensors"))) > 2
    return folder


@pytest.fixture
def model(checkpoint, tmp_path):
    """A copy of it."""
    return shutil.copytree(checkpoint, tmp_path / "model")


def asked(commit, name=MODEL):
    return f"repositories.model_folder(HubModel(name={name!r}, revision={commit!r}))"


# --- models of the hub ------------------------------------------------------------------------------------------------


def test_a_pinned_model_is_the_same_online_offline_and_without_a_hub(hub, machine, checkpoint):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    extra = {"original/model.safetensors": b"x", "pytorch_model.bin": b"x", "modeling.py": b"x", "README.md": b"x"}
    commit = hub.push(MODEL, {**files_of(checkpoint), **extra})
    assert machine.pin(MODEL).returncode == 0
    hub.push(MODEL, {"config.json": b"{}"})  # main moves on
    identity, folder = machine.call(asked(machine.lock["models"][MODEL]["revision"]))
    assert identity == f"{MODEL}@{commit}"
    assert files_of(Path(folder)) == files_of(checkpoint)
    assert machine.call(asked(commit).replace("model_folder", "folder_of")) == folder
    ours, theirs = (AutoModelForCausalLM.from_pretrained(one).state_dict() for one in (checkpoint, folder))
    assert all(ours[name].equal(theirs[name]) for name in ours)
    assert AutoTokenizer.from_pretrained(folder).get_vocab() == AutoTokenizer.from_pretrained(checkpoint).get_vocab()

    hub.stop()
    found, told = machine.calls(asked(commit), asked(NO_COMMIT))
    assert found == [identity, folder]
    assert f"the hub at {hub.endpoint} cannot be reached" in told
    found, told = machine.calls(asked(commit), asked(NO_COMMIT), HF_HUB_OFFLINE="1")
    assert found == [identity, folder]
    assert f"{MODEL}@{NO_COMMIT}: HF_HUB_OFFLINE is set" in told
    assert "prefdelta pin --fetch owner/tiny" in told


@pytest.fixture(scope="session")
def single(checkpoint, tmp_path_factory):
    """The same model with its weights in one file."""
    from transformers import AutoModelForCausalLM

    folder = shutil.copytree(checkpoint, tmp_path_factory.mktemp("single") / "model")
    for path in folder.glob("model*.safetensors*"):
        path.unlink()
    AutoModelForCausalLM.from_pretrained(checkpoint).save_pretrained(folder)
    assert [path.name for path in folder.glob("*.safetensors")] == ["model.safetensors"]
    return folder


# As repositories have the same weights once more, at their top.
TWICE = ["consolidated.safetensors", "consolidated-00001-of-00002.safetensors", "model.fp16.safetensors", "x.bin"]
TWICE += ["pytorch_model.bin", "model.gguf", "model.onnx", "original/consolidated.safetensors", "tf_model.h5"]


@pytest.mark.parametrize("shape", ["checkpoint", "single"])
def test_weights_that_are_there_twice_are_neither_pinned_nor_fetched_nor_hashed(shape, request, hub, machine, tmp_path):
    folder = request.getfixturevalue(shape)
    commit = hub.push(MODEL, {**files_of(folder), **dict.fromkeys(TWICE, b"the same once more")})
    assert machine.pin(MODEL).returncode == 0
    pin = machine.lock["models"][MODEL]
    assert set(pin["files"]) == set(files_of(folder))
    assert pin["bytes"] == sum(map(len, files_of(folder).values()))
    assert machine.call(asked(commit))[0] == f"{MODEL}@{commit}"
    assert machine.cached() == set(files_of(folder))
    # As a pin of before has it.
    pin["files"]["consolidated.safetensors"] = 18
    (machine.folder / "resources/pins.lock.json").write_text(
        json.dumps({"models": {MODEL: {**pin, "bytes": 18 + pin["bytes"]}}, "datasets": {}})
    )
    assert machine.call(asked(commit))[0] == f"{MODEL}@{commit}"

    alone, twice = (shutil.copytree(folder, tmp_path / name) for name in ("alone", "twice"))
    (twice / "consolidated.safetensors").write_bytes(b"the same once more")
    assert model_folder(HubModel(name=str(twice)))[0] == model_folder(HubModel(name=str(alone)))[0]


def test_a_folder_with_whole_weights_beside_an_index_is_refused_since_libraries_differ(model, single):
    shutil.copy(single / "model.safetensors", model)
    with pytest.raises(StudyError, match="has its weights twice"):
        model_folder(HubModel(name=str(model)))


def test_an_index_that_cannot_be_read_is_told_when_it_is_pinned(hub, machine, checkpoint):
    hub.push(MODEL, {**files_of(checkpoint), "model.safetensors.index.json": b'{"weight_map": 3}'})
    done = machine.pin(MODEL)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "model.safetensors.index.json cannot be read" in done.stderr


def test_half_a_model_is_never_loaded_offline_and_is_fetched_again_online(hub, machine, checkpoint):
    commit = hub.push(MODEL, files_of(checkpoint))
    machine.pin(MODEL)
    _, folder = machine.call(asked(commit))
    shard = sorted(Path(folder).glob("*.safetensors"))[1]
    shard.unlink()
    told = machine.call(asked(commit), HF_HUB_OFFLINE="1")
    assert "does not hold all of this model" in told
    # As a cache looks that an older client made: it does not know what there should be.
    shutil.rmtree(Path(folder).parents[1] / "trees")
    assert f"{shard} is missing" in machine.call(asked(commit), HF_HUB_OFFLINE="1")
    (machine.folder / "resources/pins.lock.json").unlink()
    assert f"lacks {shard.name}" in machine.call(asked(commit), HF_HUB_OFFLINE="1")
    assert machine.call(asked(commit))[1] == folder
    assert shard.read_bytes() == (checkpoint / shard.name).read_bytes()


def test_a_cache_on_a_read_only_mount_is_read_and_what_it_lacks_is_told(hub, machine, checkpoint):
    commit = hub.push(MODEL, files_of(checkpoint))
    machine.pin(MODEL)
    _, folder = machine.call(asked(commit))
    if not machine.lock_cache():
        pytest.skip("only root can mount")
    assert machine.call(asked(commit))[1] == folder
    (Path(folder) / "tokenizer.json").unlink()
    told = machine.call(asked(commit))
    assert f"the cache ({machine.cache}/hub) lacks tokenizer.json, and nothing can be written to it: Read-only" in told
    assert "prefdelta pin --fetch owner/tiny" in told


def test_a_cache_whose_locks_cannot_be_made_is_told(hub, machine, checkpoint):
    commit = hub.push(MODEL, files_of(checkpoint))
    machine.pin(MODEL)
    (machine.cache / "hub").mkdir(parents=True)
    (machine.cache / "hub/.locks").write_text("")
    told = machine.call(asked(commit))
    assert "nothing can be written to it" in told
    assert f"{machine.cache}/hub/.locks" in told


def test_a_file_that_arrives_cut_is_told_and_fetched_again(hub, machine, checkpoint):
    commit = hub.push(MODEL, files_of(checkpoint))
    hub.cut = {"tokenizer.json"}
    told = machine.call(asked(commit))
    assert f"{MODEL}@{commit}: fetching did not work: " in told
    assert "Run the same command again." in told
    hub.cut = set()
    _, folder = machine.call(asked(commit))
    assert files_of(Path(folder)) == files_of(checkpoint)


@pytest.mark.parametrize("pattern", ["tokenizer.json", "*.safetensors"])
def test_a_cached_file_that_was_changed_is_refused(hub, machine, checkpoint, pattern):
    commit = hub.push(MODEL, files_of(checkpoint))
    _, folder = machine.call(asked(commit))
    name = min(checkpoint.glob(pattern)).name
    data = bytearray((Path(folder) / name).read_bytes())
    data[-3] ^= 1
    (Path(folder) / name).write_bytes(data)  # through the link
    told = machine.call(asked(commit))
    assert "not as the hub gave it" in told
    assert name in told
    assert f"Remove {Path(folder).parents[1]}" in told


def test_what_the_hub_refuses_is_told(hub, machine, checkpoint):
    commit = hub.push("owner/gated", files_of(checkpoint), gated=True)
    hub.push(MODEL, files_of(checkpoint))
    gated, missing, old = machine.calls(asked(commit, "owner/gated"), asked(commit, "owner/nothing"), asked(NO_COMMIT))
    assert f"Ask for it on {hub.endpoint}/owner/gated" in gated
    assert "does not exist, or is private" in missing
    assert "no such commit any more" in old
    hub.refuse_tokens = True
    told = machine.call(asked(commit, MODEL), HF_TOKEN="hf_secret")
    assert "does not accept the access token" in told
    assert "secret" not in told
    assert hub.tokens == {"Bearer hf_secret"}


def test_an_unpinned_model_is_refused_before_anything_is_asked():
    with pytest.raises(StudyError, match="run `prefdelta pin owner/tiny`"):
        model_folder(HubModel(name=MODEL))


# --- models in local folders ------------------------------------------------------------------------------------------


def test_a_local_model_is_known_by_its_content(model, tmp_path):
    def identity(folder):
        return model_folder(HubModel(name=str(folder)))[0]

    assert model_folder(HubModel(name=str(model)))[1] == model
    before = identity(model)
    assert identity(shutil.copytree(model, tmp_path / "copy")) == before
    (model / "notes.md").write_text("of no weight")
    assert identity(model) == before
    shard = min(model.glob("*.safetensors"))
    times = shard.stat()
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert identity(model) != before
    template = model / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    assert len({before, identity(model), identity(tmp_path / "copy")}) == 2


def cut(model):
    shard = min(model.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-10])


def pickled(model):
    for path in [*model.glob("*.safetensors"), *model.glob("*.index.json")]:
        path.unlink()
    (model / "pytorch_model.bin").write_bytes(b"\x80\x04N.")


def with_code(model, file="config.json"):
    text = json.loads((model / file).read_text())
    (model / file).write_text(json.dumps({**text, "auto_map": {"AutoModelForCausalLM": "modeling.Evil"}}))


def swapped(model):
    first, second, *_ = sorted(model.glob("*.safetensors"))
    shutil.copy(first, second)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, r"not a complete safetensors file: .*not fully covered. Copy it again"),
        (lambda model: min(model.glob("*.safetensors")).write_bytes(b"{}"), "not a complete safetensors .*header"),
        (
            lambda model: min(model.glob("*.safetensors")).unlink(),
            "not whole, so it is not loaded: .* lacks model-00001",
        ),
        (lambda model: (model / "model.safetensors.index.json").write_text("{}"), "names none"),
        (lambda model: (model / "model.safetensors.index.json").write_text("{"), "cannot be read as JSON"),
        (swapped, "of the tensors that model.safetensors.index.json says are in it, e.g. "),
        (pickled, r"as pickles \(pytorch_model.bin\)"),
        (with_code, "asks for code that comes with the model"),
        (lambda model: with_code(model, "tokenizer_config.json"), "asks for code that comes with the model"),
        (lambda model: (model / "config.json").unlink(), "no config.json"),
        (shutil.rmtree, "there is no such folder"),
    ],
)
def test_a_local_folder_that_is_no_whole_model_of_safetensors_is_refused(model, damage, told):
    damage(model)
    with pytest.raises(StudyError, match=told):
        model_folder(HubModel(name=str(model)))
