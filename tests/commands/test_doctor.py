"""`prefdelta doctor`: each check finds what is right, and what is wrong, with what to do about it."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import yaml

from prefdelta.commands.doctor import CHECKS
from prefdelta.commands.main import main
from prefdelta.core.pins import Pin, Pins
from prefdelta.graders import sandbox

from .examining import SECRET, only, program
from .made import CONFIG, ROOT, small_study

MODEL = "owner/tiny"


# --- all of it --------------------------------------------------------------------------------------------------------


def test_all_is_well_with_mini_on_this_machine(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert main(["doctor", "--configfile", CONFIG, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["study"], report["profile"]) == ("mini", "mini")
    assert {one["state"] for one in report["checks"]} == {"ok"}
    unneeded = {one["check"] for one in report["checks"] if one["found"].startswith("not needed by this study")}
    assert unneeded == {"gpus", "pins", "hub", "hub token", "judge key", "templates", "sandbox", "slurm"}


def test_a_check_that_breaks_is_a_failure_and_the_others_still_run(doctor, monkeypatch):
    def broken(_):
        raise RuntimeError("a check's own mistake")

    monkeypatch.setitem(CHECKS, "room", broken)
    found = doctor()
    assert only(found, "room") == (
        "fail",
        "the check itself broke: RuntimeError: a check's own mistake -> Look at this by hand; the other checks stand.",
    )
    assert [name for name in CHECKS if name not in found] == [name for name in CHECKS if name.startswith("slurm ")]


def test_the_json_says_what_the_lines_say(doctor, capsys):
    doctor()
    judge = small_study()["judge"]
    judge["engine"] = {"name": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1"}
    Path(CONFIG).write_text(yaml.safe_dump(small_study() | {"judge": judge}))
    assert main(["doctor", "--configfile", CONFIG, "--json"]) == 2
    (key,) = [one for one in json.loads(capsys.readouterr().out)["checks"] if one["check"] == "judge key"]
    assert key["state"] == "fail"
    assert "OPENAI_API_KEY" in key["found"]
    assert key["to_do"].startswith("export OPENAI_API_KEY=")


def test_an_unknown_profile_is_told_with_those_that_there_are(here, capsys):
    assert main(["doctor", "--configfile", CONFIG, "--profile", "lsf"]) == 2
    assert "There are: mini, slurm." in capsys.readouterr().err


# --- this machine -----------------------------------------------------------------------------------------------------


def test_the_commit_is_told_with_how_much_was_edited(doctor, here):
    assert "no git checkout" in only(doctor(), "source")[1]
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "profiles"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message=a"], check=True)
    assert "files are not as in it" in only(doctor(), "source")[1]


def test_a_snakemake_of_another_environment_is_told(doctor, here):
    assert only(doctor(), "python")[0] == "ok"
    program(here, "snakemake", "exit 0")
    state, told = only(doctor(), "python")
    assert state == "warn"
    assert f"{here}/programs/snakemake, of another environment -> . {Path(sys.executable).parent}/activate" in told


def test_packages_that_are_missing_or_others_are_named(doctor, here):
    assert only(doctor(), "packages")[0] == "ok"
    (here / "envs").unlink()
    shutil.copytree(ROOT / "envs", "envs")
    pins = Path("envs/cpu.txt")
    pins.write_text(pins.read_text().replace("\nPyYAML==", "\nPyYAML==1") + "no-such-package==1.0\n")
    absent, others = doctor()["packages"]
    assert absent == ("fail", "1 packages of envs/cpu.txt are not installed: no-such-package -> make setup")
    assert others[0] == "warn"
    assert "PyYAML 6" in others[1]
    assert " instead of 16" in others[1]


def test_a_study_of_vllm_needs_it_installed(doctor):
    generate = small_study()["generate"] | {"engine": {"name": "vllm", "max_length": 1024}}
    assert doctor(generate=generate)["packages"][-1] == (
        "fail",
        "an engine of the study is vllm, and vLLM is not in this environment -> make setup-gpu",
    )


@pytest.mark.parametrize(("count", "state"), [(4, "ok"), (1, "fail")])
def test_gpus_are_counted_against_the_largest_job(count, state, doctor, here):
    program(here, "nvidia-smi", "\n".join(["echo 'NVIDIA H100 80GB HBM3, 81559, 550.54.15'"] * count))
    found, told = only(doctor(compute={"train": {"gpus": 4}, "evaluate": {"gpus": 1}}), "gpus")
    assert found == state
    assert f"{count} x NVIDIA H100 80GB HBM3 of 85.5 GB, driver 550.54.15" in told
    assert "compute.train asks for 4" in told
    assert ("--profile slurm" in told) == (state == "fail")


def test_gpus_without_a_driver_are_none_where_slurm_gives_them(doctor, here):
    program(here, "nvidia-smi", "echo 'NVIDIA-SMI has failed: no communication with the driver'; exit 9")
    state, told = only(doctor("--profile", "slurm", compute={"train": {"gpus": 4}}), "gpus")
    assert (state, told) == ("ok", "none on this machine; SLURM gives jobs theirs (compute.train asks for 4)")


def test_a_head_node_needs_no_gpu(doctor, slurm):
    state, told = only(doctor("--profile", "slurm", compute={"train": {"gpus": 4}}), "gpus")
    assert (state, told) == ("ok", "none on this machine; SLURM gives jobs theirs (compute.train asks for 4)")


def test_a_driver_that_does_not_answer_is_told(doctor, here):
    program(
        here, "nvidia-smi", "echo 'NVIDIA-SMI has failed because it could not communicate with the driver.'; exit 9"
    )
    state, told = only(doctor(compute={"train": {"gpus": 1}}), "gpus")
    assert state == "fail"
    assert "could not communicate with the driver" in told


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("free", "state", "told"),
    [
        (1e12, "ok", "policies to come (4) need about 160.0 GB"),
        (120e9, "warn", "prefdelta gc --evaluated-policies"),
        (90e9, "fail", "a training's snapshots and the policies to keep (1) need about 112.0 GB"),
    ],
)
def test_room_is_held_against_what_policies_take(free, state, told, doctor, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2e12, 2e12 - free, free))
    models = small_study()["models"] | {"pa": {"hub": MODEL, "size": "4b"}}
    found = only(doctor(models=models, train=small_study()["train"] | {"keep": ["methods"]}), "room")
    assert found[0] == state
    assert told in found[1]


def test_a_place_that_cannot_be_written_is_told(doctor, here):
    assert only(doctor(), "files")[0] == "ok"
    assert not list(here.glob(".*"))
    (here / "results").symlink_to("/proc")
    state, told = only(doctor(), "files")
    assert state == "fail"
    assert "/proc cannot be written" in told
    assert "a folder of your own" in told


def test_a_file_system_without_locks_is_told(doctor, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refused)
    state, told = only(doctor(), "files")
    assert state == "warn"
    assert "files cannot be locked here (Function not implemented) -> Make sure yourself" in told


def test_a_limit_of_open_files_that_is_too_low_for_the_judge_is_told(here):
    start = f"ulimit -n 100; exec {sys.executable} -m prefdelta.commands.main doctor --configfile {CONFIG}"
    done = subprocess.run(["bash", "-c", start], capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if "open files" in line]
    assert line.startswith("warn")
    assert "100 may be open, and 64 requests to the judge (judge.engine.in_flight) need 128" in line
    assert "ulimit -Hn 128" in line


# --- keys -------------------------------------------------------------------------------------------------------------


def hosted_judge(**options):
    engine = {"name": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1", **options}
    return small_study()["judge"] | {"engine": engine}


def test_the_key_of_a_hosted_judge_is_looked_for_and_never_shown(doctor, monkeypatch):
    assert "export OPENAI_API_KEY=..." in only(doctor(judge=hosted_judge()), "judge key")[1]
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert only(doctor(judge=hosted_judge()), "judge key") == ("ok", "OPENAI_API_KEY is set")


def test_a_key_in_the_place_of_its_name_is_told_and_not_shown(doctor):
    state, told = only(doctor(judge=hosted_judge(api_key_env=SECRET)), "judge key")
    assert state == "fail"
    assert "is not the name of a variable" in told


def test_a_token_of_the_hub_is_needed_for_what_is_to_be_fetched(doctor, hub_study, monkeypatch):
    state, told = only(doctor(**hub_study), "hub token")
    assert state == "warn"
    assert "HF_TOKEN" in told
    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert only(doctor(**hub_study), "hub token") == ("ok", "there is a token of the hub")


# --- models and data sets ---------------------------------------------------------------------------------------------


@pytest.fixture
def hub_study():
    return {"models": small_study()["models"] | {"g3": {"hub": MODEL}}}


def pin(here, files):
    found = Pin(revision="0" * 40, bytes=sum(files.values()), licence="mit", files=files)
    Path("resources/pins.lock.json").write_text(Pins(models={MODEL: found}).text())
    folder = here / f"cache/models--owner--tiny/snapshots/{'0' * 40}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_what_is_not_pinned_is_told(doctor, hub_study, here):
    state, told = only(doctor(**hub_study), "pins")
    assert state == "fail"
    assert f"1 of 1 models and data sets are not pinned to a commit: {MODEL} -> prefdelta pin" in told
    pin(here, {"config.json": 2})
    assert only(doctor(**hub_study), "pins")[0] == "ok"


def test_what_is_not_in_the_cache_is_told_with_its_size(doctor, hub_study, here):
    folder = pin(here, {"config.json": 2, "model.safetensors": 5_000_000})
    (folder / "config.json").write_text("{}")
    state, told = only(doctor(**hub_study), "hub")
    assert state == "warn"
    assert f"1 of 1 are not in the cache: {MODEL}; 5.0 MB to fetch" in told
    assert "prefdelta pin --fetch" in told
    (folder / "model.safetensors").write_bytes(bytes(5_000_000))
    found = doctor(**hub_study)
    assert only(found, "hub") == ("ok", "all that is pinned is in the cache")
    assert only(found, "hub token") == ("ok", "not needed by this study")


def test_what_does_not_fit_beside_the_cache_or_cannot_be_fetched_fails(doctor, hub_study, here, monkeypatch):
    pin(here, {"model.safetensors": 10**18})
    assert "Make room, or let HF_HOME name a folder" in only(doctor(**hub_study), "hub")[1]
    pin(here, {"model.safetensors": 5})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    state, told = only(doctor(**hub_study), "hub")
    assert state == "fail"
    assert "HF_HUB_OFFLINE is set" in told


def test_a_local_folder_that_is_not_there_or_not_whole_is_told(doctor, here):
    models = small_study()["models"] | {"g3": {"hub": "./model"}}
    assert "./model: there is no such folder" in doctor(models=models)["hub"][0][1]
    Path("model").mkdir()
    assert "no config.json" in doctor(models=models)["hub"][0][1]


# --- templates and special tokens -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    """Of the words of one conversation, with marks of thinking as s1's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from study.miniature import TEMPLATE

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(["<|bos|>", "<|eot|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|im_start|>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<|bos|>",
        eos_token="<|eot|>",
        pad_token="<|pad|>",
        chat_template="{{ bos_token }}" + TEMPLATE.replace(".split('</think>')[-1]", ""),
    )


@pytest.fixture
def local(here, tokenizer):
    """A study whose policy and generator are folders with a tokenizer."""
    for name in ("pa", "g3"):
        tokenizer.save_pretrained(here / "hub" / name)
    marks = {"opening": "<|im_start|>think\n", "closing": "<|im_start|>answer\n"}
    return {"models": {"pa": {"hub": "./hub/pa"}, "g3": {"hub": "./hub/g3", "thinking": marks}}}


def edit(here, model, **values):
    path = here / "hub" / model / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_tokenizers_that_are_right_are_told_with_what_they_do(doctor, local):
    assert doctor(**local)["templates"] == [
        ("ok", "pa: one BOS"),
        ("ok", "g3: one BOS; its marks of thinking are tokens"),
    ]


THINKS = "{% if add_generation_prompt %}<think>{{ '\\n' }}{% if not enable_thinking %}</think>{% endif %}{% endif %}"
DROPS = "message.content.split('</think>')[-1] if"


@pytest.mark.parametrize(
    ("change", "settings", "state", "told"),
    [
        (("", ""), {}, "ok", "one BOS"),
        (("{{ bos_token }}", ""), {}, "ok", "its template writes no BOS"),
        (
            ("{{ bos_token }}", "{{ bos_token }}{{ strftime_now('%Y') }}"),
            {},
            "ok",
            "one BOS; it writes the date: 2026-03-05 wherever this study asks it",
        ),
        (
            ("{{ bos_token }}", "{{ bos_token }}{{ '2026' if false else 'strftime_now' }}"),  # named, and not written
            {},
            "ok",
            "one BOS",
        ),
        (
            ("{{ bos_token }}", "{{ bos_token }}You are a model that always helps everybody at once."),
            {},
            "ok",
            "one BOS; it adds a text of its own: 'You are a model that always helps everyb'",
        ),
        (
            ("message.content if", DROPS),
            {},
            "ok",
            "one BOS; it drops reasoning from earlier replies, which training keeps",
        ),
        (("", THINKS), {"enable_thinking": True}, "ok", "one BOS; its prompt opens the reasoning"),
        (
            ("", THINKS),
            {},
            "warn",
            "one BOS; its prompt switches reasoning off. So traces that reason are refused in training",
        ),
    ],
)
def test_what_a_template_does_is_told_in_one_line(change, settings, state, told, doctor, local, here):
    path = here / "hub/pa/chat_template.jinja"
    old, new = change
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new) if old else text + new)
    local["models"]["pa"]["chat_template_kwargs"] = settings
    found = doctor(date="2026-03-05", **local)["templates"][0]
    assert found[0] == state
    assert found[1].startswith(f"pa: {told}")


def test_a_policy_with_marks_of_its_own_is_told_that_it_is_taught_others(doctor, local):
    local["models"]["pa"]["thinking"] = local["models"]["g3"]["thinking"]
    told = ("ok", "pa: one BOS; its marks of thinking are tokens, but it is taught <think>")
    assert doctor(**local)["templates"][0] == told


def test_settings_and_efforts_that_a_template_does_not_know_are_told(doctor, local):
    local["models"]["pa"]["chat_template_kwargs"] = {"enable_thinkin": True}
    state, told = doctor(**local)["templates"][0]
    assert (state, told.partition(" (")[0]) == ("fail", "pa: the config sets enable_thinkin")
    del local["models"]["pa"]["chat_template_kwargs"]
    evaluate = small_study()["evaluate"]
    next(iter(evaluate["groups"].values()))["sampling"]["reasoning_effort"] = "high"
    state, told = doctor(evaluate=evaluate, **local)["templates"][0]
    assert (state, told.partition(",")[0]) == ("fail", "pa: the config asks for the reasoning effort 'high'")


@pytest.mark.parametrize("model", ["pa", "g3"])
def test_a_second_beginning_of_sequence_is_told(model, doctor, local, here):
    template = here / "hub" / model / "chat_template.jinja"
    template.write_text("{{ bos_token }}" + template.read_text())
    state, told = doctor(**local)["templates"][0]
    assert state == "fail"
    assert told.startswith(f"{model}: ")
    assert "has 2 beginning-of-sequence tokens; 1 is right" in told


def test_a_model_without_a_chat_template_and_a_broken_tokenizer_are_told(doctor, local, here):
    (here / "hub/pa/chat_template.jinja").unlink()
    (here / "hub/g3/tokenizer.json").write_text("{")
    first, second = doctor(**local)["templates"]
    assert "pa: the tokenizer in hub/pa has no chat template" in first[1]
    assert "g3: its tokenizer in hub/g3 cannot be used" in second[1]


def test_padding_with_end_of_sequence_is_told_as_what_it_is(doctor, local, here):
    edit(here, "pa", pad_token="<|eot|>")
    found = ("ok", "pa: one BOS; pads with end-of-sequence, which training masks by place")
    assert doctor(**local)["templates"][0] == found


def test_marks_of_thinking_that_are_no_tokens_are_told(doctor, local):
    local["models"]["g3"]["thinking"] = {"opening": "<|think|>", "closing": "<|/think|>"}
    state, told = doctor(**local)["templates"][0]
    assert state == "fail"
    assert "<|think|> is not a token of its vocabulary. Correct models.<model>.thinking" in told


def test_a_reasoning_effort_that_the_template_does_not_know_is_told(doctor, local):
    generate = small_study()["generate"]
    generate["sampling"] |= {"reasoning_effort": "high"}
    assert "knows no reasoning_effort" in doctor(**local, generate=generate)["templates"][0][1]


def test_models_whose_files_are_not_here_are_named(doctor, hub_study):
    assert only(doctor(**hub_study), "templates") == (
        "warn",
        "not looked at, because their files are not here: g3 -> prefdelta pin --fetch, then again.",
    )


# --- the sandbox ------------------------------------------------------------------------------------------------------


@pytest.fixture
def code_study():
    group = small_study()["evaluate"]["groups"]["sampled"] | {"benchmarks": ["livecodebench"]}
    yield {
        "benchmarks": ["livecodebench"],
        "evaluate": small_study()["evaluate"] | {"groups": {"sampled": group}},
    }
    for cached in (sandbox._see_bwrap, sandbox._try_out):
        cached.cache_clear()


def test_the_sandbox_runs_a_program(doctor, code_study):
    state, told = only(doctor(**code_study), "sandbox")
    assert state == "ok", told
    assert "ran a program in" in told


def test_a_machine_without_a_sandbox_is_told(doctor, code_study, here):
    sandbox._see_bwrap.cache_clear()
    program(here, "bwrap", "echo bubblewrap 0.4.1")
    state, told = only(doctor(**code_study), "sandbox")
    assert state == "fail"
    assert "is bubblewrap 0.4.1: install bubblewrap 0.8 or newer" in told
